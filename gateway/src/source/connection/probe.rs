//! A message through that broker and back, again and again: a socket that is open proves nothing.

use std::time::Duration;

/// After so many in a row that did not come back where others did, the connection is given up.
const MISSED_MAX: u32 = 3;

/// The probe of one connection.
#[derive(Debug)]
pub(super) struct Probe {
    period_ms: Option<u64>,
    due_ms: Option<u64>,
    number: u64,
    /// When the last one was sent, until it comes back.
    sent_ms: Option<u64>,
    missed: u32,
    echoed: bool,
    /// Something else came through since the last one was sent.
    flowed: bool,
}

/// What to do when its time has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Send(String),
    GiveUp,
}

impl Probe {
    /// `None`: none is sent.
    pub(super) fn new(period_ms: Option<u64>) -> Self {
        Self { period_ms, due_ms: None, number: 0, sent_ms: None, missed: 0, echoed: false, flowed: false }
    }

    /// Whether that broker granted its subscription; without it nothing can come back.
    pub(super) fn granted(&mut self, granted: bool, now_ms: u64) {
        self.due_ms = (granted && self.period_ms.is_some()).then_some(now_ms);
    }

    pub(super) fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// A publish came through.
    pub(super) fn flows(&mut self) {
        self.flowed = true;
    }

    /// The last one did not come back, and nothing else came.
    pub(super) fn is_quiet(&self) -> bool {
        self.sent_ms.is_some() && !self.flowed
    }

    /// One was sent on this connection and none ever came back.
    pub(super) fn is_unanswered(&self) -> bool {
        self.sent_ms.is_some() && !self.echoed
    }

    pub(super) fn next(&mut self, session: u64, now_ms: u64) -> Next {
        self.missed = if self.sent_ms.is_some() { self.missed + 1 } else { 0 };
        if self.echoed && !self.flowed && self.missed >= MISSED_MAX {
            return Next::GiveUp;
        }
        self.number += 1;
        self.sent_ms = Some(now_ms);
        self.flowed = false;
        self.due_ms = self.period_ms.map(|period_ms| now_ms.saturating_add(period_ms));
        Next::Send(format!("{session}-{}", self.number))
    }

    /// It could not be sent just now.
    pub(super) fn unsent(&mut self) {
        self.sent_ms = None;
    }

    /// What came back; how long it took if it is the last one sent.
    pub(super) fn heard(&mut self, payload: &[u8], session: u64, now_ms: u64) -> Option<Duration> {
        if payload != format!("{session}-{}", self.number).as_bytes() {
            return None;
        }
        let sent_ms = self.sent_ms.take()?;
        (self.echoed, self.missed) = (true, 0);
        Some(Duration::from_millis(now_ms.saturating_sub(sent_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_round_trip_is_that_of_the_last_probe_of_this_connection() {
        let mut probe = Probe::new(Some(1_000));
        probe.granted(true, 50);
        assert_eq!((probe.due_ms(), probe.next(7, 50)), (Some(50), Next::Send("7-1".to_owned())));
        assert_eq!(probe.heard(b"6-1", 7, 60), None, "another connection's");
        assert_eq!(probe.heard(b"7-1", 7, 62), Some(Duration::from_millis(12)));
        assert_eq!(probe.heard(b"7-1", 7, 63), None, "it came back already");
        assert_eq!(probe.due_ms(), Some(1_050));
    }

    #[test]
    fn three_that_do_not_come_back_where_one_did_end_the_connection_unless_other_things_come() {
        let mut probe = Probe::new(Some(1_000));
        probe.granted(true, 0);
        let sent = |probe: &mut Probe| matches!(probe.next(7, 0), Next::Send(_));
        assert!((0..10).all(|_| sent(&mut probe)), "where none ever came back that broker may not let us publish");
        assert!(probe.is_unanswered() && probe.is_quiet());
        assert!(probe.heard(b"7-10", 7, 5).is_some() && !probe.is_unanswered());
        assert!((0..3).all(|_| sent(&mut probe)));
        probe.flows();
        assert!(sent(&mut probe));
        assert_eq!(probe.next(7, 0), Next::GiveUp);
    }

    #[test]
    fn without_its_subscription_nothing_is_sent() {
        let mut probe = Probe::new(Some(1_000));
        probe.granted(false, 50);
        assert_eq!(probe.due_ms(), None);
        Probe::new(None).granted(true, 50);
    }
}
