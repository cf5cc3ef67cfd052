//! Whether data flows: a message to ourselves by way of the broker, its way measured. Decides only; time is an argument.

use bytes::Bytes;

/// Time between two probes, milliseconds.
const PERIOD_MS: u64 = 15_000;
/// An echo that has not come so long after its PUBACK is not going to, milliseconds.
const ECHO_WAIT_MS: u64 = 5_000;

/// What a round trip is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The message came back.
    Echo,
    /// The broker does not let us subscribe, or not receive: its PUBACK must do.
    Puback,
}

#[derive(Debug)]
pub(super) struct Probe {
    payload: Bytes,
    by: By,
    sent_ms: Option<u64>,
    acked_ms: Option<u64>,
    due_ms: u64,
    number: u64,
    name: String,
    round_trip_ms: Option<u64>,
}

impl Probe {
    /// For a new connection; `name` tells ours from other upstreams' probes of this gateway.
    pub(super) fn new(name: &str, random: u64, now_ms: u64) -> Self {
        let name = format!("{name}-{random:016x}");
        let (by, payload) = (By::Echo, Bytes::new());
        Self { payload, by, sent_ms: None, acked_ms: None, due_ms: now_ms, number: 0, name, round_trip_ms: None }
    }

    /// The payload of a probe that is due now, taken as sent.
    pub(super) fn take(&mut self, now_ms: u64) -> Option<Bytes> {
        if self.sent_ms.is_some() || now_ms < self.due_ms {
            return None;
        }
        self.number += 1;
        self.payload = format!("{} {}", self.name, self.number).into();
        (self.sent_ms, self.acked_ms) = (Some(now_ms), None);
        Some(self.payload.clone())
    }

    /// The broker answered the subscription.
    pub(super) fn subscribed(&mut self, granted: bool, now_ms: u64) {
        if !granted {
            self.fall_back(now_ms);
        }
    }

    /// The broker acknowledged it.
    pub(super) fn acked(&mut self, now_ms: u64) {
        self.acked_ms = Some(now_ms);
        if self.by == By::Puback {
            self.came(now_ms);
        }
    }

    /// Something came; whether it was the probe.
    pub(super) fn received(&mut self, payload: &Bytes, now_ms: u64) -> bool {
        let ours = self.sent_ms.is_some() && *payload == self.payload;
        if ours {
            self.came(now_ms);
        }
        ours
    }

    /// Time went by.
    pub(super) fn look(&mut self, now_ms: u64) {
        if self.by == By::Echo
            && self.acked_ms.is_some_and(|acked| now_ms >= acked + ECHO_WAIT_MS)
            && self.sent_ms.is_some()
        {
            self.fall_back(now_ms);
        }
    }

    fn fall_back(&mut self, now_ms: u64) {
        self.by = By::Puback;
        if let (Some(acked), Some(_)) = (self.acked_ms, self.sent_ms) {
            self.came(acked);
            self.due_ms = now_ms + PERIOD_MS;
        }
    }

    fn came(&mut self, at_ms: u64) {
        if let Some(sent) = self.sent_ms.take() {
            self.round_trip_ms = Some(at_ms.saturating_sub(sent));
            self.due_ms = at_ms + PERIOD_MS;
        }
    }

    /// When something is to be done next.
    pub(super) fn next_ms(&self) -> u64 {
        match (self.sent_ms, self.acked_ms) {
            (None, _) => self.due_ms,
            (Some(_), Some(acked)) => acked + ECHO_WAIT_MS,
            (Some(sent), None) => sent + PERIOD_MS,
        }
    }

    /// Whether its PUBACK is still to come.
    pub(super) fn is_under_way(&self) -> bool {
        self.sent_ms.is_some() && self.acked_ms.is_none()
    }

    /// The last round trip on this connection; there is one as soon as data flows.
    pub(super) fn round_trip_ms(&self) -> Option<u64> {
        self.round_trip_ms
    }

    pub(super) fn by(&self) -> By {
        self.by
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_a_round_trip_and_a_strangers_is_not() {
        let mut probe = Probe::new("cloud", 7, 100);
        let sent = probe.take(100).expect("due at once");
        assert_eq!(probe.take(100), None, "one at a time");
        probe.acked(105);
        assert_eq!(probe.round_trip_ms(), None, "an acknowledgement alone does not say that data flows");
        assert!(!probe.received(&"cloud-other 1".into(), 110));
        assert!(probe.received(&sent, 120));
        assert_eq!((probe.round_trip_ms(), probe.by()), (Some(20), By::Echo));
        assert_eq!((probe.take(15_119), probe.next_ms()), (None, 15_120));
        assert!(probe.take(15_120).is_some());
    }

    #[test]
    fn without_a_subscription_the_acknowledgement_must_do() {
        let mut probe = Probe::new("cloud", 7, 0);
        probe.take(0);
        probe.acked(5);
        probe.subscribed(false, 9);
        assert_eq!((probe.round_trip_ms(), probe.by()), (Some(5), By::Puback));
    }

    #[test]
    fn an_echo_that_never_comes_is_not_waited_for() {
        let mut probe = Probe::new("cloud", 7, 0);
        probe.take(0);
        probe.acked(5);
        probe.look(5_004);
        assert_eq!(probe.round_trip_ms(), None);
        probe.look(5_005);
        assert_eq!((probe.round_trip_ms(), probe.by()), (Some(5), By::Puback));
    }
}
