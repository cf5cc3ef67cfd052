//! Joins the stages: the order of starting and stopping, and the owner of every task and thread.

mod parts;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use halo_proto::topic::Grammar;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use parts::Stages;

use crate::admin::{self, AccountsDesk, Desk, Door};
use crate::auth::{self, AccountsPolicy};
use crate::broker::{self, BindError, Broker, Router};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::forward::owned::{Asker, Call};
use crate::forward::river::{self, River};
use crate::forward::upstream::{self, Upstreams};
use crate::metrics::Metrics;
use crate::record::{Body, Name, Offset, Start, StartEpoch};
use crate::recovery::{self, RecoveryError, Restored};
use crate::source::{self, SourceError, Sources};
use crate::store::backup;
use crate::store::checkpoint::Checkpointer;
use crate::store::disk::Budget;
use crate::store::fs::Disk;
use crate::store::gate::Gate;
use crate::store::head::Head;
use crate::store::identity::Identities;
use crate::store::inlet::{Appender, Inlet, QUEUE_MAX};
use crate::store::owner::{self, Owner, Turn};
use crate::store::retention::{self, Retention, Running};
use crate::store::{Durable, Pins, StoreError};

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
    /// The accounts.
    #[error(transparent)]
    Accounts(#[from] auth::FileError),
    /// The devices' keys.
    #[error(transparent)]
    Keys(#[from] crate::ingest::keys::KeysError),
    /// Certificate and key.
    #[error(transparent)]
    Tls(#[from] auth::TlsError),
    /// The data folder.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The log, once it was open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An existing broker to read from.
    #[error(transparent)]
    Source(#[from] SourceError),
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
    tls_address: Option<SocketAddr>,
    router: Router,
    metrics: Arc<Metrics>,
    epoch: StartEpoch,
    durable: Arc<Durable>,
    folded: Arc<AtomicU64>,
    backups: Arc<backup::Source<Disk>>,
    inlet: Arc<Inlet>,
    asker: Asker,
    sources: Sources,
    broker_stop: CancellationToken,
    tracker: TaskTracker,
    failed: CancellationToken,
    owner: JoinHandle<Turn>,
    river: JoinHandle<()>,
    checkpoints: JoinHandle<()>,
    upstreams: Upstreams,
    upstreams_stop: CancellationToken,
    upstreams_threads: Vec<JoinHandle<()>>,
    retention: Running,
    budget: Arc<Budget>,
    pins: Pins,
}

/// What every stage of one gateway shares.
struct Common {
    clock: Clock,
    metrics: Arc<Metrics>,
    gate: Arc<Gate>,
    grammar: Grammar,
    router: Router,
    feeds: upstream::Feeds,
    policy: AccountsPolicy,
}

impl Common {
    fn new(config: &Config, accounts: auth::Accounts) -> Self {
        let (metrics, grammar) = (Arc::new(Metrics::default()), config.grammar());
        let policy = AccountsPolicy::new(grammar, accounts, config.auth.required, Arc::clone(&metrics));
        let router = Router::new(&config.broker, Arc::new(policy.clone()), Arc::clone(&metrics));
        let feeds = upstream::Feeds::new(&config.upstream);
        Self { clock: Clock::system(), metrics, gate: Arc::new(Gate::default()), grammar, router, feeds, policy }
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

    fn for_retention(
        &self,
        config: &Config,
        budget: &Arc<Budget>,
        checkpoints: &Checkpointer,
        appender: Appender,
    ) -> retention::Parts {
        retention::Parts {
            config: config.disk.clone(),
            consumers: config
                .upstream
                .iter()
                .filter(|it| it.reads_log())
                .map(|it| Name::from(it.name.as_str()))
                .collect(),
            budget: Arc::clone(budget),
            checkpoints: checkpoints.clone(),
            replayed_from: recovery::replayed_from,
            appender,
            gate: Arc::clone(&self.gate),
            clock: self.clock.clone(),
            metrics: Arc::clone(&self.metrics),
        }
    }

    fn for_river(&self, log_ids: Identities, gateway_id: String, budget: &Arc<Budget>) -> river::Shared {
        river::Shared {
            clock: self.clock.clone(),
            gate: Arc::clone(&self.gate),
            metrics: Arc::clone(&self.metrics),
            router: self.router.clone(),
            grammar: self.grammar,
            gateway_id,
            log_ids,
            folded: Arc::default(),
            changes: self.feeds.changes(),
            upstreams: self.feeds.boards(),
            budget: Arc::clone(budget),
        }
    }

    fn for_sources(&self, config: &Config, inlet: &Arc<Inlet>) -> source::Local {
        source::Local {
            sink: Arc::clone(inlet) as Arc<dyn broker::Sink>,
            router: self.router.clone(),
            clock: self.clock.clone(),
            grammar: self.grammar,
            gateway_id: config.gateway.id.clone(),
            packet_bytes_max: config.broker.packet_bytes_max,
        }
    }

    fn for_upstreams(&self, river: &river::Shared, appender: Appender, asker: Asker) -> upstream::Shared {
        let (gateway_id, log_ids) = (river.gateway_id.clone(), river.log_ids.clone());
        let (clock, grammar) = (self.clock.clone(), self.grammar);
        upstream::Shared { clock, grammar, gateway_id, log_ids, appender, asker }
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
        let (accounts, tls) = admission(&config)?;
        warnings(&config, &accounts).iter().for_each(|warning| warn!("{warning}"));
        // First, because a taken port is the likeliest mistake and nothing has been touched yet.
        let listener = broker::bind(config.gateway.mqtt).await?;
        let address = listener.local_addr().map_err(|error| BindError::Io { addr: config.gateway.mqtt, error })?;
        let secured = match (&config.gateway.tls, tls) {
            (Some(tls), Some(server)) => Some((broker::bind(tls.address).await?, server)),
            _ => None,
        };
        let tls_address = secured.as_ref().and_then(|(listener, _)| listener.local_addr().ok());
        let common = Common::new(&config, accounts);
        let Restored { log, identities, engine, head, fold, replaying, budget, last, lacks_config } =
            recovery::open(&config, &common.clock, &common.metrics)?;
        let (checkpointer, checkpoints) =
            Checkpointer::start_within(engine, Some(Arc::clone(&budget))).map_err(StartError::Thread)?;
        let (queue, inbox) = sync_channel(QUEUE_MAX);
        let (calls, called) = sync_channel(CALLS_MAX);
        let inlet = Arc::new(Inlet::new(queue, Arc::clone(&common.gate), common.grammar));
        let asker = Asker::new(calls);
        let sources = Sources::prepare(&config.source, &common.for_sources(&config, &inlet))?;
        common.router.load_retained(head.retained());

        let (epoch, durable) = (log.epoch(), log.watermark());
        let reader = log.reader(fold.applied().next());
        let first = first_records(&config, &head, lacks_config);
        let pins = log.pins();
        let parts = common.for_retention(&config, &budget, &checkpointer, inlet.appender());
        let retention = Retention::new(&log, last, parts)?;
        let (gateway_id, all) = (config.gateway.id.clone(), log.reader(Offset(0)));
        let backups = Arc::new(backup::Source::new(all, gateway_id, identities.clone(), config.accounts_file()));
        let (seed, tail) = (upstream::Seed::new(&head, &config.upstream), log.reader(head.applied().next()));
        let held: HashSet<String> =
            config.upstream.iter().map(|it| it.name.clone()).filter(|name| head.is_held(name)).collect();
        let mut owner = Owner::new(log, head, Some(checkpointer.clone()), common.for_owner(&asker));
        owner.begin(first)?;
        let shared = common.for_river(identities.named(&config.gateway.id), config.gateway.id.clone(), &budget);
        let folded = Arc::clone(&shared.folded);
        let for_upstreams = common.for_upstreams(&shared, inlet.appender(), asker.clone());
        let river = River::new(reader, fold, replaying, checkpointer, shared);

        let failed = CancellationToken::new();
        let ending = Ending::new(&common.gate, &failed);
        let owner = thread("log", move || {
            let turn = owner.run(inbox);
            ending.ended(turn == Turn::Stop);
            turn
        })?;
        let retention = retention.start().map_err(StartError::Thread)?;
        let ending = Ending::new(&common.gate, &failed);
        let river = thread("river", move || {
            river.run(&called);
            ending.ended(true);
        })?;
        let (upstreams, running) =
            upstream::start(config.upstream.clone(), seed, &common.feeds, &tail, &for_upstreams, |name| {
                held.contains(name)
            });
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
        let sources = sources.start(&tracker, &broker_stop);
        let parts = Arc::new(Stages {
            budget: Arc::clone(&budget),
            upstreams: upstreams.clone(),
            sources: sources.clone(),
            backups: Arc::clone(&backups),
            pins: pins.clone(),
            clock: common.clock.clone(),
        });
        let tools = admin::Tools {
            gateway_id: config.gateway.id.clone(),
            listens: listens(address, tls_address),
            grammar: common.grammar,
            clock: common.clock.clone(),
            metrics: Arc::clone(&common.metrics),
            appender: inlet.appender(),
            durable: Arc::clone(&durable),
            folded: Arc::clone(&folded),
            owned: Arc::new(asker.clone()),
            accounts: AccountsDesk::new(common.policy.clone(), common.router.clone(), config.accounts_file()),
            parts,
        };
        open_door(&config.gateway.data_dir, tools, &tracker, &broker_stop);
        let broker = common.broker(config.broker, Arc::clone(&inlet), asker.clone());
        if let Some((listener, server)) = secured {
            let serving = broker.clone().serve_tls(listener, server, tracker.clone(), broker_stop.clone());
            drop(tracker.spawn(serving));
        }
        drop(tracker.spawn(broker.serve(listener, tracker.clone(), broker_stop.clone())));
        info!(%address, data = %config.gateway.data_dir.display(), durable = durable.offset().0, "ready");
        let Common { router, metrics, .. } = common;
        Ok(Self {
            address,
            tls_address,
            router,
            metrics,
            epoch,
            durable,
            folded,
            backups,
            inlet,
            asker,
            sources,
            broker_stop,
            tracker,
            failed,
            owner,
            river,
            checkpoints,
            upstreams,
            upstreams_stop,
            upstreams_threads,
            retention,
            budget,
            pins,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens under TLS.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls_address
    }

    /// Publish and subscribe without a socket.
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// Appends records from outside the flow.
    pub fn appender(&self) -> Appender {
        self.inlet.appender()
    }

    /// The existing brokers it reads from.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The brokers far away.
    pub fn upstreams(&self) -> &Upstreams {
        &self.upstreams
    }

    /// Counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What a backup is made from, while it runs.
    pub fn backups(&self) -> Arc<backup::Source<Disk>> {
        Arc::clone(&self.backups)
    }

    /// The account of the disk.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Holds places in the log against retention.
    pub fn pins(&self) -> &Pins {
        &self.pins
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

    /// Stops in flow order: the broker and the sources take no more and settle what is in flight, the log commits what it has, the
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
        let Self { inlet, asker, durable, folded, owner, river, checkpoints, upstreams_threads, retention, .. } = self;
        let joined = tokio::task::spawn_blocking(move || {
            upstreams_threads.into_iter().for_each(|thread| drop(thread.join()));
            retention.stop();
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

/// Serves administration on `tracker` until `stop`. Devices matter more than their administration: without it the
/// gateway runs all the same.
fn open_door(folder: &Path, tools: admin::Tools, tracker: &TaskTracker, stop: &CancellationToken) {
    match Door::open(folder) {
        Ok(door) => drop(tracker.spawn(door.serve(Arc::new(Desk::new(tools)), tracker.clone(), stop.clone()))),
        Err(error) => warn!(%error, "nobody can administer this gateway while it runs"),
    }
}

/// Who may connect, and the certificate: everything that `check` can tell of a start without starting.
///
/// # Errors
/// [`StartError`]: `run` would refuse it too.
pub fn admission(config: &Config) -> Result<(auth::Accounts, Option<Arc<rustls::ServerConfig>>), StartError> {
    upstream::check(&config.upstream)?;
    config.check_no_loop()?;
    config.ingest.read_keys()?;
    let accounts = auth::read(&config.accounts_file())?;
    let tls = config.gateway.tls.as_ref();
    if accounts.is_empty() {
        broker::check_loopback(config.gateway.mqtt)?;
        tls.map_or(Ok(()), |tls| broker::check_loopback(tls.address))?;
    }
    Ok((accounts, tls.map(auth::load_tls).transpose()?))
}

/// What is allowed and yet worth a word to whoever configured it.
pub fn warnings(config: &Config, accounts: &auth::Accounts) -> Vec<String> {
    let mut warnings = Vec::new();
    if !config.gateway.mqtt.ip().is_loopback() {
        let address = config.gateway.mqtt;
        warnings.push(format!(
            "gateway.mqtt = {address}: passwords and tokens travel in clear there; offer [gateway.tls] and keep gateway.mqtt on loopback"
        ));
    }
    if config.auth.required && accounts.is_empty() {
        warnings.push("auth.required is set and there are no accounts: nobody can connect".to_owned());
    }
    warnings
}

fn listens(plain: SocketAddr, tls: Option<SocketAddr>) -> Vec<String> {
    std::iter::once(format!("mqtt://{plain}")).chain(tls.map(|address| format!("mqtts://{address}"))).collect()
}

/// What every start writes: the start itself, and the fold's configuration when it is not the one in force, or the fold
/// does not know it.
fn first_records(config: &Config, head: &Head, lacks_config: bool) -> Vec<Body> {
    let mut first = vec![Body::Start(Start { version: env!("CARGO_PKG_VERSION").to_owned() })];
    let fold = config.fold();
    if lacks_config || head.config().hash != fold.hash {
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
