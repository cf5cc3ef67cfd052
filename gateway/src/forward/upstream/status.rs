//! What an operator sees of an upstream.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::forward::json::Time;
use crate::record::{Account, GatewayTime, Offset, Stretch};
use crate::units::count;

/// Without data for so long, an upstream is an ailment of the gateway, milliseconds.
const AILING_MS: u64 = 60_000;

/// Where an upstream is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// An administrator holds it back.
    Held,
    /// Name, TCP, TLS, CONNACK.
    Connecting,
    /// Waits before the next try.
    BackingOff,
    /// Connected; whether data flows is not known yet.
    Probing,
    /// Data flows: a probe came back on this connection, and confirmations come.
    Flowing,
    /// Something is under way and nothing is confirmed: the receiver says nothing, and the connection is about to be torn
    /// down; or it refuses everything, and is asked again.
    Stalled,
}

impl State {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Connecting => "connecting",
            Self::BackingOff => "backing-off",
            Self::Probing => "probing",
            Self::Flowing => "flowing",
            Self::Stalled => "stalled",
        }
    }
}

/// One lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaneStatus {
    /// Everything of this lane up to here is confirmed.
    pub confirmed: Offset,
    /// Messages under way.
    pub under_way: usize,
}

/// One upstream, at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Where to, without secrets.
    pub url: String,
    /// Where it is in its life.
    pub state: State,
    /// Since when, Unix milliseconds.
    pub since_ms: i64,
    /// Since when no data flows although it should, whatever was tried meanwhile.
    pub away_since: Option<GatewayTime>,
    /// The last round trip of a probe on this connection.
    pub round_trip_ms: Option<u64>,
    /// The round trip is a PUBACK's: the broker does not let the probe come back.
    pub round_trip_is_puback: bool,
    /// The lane of what comes; no lane when neither readings nor losses are sent.
    pub live: Option<LaneStatus>,
    /// The lane of what was missed, while there is something to make up for.
    pub backfill: Option<LaneStatus>,
    /// The lane of sparks, where they are sent.
    pub sparks: Option<LaneStatus>,
    /// What is to be made up for.
    pub stretches: Vec<Stretch>,
    /// Frames stored and not yet passed in order: counted as they are read, each once, not subtracted from an account.
    pub pending: u64,
    /// Frames of an earlier life are still being counted: `pending` grows to what it is.
    pub counting: bool,
    /// Age of the oldest message that waits for its confirmation, milliseconds; 0 when none does.
    pub lag_ms: u64,
    /// What became of the frames up to the lanes' offsets.
    pub account: Account,
    /// Messages that may come twice if this moment is the last: those that no durable cursor covers.
    pub repeats_possible: usize,
    /// Messages sent again because a connection ended before their confirmation, since the start.
    pub repeated: u64,
    /// Halos confirmed since the start.
    pub halos: u64,
    /// Subjects whose newest halo is not confirmed yet.
    pub halos_pending: u64,
    /// Connections since the start.
    pub connections: u64,
    /// Messages given up since the start: in `losses`.
    pub given_up: u64,
    /// What is wrong: the last thing that went wrong since data flowed.
    pub last_error: Option<String>,
    /// What went wrong before data flowed again, or while it did.
    pub earlier_error: Option<String>,
    /// When the younger of both went wrong, Unix milliseconds.
    pub error_at_ms: Option<i64>,
    /// While backing off: when the next try is, Unix milliseconds.
    pub next_try_ms: Option<i64>,
}

/// A status that its upstream writes and anybody reads.
#[derive(Clone, Debug)]
pub(super) struct Board(Arc<Mutex<Status>>);

impl Board {
    /// Of an upstream that has not begun yet.
    pub(super) fn new(name: &str, url: String) -> Self {
        Self(Arc::new(Mutex::new(Status {
            name: name.to_owned(),
            url,
            state: State::Connecting,
            since_ms: 0,
            away_since: None,
            round_trip_ms: None,
            round_trip_is_puback: false,
            live: None,
            backfill: None,
            sparks: None,
            stretches: Vec::new(),
            pending: 0,
            counting: false,
            lag_ms: 0,
            account: Account::default(),
            repeats_possible: 0,
            repeated: 0,
            halos: 0,
            halos_pending: 0,
            connections: 0,
            given_up: 0,
            last_error: None,
            earlier_error: None,
            error_at_ms: None,
            next_try_ms: None,
        })))
    }

    /// Where it is from now on; whether that is news.
    pub(super) fn set(&self, state: State, now: GatewayTime) -> bool {
        let mut board = self.lock();
        let is_news = board.state != state;
        if is_news || board.since_ms == 0 {
            (board.state, board.since_ms) = (state, now.wall_ms);
        }
        if state != State::BackingOff {
            board.next_try_ms = None;
        }
        if !matches!(state, State::Flowing | State::Stalled) {
            board.round_trip_ms = None;
        }
        if state == State::Flowing {
            board.earlier_error = board.last_error.take().or(board.earlier_error.take());
        }
        board.away_since = match state {
            State::Flowing | State::Held => None,
            _ => board.away_since.or(Some(now)),
        };
        is_news
    }

    /// Something went wrong.
    pub(super) fn failed(&self, why: String, now: GatewayTime) {
        let mut board = self.lock();
        (board.last_error, board.error_at_ms) = (Some(why), Some(now.wall_ms));
    }

    pub(super) fn read(&self) -> Status {
        self.lock().clone()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the river tells of all upstreams in its health. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Boards(Arc<[Board]>);

impl Boards {
    pub(super) fn new(boards: Vec<Board>) -> Self {
        Self(boards.into())
    }

    pub(super) fn get(&self, at: usize) -> Option<&Board> {
        self.0.get(at)
    }

    /// What is wrong with each of them, for a human: away for long without being held, or messages given up since the
    /// start.
    pub(crate) fn ailments(&self, now: GatewayTime) -> Vec<String> {
        let of = |board: &Board| {
            let status = board.lock();
            let away = status.away_since.filter(|since| now.mono_ms.saturating_sub(since.mono_ms) >= AILING_MS);
            let away = away.map(|since| {
                let why = status.last_error.as_deref().unwrap_or("nothing was said why");
                let (name, state, since) = (&status.name, status.state.as_str(), Time(since.wall_ms));
                format!("upstream {name} is {state}, no data flows since {since}: {why}")
            });
            let given_up = (status.given_up > 0).then(|| {
                let messages = count(status.given_up, "message");
                format!("upstream {} was not given {messages} it refused: see losses", status.name)
            });
            [away, given_up]
        };
        self.0.iter().flat_map(of).flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ms: u64) -> GatewayTime {
        GatewayTime { wall_ms: 1_700_000_000_000 + mono_ms as i64, mono_ms }
    }

    #[test]
    fn an_upstream_without_data_for_a_minute_is_an_ailment_whatever_it_tried_meanwhile() {
        let board = Board::new("cloud", "mqtt://far".to_owned());
        let boards = Boards::new(vec![board.clone()]);
        assert!(boards.ailments(at(u64::MAX)).is_empty(), "it has not begun");
        board.set(State::Connecting, at(1_000));
        board.set(State::BackingOff, at(2_000));
        board.failed("connection refused".to_owned(), at(2_000));
        assert!(boards.ailments(at(60_999)).is_empty());
        let said = "upstream cloud is backing-off, no data flows since 2023-11-14T22:13:21.000Z: connection refused";
        assert_eq!(boards.ailments(at(61_000)), [said]);
        board.set(State::Flowing, at(70_000));
        assert!(boards.ailments(at(200_000)).is_empty());
        board.set(State::Stalled, at(200_000));
        assert_eq!(boards.ailments(at(260_000)).len(), 1);
    }

    /// A week after an outage its error stood beside `flowing` as if it were of now.
    #[test]
    fn an_error_is_an_earlier_one_once_data_flows() {
        let board = Board::new("cloud", "mqtt://far".to_owned());
        board.failed("connection refused".to_owned(), at(1_000));
        board.set(State::BackingOff, at(1_000));
        let shown = |board: &Board| {
            let Status { last_error, earlier_error, error_at_ms, .. } = board.read();
            (last_error, earlier_error, error_at_ms)
        };
        let (refused, when) = (Some("connection refused".to_owned()), Some(1_700_000_001_000));
        assert_eq!(shown(&board), (refused.clone(), None, when));
        board.set(State::Flowing, at(5_000));
        assert_eq!(shown(&board), (None, refused.clone(), when));
        board.set(State::Flowing, at(6_000));
        assert_eq!(shown(&board), (None, refused.clone(), when));
        board.failed("no route to host".to_owned(), at(7_000));
        assert_eq!(shown(&board).0.as_deref(), Some("no route to host"));
    }

    #[test]
    fn one_that_is_held_back_is_not_ailing_and_one_that_lost_messages_is() {
        let board = Board::new("cloud", "mqtt://far".to_owned());
        let boards = Boards::new(vec![board.clone()]);
        board.set(State::BackingOff, at(0));
        board.set(State::Held, at(1));
        assert!(boards.ailments(at(1_000_000)).is_empty());
        board.set(State::Connecting, at(1_000_000));
        assert!(boards.ailments(at(1_059_999)).is_empty(), "time on hold does not count");
        board.lock().given_up = 2;
        assert_eq!(boards.ailments(at(1_000_001)), ["upstream cloud was not given 2 messages it refused: see losses"]);
    }
}
