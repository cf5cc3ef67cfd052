//! A guest's way through a park, from taps at readers: where the guest is, and how long queues were.

use serde::{Deserialize, Serialize};

use super::order::{Order, day_of};
use super::value::{Derived, Value};

/// Readers are numbered by land and purpose, as the simulated park numbers them: hundreds are the land, the rest says
/// what the reader is for.
const READERS_OF_A_LAND: u16 = 100;
/// Nobody queues longer, ms: the guest left the queue without the ride.
const QUEUE_MS_MAX: i64 = 4 * 3_600_000;

/// What a reader is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Gate,
    Queue,
    Ride,
    Restaurant,
}

/// A guest got into a ride.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ride {
    /// How long the queue for it was, if the guest stood in one.
    pub(crate) queued_ms: Option<i64>,
}

/// What is known of one guest by one band; days are those of the subject's time zone, else of UTC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Visit {
    order: Order,
    reader: u16,
    day: Option<i64>,
    taps: u32,
    rides: u32,
    waited_today_ms: i64,
    /// Land of the queue the guest stands in, and since when.
    queue: Option<(u16, i64)>,
    /// The last queue that led to a ride, ms.
    waited_ms: Option<i64>,
}

impl Visit {
    /// The gateway's clock stands at `now_ms`. What was dated far beyond it, before the clock was set back, is forgotten.
    pub(crate) fn arrived(&mut self, now_ms: i64) {
        if self.order.is_ahead_of(now_ms) {
            *self = Self::default();
        }
    }

    /// The band was held against a reader; a tap older than one already seen is passed over. Returns the ride it was for.
    /// Its day ends `shift_ms` before the UTC day.
    pub(crate) fn tap(&mut self, at_ms: i64, reader: u16, shift_ms: i64) -> Option<Ride> {
        if !self.order.admits(at_ms) {
            return None;
        }
        let today = day_of(at_ms, shift_ms);
        if self.day.is_none_or(|known| known < today) {
            (self.day, self.taps, self.rides, self.waited_today_ms) = (Some(today), 0, 0, 0);
        }
        self.reader = reader;
        self.taps = self.taps.saturating_add(1);
        let (land, purpose) = (reader / READERS_OF_A_LAND, Self::purpose(reader));
        let queue = self.queue.take();
        match purpose {
            Some(Purpose::Queue) => self.queue = Some((land, at_ms)),
            Some(Purpose::Ride) => {
                self.rides = self.rides.saturating_add(1);
                let waited_ms = queue.filter(|(of, _)| *of == land).map(|(_, from_ms)| at_ms.saturating_sub(from_ms));
                let queued_ms = waited_ms.filter(|waited_ms| *waited_ms <= QUEUE_MS_MAX);
                if let Some(waited_ms) = queued_ms {
                    self.waited_ms = Some(waited_ms);
                    self.waited_today_ms = self.waited_today_ms.saturating_add(waited_ms);
                }
                return Some(Ride { queued_ms });
            }
            _ => {}
        }
        None
    }

    /// Appends the last reader tapped, what it is for and when that was (Unix time); taps, rides and time in queues of
    /// the day, and how long the last queue was.
    pub(crate) fn values(&self, out: &mut Vec<Derived>) {
        let Some(tapped_ms) = self.order.newest_ms() else { return };
        let mut say = |name, value, unit| {
            out.push(Derived::plain(name, value, unit));
        };
        say("visit.reader", Value::Number(self.reader.into()), "1");
        if let Some(purpose) = Self::purpose(self.reader) {
            say("visit.place", Value::Text(purpose.as_str()), "");
        }
        say("visit.since", Value::Number(tapped_ms as f64), "ms");
        say("visit.taps.today", Value::Number(self.taps.into()), "{taps}");
        say("visit.rides.today", Value::Number(self.rides.into()), "{rides}");
        say("visit.queue.today", Value::Number(self.waited_today_ms as f64 / 1000.0), "s");
        if let Some(waited_ms) = self.waited_ms {
            say("visit.queue", Value::Number(waited_ms as f64 / 1000.0), "s");
        }
    }

    fn purpose(reader: u16) -> Option<Purpose> {
        Some(match reader % READERS_OF_A_LAND {
            0 => Purpose::Gate,
            1 => Purpose::Queue,
            2 => Purpose::Ride,
            3 => Purpose::Restaurant,
            _ => return None,
        })
    }
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Queue => "queue",
            Self::Ride => "ride",
            Self::Restaurant => "restaurant",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_MS: i64 = 1_700_000_000_000;

    fn after(taps: &[(i64, u16)]) -> Vec<(std::borrow::Cow<'static, str>, Value)> {
        let mut visit = Visit::default();
        for (minute, reader) in taps {
            visit.tap(START_MS + minute * 60_000, *reader, 0);
        }
        let written = postcard::to_stdvec(&visit).unwrap();
        assert_eq!(postcard::from_bytes::<Visit>(&written).unwrap(), visit);
        let mut out = Vec::new();
        visit.values(&mut out);
        out.into_iter().map(|derived| (derived.name, derived.value)).collect()
    }

    fn told(taps: &[(i64, u16)], name: &str) -> Option<Value> {
        after(taps).into_iter().find(|(is, _)| *is == name).map(|(_, value)| value)
    }

    #[test]
    fn a_queue_lasts_from_its_way_in_to_the_ride_of_the_same_land() {
        let way = [(0, 100), (5, 201), (35, 202)];
        assert_eq!(told(&way[..2], "visit.place"), Some(Value::Text("queue")));
        assert_eq!((told(&way[..2], "visit.queue"), told(&way, "visit.queue")), (None, Some(Value::Number(1800.0))));
        let again = [(0, 201), (30, 202), (40, 301), (50, 302), (60, 403), (70, 402)];
        assert_eq!(told(&again, "visit.queue"), Some(Value::Number(600.0)));
        assert_eq!(told(&again, "visit.queue.today"), Some(Value::Number(2400.0)));
        assert_eq!(told(&again, "visit.rides.today"), Some(Value::Number(3.0)));
    }

    #[test]
    fn a_queue_left_for_another_reader_or_for_hours_is_none() {
        assert_eq!(told(&[(0, 201), (5, 303), (30, 202)], "visit.queue"), None);
        assert_eq!(told(&[(0, 201), (30, 302)], "visit.queue"), None);
        assert_eq!(told(&[(0, 201), (300, 202)], "visit.queue"), None);
        assert_eq!(told(&[(0, 201), (5, 777), (10, 65_535)], "visit.place"), None);
    }

    #[test]
    fn a_late_tap_changes_nothing_and_a_new_day_counts_anew() {
        let way = [(0, 201), (30, 202), (20, 403)];
        assert_eq!(after(&way), after(&way[..2]));
        assert_eq!(told(&[(0, 201), (30, 202), (1440, 100)], "visit.taps.today"), Some(Value::Number(1.0)));
        assert!(after(&[]).is_empty());
    }
}
