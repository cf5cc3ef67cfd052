//! A data folder becomes a log, the head's state and the fold, as of the log's end or a checkpoint before it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use halo_proto::topic::Grammar;
use tracing::{error, info, warn};

use crate::clock::Clock;
use crate::config::Config;
use crate::halo::{FOLD_VERSION, Fold};
use crate::metrics::Metrics;
use crate::record::{GatewayTime, Offset};
use crate::store::disk::{Budget, Mark};
use crate::store::fs::{Disk, Fs, parent};
use crate::store::head::Head;
use crate::store::identity::{IDENTITY_FILE, Identities};
use crate::store::replaying::{Replaying, Skipped};
use crate::store::state::{self, Change, Engine, MemState, StateEngine, StateError, Table, Unmade};
use crate::store::{Damages, LOG_FOLDER, Log, Options, StoreError};

/// How the names of all engines' files begin.
const STATE_PREFIX: &str = "state.";
/// Bytes of rows removed at a time.
const ROWS_BYTES: usize = 1 << 20;
/// Row of [`Table::Meta`] that says of which log these are the checkpoints.
const LOG_KEY: &[u8] = b"log";

/// Row of [`Table::Meta`] that says which records these checkpoints passed over.
const SKIPPED_KEY: &[u8] = b"skipped";

/// Why a data folder could not be taken up; nothing in it has been changed that the log does not rebuild.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The log.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The checkpoints.
    #[error(transparent)]
    State(#[from] StateError),
    /// The devices' keys.
    #[error(transparent)]
    Keys(#[from] crate::ingest::keys::KeysError),
    /// The data folder.
    #[error("data folder {path}: {source}; choose a folder that can be written with --data-dir")]
    Folder {
        /// The folder or the file in it.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What a data folder holds, ready to go on.
pub(crate) struct Restored {
    pub(crate) log: Log<Disk>,
    pub(crate) identities: Identities,
    pub(crate) engine: Box<dyn StateEngine>,
    pub(crate) head: Head,
    pub(crate) fold: Fold,
    /// To be cleared when the fold has caught up.
    pub(crate) replaying: Replaying,
    pub(crate) budget: Arc<Budget>,
    /// Stamp of the log's last record before this start.
    pub(crate) last: Option<GatewayTime>,
    /// The fold begins in the middle of the log and knows no configuration.
    pub(crate) lacks_config: bool,
}

/// Takes the data folder, recovers its log and goes on with its time line and its checkpoints; what is damaged it tells
/// `damages`.
///
/// # Errors
/// [`RecoveryError`] by what to do about it.
pub(crate) fn open(
    config: &Config,
    clock: &Clock,
    metrics: &Arc<Metrics>,
    damages: &Damages,
) -> Result<Restored, RecoveryError> {
    let folder = config.gateway.data_dir.as_path();
    let is_new = Disk.make_dir(folder).map_err(|source| RecoveryError::Folder { path: folder.to_owned(), source })?;
    let budget = Arc::new(Budget::new(&config.disk, config.store.segment_bytes, folder, STATE_PREFIX));
    let options = Options {
        budget: Some(Arc::clone(&budget)),
        above: above(folder, is_new),
        clock: clock.clone(),
        ..config.store.options(Arc::clone(metrics))
    };
    let (log, recovered) = Log::open(Disk, &folder.join(LOG_FOLDER), options)?;
    damages.repaired(&Disk, &folder.join(LOG_FOLDER))?;
    recovered.findings.iter().for_each(|finding| damages.met(finding));
    if let Some(last) = recovered.last_stamp {
        clock.continue_from(last);
    }
    let failed = |source| RecoveryError::Folder { path: folder.join(IDENTITY_FILE), source };
    let identities = Identities::of_folder(folder).map_err(failed)?;
    let replaying =
        Replaying::open(folder).map_err(|source| RecoveryError::Folder { path: folder.to_owned(), source })?;
    tell_of_other_engine(config.state.engine, folder);
    let state = Place { engine: config.state.engine, path: config.state.engine.path(folder) };
    let (engine, mut head, fold) =
        restore(&state, identities.current(), &log, &config.grammar(), &replaying, &budget, damages)?;
    head.limit_quarantine(config.quarantine.clone());
    head.trust(config.ingest.read_keys()?);
    let lacks_config = fold.applied() == Offset(0) && log.first_offset() > Offset(1);
    // The head has been replayed since; the fold is as it was found.
    if fold.applied().next() < log.first_offset() {
        budget.lost_facts();
    }
    let last = recovered.last_stamp;
    Ok(Restored { log, identities, engine, head, fold, replaying, budget, last, lacks_config })
}

/// Where the data folder's own name stands: a power cut after the first PUBACK must not take it along, and whoever made the
/// folder, now or in a start that was killed, did not wait until it was durable. The log does, with its first segment. A
/// folder that was given to us within one we may not read is as durable as it was made.
fn above(folder: &Path, is_new: bool) -> Vec<PathBuf> {
    let above = parent(folder);
    if is_new || std::fs::read_dir(above).is_ok() { vec![above.to_owned()] } else { Vec::new() }
}

/// Where the checkpoints are, and whose.
struct Place {
    engine: Engine,
    path: PathBuf,
}

/// Going over to another engine without taking the checkpoints along is legal: the log rebuilds them.
fn tell_of_other_engine(engine: Engine, folder: &Path) {
    let other = engine.other();
    if other.path(folder).exists() && !engine.path(folder).exists() {
        info!(
            engine = engine.name(),
            "the checkpoints here are another engine's ({}) and are not read: folding the log instead; `halo-gateway \
             state migrate --to {}` takes them along, while the gateway is stopped",
            other.path(folder).display(),
            engine.name()
        );
    }
}

/// The checkpoints, the head as of the log's end, and the fold as of its checkpoint. Checkpoints of no use are set
/// aside whole: rows that nobody would ever overwrite must not come back at the next start.
fn restore(
    state: &Place,
    identity: &str,
    log: &Log<Disk>,
    grammar: &Grammar,
    replaying: &Replaying,
    budget: &Budget,
    damages: &Damages,
) -> Result<(Box<dyn StateEngine>, Head, Fold), RecoveryError> {
    let begins = log.first_offset();
    let skipped = replaying.skipped();
    let (engine, mut head, fold) = match take_up(state, identity, log, grammar, skipped) {
        Err(RecoveryError::State(error @ StateError::Io { .. })) if budget.report().mark == Mark::Refuse => {
            warn!(%error, "checkpoints are kept in memory until the next start");
            budget.keeps_checkpoints_in_memory();
            let mut engine: Box<dyn StateEngine> = Box::new(MemState::default());
            let (head, fold) = refill(engine.as_mut(), log, grammar)?;
            label(engine.as_mut(), identity, skipped)?;
            (engine, head, fold)
        }
        taken => taken?,
    };
    for (what, applied) in [("devices, retained messages and cursors", head.applied()), ("halos", fold.applied())] {
        if applied.next() < begins {
            let (first, last) = (applied.next().0, begins.0 - 1);
            error!(what, first, last, "these records are gone and nothing in the log stands for them");
        }
    }
    head.skip(skipped.clone());
    let mut reader = log.reader(head.applied().next());
    let findings = head.replay_noting(&mut reader, |offset| {
        if !skipped.contains(offset) {
            replaying.applying(offset);
        }
    })?;
    findings.iter().for_each(|finding| damages.met(finding));
    // What follows until the fold catches up is no record's fault.
    replaying.pausing();
    Ok((engine, head, fold))
}

/// The checkpoints on the disk with the state as of them, or as of what the log carries.
fn take_up(
    state: &Place,
    identity: &str,
    log: &Log<Disk>,
    grammar: &Grammar,
    skipped: &Skipped,
) -> Result<(Box<dyn StateEngine>, Head, Fold), RecoveryError> {
    // Of an empty log there is nothing to write down yet, and nothing to lose with it.
    if log.durable() == Offset(0) && !state.path.exists() {
        let Place { engine, path } = state;
        let engine = Unmade::new(*engine, path.clone(), FOLD_VERSION.into(), labels(identity, skipped).into())?;
        return Ok((Box::new(engine), Head::new(grammar), Fold::new(*grammar)));
    }
    let mut engine = open_state(state)?;
    let begins = log.first_offset();
    let loaded = match load(engine.as_ref(), identity, log, grammar, skipped) {
        // What the log carries reaches further, if it carries anything.
        Ok((head, fold)) if is_behind(&head, &fold, begins) && log.carried(|_| Ok::<_, StoreError>(()))? => {
            Err(format!("they end before the log, which begins at {begins}"))
        }
        loaded => loaded,
    };
    let (head, fold) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            warn!(error, "checkpoints are of no use; rebuilding them from the log");
            drop(engine);
            remove_state(&state.path)?;
            engine = open_state(state)?;
            refill(engine.as_mut(), log, grammar)?
        }
    };
    label(engine.as_mut(), identity, skipped)?;
    Ok((engine, head, fold))
}

/// Notes whose checkpoints these are; on a full disk nothing is written that is there already.
fn label(engine: &mut dyn StateEngine, identity: &str, skipped: &Skipped) -> Result<(), StateError> {
    let mut missing = Vec::new();
    for label in labels(identity, skipped) {
        if engine.get(label.table, &label.key)? != label.value {
            missing.push(label);
        }
    }
    if missing.is_empty() { Ok(()) } else { engine.commit(missing) }
}

/// Whose checkpoints they are, as rows.
fn labels(identity: &str, skipped: &Skipped) -> [Change; 2] {
    let row = |key: &[u8], value| Change { table: Table::Meta, key: key.to_vec(), value: Some(value) };
    [row(LOG_KEY, identity.as_bytes().to_vec()), row(SKIPPED_KEY, skipped.to_bytes())]
}

/// Whether records that one of them has not applied are gone.
pub(crate) fn is_behind(head: &Head, fold: &Fold, begins: Offset) -> bool {
    head.applied().min(fold.applied()).next() < begins
}

/// Fills an empty engine with what the log carries. Without such facts, or where they are another version's, the log is
/// folded from its start, which is all of it unless retention or damage took its beginning.
pub(crate) fn refill<F: Fs>(
    engine: &mut dyn StateEngine,
    log: &Log<F>,
    grammar: &Grammar,
) -> Result<(Head, Fold), RecoveryError> {
    let is_cut = log.first_offset() > Offset(1);
    if is_cut && !log.carried(|rows| engine.commit(rows).map_err(RecoveryError::from))? {
        remove_rows(engine, &Table::ALL)?;
    }
    let head = match Head::load(grammar, engine) {
        Ok(head) => head,
        Err(error) => {
            error!(%error, "what the log carries of devices, retained messages and cursors is of no use");
            remove_rows(engine, &[Table::Ingest, Table::Retained, Table::Cursor, Table::Meta])?;
            Head::new(grammar)
        }
    };
    let fold = match load_fold(engine, grammar) {
        Ok(fold) => fold,
        Err(error) => {
            error!(error, "what the log carries of halos is of no use");
            remove_rows(engine, &[Table::Halo])?;
            Fold::new(*grammar)
        }
    };
    Ok((head, fold))
}

fn remove_rows(engine: &mut dyn StateEngine, tables: &[Table]) -> Result<(), StateError> {
    for table in tables {
        while let Some(rows) = Some(engine.range(*table, None, ROWS_BYTES)?).filter(|rows| !rows.is_empty()) {
            let gone = |(key, _)| Change { table: *table, key, value: None };
            engine.commit(rows.into_iter().map(gone).collect())?;
        }
    }
    Ok(())
}

/// From where on the log is replayed with what `engine` has.
pub(crate) fn replayed_from(engine: &dyn StateEngine) -> Result<Offset, String> {
    let head = Head::written(engine).map_err(|error| error.to_string())?;
    let row = engine.get(Table::Halo, Fold::ROW).map_err(|error| error.to_string())?;
    let fold = row.map_or(Ok(Offset(0)), |row| Fold::written(&row)).map_err(|error| error.to_string())?;
    Ok(head.min(fold).next())
}

pub(crate) fn load<F: Fs>(
    engine: &dyn StateEngine,
    identity: &str,
    log: &Log<F>,
    grammar: &Grammar,
    skipped: &Skipped,
) -> Result<(Head, Fold), String> {
    let durable = log.durable();
    let head = Head::load(grammar, engine).map_err(|error| error.to_string())?;
    let fold = load_fold(engine, grammar)?;
    let applied = head.applied().max(fold.applied());
    let written_for = engine.get(Table::Meta, LOG_KEY).map_err(|error| error.to_string())?;
    if applied > Offset(0) && written_for.as_deref() != Some(identity.as_bytes()) {
        return Err("they were written for another log".to_owned());
    }
    let passed_over = engine.get(Table::Meta, SKIPPED_KEY).map_err(|error| error.to_string())?.unwrap_or_default();
    if applied > Offset(0) && passed_over != skipped.to_bytes() {
        return Err("they know a record that is passed over".to_owned());
    }
    // Records it knows of were lost, and their offsets would be given to others.
    if applied > durable {
        return Err(format!("they end at offset {applied}, behind the log, which ends at {durable}"));
    }
    Ok((head, fold))
}

fn remove_state(path: &Path) -> Result<(), RecoveryError> {
    state::remove(path).map_err(|source| RecoveryError::Folder { path: path.to_owned(), source })
}

fn load_fold(engine: &dyn StateEngine, grammar: &Grammar) -> Result<Fold, String> {
    let rows = engine.rows(Table::Halo).map_err(|error| error.to_string())?;
    let rows = rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
    Fold::load(*grammar, rows).map_err(|error| error.to_string())
}

/// Opens the checkpoints; what cannot be opened is set aside, because the log rebuilds it.
fn open_state(Place { engine, path }: &Place) -> Result<Box<dyn StateEngine>, RecoveryError> {
    match engine.open(path, FOLD_VERSION.into()) {
        Err(error) if error.rebuilds() => {
            warn!(%error, "checkpoints are of no use");
            remove_state(path)?;
            Ok(engine.open(path, FOLD_VERSION.into())?)
        }
        opened => Ok(opened?),
    }
}

#[cfg(test)]
mod tests;
