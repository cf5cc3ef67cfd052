//! What begins and ends.

use super::bouts::{Activity, Turn};

/// Something that began or ended. Times are corrected device time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum MotionEvent {
    /// A bout has lasted long enough to be one.
    BoutStarted {
        /// What is done.
        activity: Activity,
        /// Since when: half a window (5 s) late, as classes are.
        from_ms: i64,
    },
    /// It is over.
    BoutEnded {
        /// What was done.
        activity: Activity,
        /// Since when.
        from_ms: i64,
        /// Until when.
        to_ms: i64,
    },
    /// The band was put on.
    PutOn {
        /// When a pulse or movement was first seen.
        at_ms: i64,
    },
    /// It was taken off.
    TakenOff {
        /// When a pulse or movement was last seen.
        at_ms: i64,
    },
    /// The wearer fell, and has lain still long enough for it to be told.
    Fell {
        /// Of the impact.
        at_ms: i64,
        /// The most that was read of it.
        impact_g: f64,
    },
    /// Who fell moves again.
    MovedAgain {
        /// Since when.
        at_ms: i64,
        /// For how long they had lain still.
        still_s: f64,
    },
}

impl From<Turn> for MotionEvent {
    fn from(turn: Turn) -> Self {
        match turn {
            Turn::Started(bout) => Self::BoutStarted { activity: bout.activity, from_ms: bout.from_ms },
            Turn::Ended(bout, to_ms) => Self::BoutEnded { activity: bout.activity, from_ms: bout.from_ms, to_ms },
        }
    }
}
