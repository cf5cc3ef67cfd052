//! Joins the stages: the order of starting and stopping, and the owner of every task and thread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use halo_proto::topic::Grammar;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

use crate::broker::{self, BindError, Broker, Router};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::forward::owned::{Asker, Call};
use crate::forward::river::{self, River};
use crate::forward::upstream::{self, Upstreams};
use crate::ingest::policy::LoopbackPolicy;
use crate::metrics::Metrics;
use crate::record::{Body, Offset, Start, StartEpoch};
use crate::recovery::{self, RecoveryError, Restored};
use crate::store::checkpoint::Checkpointer;
use crate::store::gate::Gate;
use crate::store::head::Head;
use crate::store::inlet::{Appender, Inlet, QUEUE_MAX};
use crate::store::owner::{self, Owner, Turn};
use crate::store::{Durable, StoreError};

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
    /// The data folder.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The log, once it was open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An upstream.
    #[error(transparent)]
    Upstream(#[from] upstream::StartError),
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
    upstreams: Upstreams,
    upstreams_stop: CancellationToken,
    upstreams_threads: Vec<JoinHandle<()>>,
}

/// What every stage of one gateway shares.
struct Common {
    clock: Clock,
    metrics: Arc<Metrics>,
    gate: Arc<Gate>,
    grammar: Grammar,
    router: Router,
    feeds: upstream::Feeds,
}

impl Common {
    fn new(config: &Config) -> Self {
        let (metrics, grammar) = (Arc::new(Metrics::default()), config.grammar());
        let router = Router::new(&config.broker, Arc::new(LoopbackPolicy::new(grammar)), Arc::clone(&metrics));
        let feeds = upstream::Feeds::new(&config.upstream);
        Self { clock: Clock::system(), metrics, gate: Arc::new(Gate::default()), grammar, router, feeds }
    }

    fn for_owner(&self, asker: &Asker) -> owner::Shared {
        let (waker, durable) = (asker.clone(), self.feeds.waker());
        owner::Shared {
            clock: self.clock.clone(),
            gate: Arc::clone(&self.gate),
            metrics: Arc::clone(&self.metrics),
            wake: Box::new(move || {
                waker.look();
                durable();
            }),
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
            changes: self.feeds.changes(),
        }
    }

    fn for_upstreams(&self, river: &river::Shared, appender: Appender, asker: Asker) -> upstream::Shared {
        let (gateway_id, log_id) = (river.gateway_id.clone(), river.log_id.clone());
        let (clock, grammar) = (self.clock.clone(), self.grammar);
        upstream::Shared { clock, grammar, gateway_id, log_id, appender, asker }
    }

    fn broker(&self, config: broker::Config, inlet: Arc<Inlet>, asker: Asker) -> Broker {
        let (router, clock, metrics) = (self.router.clone(), self.clock.clone(), Arc::clone(&self.metrics));
        Broker::new(config, router, inlet, Arc::new(asker), clock, metrics)
    }
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
        upstream::check(&config.upstream)?;
        // First, because a taken port is the likeliest mistake and nothing has been touched yet.
        let listener = broker::bind(config.gateway.mqtt).await?;
        let address = listener.local_addr().map_err(|error| BindError::Io { addr: config.gateway.mqtt, error })?;
        let common = Common::new(&config);
        let Restored { log, identity, engine, head, fold } = recovery::open(&config, &common.clock, &common.metrics)?;
        let (checkpointer, checkpoints) = Checkpointer::start(engine).map_err(StartError::Thread)?;
        let (queue, inbox) = sync_channel(QUEUE_MAX);
        let (calls, called) = sync_channel(CALLS_MAX);
        let inlet = Arc::new(Inlet::new(queue, Arc::clone(&common.gate), common.grammar));
        let asker = Asker::new(calls);
        common.router.load_retained(head.retained());

        let (epoch, durable) = (log.epoch(), log.watermark());
        let reader = log.reader(fold.applied().next());
        let first = first_records(&config, &head);
        let (seed, tail) = (upstream::Seed::new(&head, &config.upstream), log.reader(head.applied().next()));
        let mut owner = Owner::new(log, head, Some(checkpointer.clone()), common.for_owner(&asker));
        owner.begin(first)?;
        let shared = common.for_river(format!("{}.{identity}", config.gateway.id), config.gateway.id.clone());
        let folded = Arc::clone(&shared.folded);
        let for_upstreams = common.for_upstreams(&shared, inlet.appender(), asker.clone());
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
        let (upstreams, running) =
            upstream::start(config.upstream, seed, &common.feeds, &tail, &for_upstreams, |_| false);
        let start_upstream = |(name, work): (String, upstream::Work)| {
            let ending = Ending::new(&common.gate, &failed);
            thread(&format!("up-{name}"), move || {
                work();
                ending.ended(true);
            })
        };
        let upstreams_stop = running.stop;
        let upstreams_threads = running.works.into_iter().map(start_upstream).collect::<Result<Vec<_>, _>>()?;
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
            upstreams,
            upstreams_stop,
            upstreams_threads,
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

    /// The brokers far away.
    pub fn upstreams(&self) -> &Upstreams {
        &self.upstreams
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
        // Before the log ends: their last cursors are records.
        self.upstreams_stop.cancel();
        let Self { inlet, asker, durable, folded, owner, river, checkpoints, upstreams_threads, .. } = self;
        let joined = tokio::task::spawn_blocking(move || {
            upstreams_threads.into_iter().for_each(|thread| drop(thread.join()));
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
