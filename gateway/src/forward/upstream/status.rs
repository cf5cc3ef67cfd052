//! What an operator sees of an upstream.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::record::{Account, Offset, Stretch};

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
    /// Something is under way and nothing is confirmed; the connection is about to be torn down.
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
    /// The last round trip of a probe on this connection.
    pub round_trip_ms: Option<u64>,
    /// The round trip is a PUBACK's: the broker does not let the probe come back.
    pub round_trip_is_puback: bool,
    /// The lane of what comes; no lane when neither readings nor losses are sent.
    pub live: Option<LaneStatus>,
    /// The lane of what was missed, while there is something to make up for.
    pub backfill: Option<LaneStatus>,
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
    /// Connections since the start.
    pub connections: u64,
    /// Messages given up since the start: in `losses`.
    pub given_up: u64,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// While backing off: when the next try is, Unix milliseconds.
    pub next_try_ms: Option<i64>,
}

/// A status that its upstream writes and anybody reads.
#[derive(Clone, Debug)]
pub(super) struct Board(Arc<Mutex<Status>>);

impl Board {
    pub(super) fn new(name: &str, url: String, state: State, since_ms: i64) -> Self {
        Self(Arc::new(Mutex::new(Status {
            name: name.to_owned(),
            url,
            state,
            since_ms,
            round_trip_ms: None,
            round_trip_is_puback: false,
            live: None,
            backfill: None,
            stretches: Vec::new(),
            pending: 0,
            counting: false,
            lag_ms: 0,
            account: Account::default(),
            repeats_possible: 0,
            repeated: 0,
            halos: 0,
            connections: 0,
            given_up: 0,
            last_error: None,
            next_try_ms: None,
        })))
    }

    pub(super) fn read(&self) -> Status {
        self.lock().clone()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
