//! What a heart does.

/// Something a heart did. Times are the end of the interval they speak of, corrected device time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum HeartEvent {
    /// A beat too early, told with the beat after it or the one after that.
    Premature {
        /// When it came.
        at_ms: i64,
        /// How long after the beat before it, ms.
        rr_ms: f64,
    },
    /// No beat for as long as the settings say, or longer.
    Pause {
        /// When it ended.
        at_ms: i64,
        /// How long it was, ms.
        rr_ms: f64,
        /// Above 3 s.
        long: bool,
    },
    /// The mean rate of 16 beats has fallen below the settings' bradycardia.
    Bradycardia {
        /// When.
        at_ms: i64,
        /// That mean, /min.
        rate: f64,
    },
    /// The mean rate of 16 beats has risen above the settings' tachycardia.
    Tachycardia {
        /// When.
        at_ms: i64,
        /// That mean, /min.
        rate: f64,
    },
    /// The rate is between the two again.
    UsualPace {
        /// When.
        at_ms: i64,
        /// That mean, /min.
        rate: f64,
    },
    /// The rhythm has become irregular as in atrial fibrillation.
    Irregular {
        /// When.
        at_ms: i64,
    },
    /// It is regular again.
    Regular {
        /// When.
        at_ms: i64,
    },
}
