//! Where it stood.

use serde::{Deserialize, Serialize};

use super::super::earth::Position;
use super::settings::JourneySettings;

/// A time at one place.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stop {
    /// The first fix there.
    pub(crate) place: Position,
    /// When it came, Unix ms.
    pub(crate) from_ms: i64,
    /// When it was there last, Unix ms.
    pub(crate) to_ms: i64,
}

/// What a fix did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    Stood(Stop),
    Left(Stop),
}

/// Standing or moving, with hysteresis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Rest {
    /// Around where it may be standing.
    around: Option<Stop>,
    standing: bool,
    /// Whether the last fix was outside.
    outside: bool,
}

impl Rest {
    /// The stop under way.
    pub(super) fn standing(&self) -> Option<&Stop> {
        self.around.as_ref().filter(|_| self.standing)
    }

    pub(super) fn at(&mut self, at_ms: i64, place: Position, settings: &JourneySettings) -> Option<Change> {
        let here = Stop { place, from_ms: at_ms, to_ms: at_ms };
        let around = self.around.get_or_insert(here);
        let away_m = around.place.distance_m(place);
        if self.standing {
            if away_m <= settings.leaving_m {
                (around.to_ms, self.outside) = (at_ms, false);
                return None;
            }
            if !std::mem::replace(&mut self.outside, true) {
                return None;
            }
            let left = *around;
            *self = Self { around: Some(here), standing: false, outside: false };
            return Some(Change::Left(left));
        }
        if away_m > settings.standing_m {
            *around = here;
            return None;
        }
        around.to_ms = at_ms;
        self.standing = at_ms.saturating_sub(around.from_ms) >= i64::from(settings.standing_after_ms);
        self.standing.then_some(Change::Stood(*around))
    }
}
