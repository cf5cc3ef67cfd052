//! The counts of one moment, and what two moments say about the pace.

use std::collections::VecDeque;

/// Rates are over this long, milliseconds: long enough to read, short enough to see a change.
const SPAN_MS: u64 = 5_000;
/// Samples kept at most: twenty a second over the span, and a few.
const SAMPLES_MAX: usize = 128;

/// Counts of one moment. All `u64` without a unit are counts since the gateway started.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    /// Monotonic milliseconds.
    pub(crate) mono_ms: u64,
    /// Unix milliseconds.
    pub(crate) wall_ms: i64,
    /// Since the gateway started, milliseconds.
    pub(crate) uptime_ms: u64,
    /// Clients connected now.
    pub(crate) connections: u64,
    /// Publishes accepted.
    pub(crate) publishes: u64,
    /// Publishes and subscriptions refused.
    pub(crate) refused: u64,
    /// Frames stored.
    pub(crate) frames: u64,
    /// Frames recognised as stored before.
    pub(crate) duplicates: u64,
    /// Frames set aside unread.
    pub(crate) quarantined: u64,
    /// Records made durable.
    pub(crate) records: u64,
    /// Bytes written to the log.
    pub(crate) bytes: u64,
    /// Records folded.
    pub(crate) folded_records: u64,
    /// Halos published.
    pub(crate) halos: u64,
    /// Readings messages published.
    pub(crate) readings: u64,
    /// The last durable record, an offset.
    pub(crate) durable: u64,
    /// The last folded record, an offset.
    pub(crate) folded: u64,
    /// The data folder, if it is measured.
    pub(crate) disk: Option<Disk>,
    /// Brokers far away.
    pub(crate) upstreams: Vec<Upstream>,
    /// The simulated fleet, in a demo.
    pub(crate) fleet: Option<Fleet>,
}

/// How full the data folder is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Disk {
    /// Bytes taken.
    pub(crate) used: u64,
    /// Bytes it may take.
    pub(crate) max: u64,
    /// `calm`, `warn`, `shed` or `refuse`.
    pub(crate) mark: String,
}

/// A broker far away.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Upstream {
    /// Its name.
    pub(crate) name: String,
    /// `flowing`, `backing-off`, …
    pub(crate) state: String,
    /// Age of the oldest unconfirmed message, milliseconds.
    pub(crate) lag_ms: u64,
    /// Frames to come.
    pub(crate) pending: u64,
}

/// What a simulated fleet says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fleet {
    /// How many there are.
    pub(crate) devices: u64,
    /// Of these, connected now.
    pub(crate) connected: u64,
    /// Transmissions, repeats included.
    pub(crate) sent: u64,
    /// Of these, repeats.
    pub(crate) resent: u64,
    /// Frames acknowledged.
    pub(crate) acked: u64,
    /// Frames on the wire, not yet acknowledged.
    pub(crate) in_flight: u64,
}

impl Sample {
    /// Records durable and not yet folded.
    pub(crate) fn behind(&self) -> u64 {
        self.durable.saturating_sub(self.folded)
    }

    /// Frames acknowledged that were not stored, of a fleet that counts its acknowledgements. The gateway counts a frame
    /// before it acknowledges it, and the fleet was asked first: above 0 is a broken promise.
    pub(crate) fn lost(&self) -> Option<u64> {
        self.fleet.map(|fleet| fleet.acked.saturating_sub(self.frames))
    }
}

/// The last few seconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    samples: VecDeque<Sample>,
    behind_max: u64,
    in_flight_max: u64,
}

impl Figures {
    /// Takes the counts of another moment.
    pub(crate) fn note(&mut self, sample: Sample) {
        self.behind_max = self.behind_max.max(sample.behind());
        self.in_flight_max = self.in_flight_max.max(sample.fleet.map_or(0, |fleet| fleet.in_flight));
        let old = sample.mono_ms.saturating_sub(SPAN_MS);
        // One sample from before the span stays: the rate is then over the whole of it.
        while self.samples.get(1).is_some_and(|second| second.mono_ms <= old) || self.samples.len() >= SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// The newest.
    pub(crate) fn now(&self) -> Option<&Sample> {
        self.samples.back()
    }

    /// What `count` grows by per second.
    pub(crate) fn rate(&self, count: impl Fn(&Sample) -> u64) -> f64 {
        let (Some(first), Some(last)) = (self.samples.front(), self.samples.back()) else { return 0.0 };
        let ms = last.mono_ms.saturating_sub(first.mono_ms);
        if ms == 0 { 0.0 } else { count(last).saturating_sub(count(first)) as f64 * 1_000.0 / ms as f64 }
    }

    /// The most records that waited for the fold since the view began.
    pub(crate) fn behind_max(&self) -> u64 {
        self.behind_max
    }

    /// The most frames that were on the wire at once since the view began.
    pub(crate) fn in_flight_max(&self) -> u64 {
        self.in_flight_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ms: u64, frames: u64) -> Sample {
        Sample { mono_ms, frames, ..Sample::default() }
    }

    #[test]
    fn a_rate_is_over_the_last_five_seconds() {
        let mut figures = Figures::default();
        assert_eq!(figures.rate(|it| it.frames), 0.0);
        (0..=10).for_each(|s| figures.note(at(s * 1_000, s * 100)));
        (11..=15).for_each(|s| figures.note(at(s * 1_000, 1_000)));
        assert_eq!(figures.rate(|it| it.frames), 0.0, "still since ten seconds");
        figures.note(at(16_000, 1_050));
        assert_eq!(figures.rate(|it| it.frames), 10.0);
    }

    #[test]
    fn the_highest_mark_of_each_queue_stays() {
        let mut figures = Figures::default();
        let fleet = |in_flight| Some(Fleet { in_flight, ..Fleet::default() });
        figures.note(Sample { durable: 9, folded: 2, fleet: fleet(3), ..at(0, 0) });
        figures.note(Sample { durable: 9, folded: 9, fleet: fleet(0), ..at(1, 0) });
        assert_eq!((figures.behind_max(), figures.in_flight_max()), (7, 3));
    }

    #[test]
    fn an_acknowledged_frame_that_is_not_stored_is_lost() {
        let fleet = Some(Fleet { acked: 7, ..Fleet::default() });
        assert_eq!(Sample { fleet, ..at(0, 7) }.lost(), Some(0));
        assert_eq!(Sample { fleet, ..at(0, 6) }.lost(), Some(1));
        assert_eq!(at(0, 6).lost(), None, "nobody counts its acknowledgements");
    }
}
