//! What a source could not take, said to the operator: enough to find it, never so often that it floods the log.

use std::collections::HashMap;

use tracing::warn;

use crate::broker::reason;

/// Least time between two lines about one thing.
const PERIOD_MS: u64 = 60_000;

/// Bounds the lines of one source by what they are about: a reason code, or its connection.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    said: HashMap<Subject, Said>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Refused(u8),
    Connection,
}

#[derive(Debug)]
struct Said {
    at_ms: u64,
    suppressed: u64,
}

impl Complaints {
    /// A publish was refused.
    pub(super) fn refused(&mut self, source: &str, topic: &str, code: u8, now_ms: u64) {
        let Some(suppressed) = self.admit(Subject::Refused(code), now_ms) else { return };
        let (reason, code) = (reason::words(code), format_args!("{code:#04x}"));
        warn!(source, topic, reason, code, suppressed, "refused what a broker delivered");
    }

    /// The connection ended.
    pub(super) fn ended(&mut self, source: &str, error: &str, now_ms: u64) {
        let Some(suppressed) = self.admit(Subject::Connection, now_ms) else { return };
        warn!(source, error, suppressed, "no connection to a broker that is to be read from; trying again");
    }

    /// How many were held back since the last line, if one may be written now.
    fn admit(&mut self, subject: Subject, now_ms: u64) -> Option<u64> {
        let Some(said) = self.said.get_mut(&subject) else {
            self.said.insert(subject, Said { at_ms: now_ms, suppressed: 0 });
            return Some(0);
        };
        if now_ms.saturating_sub(said.at_ms) < PERIOD_MS {
            said.suppressed += 1;
            return None;
        }
        said.at_ms = now_ms;
        Some(std::mem::take(&mut said.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_said_once_a_minute_and_the_rest_is_counted() {
        let mut complaints = Complaints::default();
        let admitted: Vec<_> = [0, 1, 59_999, 60_000, 60_001]
            .map(|now_ms| complaints.admit(Subject::Refused(0x90), now_ms))
            .into_iter()
            .collect();
        assert_eq!(admitted, [Some(0), None, None, Some(2), None]);
        assert_eq!(complaints.admit(Subject::Connection, 1), Some(0), "another thing is another line");
    }
}
