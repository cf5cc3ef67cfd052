//! A fleet: many devices over real sockets, one seed, one ledger, one way to stop.
//!
//! Every device is a task of one supervisor; stopping means: produce no more, wait until what was produced is
//! acknowledged, at most [`FleetConfig::drain`]; then the ledger is synced and summed up.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::interval;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::broker::Broker;
use crate::client::{Options, Protocol};
use crate::clock::Clock;
use crate::crew;
use crate::device::Device;
use crate::kind::Kind;
use crate::ledger::{Ledger, LedgerConfig, Summary};
use crate::outbox::Outbox;
use crate::series::Series;
use crate::session::{self, Session};

/// How far the ledger's file may lag behind the wire.
pub const FLUSH_INTERVAL: Duration = Duration::from_millis(100);

/// What the devices of a fleet send.
#[derive(Clone, Debug)]
pub enum Cast {
    /// Simulated devices of one kind, named `<prefix>-01`, `<prefix>-02` …
    Simulated {
        /// What they are.
        kind: Kind,
        /// How many.
        devices: u32,
        /// Start of all their names; `None` = the kind's own, such as `wrist`.
        prefix: Option<String>,
        /// Frames each device sends before it leaves; `None` = until stopped.
        frames: Option<u64>,
    },
    /// Recorded series, one device each, each sent once.
    Recorded(Vec<Series>),
}

/// How device time runs against real time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// Device time is real time: the devices measure now. A full offline buffer loses its oldest frame.
    Live,
    /// The devices bring a finished recording that ends now and is sent this many times faster than it was measured.
    Times(f64),
    /// The same, as fast as the broker acknowledges.
    Max,
}

/// A fleet and where it connects. Start from [`FleetConfig::new`] and change what differs.
#[derive(Clone, Debug)]
pub struct FleetConfig {
    /// Broker to connect to.
    pub broker: Broker,
    /// What is sent, and by whom.
    pub cast: Cast,
    /// The one seed: same seed, same frames. Default 42.
    pub seed: u64,
    /// Device time in one frame; whole seconds for simulated devices. Default 1 s.
    pub period: Duration,
    /// Default [`Speed::Live`]; any other needs a number of frames or a recording.
    pub speed: Speed,
    /// Boot counter all devices carry, below 2^27; a second run against the same gateway needs another. Default 1.
    pub boot: u32,
    /// Topic root. Default `halo/v1`.
    pub root: String,
    /// MQTT version. Default 3.1.1.
    pub protocol: Protocol,
    /// User name and password; `None` = anonymous.
    pub credentials: Option<(String, String)>,
    /// Unacknowledged frames per device on the wire. Default 20.
    pub window: usize,
    /// Frames a device holds while it cannot deliver. Default 3,600: an hour at one a second.
    pub buffer: usize,
    /// Longest wait for acknowledgements after a stop. Default 10 s.
    pub drain: Duration,
    /// What is written down.
    pub ledger: LedgerConfig,
}

/// Why a fleet did not start.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// A value of the configuration cannot work.
    #[error("{0}")]
    Config(String),
    /// The ledger's file could not be created.
    #[error("ledger file: {0}")]
    Ledger(#[from] io::Error),
}

/// A look at a running fleet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Counts so far; `unacked` is what the devices hold.
    #[serde(flatten)]
    pub counts: Summary,
    /// Devices connected now.
    pub connected: u64,
    /// Devices that have left.
    pub finished: u64,
}

/// What all devices of a fleet write to.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) ledger: Ledger,
    connected: AtomicU64,
    finished: AtomicU64,
    last_error: Mutex<Option<String>>,
}

/// Starts fleets.
#[derive(Debug)]
pub struct Fleet;

/// A running fleet. Dropping it stops nothing; cancel the token given to [`Fleet::start`] or call [`FleetHandle::stop`].
#[derive(Debug)]
pub struct FleetHandle {
    shared: Arc<Shared>,
    token: CancellationToken,
    done: CancellationToken,
}

impl FleetConfig {
    /// `devices` simulated wristbands, one frame a second each.
    pub fn new(broker: Broker, devices: u32) -> Self {
        Self {
            broker,
            cast: Cast::Simulated { kind: Kind::Wristband, devices, prefix: None, frames: None },
            seed: 42,
            period: Duration::from_secs(1),
            speed: Speed::Live,
            boot: 1,
            root: crate::ROOT.to_owned(),
            protocol: Protocol::default(),
            credentials: None,
            window: 20,
            buffer: 3_600,
            drain: Duration::from_secs(10),
            ledger: LedgerConfig::default(),
        }
    }
}

impl Fleet {
    /// Starts every device on `tracker` and returns at once; devices connect, and keep trying, by themselves.
    /// Cancelling `token` stops the fleet as [`FleetHandle::stop`] does.
    ///
    /// # Errors
    /// [`FleetError::Config`] for values that cannot work, [`FleetError::Ledger`] when its file cannot be created.
    pub fn start(
        config: FleetConfig,
        tracker: &TaskTracker,
        token: &CancellationToken,
    ) -> Result<FleetHandle, FleetError> {
        let devices = crew::muster(&config)?;
        let shared = Arc::new(Shared {
            ledger: Ledger::new(&config.ledger)?,
            connected: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            last_error: Mutex::new(None),
        });
        let token = token.child_token();
        let done = CancellationToken::new();
        let clock = Clock::system();
        let sessions: Vec<Session> = (devices.into_iter().enumerate())
            .map(|(index, device)| {
                shared.ledger.device_added();
                let options = options(&config, &device);
                let outbox = Outbox::new(config.window, config.buffer);
                let random = crew::random(config.seed, index, crew::Purpose::Network);
                Session::new(device, outbox, options, shared.clone(), clock, random)
            })
            .collect();
        tracker.spawn(supervise(sessions, shared.clone(), token.clone(), config.drain, done.clone().drop_guard()));
        Ok(FleetHandle { shared, token, done })
    }
}

impl FleetHandle {
    /// Counts and connections now.
    pub fn progress(&self) -> Progress {
        Progress {
            counts: self.shared.ledger.summary(),
            connected: self.shared.connected.load(Ordering::Relaxed),
            finished: self.shared.finished.load(Ordering::Relaxed),
        }
    }

    /// The newest reason why a device could not connect or lost its connection.
    pub fn last_error(&self) -> Option<String> {
        self.shared.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

    /// Produces no more frames, waits for outstanding acknowledgements (at most [`FleetConfig::drain`]) and sums up.
    pub async fn stop(self) -> Summary {
        self.token.cancel();
        self.finished().await
    }
}

impl Shared {
    pub(crate) fn link_up(&self) {
        self.connected.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn link_down(&self) {
        self.connected.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn note_error(&self, error: &str) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_owned());
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
                Some(Ok(())) => drop(shared.finished.fetch_add(1, Ordering::Relaxed)),
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
        window: config.window.max(1),
    }
}
