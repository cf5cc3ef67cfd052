//! From the data folder to the threads that work on it: log, retention, river, upstreams.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use tokio_util::sync::CancellationToken;

use super::StartError;
use super::common::Common;
use super::threads::{Ending, Threads, thread};
use crate::config::Config;
use crate::forward::owned::{Asker, Call};
use crate::forward::river::River;
use crate::forward::upstream::{self, Upstreams};
use crate::record::{Body, Offset, Start, StartEpoch};
use crate::recovery::{self, Restored};
use crate::source::{self, Sources};
use crate::store::backup;
use crate::store::checkpoint::Checkpointer;
use crate::store::disk::Budget;
use crate::store::fs::Disk;
use crate::store::head::Head;
use crate::store::inlet::{Inlet, QUEUE_MAX, Submission};
use crate::store::owner::{Owner, Turn};
use crate::store::retention::Retention;
use crate::store::{Durable, Pins, Reader};

/// Questions that may wait for the river.
const CALLS_MAX: usize = 256;

/// What others see of the flow.
pub(super) struct Faces {
    pub(super) epoch: StartEpoch,
    pub(super) durable: Arc<Durable>,
    pub(super) folded: Arc<AtomicU64>,
    pub(super) backups: Arc<backup::Source<Disk>>,
    pub(super) inlet: Arc<Inlet>,
    pub(super) asker: Asker,
    pub(super) budget: Arc<Budget>,
    pub(super) pins: Pins,
}

/// The doors of the flow, with nobody behind them yet.
struct Doors {
    inlet: Arc<Inlet>,
    inbox: Receiver<Submission>,
    asker: Asker,
    called: Receiver<Call>,
}

impl Doors {
    fn new(common: &Common) -> Self {
        let (queue, inbox) = sync_channel(QUEUE_MAX);
        let (calls, called) = sync_channel(CALLS_MAX);
        let inlet = Arc::new(Inlet::new(queue, Arc::clone(&common.gate), common.grammar));
        Self { inlet, inbox, asker: Asker::new(calls), called }
    }
}

/// What the upstreams begin with.
struct Outlets {
    configs: Vec<upstream::Config>,
    seed: upstream::Seed,
    tail: Reader<Disk>,
    /// Names of those that are held back.
    held: HashSet<String>,
    shared: upstream::Shared,
}

impl Outlets {
    fn new(config: &Config, head: &Head, tail: Reader<Disk>, shared: upstream::Shared) -> Self {
        let (configs, seed) = (config.upstream.clone(), upstream::Seed::new(head, &config.upstream));
        let held = configs.iter().map(|it| it.name.clone()).filter(|name| head.is_held(name)).collect();
        Self { configs, seed, tail, held, shared }
    }
}

/// A data folder taken up and every stage ready; only the thread that writes checkpoints runs.
pub(super) struct Flow {
    pub(super) faces: Faces,
    pub(super) sources: source::Prepared,
    inbox: Receiver<Submission>,
    called: Receiver<Call>,
    owner: Owner<Disk>,
    retention: Retention<Disk>,
    river: River<Disk>,
    outlets: Outlets,
    checkpoints: JoinHandle<()>,
}

impl Flow {
    /// Recovers the data folder and writes what every start writes.
    pub(super) fn prepare(config: &Config, common: &Common) -> Result<Self, StartError> {
        let Restored { log, identities, engine, head, fold, replaying, budget, last, lacks_config } =
            recovery::open(config, &common.clock, &common.metrics, &common.damages)?;
        let (checkpointer, checkpoints) =
            Checkpointer::start_within(engine, Some(Arc::clone(&budget))).map_err(StartError::Thread)?;
        let Doors { inlet, inbox, asker, called } = Doors::new(common);
        let sources = Sources::prepare(&config.source, &common.for_sources(config, &inlet))?;
        common.router.load_retained(head.retained());

        let (epoch, durable, pins) = (log.epoch(), log.watermark(), log.pins());
        let reader = log.reader(fold.applied().next());
        let first = first_records(config, &head, lacks_config);
        let parts = common.for_retention(config, &budget, &checkpointer, inlet.appender(), &identities);
        let retention = Retention::new(&log, last, parts)?;
        let (gateway_id, all) = (config.gateway.id.clone(), log.reader(Offset(0)));
        let backups = backup::Source::new(all, gateway_id.clone(), identities.clone(), config.accounts_file());
        let shared = common.for_river(identities.named(&gateway_id), gateway_id, &budget);
        let for_upstreams = common.for_upstreams(&shared, inlet.appender(), asker.clone());
        let outlets = Outlets::new(config, &head, log.reader(head.applied().next()), for_upstreams);
        let mut owner = Owner::new(log, head, Some(checkpointer.clone()), common.for_owner(&asker));
        owner.begin(first)?;
        let folded = Arc::clone(&shared.folded);
        let sparks = common.sparks(config, &shared.log_ids, inlet.appender())?;
        let river = River::new(reader, (fold, replaying), checkpointer, sparks, shared);
        let faces = Faces { epoch, durable, folded, backups: Arc::new(backups), inlet, asker, budget, pins };
        Ok(Self { faces, sources, inbox, called, owner, retention, river, outlets, checkpoints })
    }

    /// Starts the threads; `failed` is cancelled when one of them ends unasked.
    pub(super) fn start(self, common: &Common, failed: &CancellationToken) -> Result<Started, StartError> {
        // Made first, so that it is dropped last: it waits until nobody could hand anything to a thread any more.
        let mut threads = Threads::new(Arc::clone(&self.faces.inlet), self.faces.asker.clone());
        let Self { faces, sources, inbox, called, owner, retention, river, outlets, checkpoints } = self;
        threads.checkpoints = Some(checkpoints);
        let Outlets { configs, seed, tail, held, shared } = outlets;
        let (upstreams, running) =
            upstream::start(configs, seed, &common.feeds, &tail, &shared, |name| held.contains(name));
        threads.upstreams_stop = running.stop;
        let ending = || Ending::new(&common.gate, failed);
        let it = ending();
        threads.owner = Some(thread("log", move || {
            let turn = owner.run(inbox);
            it.ended(turn == Turn::Stop);
            turn
        })?);
        threads.retention = Some(retention.start().map_err(StartError::Thread)?);
        let it = ending();
        threads.river = Some(thread("river", move || {
            river.run(&called);
            it.ended(true);
        })?);
        for (name, work) in running.works {
            let it = ending();
            threads.upstreams.push(thread(&format!("up-{name}"), move || {
                work();
                it.ended(true);
            })?);
        }
        Ok(Started { faces, sources, upstreams, threads })
    }
}

/// The flow, flowing.
pub(super) struct Started {
    pub(super) faces: Faces,
    pub(super) sources: source::Prepared,
    pub(super) upstreams: Upstreams,
    pub(super) threads: Threads,
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

#[cfg(test)]
mod tests;
