//! Starting all upstreams, and looking at them while they run.

use std::sync::Arc;

use halo_proto::topic::Grammar;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::changes::Changes;
use super::config::{Address, Config, From, Send, without_secrets};
use super::status::{Board, Boards, State, Status};
use super::task::Task;
use crate::clock::Clock;
use crate::forward::owned::Asker;
use crate::ingest::schemas::Schemas;
use crate::record::{Offset, Progress};
use crate::store::fs::Fs;
use crate::store::head::Head;
use crate::store::identity::Identities;
use crate::store::inlet::Appender;
use crate::store::{Damages, Reader};

/// Why an upstream cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("upstream {name}: {problem}")]
pub struct StartError {
    /// Which one.
    pub name: String,
    /// What is wrong.
    pub problem: String,
}

/// What upstreams share with the rest of the gateway.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) grammar: Grammar,
    pub(crate) gateway_id: String,
    /// What message ids begin with.
    pub(crate) log_ids: Identities,
    pub(crate) damages: Arc<Damages>,
    pub(crate) appender: Appender,
    pub(crate) asker: Asker,
}

/// All upstreams, for whoever looks at them. Cheap to clone.
#[derive(Clone, Default)]
pub struct Upstreams(Arc<[Handle]>);

#[derive(Debug)]
struct Handle {
    name: String,
    board: Board,
    held: watch::Sender<bool>,
}

impl Upstreams {
    /// How each of them is, in the order of the configuration.
    pub fn list(&self) -> Vec<Status> {
        self.0.iter().map(|handle| handle.board.read()).collect()
    }

    /// Holds one back, or lets it go again; `false` when there is none of that name. The record of the act is the
    /// caller's to write.
    pub fn hold(&self, name: &str, held: bool) -> bool {
        let Some(handle) = self.0.iter().find(|handle| handle.name == name) else { return false };
        handle.held.send_replace(held);
        true
    }
}

/// What the head knows at the start, taken before the log's owner has it.
pub struct Seed {
    schemas: Schemas,
    known: Offset,
    stands: Vec<Option<Progress>>,
    /// Offsets there are: the oldest kept may be later.
    oldest: Offset,
}

impl Seed {
    /// For the upstreams of one configuration.
    pub fn new(head: &Head, configs: &[Config]) -> Self {
        let stands = configs.iter().map(|config| head.progress(&config.name).cloned()).collect();
        Self { schemas: head.ingest.schemas().clone(), known: head.applied(), stands, oldest: Offset(0) }
    }
}

/// The ends of what goes to the upstreams, made before the stages that feed them.
pub(crate) struct Feeds {
    changes: Vec<Option<Arc<Changes>>>,
    boards: Boards,
    durable: watch::Sender<()>,
}

impl Feeds {
    pub(crate) fn new(configs: &[Config]) -> Self {
        let changes = configs.iter().map(|config| config.sends(Send::Halos).then(Arc::default)).collect();
        let board = |config: &Config| Board::new(&config.name, without_secrets(&config.url));
        let boards = Boards::new(configs.iter().map(board).collect());
        Self { changes, boards, durable: watch::Sender::new(()) }
    }

    /// What the river tells of them in its health.
    pub(crate) fn boards(&self) -> Boards {
        self.boards.clone()
    }

    /// What the river tells of changed subjects.
    pub(crate) fn changes(&self) -> Vec<Arc<Changes>> {
        self.changes.iter().flatten().cloned().collect()
    }

    /// What the log's owner calls when something became durable.
    pub(crate) fn waker(&self) -> impl Fn() + std::marker::Send + Sync + 'static {
        let durable = self.durable.clone();
        move || {
            durable.send_replace(());
        }
    }
}

/// A thread's work.
pub(crate) type Work = Box<dyn FnOnce() + std::marker::Send>;

/// All upstreams' threads, to be.
pub(crate) struct Running {
    pub(crate) stop: CancellationToken,
    /// By name.
    pub(crate) works: Vec<(String, Work)>,
}

/// Reads what the configurations name; it is read again at every connect, now only so that a wrong file is told at once.
///
/// # Errors
/// [`StartError`]: a file of a configuration cannot be used.
pub(crate) fn check(configs: &[Config]) -> Result<(), StartError> {
    for config in configs {
        let failed = |problem| StartError { name: config.name.clone(), problem };
        if Address::parse(&config.url).map_err(failed)?.tls {
            drop(config.tls().map_err(failed)?);
        }
        drop(config.password().map_err(failed)?);
    }
    Ok(())
}

/// Prepares an upstream for each configuration. `held` says which are held back from the start.
pub(crate) fn start<F: Fs + std::marker::Send + 'static>(
    configs: Vec<Config>,
    seed: Seed,
    feeds: &Feeds,
    reader: &Reader<F>,
    shared: &Shared,
    held: impl Fn(&str) -> bool,
) -> (Upstreams, Running) {
    let stop = CancellationToken::new();
    let (mut handles, mut works) = (Vec::new(), Vec::new());
    for (at, (config, stands)) in configs.into_iter().zip(seed.stands).enumerate() {
        let Some((board, changes)) = feeds.boards.get(at).cloned().zip(feeds.changes.get(at).cloned()) else { break };
        let holding = held(&config.name);
        let state = if holding { State::Held } else { State::Connecting };
        board.set(state, shared.clock.now());
        let hold = watch::Sender::new(holding);
        let is_new = stands.is_none();
        let from = if config.from == From::Head { seed.known } else { seed.oldest };
        let progress = stands.unwrap_or_else(|| Progress { live: from, ..Progress::default() });
        handles.push(Handle { name: config.name.clone(), board: board.clone(), held: hold.clone() });
        let name = config.name.clone();
        let task = Task::new(
            config,
            shared.clone(),
            (reader, seed.schemas.clone(), seed.known),
            (progress, is_new),
            changes,
            (board, stop.clone()),
            (hold, feeds.durable.clone()),
        );
        works.push((name.clone(), work(name, task)));
    }
    (Upstreams(handles.into()), Running { stop, works })
}

/// A thread of its own, with a runtime of its own: a slow file or a slow receiver holds nobody else up.
fn work<F: Fs + std::marker::Send + 'static>(name: String, task: Task<F>) -> Work
where
    Task<F>: std::marker::Send,
{
    Box::new(move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(task.run()),
        Err(error) => error!(upstream = name, %error, "no runtime for it: nothing is forwarded until a restart"),
    })
}
