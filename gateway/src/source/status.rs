//! What is known of each source, for whoever asks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is connecting or subscribing.
    Connecting,
    /// Its subscriptions are granted, but nothing has come through them yet, or not any more.
    Connected,
    /// Messages come through: a publish, or the probe that goes through that broker and back.
    Flowing,
    /// It waits before it tries again.
    Waiting,
    /// The gateway stops.
    Stopped,
}

/// What is known of one source since the gateway started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its name in the configuration.
    pub name: String,
    /// Where it reads from.
    pub url: String,
    /// How it is now.
    pub state: State,
    /// Connections that got as far as their subscriptions.
    pub connections: u64,
    /// How often that broker had forgotten the session it was to keep: what it took meanwhile is not here.
    pub sessions_forgotten: u64,
    /// Publishes delivered, repeats and replays included.
    pub received: u64,
    /// Of those, the ones delivered again.
    pub repeated: u64,
    /// Of those received, the ones that were durable when they were acknowledged; repeats included.
    pub stored: u64,
    /// Of those received, retained messages that were known, and replays that cannot be told from new readings.
    pub known: u64,
    /// Of those received, the ones acknowledged and not stored.
    pub refused: u64,
    /// Why it is not connected, or was not the last time.
    pub last_error: Option<String>,
    /// How long the last message took through that broker and back; none while it is not measured.
    pub round_trip: Option<Duration>,
}

/// All sources of a gateway; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Sources(Arc<[Reporter]>);

impl Sources {
    pub(super) fn new(reporters: Vec<Reporter>) -> Self {
        Self(reporters.into())
    }

    /// What is known of each, in the order of the configuration.
    pub fn list(&self) -> Vec<Status> {
        self.0.iter().map(Reporter::read).collect()
    }
}

/// One source's hand on its status.
#[derive(Clone, Debug)]
pub(super) struct Reporter(Arc<Mutex<Status>>);

impl Reporter {
    pub(super) fn new(name: &str, url: &str) -> Self {
        Self(Arc::new(Mutex::new(Status {
            name: name.to_owned(),
            url: url.to_owned(),
            state: State::Connecting,
            connections: 0,
            sessions_forgotten: 0,
            received: 0,
            repeated: 0,
            stored: 0,
            known: 0,
            refused: 0,
            last_error: None,
            round_trip: None,
        })))
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn read(&self) -> Status {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
