//! What a client did wrong, said to the operator: enough to find it, never so often that it floods the log.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use tracing::warn;

use super::reason;

/// Lines per second of gateway time, all connections together.
const LINES_MAX: u32 = 10;
/// More of a topic is not repeated to anybody, bytes.
const TOPIC_BYTES_SHOWN: usize = 128;

/// Where a client went wrong, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// A topic or filter, cut to a readable length.
    pub(crate) topic: Option<Box<str>>,
    /// What was found there, if it says more than the reason code.
    pub(crate) found: Option<Box<str>>,
}

impl Place {
    pub(crate) fn topic(topic: &str) -> Self {
        Self { topic: Some(clipped(topic)), found: None }
    }

    /// With what was found wrong in a payload.
    pub(crate) fn payload(topic: &str, found: &str) -> Self {
        Self { topic: Some(clipped(topic)), found: Some(found.into()) }
    }

    pub(crate) fn found(found: impl fmt::Display) -> Self {
        Self { topic: None, found: Some(found.to_string().into()) }
    }
}

fn clipped(topic: &str) -> Box<str> {
    match topic.get(..topic.floor_char_boundary(TOPIC_BYTES_SHOWN)) {
        Some(head) if head.len() < topic.len() => format!("{head}…").into(),
        _ => topic.into(),
    }
}

/// Something a client sent that was refused; `Display` is its Reason String.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) code: u8,
    pub(crate) place: Place,
    /// It ends the connection.
    pub(crate) ends: bool,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.place.topic, &self.place.found].into_iter().flatten() {
            write!(f, "{part}: ")?;
        }
        f.write_str(reason::words(self.code))
    }
}

/// What has been said about one connection: each reason once as a refusal and once as the end.
#[derive(Debug, Default)]
pub(crate) struct Said([u128; 2]);

impl Said {
    fn is_first(&mut self, complaint: &Complaint) -> bool {
        let [refused, ended] = &mut self.0;
        let said = if complaint.ends { ended } else { refused };
        let bit = 1 << (complaint.code & 0x7F);
        let first = *said & bit == 0;
        *said |= bit;
        first
    }
}

/// Bounds the lines of all connections; what is held back is counted and told with the next line.
#[derive(Debug, Default)]
pub(crate) struct Limiter(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    second: u64,
    lines: u32,
    suppressed: u64,
}

impl Limiter {
    /// How many were held back since the last line, if one may be written now; otherwise this one is held back.
    fn admit(&self, said: &mut Said, complaint: &Complaint, now_ms: u64) -> Option<u64> {
        let first = said.is_first(complaint);
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.second != now_ms / 1_000 {
            window.second = now_ms / 1_000;
            window.lines = 0;
        }
        if !first || window.lines >= LINES_MAX {
            window.suppressed = window.suppressed.saturating_add(1);
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.suppressed))
    }

    /// Tells the operator, if it is not too much.
    pub(crate) fn say(
        &self,
        said: &mut Said,
        complaint: &Complaint,
        client_id: Option<&str>,
        peer: SocketAddr,
        now_ms: u64,
    ) {
        let Some(suppressed) = self.admit(said, complaint, now_ms) else { return };
        let Complaint { code, place, ends } = complaint;
        let (topic, found) = (place.topic.as_deref(), place.found.as_deref());
        let (reason, code) = (reason::words(*code), format_args!("{code:#04x}"));
        let suppressed = (suppressed > 0).then_some(suppressed);
        if *ends {
            warn!(client_id, %peer, topic, found, reason, code, suppressed, "connection ended: refused what the client sent");
        } else {
            warn!(client_id, %peer, topic, found, reason, code, suppressed, "refused what the client sent");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(code: u8) -> Complaint {
        Complaint { code, place: Place::default(), ends: false }
    }

    #[test]
    fn a_connection_is_complained_about_once_for_each_reason_and_the_rest_is_counted() {
        let (limiter, mut said) = (Limiter::default(), Said::default());
        assert_eq!(limiter.admit(&mut said, &complaint(0x87), 0), Some(0));
        for _ in 0..1_000 {
            assert_eq!(limiter.admit(&mut said, &complaint(0x87), 5_000), None);
        }
        assert_eq!(limiter.admit(&mut said, &complaint(0x90), 5_000), Some(1_000));
        let ending = Complaint { ends: true, ..complaint(0x87) };
        assert_eq!(limiter.admit(&mut said, &ending, 5_000), Some(0), "the end is another matter");
    }

    #[test]
    fn all_connections_together_get_ten_lines_a_second() {
        let limiter = Limiter::default();
        let lines = |now_ms| {
            (0..100).filter(|_| limiter.admit(&mut Said::default(), &complaint(0x87), now_ms).is_some()).count()
        };
        assert_eq!((lines(1_000), lines(1_999), lines(2_000)), (10, 0, 10));
        assert_eq!(limiter.admit(&mut Said::default(), &complaint(0x87), 3_000), Some(90));
    }

    #[test]
    fn a_complaint_reads_place_first_and_repeats_no_long_topic() {
        let place = Place::topic("a/b");
        let text = Complaint { place, ..complaint(reason::QOS_NOT_SUPPORTED) }.to_string();
        assert_eq!(text, "a/b: QoS 2 is not offered: publish with QoS 1, duplicates are recognised");
        let long = Complaint { place: Place::topic(&"ä".repeat(30_000)), ..complaint(0x90) }.to_string();
        assert!(long.len() < 500, "{long}");
    }
}
