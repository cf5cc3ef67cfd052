//! What a car's drives tell.

use super::codes::Code;
use super::slope::Manoeuvre;
use super::trip::Trip;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum DriveEvent {
    /// The car moved first since its engine was started.
    TripStarted {
        /// When the engine was started, Unix ms.
        from_ms: i64,
    },
    /// The engine was off for long enough, or said to be off.
    TripEnded(Trip),
    /// The first sample beyond a threshold.
    HarshBegan {
        /// Its kind.
        what: Manoeuvre,
        /// Unix ms.
        at_ms: i64,
        /// How hard, m/s², positive.
        mps2: f64,
    },
    /// No sample beyond the threshold for as long as two manoeuvres are apart.
    HarshEnded {
        /// Its kind.
        what: Manoeuvre,
        /// First sample beyond, Unix ms.
        from_ms: i64,
        /// Last sample beyond, Unix ms.
        to_ms: i64,
        /// How hard at most, m/s², positive.
        peak_mps2: f64,
    },
    /// A diagnostic trouble code came.
    CodeSet {
        /// Which.
        code: Code,
        /// Unix ms.
        at_ms: i64,
    },
    /// A diagnostic trouble code went.
    CodeCleared {
        /// Which.
        code: Code,
        /// Unix ms.
        at_ms: i64,
    },
}
