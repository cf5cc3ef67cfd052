//! Joins the stages: the order of starting and stopping, and the owner of every task and thread.
//!
//! ```text
//! admission ─▶ doors (bound) ─▶ flow (prepared ─▶ threads) ─▶ sources, administration, clients (tasks)
//! ```
//!
//! Each stage of a start is a file below; an error in a later one ends what the earlier ones have started.

mod error;
mod models;
#[cfg(feature = "onnx")]
mod onnx;
mod admission;
mod signal;
mod parts;
mod common;
mod threads;
mod flow;
mod doors;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use common::Common;
use doors::{Listeners, open_door};
use flow::{Faces, Flow, Started};
use parts::Stages;
use threads::Threads;

pub use admission::{admission, warnings};
pub use error::StartError;
pub use models::ModelsError;
pub(crate) use models::{model_bytes, read as read_models};
pub use signal::StopSignal;
#[cfg(feature = "onnx")]
pub(crate) use {models::onnx_facts, onnx::Tensor as OnnxTensor};

use crate::admin::{self, AccountsDesk};
use crate::broker::Router;
use crate::config::Config;
use crate::forward::owned::Call;
use crate::forward::upstream::Upstreams;
use crate::metrics::Metrics;
use crate::record::{Offset, StartEpoch};
use crate::source::Sources;
use crate::store::Pins;
use crate::store::backup;
use crate::store::disk::Budget;
use crate::store::fs::Disk;
use crate::store::inlet::Appender;

/// A running gateway.
pub struct App {
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    router: Router,
    metrics: Arc<Metrics>,
    faces: Faces,
    sources: Sources,
    upstreams: Upstreams,
    broker_stop: CancellationToken,
    tracker: TaskTracker,
    failed: CancellationToken,
    threads: Threads,
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
    #[expect(clippy::unused_async, reason = "sockets are bound on a runtime: who calls it must be on one")]
    pub async fn start(config: Config) -> Result<Self, StartError> {
        config.validate()?;
        let (accounts, tls, models) = admission(&config)?;
        warnings(&config, &accounts).iter().for_each(|warning| warn!("{warning}"));
        // First, because a taken port is the likeliest mistake and nothing has been touched yet.
        let listeners = Listeners::bind(&config, tls)?;
        let common = Common::new(&config, accounts, models);
        let failed = CancellationToken::new();
        let started = Flow::prepare(&config, &common)?.start(&common, &failed)?;
        Ok(Self::serve(&config, common, listeners, started, failed))
    }

    /// Lets everybody in; from here on nothing can fail.
    fn serve(config: &Config, common: Common, doors: Listeners, flow: Started, failed: CancellationToken) -> Self {
        let Started { faces, sources, upstreams, threads } = flow;
        let (tracker, broker_stop) = (TaskTracker::new(), CancellationToken::new());
        let sources = sources.start(&tracker, &broker_stop);
        let tools = tools(config, &common, &doors, &faces, (&upstreams, &sources));
        open_door(&config.gateway.data_dir, tools, &tracker, &broker_stop);
        let (address, tls_address) = (doors.address, doors.tls_address);
        let broker = common.broker(config.broker.clone(), Arc::clone(&faces.inlet), faces.asker.clone());
        doors.serve(broker, &tracker, &broker_stop);
        info!(%address, data = %config.gateway.data_dir.display(), durable = faces.durable.offset().0, "ready");
        let Common { router, metrics, .. } = common;
        Self { address, tls_address, router, metrics, faces, sources, upstreams, broker_stop, tracker, failed, threads }
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
        self.faces.inlet.appender()
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
        Arc::clone(&self.faces.backups)
    }

    /// The account of the disk.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.faces.budget
    }

    /// Holds places in the log against retention.
    pub fn pins(&self) -> &Pins {
        &self.faces.pins
    }

    /// Which start of this data folder it is.
    pub fn epoch(&self) -> StartEpoch {
        self.faces.epoch
    }

    /// The last durable record.
    pub fn durable(&self) -> Offset {
        self.faces.durable.offset()
    }

    /// The last folded record.
    pub fn folded(&self) -> Offset {
        Offset(self.faces.folded.load(Ordering::Acquire))
    }

    /// Resolves when a stage has failed for good; what is left to do is [`App::stop`].
    pub async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// Stops in flow order: the broker and the sources take no more and settle what is in flight, the log commits what it has, the
    /// river folds it and writes it down.
    pub async fn stop(self) -> Stopped {
        let (said, heard) = oneshot::channel();
        if self.faces.asker.call(Call::Stopping(said)).await {
            // An unheard goodbye costs nothing: the connections end all the same.
            drop(heard.await);
        }
        self.broker_stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
        let Self { faces, mut threads, .. } = self;
        let ended = tokio::task::spawn_blocking(move || threads.end()).await.unwrap_or(false);
        let (durable, folded) = (faces.durable.offset(), Offset(faces.folded.load(Ordering::Acquire)));
        Stopped { durable, folded, drained: ended && durable == folded }
    }
}

/// What administration works with.
fn tools(
    config: &Config,
    common: &Common,
    doors: &Listeners,
    faces: &Faces,
    (upstreams, sources): (&Upstreams, &Sources),
) -> admin::Tools {
    let (policy, router) = (common.policy.clone(), common.router.clone());
    let stages = Stages {
        budget: Arc::clone(&faces.budget),
        upstreams: upstreams.clone(),
        sources: sources.clone(),
        backups: Arc::clone(&faces.backups),
        pins: faces.pins.clone(),
        clock: common.clock.clone(),
        asker: faces.asker.clone(),
    };
    admin::Tools {
        gateway_id: config.gateway.id.clone(),
        listens: doors.urls(),
        grammar: common.grammar,
        clock: common.clock.clone(),
        metrics: Arc::clone(&common.metrics),
        appender: faces.inlet.appender(),
        durable: Arc::clone(&faces.durable),
        folded: Arc::clone(&faces.folded),
        router: router.clone(),
        owned: Arc::new(faces.asker.clone()),
        accounts: AccountsDesk::new(policy, router, faces.inlet.appender(), config.accounts_file()),
        parts: Arc::new(stages),
    }
}
