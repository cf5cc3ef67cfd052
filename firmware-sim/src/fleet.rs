//! A fleet: many devices over real sockets, one seed, one ledger, one way to stop.
//!
//! Every device is a task of one supervisor; stopping means: produce no more, wait until what was produced is
//! acknowledged, at most [`FleetConfig::drain`]; then the ledger is synced and summed up.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::interval;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::client::Options;
use crate::clock::Clock;
use crate::config::{FleetConfig, FleetError};
use crate::crew;
use crate::device::Device;
use crate::kind::Kind;
use crate::ledger::{Ledger, Summary};
use crate::outbox::Outbox;
use crate::random::{Purpose, stream};
use crate::session::{self, Session};
use crate::shared::{Progress, Shared};
use crate::truth::TruthFile;

/// How often lines that the ledger's file did not take are tried again.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// Starts fleets.
#[derive(Debug)]
pub struct Fleet;

/// A running fleet. Dropping it stops nothing; cancel the token given to [`Fleet::start`] or call [`FleetHandle::stop`].
#[derive(Debug)]
pub struct FleetHandle {
    shared: Arc<Shared>,
    devices: Vec<(Arc<str>, Option<Kind>)>,
    token: CancellationToken,
    done: CancellationToken,
}

impl Fleet {
    /// Starts every device on `tracker` and returns at once; devices connect, and keep trying, by themselves.
    /// Cancelling `token` stops the fleet as [`FleetHandle::stop`] does.
    ///
    /// # Errors
    /// [`FleetError::Config`] for values that cannot work, [`FleetError::Ledger`] when a file cannot be created.
    pub fn start(
        config: FleetConfig,
        tracker: &TaskTracker,
        token: &CancellationToken,
    ) -> Result<FleetHandle, FleetError> {
        let devices = crew::muster(&config)?;
        let truth = TruthFile::create(config.truth.as_deref())?;
        let shared = Arc::new(Shared::new(Ledger::new(&config.ledger)?, truth));
        let names = devices.iter().map(|device| (device.id().clone(), device.kind)).collect();
        let token = token.child_token();
        let done = CancellationToken::new();
        let clock = Clock::system();
        let sessions: Vec<Session> = devices
            .into_iter()
            .map(|device| {
                shared.ledger.device_added();
                let options = options(&config, &device);
                let outbox = Outbox::new(config.window, config.buffer).newest_first(device.dice.newest_first());
                let random = stream(config.seed, device.id(), Purpose::Network);
                Session::new(device, outbox, options, shared.clone(), clock, random)
            })
            .collect();
        tracker.spawn(supervise(sessions, shared.clone(), token.clone(), config.drain, done.clone().drop_guard()));
        Ok(FleetHandle { shared, devices: names, token, done })
    }
}

impl FleetHandle {
    /// Counts and connections now.
    pub fn progress(&self) -> Progress {
        self.shared.progress()
    }

    /// The newest reason why a device could not connect or lost its connection.
    pub fn last_error(&self) -> Option<String> {
        self.shared.last_error()
    }

    /// The devices' ids and what they are; `None` = a recorded series.
    pub fn devices(&self) -> &[(Arc<str>, Option<Kind>)] {
        &self.devices
    }

    /// The ledger, live.
    pub fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    /// Waits until every device has left by itself: the end of a recording or of a limited number of frames, or a
    /// cancelled token. May be dropped and called again.
    pub async fn finished(&self) -> Summary {
        self.done.cancelled().await;
        self.shared.ledger.summary()
    }

    /// Produces no more frames; [`FleetHandle::finished`] resolves when outstanding acknowledgements have come.
    pub fn halt(&self) {
        self.token.cancel();
    }

    /// Produces no more frames, waits for outstanding acknowledgements (at most [`FleetConfig::drain`]) and sums up.
    pub async fn stop(self) -> Summary {
        self.halt();
        self.finished().await
    }
}

async fn supervise(
    sessions: Vec<Session>,
    shared: Arc<Shared>,
    token: CancellationToken,
    drain: Duration,
    done: DropGuard,
) {
    let mut running = JoinSet::new();
    for session in sessions {
        running.spawn(session::run(session, token.clone(), drain));
    }
    let mut flush = interval(FLUSH_INTERVAL);
    loop {
        tokio::select! {
            left = running.join_next() => match left {
                Some(Ok(())) => shared.device_left(),
                Some(Err(error)) => {
                    tracing::error!(%error, "device task ended early");
                    shared.note_error(&format!("a device task ended early: {error}"));
                }
                None => break,
            },
            _ = flush.tick() => write_ledger(&shared, Ledger::flush).await,
        }
    }
    write_ledger(&shared, Ledger::sync).await;
    drop(done);
}

async fn write_ledger(shared: &Arc<Shared>, how: fn(&Ledger) -> io::Result<()>) {
    let ledger = shared.ledger.clone();
    let written = tokio::task::spawn_blocking(move || how(&ledger)).await;
    if let Ok(Err(error)) = written {
        shared.note_error(&format!("ledger file: {error}"));
    }
}

fn options(config: &FleetConfig, device: &Device) -> Options {
    Options {
        host: config.broker.host().to_owned(),
        port: config.broker.port(),
        client_id: device.id().to_string(),
        credentials: config.credentials.clone(),
        protocol: config.protocol,
        will_topic: device.topics().state.clone(),
        will_payload: session::OFFLINE,
        // A frame may be on the wire twice.
        window: config.window.max(1) * 2,
    }
}
