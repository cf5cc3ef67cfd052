//! When an activity has begun and when it is over.

use serde::{Deserialize, Serialize};

/// Without a class for so long, a bout is over, ms.
const GAP_MS: i64 = 60_000;

/// What a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Activity {
    /// Standing, sitting, lying, or the band lies.
    Still,
    /// Walking.
    Walking,
    /// Running.
    Running,
    /// Strong and irregular movement, as in badminton.
    Playing,
}

impl Activity {
    /// As the halo writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Still => "still",
            Self::Walking => "walking",
            Self::Running => "running",
            Self::Playing => "playing",
        }
    }
}

/// An activity and since when, Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bout {
    pub(super) activity: Activity,
    pub(super) from_ms: i64,
}

/// What began or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Started(Bout),
    Ended(Bout, i64),
}

/// The activity that holds, and the one that may come to hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Bouts {
    now: Option<Bout>,
    next: Option<Bout>,
    last_ms: Option<i64>,
}

impl Bouts {
    /// Takes the class of one moment. Stillness ends a bout but is none.
    pub(super) fn push(&mut self, at_ms: i64, activity: Activity, hold_ms: i64, mut out: impl FnMut(Turn)) {
        self.pass(at_ms, &mut out);
        self.last_ms = Some(at_ms);
        if self.now.is_some_and(|now| now.activity == activity) {
            self.next = None;
            return;
        }
        let next = match self.next {
            Some(next) if next.activity == activity => next,
            _ => *self.next.insert(Bout { activity, from_ms: at_ms }),
        };
        if at_ms.saturating_sub(next.from_ms) >= hold_ms {
            self.end(next.from_ms, &mut out);
            self.now = Some(next);
            if activity != Activity::Still {
                out(Turn::Started(next));
            }
        }
    }

    /// Time has gone by, perhaps without a class.
    pub(super) fn pass(&mut self, at_ms: i64, mut out: impl FnMut(Turn)) {
        if let Some(last_ms) = self.last_ms.filter(|last_ms| at_ms.saturating_sub(*last_ms) > GAP_MS) {
            self.end(last_ms, &mut out);
            self.last_ms = None;
        }
    }

    /// The last time at which [`Self::pass`] does nothing.
    pub(super) fn calm_until_ms(&self) -> i64 {
        self.last_ms.map_or(i64::MAX, |last_ms| last_ms.saturating_add(GAP_MS))
    }

    fn end(&mut self, to_ms: i64, mut out: impl FnMut(Turn)) {
        self.next = None;
        if let Some(now) = self.now.take().filter(|now| now.activity != Activity::Still) {
            out(Turn::Ended(now, to_ms));
        }
    }

    /// The bout that goes on; none while the subject is still.
    pub(super) fn now(&self) -> Option<Bout> {
        self.now.filter(|now| now.activity != Activity::Still)
    }
}
