//! Counts and histograms.

use hdrhistogram::Histogram;

/// Longest latency told apart, nanoseconds: 100 s.
const NS_MAX: u64 = 100_000_000_000;
/// Significant digits.
const DIGITS: u8 = 3;

/// What happened; times are nanoseconds of the run's clock.
pub(super) struct Tally {
    /// Measured from, and to before.
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) sent: u64,
    pub(super) sent_bytes: u64,
    pub(super) acked: u64,
    pub(super) delivered: u64,
    /// Frames that halos have counted in.
    pub(super) counted: u64,
    pub(super) halos: u64,
    pub(super) strangers: u64,
    pub(super) slow_closed: u64,
    pub(super) acked_in_time: u64,
    pub(super) delivered_in_time: u64,
    pub(super) last_ack: u64,
    pub(super) acks: Histogram<u64>,
    pub(super) deliveries: Histogram<u64>,
}

impl Tally {
    pub(super) fn new() -> Self {
        let histogram = || Histogram::new_with_bounds(1, NS_MAX, DIGITS).expect("the constants are in range");
        Self {
            from: u64::MAX,
            to: u64::MAX,
            sent: 0,
            sent_bytes: 0,
            acked: 0,
            delivered: 0,
            counted: 0,
            halos: 0,
            strangers: 0,
            slow_closed: 0,
            acked_in_time: 0,
            delivered_in_time: 0,
            last_ack: 0,
            acks: histogram(),
            deliveries: histogram(),
        }
    }

    fn is_measured(&self, at: u64) -> bool {
        (self.from..self.to).contains(&at)
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += 1;
        self.sent_bytes += bytes as u64;
    }

    pub(super) fn acked(&mut self, due: u64, now: u64) {
        self.acked += 1;
        self.last_ack = now;
        self.acked_in_time += u64::from(self.is_measured(now));
        if self.is_measured(due) {
            self.acks.saturating_record(now.saturating_sub(due));
        }
    }

    pub(super) fn delivered(&mut self, due: Option<u64>, now: u64) {
        self.delivered += 1;
        self.delivered_in_time += u64::from(self.is_measured(now));
        if let Some(due) = due.filter(|due| self.is_measured(*due)) {
            self.deliveries.saturating_record(now.saturating_sub(due));
        }
    }
}
