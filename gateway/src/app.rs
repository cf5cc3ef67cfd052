//! Joins the stages: the order of starting and stopping, and the owner of every task and thread.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use crate::store::Durable;
use halo_proto::topic::Grammar;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::broker::{self, BindError, Broker, Router};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::forward::owned::{Asker, Call};
use crate::forward::river::{self, River};
use crate::halo::{FOLD_VERSION, Fold};
use crate::ingest::policy::LoopbackPolicy;
use crate::metrics::Metrics;
use crate::record::{Body, Offset, Start, StartEpoch};
use crate::store::checkpoint::Checkpointer;
use crate::store::fs::Disk;
use crate::store::gate::Gate;
use crate::store::head::Head;
use crate::store::inlet::{Appender, Inlet, QUEUE_MAX};
use crate::store::owner::{self, Owner, Turn};
use crate::store::state::{Redb, StateEngine, StateError, Table};
use crate::store::{LOG_FOLDER, Log, StoreError};

/// File of the checkpoints within the data folder.
const STATE_FILE: &str = "state.redb";
/// File that tells this folder's log from any other.
const IDENTITY_FILE: &str = "identity";
/// Questions that may wait for the river.
const CALLS_MAX: usize = 256;

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The listener.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The log.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The checkpoints.
    #[error(transparent)]
    State(#[from] StateError),
    /// The data folder.
    #[error("data folder {path}: {source}; make it writable or choose another with --data-dir")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A thread.
    #[error("start thread: {0}")]
    Thread(std::io::Error),
}

/// A running gateway.
pub struct App {
    address: SocketAddr,
    router: Router,
    metrics: Arc<Metrics>,
    epoch: StartEpoch,
    durable: Arc<Durable>,
    folded: Arc<AtomicU64>,
    inlet: Arc<Inlet>,
    asker: Asker,
    broker_stop: CancellationToken,
    tracker: TaskTracker,
    failed: CancellationToken,
    owner: JoinHandle<Turn>,
    river: JoinHandle<()>,
    checkpoints: JoinHandle<()>,
}

/// What every stage of one gateway shares.
struct Common {
    clock: Clock,
    metrics: Arc<Metrics>,
    gate: Arc<Gate>,
    grammar: Grammar,
    router: Router,
}

impl Common {
    fn new(config: &Config) -> Self {
        let (metrics, grammar) = (Arc::new(Metrics::default()), config.grammar());
        let router = Router::new(&config.broker, Arc::new(LoopbackPolicy::new(grammar)), Arc::clone(&metrics));
        Self { clock: Clock::system(), metrics, gate: Arc::new(Gate::default()), grammar, router }
    }

    fn for_owner(&self, asker: &Asker) -> owner::Shared {
        let waker = asker.clone();
        owner::Shared {
            clock: self.clock.clone(),
            gate: Arc::clone(&self.gate),
            metrics: Arc::clone(&self.metrics),
            wake: Box::new(move || waker.look()),
        }
    }

    fn for_river(&self, log_id: String, gateway_id: String) -> river::Shared {
        river::Shared {
            clock: self.clock.clone(),
            gate: Arc::clone(&self.gate),
            metrics: Arc::clone(&self.metrics),
            router: self.router.clone(),
            grammar: self.grammar,
            gateway_id,
            log_id,
            folded: Arc::default(),
        }
    }

    fn broker(&self, config: broker::Config, inlet: Arc<Inlet>, asker: Asker) -> Broker {
        let (router, clock, metrics) = (self.router.clone(), self.clock.clone(), Arc::clone(&self.metrics));
        Broker::new(config, router, inlet, Arc::new(asker), clock, metrics)
    }
}

/// What a data folder holds, ready to go on.
struct Restored {
    log: Log<Disk>,
    identity: String,
    engine: Box<dyn StateEngine>,
    head: Head,
    fold: Fold,
}

/// How a gateway ended.
#[derive(Clone, Copy, Debug)]
pub struct Stopped {
    /// The last durable record.
    pub durable: Offset,
    /// The last folded record.
    pub folded: Offset,
    /// Whether everything accepted became durable and everything durable was folded.
    pub drained: bool,
}

impl App {
    /// Recovers the data folder, folds what it holds, and listens.
    ///
    /// # Errors
    /// [`StartError`]; nothing has been lost and nothing is left running.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        config.validate()?;
        // First, because a taken port is the likeliest mistake and nothing has been touched yet.
        let listener = broker::bind(config.gateway.mqtt).await?;
        let address = listener.local_addr().map_err(|error| BindError::Io { addr: config.gateway.mqtt, error })?;
        let common = Common::new(&config);
        let Restored { log, identity, engine, head, fold } = open(&config, &common)?;
        let (checkpointer, checkpoints) = Checkpointer::start(engine).map_err(StartError::Thread)?;
        let (queue, inbox) = sync_channel(QUEUE_MAX);
        let (calls, called) = sync_channel(CALLS_MAX);
        let inlet = Arc::new(Inlet::new(queue, Arc::clone(&common.gate), common.grammar));
        let asker = Asker::new(calls);
        common.router.load_retained(head.retained());

        let (epoch, durable) = (log.epoch(), log.watermark());
        let reader = log.reader(fold.applied().next());
        let first = first_records(&config, &head);
        let mut owner = Owner::new(log, head, Some(checkpointer.clone()), common.for_owner(&asker));
        owner.begin(first)?;
        let shared = common.for_river(format!("{}.{identity}", config.gateway.id), config.gateway.id.clone());
        let folded = Arc::clone(&shared.folded);
        let mut river = River::new(reader, fold, checkpointer, shared);
        river.catch_up()?;

        let failed = CancellationToken::new();
        let ending = Ending::new(&common.gate, &failed);
        let owner = thread("log", move || {
            let turn = owner.run(inbox);
            ending.ended(turn == Turn::Stop);
            turn
        })?;
        let ending = Ending::new(&common.gate, &failed);
        let river = thread("river", move || {
            river.run(&called);
            ending.ended(true);
        })?;
        let (tracker, broker_stop) = (TaskTracker::new(), CancellationToken::new());
        let broker = common.broker(config.broker, Arc::clone(&inlet), asker.clone());
        drop(tracker.spawn(broker.serve(listener, tracker.clone(), broker_stop.clone())));
        info!(%address, data = %config.gateway.data_dir.display(), durable = durable.offset().0, "ready");
        let Common { router, metrics, .. } = common;
        Ok(Self {
            address,
            router,
            metrics,
            epoch,
            durable,
            folded,
            inlet,
            asker,
            broker_stop,
            tracker,
            failed,
            owner,
            river,
            checkpoints,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Publish and subscribe without a socket.
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// Appends records from outside the flow.
    pub fn appender(&self) -> Appender {
        self.inlet.appender()
    }

    /// Counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Which start of this data folder it is.
    pub fn epoch(&self) -> StartEpoch {
        self.epoch
    }

    /// The last durable record.
    pub fn durable(&self) -> Offset {
        self.durable.offset()
    }

    /// The last folded record.
    pub fn folded(&self) -> Offset {
        Offset(self.folded.load(Ordering::Acquire))
    }

    /// Resolves when a stage has failed for good; what is left to do is [`App::stop`].
    pub async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// Stops in flow order: the broker takes no more and settles what is in flight, the log commits what it has, the
    /// river folds it and writes it down.
    pub async fn stop(self) -> Stopped {
        let (said, heard) = oneshot::channel();
        if self.asker.call(Call::Stopping(said)).await {
            // An unheard goodbye costs nothing: the connections end all the same.
            drop(heard.await);
        }
        self.broker_stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
        let Self { inlet, asker, durable, folded, owner, river, checkpoints, .. } = self;
        let joined = tokio::task::spawn_blocking(move || {
            inlet.stop();
            let committed = matches!(owner.join(), Ok(Turn::Stop));
            (committed, inlet)
        });
        let committed = joined.await.is_ok_and(|(committed, _)| committed);
        asker.call(Call::Stop).await;
        let folded_all = tokio::task::spawn_blocking(move || river.join().is_ok() & checkpoints.join().is_ok());
        let drained = committed && folded_all.await.unwrap_or(false);
        let (durable, folded) = (durable.offset(), Offset(folded.load(Ordering::Acquire)));
        Stopped { durable, folded, drained: drained && durable == folded }
    }
}

/// Opens the checkpoints; what cannot be opened is set aside, because the log rebuilds it.
fn open_state(path: &Path) -> Result<Box<dyn StateEngine>, StartError> {
    match Redb::open(path, FOLD_VERSION.into()) {
        Ok(engine) => Ok(Box::new(engine)),
        Err(error) if error.rebuilds() => {
            warn!(%error, "checkpoints are of no use");
            remove_state(path)?;
            Ok(Box::new(Redb::open(path, FOLD_VERSION.into())?))
        }
        Err(error) => Err(error.into()),
    }
}

/// Takes the data folder, recovers its log and goes on with its time line and its checkpoints.
fn open(config: &Config, common: &Common) -> Result<Restored, StartError> {
    let folder = config.gateway.data_dir.as_path();
    std::fs::create_dir_all(folder).map_err(|source| StartError::Folder { path: folder.to_owned(), source })?;
    let options = config.store.options(Arc::clone(&common.metrics));
    let (log, recovered) = Log::open(Disk, &folder.join(LOG_FOLDER), options)?;
    recovered.findings.iter().for_each(|finding| warn!(%finding, "found while opening the log"));
    if let Some(last) = recovered.last_stamp {
        common.clock.continue_from(last);
    }
    let identity = identity(folder)?;
    let (engine, head, fold) = restore(&folder.join(STATE_FILE), &log, &common.grammar)?;
    Ok(Restored { log, identity, engine, head, fold })
}

/// The checkpoints, and the head as of the log's end and the fold as of its checkpoint. Checkpoints of no use are set
/// aside whole: rows that nobody would ever overwrite must not come back at the next start.
fn restore(path: &Path, log: &Log<Disk>, grammar: &Grammar) -> Result<(Box<dyn StateEngine>, Head, Fold), StartError> {
    let engine = open_state(path)?;
    let (engine, mut head, fold) = match load(engine.as_ref(), log.durable(), grammar) {
        Ok((head, fold)) => (engine, head, fold),
        Err(error) => {
            warn!(error, "checkpoints are of no use; folding the log from its start");
            drop(engine);
            remove_state(path)?;
            (open_state(path)?, Head::new(grammar), Fold::new(*grammar))
        }
    };
    let findings = head.replay(&mut log.reader(head.applied().next()))?;
    findings.iter().for_each(|finding| warn!(%finding, "damage in the log"));
    Ok((engine, head, fold))
}

fn load(engine: &dyn StateEngine, durable: Offset, grammar: &Grammar) -> Result<(Head, Fold), String> {
    let head = Head::load(grammar, engine).map_err(|error| error.to_string())?;
    let fold = load_fold(engine, grammar)?;
    let applied = head.applied().max(fold.applied());
    // Records it knows of were lost, and their offsets would be given to others.
    if applied > durable {
        return Err(format!("they end at offset {applied}, behind the log, which ends at {durable}"));
    }
    Ok((head, fold))
}

fn remove_state(path: &Path) -> Result<(), StartError> {
    std::fs::remove_file(path).map_err(|source| StartError::Folder { path: path.to_owned(), source })
}

fn load_fold(engine: &dyn StateEngine, grammar: &Grammar) -> Result<Fold, String> {
    let rows = engine.rows(Table::Halo).map_err(|error| error.to_string())?;
    let rows = rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
    Fold::load(*grammar, rows).map_err(|error| error.to_string())
}

/// What every start writes: the start itself, and the fold's configuration when it is not the one in force.
fn first_records(config: &Config, head: &Head) -> Vec<Body> {
    let mut first = vec![Body::Start(Start { version: env!("CARGO_PKG_VERSION").to_owned() })];
    let fold = config.fold();
    if head.config().hash != fold.hash {
        first.push(Body::Config(fold));
    }
    first
}

/// Held by a thread of the flow. One that ends unasked, by a panic too, ends the gateway: nothing is acknowledged any
/// more, rather than halos standing still.
struct Ending {
    gate: Arc<Gate>,
    failed: CancellationToken,
    expected: bool,
}

impl Ending {
    fn new(gate: &Arc<Gate>, failed: &CancellationToken) -> Self {
        Self { gate: Arc::clone(gate), failed: failed.clone(), expected: false }
    }

    fn ended(mut self, expected: bool) {
        self.expected = expected;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.expected {
            self.gate.fail();
            self.failed.cancel();
        }
    }
}

fn thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, StartError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(StartError::Thread)
}

/// What tells this log from any other that may carry the same gateway's name: made once per data folder.
fn identity(folder: &Path) -> Result<String, StartError> {
    let path = folder.join(IDENTITY_FILE);
    let failed = |source| StartError::Folder { path: path.clone(), source };
    match std::fs::read_to_string(&path) {
        Ok(identity) if !identity.trim().is_empty() => return Ok(identity.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let identity = format!("{:08x}", RandomState::new().build_hasher().finish() >> 32);
    let mut file = std::fs::File::create(&path).map_err(failed)?;
    file.write_all(identity.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(identity)
}

/// What asks this process to stop: Ctrl-C or SIGTERM.
pub struct StopSignal {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignal {
    /// From now on the signals are heard rather than deadly. Call it before anyone is told that the gateway runs.
    ///
    /// # Errors
    /// When the system lets nobody listen.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Resolves with the name of the next one. Cancel safe.
    pub async fn heard(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "ctrl-c",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
