//! Retention: one thread that decides which segments go, when a set of carried facts is taken for that, and what is
//! given up when there is no other way (GUARANTEES.md, section 3).
//!
//! A segment goes only when a set that was read back whole stands for all its records, and nobody has pinned it. Of those,
//! it goes when every consumer has confirmed it and it is older than `disk.keep` or the disk is at [`Mark::Shed`]; or, at
//! that mark, when all its unconfirmed frames are of devices named in `disk.drop_oldest`: then what is dropped is in the
//! log, durably, before the file goes. The note of what is removed is durable before the file goes, too ([`Removed`]).
//!
//! A set is also taken after each `disk.snapshot_every` of log, so that looking back need not begin at the beginning.
//!
//! Frames in quarantine past their limits need no hook here: the head ends them, as `Expired` records, at every mark.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing::{error, info, warn};

use super::carry::{self, Set};
use super::checkpoint::{Checkpointer, Order, ReplayedFrom};
use super::disk::{Ailment, Budget, Mark};
use super::folder::{Entry, Folder, footer};
use super::footer::Summary;
use super::fs::Fs;
use super::gate::Gate;
use super::identity::Identities;
use super::inlet::Appender;
use super::{Log, StoreError, disk, segment};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::record::{GatewayTime, Name, Offset};

mod dropped;

/// How often it looks.
const LOOK_PERIOD: Duration = Duration::from_millis(250);
/// How often while there is little room.
const TIGHT_LOOK_PERIOD: Duration = Duration::from_millis(50);
/// How often it looks whether a record it has appended is durable.
const ANSWER_PAUSE: Duration = Duration::from_millis(1);
/// Segments removed before anything else gets its turn.
const REMOVED_AT_ONCE_MAX: usize = 64;
/// A wall clock that has gone ahead by more than this, milliseconds, deletes nothing by age until it is confirmed (G14).
const AHEAD_MAX_MS: i64 = 24 * 3_600_000;
/// A step of the wall clock that is worth a new note, milliseconds.
const AHEAD_STEP_MS: i64 = 3_600_000;
/// How long after a set that failed the next one is tried, milliseconds.
const SET_RETRY_MS: u64 = 10_000;
/// How long after a start what it leaves for later is made durable: its flushes would come between those of the first
/// acknowledgement. And how long after a failure that is tried again, milliseconds.
const SETTLE_PAUSE_MS: u64 = 1_000;
const SETTLE_RETRY_MS: u64 = 10_000;
/// A set to look back from is taken when the log has grown by so many times what the last one took: an eighth of the log
/// at most is sets.
const SNAPSHOT_STATES: u64 = 8;
/// Footers remembered: those of the two oldest segments are asked for again and again.
const SUMMARIES_MAX: usize = 8;
/// Bytes of log read at a time.
const READ_BYTES: usize = 1 << 20;

/// What retention works with.
pub struct Parts {
    /// Bounds, and what may be dropped.
    pub config: disk::Config,
    /// The consumers whose cursors count: those of the configuration. One that has confirmed nothing keeps everything.
    pub consumers: Vec<Name>,
    /// The account of the disk.
    pub budget: Arc<Budget>,
    /// Who has the checkpoints.
    pub checkpoints: Checkpointer,
    /// From where on the log is replayed with the engine's rows.
    pub replayed_from: ReplayedFrom,
    /// The log's door.
    pub appender: Appender,
    /// Where cursors stand.
    pub gate: Arc<Gate>,
    /// Gateway time.
    pub clock: Clock,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Written down in this data folder before anything is removed; `None` in simulations.
    pub identities: Option<(Identities, PathBuf)>,
}

/// Decides and removes.
pub struct Retention<F: Fs> {
    folder: Arc<Folder<F>>,
    parts: Parts,
    part_bytes: usize,
    segment_bytes: u64,
    stop: Arc<AtomicBool>,
    trust: Trust,
    under_way: Option<Receiver<Result<Set, String>>>,
    next_set_ms: u64,
    /// When what a start leaves for later is made durable, gateway time; `None` when it is.
    settles_ms: Option<u64>,
    /// First and last stamp of sealed segments that were looked into.
    summaries: BTreeMap<u64, Summary>,
    /// The first frame found that nobody may drop: until it is confirmed there is nothing to look for before it.
    blocked: Option<Offset>,
}

/// Ends the thread.
#[derive(Debug)]
pub struct Running {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How far the wall clock can be believed: it may have gone ahead while the gateway was off, or by a step.
struct Trust {
    /// Unconfirmed up to the moment of `anchor_ms`.
    ahead_ms: i64,
    /// Wall minus monotonic time at that moment.
    anchor_ms: i64,
}

/// Why a segment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Old,
    Room,
    Dropped,
}

impl Why {
    fn words(self) -> &'static str {
        match self {
            Self::Old => "older than disk.keep, and every upstream has it",
            Self::Room => "room is needed, and every upstream has it",
            Self::Dropped => "room is needed, and its devices are in disk.drop_oldest",
        }
    }
}

impl<F: Fs> Retention<F> {
    /// Retention of a log that was just opened; `last` is the stamp of its last record before this start.
    ///
    /// # Errors
    /// [`StoreError::Io`] when its note cannot be written.
    pub fn new(log: &Log<F>, last: Option<GatewayTime>, parts: Parts) -> Result<Self, StoreError> {
        let folder = Arc::clone(log.folder());
        let now = parts.clock.now();
        let pause_ms = last.map_or(0, |last| now.wall_ms.saturating_sub(last.wall_ms));
        let pause_ms = if pause_ms > AHEAD_MAX_MS { pause_ms } else { 0 };
        let ahead_ms = folder.removed().ahead_ms.saturating_add(pause_ms);
        // Before the records of this start hide the pause; without room, the next change makes the note.
        match folder.note_removed(|removed| removed.ahead_ms = ahead_ms) {
            Err(error) if error.is_full() => warn!(%error, "no room for retention's note: nothing can be deleted yet"),
            noted => noted?,
        }
        let settles_ms = Some(now.mono_ms + SETTLE_PAUSE_MS);
        Ok(Self {
            part_bytes: log.part_bytes(),
            segment_bytes: log.segment_bytes(),
            folder,
            parts,
            stop: Arc::default(),
            trust: Trust { ahead_ms, anchor_ms: anchor_ms(now) },
            under_way: None,
            next_set_ms: 0,
            settles_ms,
            summaries: BTreeMap::new(),
            blocked: None,
        })
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn start(mut self) -> std::io::Result<Running> {
        let stop = Arc::clone(&self.stop);
        let run = move || {
            while !self.stop.load(Ordering::Acquire) {
                if let Err(error) = self.turn() {
                    warn!(%error, "retention: tried again soon");
                }
                let is_tight = self.parts.budget.mark() >= Mark::Shed;
                std::thread::park_timeout(if is_tight { TIGHT_LOOK_PERIOD } else { LOOK_PERIOD });
            }
        };
        let thread = std::thread::Builder::new().name("retention".to_owned()).spawn(run)?;
        Ok(Running { stop, thread: Some(thread) })
    }

    /// Looks once and does what is due.
    ///
    /// # Errors
    /// [`StoreError::Io`]; the next turn tries again.
    pub(crate) fn turn(&mut self) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        let oldest_ms =
            self.folder.entries().first().and_then(|first| self.summary(first)).map(|it| it.first_stamp.wall_ms);
        self.parts.budget.refresh(now, self.parts.metrics.store_bytes_total.get(), oldest_ms);
        self.mind_the_clock(now)?;
        self.settle(now);
        self.take_up_set(now)?;
        for _ in 0..REMOVED_AT_ONCE_MAX {
            let entries = self.folder.entries();
            let [oldest, next, ..] = entries.as_slice() else { break };
            let Some(why) = self.doom(oldest, next, now)?.filter(|_| self.settles_ms.is_none()) else { break };
            if !self.is_carried(next.first) {
                self.want_set(&entries, now);
                break;
            }
            if !self.remove(oldest, next, why)? {
                break;
            }
            self.parts.budget.refresh(now, self.parts.metrics.store_bytes_total.get(), None);
        }
        self.want_snapshot(now);
        Ok(())
    }

    /// Whether and why the oldest segment is to go.
    fn doom(&mut self, oldest: &Entry, next: &Entry, now: GatewayTime) -> Result<Option<Why>, StoreError> {
        let last = Offset(next.first.0.saturating_sub(1));
        let is_tight = self.parts.budget.mark() >= Mark::Shed;
        if self.folder.removed().dropping.is_some_and(|dropping| dropping.segment == oldest.header.segment) {
            return Ok(Some(Why::Dropped));
        }
        if self.passed_by_all() >= last {
            if self.is_old(oldest, next, now) {
                return Ok(Some(Why::Old));
            }
            return Ok(is_tight.then_some(Why::Room));
        }
        Ok((is_tight && self.may_drop(oldest, next)?).then_some(Why::Dropped))
    }

    /// Everything up to here is confirmed by every consumer that counts.
    fn passed_by_all(&self) -> Offset {
        let gate = &self.parts.gate;
        let confirmed = self.parts.consumers.iter().map(|consumer| gate.cursor(consumer).unwrap_or_default());
        confirmed.min().unwrap_or(Offset(u64::MAX))
    }

    fn is_old(&mut self, oldest: &Entry, next: &Entry, now: GatewayTime) -> bool {
        if self.trust.ahead_ms(now) > AHEAD_MAX_MS {
            return false;
        }
        let stamp = self.summary(oldest).map(|summary| summary.last_stamp);
        let Some(stamp) = stamp.or_else(|| self.summary(next).map(|summary| summary.first_stamp)) else { return false };
        // By both clocks: a wall clock that is wrong for a while deletes nothing.
        let wall_ms = u64::try_from(now.wall_ms.saturating_sub(stamp.wall_ms)).unwrap_or(0);
        let age_ms = wall_ms.min(now.mono_ms.saturating_sub(stamp.mono_ms));
        u128::from(age_ms) > self.parts.config.keep.as_millis()
    }

    fn is_carried(&self, upto: Offset) -> bool {
        self.folder.removed().set.is_some_and(|set| upto <= set.from)
    }

    fn summary(&mut self, entry: &Entry) -> Option<Summary> {
        let number = entry.header.segment;
        if let Some(summary) = self.summaries.get(&number) {
            return Some(*summary);
        }
        entry.end?;
        let file = self.folder.fs.open_read(&segment::path(&self.folder.dir, number)).ok()?;
        let summary = footer::<F>(&file, &entry.header).ok()??.1.summary()?;
        if self.summaries.len() >= SUMMARIES_MAX {
            self.summaries.clear();
        }
        self.summaries.insert(number, summary);
        Some(summary)
    }

    /// Takes the oldest segment away; false when somebody has pinned it or it could not be accounted for.
    fn remove(&mut self, oldest: &Entry, next: &Entry, why: Why) -> Result<bool, StoreError> {
        // Looked at once more below; before, because nothing is to be called dropped that a pin keeps.
        if self.folder.pins.while_held(|pinned| pinned.is_some_and(|pinned| pinned < next.first)) {
            return Ok(false);
        }
        if why == Why::Dropped && !self.tell_dropped(oldest, next)? {
            return Ok(false);
        }
        let (folder, first) = (&self.folder, next.first);
        let removed = folder.pins.while_held(|pinned| {
            if pinned.is_some_and(|pinned| pinned < first) {
                return Ok(false);
            }
            folder.remove_before(next.header.segment).map(|()| true)
        })?;
        if removed {
            self.parts.metrics.store_segments_deleted_total.add(1);
            info!(
                segment = oldest.header.segment,
                first = oldest.first.0,
                next = first.0,
                why = why.words(),
                "segment removed"
            );
        }
        Ok(removed)
    }

    /// Asks for a set when it pays: the log has grown by a segment, and by twice the state, since the last one.
    fn want_set(&mut self, entries: &[Entry], now: GatewayTime) {
        let (Some(next), Some(from)) = (entries.get(1), self.replayed_from(now)) else { return };
        if from < next.first {
            self.parts.checkpoints.hurry();
        } else if self.pays(entries, from) {
            self.order_set();
        }
    }

    /// Asks for a set to look back from, when the log has grown enough.
    fn want_snapshot(&mut self, now: GatewayTime) {
        let every = self.parts.config.snapshot_every.max(SNAPSHOT_STATES * self.state_bytes());
        let has_room = self.parts.budget.mark() < Mark::Shed;
        if has_room && self.grown(&self.folder.entries()) >= every && self.replayed_from(now).is_some() {
            self.order_set();
        }
    }

    /// From where on the log would be replayed with a set taken now; none while none can be.
    fn replayed_from(&mut self, now: GatewayTime) -> Option<Offset> {
        if self.under_way.is_some() || now.mono_ms < self.next_set_ms {
            return None;
        }
        let replayed_from = self.parts.replayed_from;
        let from = self.parts.checkpoints.read(move |engine| replayed_from(engine))?;
        from.map_err(|error| self.set_failed(&error, now)).ok()
    }

    fn order_set(&mut self) {
        let (done, under_way) = sync_channel(1);
        let order = Order {
            appender: self.parts.appender.clone(),
            number: self.folder.durable.offset().0,
            part_bytes: self.part_bytes,
            replayed_from: self.parts.replayed_from,
            done,
        };
        if self.parts.checkpoints.carry(order) {
            self.under_way = Some(under_way);
        }
    }

    fn pays(&self, entries: &[Entry], from: Offset) -> bool {
        let state = self.state_bytes();
        // Without room, a set also pays that frees more than it takes.
        let next = entries.iter().zip(entries.iter().skip(1));
        let freed = next.filter(|(_, next)| next.first <= from).map(|(entry, _)| self.size(entry)).sum::<u64>();
        let tight = self.parts.budget.mark() == Mark::Refuse && freed >= self.segment_bytes.max(state);
        self.grown(entries) >= self.segment_bytes.max(2 * state) || tight
    }

    /// What the last set took. What the first one takes shows only once it is taken: files of engines are mostly air while
    /// they are small.
    fn state_bytes(&self) -> u64 {
        self.folder.removed().set.map_or(0, |set| set.bytes)
    }

    /// Bytes of log since the last set.
    fn grown(&self, entries: &[Entry]) -> u64 {
        let last = self.folder.removed().set.map_or(Offset(0), |set| set.last);
        entries.iter().filter(|entry| entry.first > last).map(|entry| self.size(entry)).sum()
    }

    fn size(&self, entry: &Entry) -> u64 {
        entry.end.unwrap_or_else(|| self.folder.durable.head().position)
    }

    /// A set that is finished is read back; only then does it stand for anything.
    fn take_up_set(&mut self, now: GatewayTime) -> Result<(), StoreError> {
        let Some(under_way) = &self.under_way else { return Ok(()) };
        let outcome = match under_way.try_recv() {
            Err(TryRecvError::Empty) => return Ok(()),
            Err(TryRecvError::Disconnected) => Err("it was given up".to_owned()),
            Ok(outcome) => outcome,
        };
        self.under_way = None;
        let set = match outcome {
            Ok(set) => set,
            Err(error) => {
                self.set_failed(&error, now);
                return Ok(());
            }
        };
        if carry::check(&self.folder, set.number)? != Some(set) {
            self.set_failed("it cannot be read back", now);
            return Ok(());
        }
        self.folder.note_removed(|removed| removed.set = Some(set))?;
        self.parts.budget.ails(Ailment::NoSet, false);
        info!(set = set.number, from = set.from.0, bytes = set.bytes, "facts carried over");
        Ok(())
    }

    fn set_failed(&mut self, why: &str, now: GatewayTime) {
        self.next_set_ms = now.mono_ms + SET_RETRY_MS;
        if self.parts.budget.ails(Ailment::NoSet, true) {
            error!(why, "facts cannot be carried over: nothing can be deleted");
        }
    }

    /// G14: how far the wall clock has gone ahead is kept across restarts until it is back or confirmed.
    /// Makes durable what nothing depends on before something is removed, when the start is over: the note, while there is
    /// room for it, and the folder's identity, for which the log's first segment stands until then.
    fn settle(&mut self, now: GatewayTime) {
        if self.settles_ms.is_none_or(|due_ms| now.mono_ms < due_ms) {
            return;
        }
        let noted = self.folder.note_removed(|removed| removed.first = removed.first());
        let kept = self.parts.identities.as_ref().map_or(Ok(()), |(identities, folder)| {
            identities.keep(folder).map_err(StoreError::io("write the identity in", folder))
        });
        self.settles_ms = match noted.and(kept) {
            Ok(()) => None,
            Err(error) => {
                warn!(%error, "nothing can be deleted yet");
                Some(now.mono_ms + SETTLE_RETRY_MS)
            }
        };
    }

    fn mind_the_clock(&mut self, now: GatewayTime) -> Result<(), StoreError> {
        if self.parts.budget.take_clock_confirmation() {
            self.trust = Trust { ahead_ms: 0, anchor_ms: anchor_ms(now) };
        }
        let ahead_ms = self.trust.ahead_ms(now);
        let suspended = ahead_ms > AHEAD_MAX_MS;
        if self.parts.budget.ails(Ailment::ClockAhead, suspended) {
            warn!(ahead_ms, suspended, "deletion by age and the wall clock");
        }
        // A small drift is no news; across restarts it would add up to some.
        let worth = if ahead_ms.abs() < AHEAD_STEP_MS { 0 } else { ahead_ms };
        if (self.folder.removed().ahead_ms - worth).abs() >= AHEAD_STEP_MS {
            self.folder.note_removed(|removed| removed.ahead_ms = worth)?;
        }
        Ok(())
    }
}

impl Running {
    /// Ends the thread after what it is doing.
    pub fn stop(mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the thread has been printed; stopping goes on.
            thread.join().ok();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Trust {
    fn ahead_ms(&self, now: GatewayTime) -> i64 {
        self.ahead_ms.saturating_add(anchor_ms(now).saturating_sub(self.anchor_ms)).max(0)
    }
}

fn anchor_ms(at: GatewayTime) -> i64 {
    at.wall_ms.saturating_sub_unsigned(at.mono_ms)
}

#[cfg(test)]
mod tests;
