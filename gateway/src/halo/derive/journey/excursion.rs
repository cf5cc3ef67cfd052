//! Values that leave their allowed range and come back.

use serde::{Deserialize, Serialize};

/// Which range was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Excursion {
    /// Too hard a shock, in g.
    Shock,
    /// Too warm, in °C.
    Warm,
    /// Too cold, in °C.
    Cold,
}

impl Excursion {
    /// Its name: `shock`, `warm`, `cold`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Shock => "shock",
            Self::Warm => "warm",
            Self::Cold => "cold",
        }
    }

    /// The value as it grows worse upwards.
    fn severity(self, value: f64) -> f64 {
        if self == Self::Cold { -value } else { value }
    }
}

/// One excursion so far, or from its start to its end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Span {
    pub(super) from_ms: i64,
    pub(super) peak_ms: i64,
    pub(super) peak: f64,
    pub(super) to_ms: i64,
}

/// What a reading did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    Began,
    Ended(Span),
}

/// Watches one bound of one range.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Watch {
    what: Excursion,
    open: Option<Span>,
}

impl Watch {
    pub(super) fn new(what: Excursion) -> Self {
        Self { what, open: None }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Takes a reading: out from `begin` on, back inside beyond `end`.
    pub(super) fn at(&mut self, at_ms: i64, value: f64, begin: f64, end: f64) -> Option<Change> {
        let severity = |value| self.what.severity(value);
        match &mut self.open {
            None if severity(value) >= severity(begin) => {
                self.open = Some(Span { from_ms: at_ms, peak_ms: at_ms, peak: value, to_ms: at_ms });
                Some(Change::Began)
            }
            None => None,
            Some(span) => {
                span.to_ms = at_ms;
                if severity(value) > severity(span.peak) {
                    (span.peak, span.peak_ms) = (value, at_ms);
                }
                if severity(value) > severity(end) { None } else { self.open.take().map(Change::Ended) }
            }
        }
    }
}
