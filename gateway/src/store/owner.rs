//! The log owner: one thread, the only writer. It gathers what was submitted, lets ingest decide, appends, commits
//! once for the whole group, and only then settles the receipts.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tracing::{info, warn};

use self::groups::{Groups, Waiting};
use crate::broker::reason::{PACKET_TOO_LARGE, QUOTA_EXCEEDED};
use crate::broker::{Outcome, Receipt};
use crate::clock::Clock;
use crate::ingest::{Admission, Publish};
use crate::metrics::Metrics;
use crate::record::{Body, Draft, GatewayTime, KeyId, Offset, Record};
use crate::store::checkpoint::Checkpointer;
use crate::store::fs::Fs;
use crate::store::gate::Gate;
use crate::store::head::Head;
use crate::store::inlet::{AppendError, Question, Submission};
use crate::store::{Damages, Log, StoreError};

mod failure;
mod groups;

/// Most submissions in one group commit: bounds how long the first of them waits for the last.
const GROUP_SUBMISSIONS_MAX: usize = 4_096;
/// Most payload bytes in one group commit.
const GROUP_BYTES_MAX: usize = 1 << 20;
/// From so many submissions on a group is large: the next one gathers while it is written. Two threads have to be woken for
/// that, which takes as long as encoding some hundred.
const LARGE_SUBMISSIONS: usize = 1_024;
/// How often, in submissions, it looks whether the group before is durable while it gathers the next.
const LOOK_SUBMISSIONS: usize = 64;
/// How long the owner sleeps at most: ticks and checkpoints are due about once a second.
const IDLE_WAIT: Duration = Duration::from_millis(250);
/// How long it waits when more is owed than one group takes.
const OWED_WAIT: Duration = Duration::from_millis(5);
/// How often it asks what is owed in one group: decisions make decisions due.
const OWED_ROUNDS: usize = 2;
/// Checkpoint of the head's state: after this much log (what a start may have to replay, some tenths of a second), but not
/// sooner than after this time, milliseconds …
const CHECKPOINT_BYTES: u64 = 32 << 20;
const CHECKPOINT_PAUSE_MS: u64 = 1_000;
/// … or after this time, milliseconds. Each costs about 40 KB of writes however little it says, and flash wears out; what
/// a start replays instead is 10 s of a thin log.
const CHECKPOINT_PERIOD_MS: u64 = 10_000;
/// Least time between two ticks: a thousand deadlines in one second are one (LOG.md, "Time").
const TICK_PERIOD_MS: u64 = 1_000;

/// What one turn of the owner ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Go on.
    Next,
    /// Somebody asked it to stop; everything submitted before is durable and settled.
    Stop,
    /// The log cannot be written any more; nothing is acknowledged from here on.
    Failed,
}

/// What a turn has taken in.
#[derive(Default)]
struct Taken {
    submissions: usize,
    bytes: usize,
    stop: bool,
}

/// Drives one log. [`Owner::turn`] is the whole cycle, so that simulations can turn it by hand.
pub struct Owner<F: Fs> {
    log: Log<F>,
    head: Head,
    checkpoints: Option<Checkpointer>,
    clock: Clock,
    gate: Arc<Gate>,
    damages: Arc<Damages>,
    metrics: Arc<Metrics>,
    /// Called after each commit: whoever follows the log may look again.
    wake: Box<dyn Fn() + Send>,
    groups: Groups,
    questions: Vec<Question>,
    tick_due_ms: u64,
    /// When the last checkpoint was, and how much log came since.
    checkpoint_ms: u64,
    checkpoint_bytes: u64,
}

/// What an owner shares with the rest of the gateway.
pub struct Shared {
    /// Gateway time; continued from the log's newest stamp before the owner starts.
    pub clock: Clock,
    /// How full the river is.
    pub gate: Arc<Gate>,
    /// Stored records that cannot be read any more.
    pub damages: Arc<Damages>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Called after each commit.
    pub wake: Box<dyn Fn() + Send>,
}

impl<F: Fs> Owner<F> {
    /// An owner of `log` whose durable records `head` has applied. `checkpoints: None` = the log alone (simulations).
    pub fn new(log: Log<F>, head: Head, checkpoints: Option<Checkpointer>, shared: Shared) -> Self {
        let Shared { clock, gate, damages, metrics, wake } = shared;
        let groups = Groups::new(Arc::clone(&gate), Arc::clone(&metrics));
        let (questions, tick_due_ms, checkpoint_ms) = (Vec::new(), 0, clock.now().mono_ms);
        Self {
            log,
            head,
            checkpoints,
            clock,
            gate,
            damages,
            metrics,
            wake,
            groups,
            questions,
            tick_due_ms,
            checkpoint_ms,
            checkpoint_bytes: 0,
        }
    }

    /// Writes the records every start begins with: the start, the configuration if it changed, and decisions that a
    /// crash kept from being written.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be made durable.
    pub fn begin(&mut self, first: Vec<Body>) -> Result<(), StoreError> {
        let stamp = self.clock.now();
        self.head.cursors().for_each(|(consumer, confirmed)| self.gate.confirmed(consumer, confirmed));
        for body in first {
            self.append(body.into(), stamp)?;
        }
        self.append_owed(stamp)?;
        self.commit()
    }

    /// Turns until told to stop or the log fails, then writes everything down and seals the log. Whoever still waits at
    /// the door hears that it is closed.
    pub(crate) fn run(mut self, inbox: Receiver<Submission>) -> Turn {
        let turn = self.turn_until_over(&inbox);
        if turn == Turn::Stop {
            self.write_down();
        }
        drop(inbox);
        self.gate.made_room();
        if turn == Turn::Stop
            && let Err(error) = self.log.close()
        {
            warn!(%error, "the log's last segment is not sealed; the next start reads it to its end");
        }
        (self.wake)();
        turn
    }

    fn turn_until_over(&mut self, inbox: &Receiver<Submission>) -> Turn {
        loop {
            let soon = self.head.ingest.owes_more() && !self.gate.has_no_room();
            let turn = self.turn(inbox, if soon { OWED_WAIT } else { IDLE_WAIT });
            if turn != Turn::Next {
                return turn;
            }
        }
    }

    fn write_down(&mut self) {
        if let Some(checkpoints) = &self.checkpoints {
            checkpoints.end_sets();
            checkpoints.wait();
        }
        self.checkpoint();
    }

    /// Waits up to `wait` for a submission, gathers what else is there, and makes it durable as one group. A large group is
    /// durable only some turns later: it is written while the next one gathers.
    pub(crate) fn turn(&mut self, inbox: &Receiver<Submission>, wait: Duration) -> Turn {
        let first = match self.first(inbox, wait) {
            Err(RecvTimeoutError::Disconnected) => return Turn::Stop,
            first => first.ok(),
        };
        let mut taken = Taken::default();
        let outcome = self.gather(first, inbox, &mut taken).and_then(|()| self.finish(taken.is_large()));
        let turn = match outcome {
            Err(error) => self.failed(error),
            Ok(()) => Turn::Next,
        };
        self.answer();
        self.groups.left(taken.submissions, taken.bytes as u64);
        if taken.stop && turn == Turn::Next { Turn::Stop } else { turn }
    }

    /// The first submission of a turn. Nobody waits for one while a group is under way: it has to be settled.
    fn first(&self, inbox: &Receiver<Submission>, wait: Duration) -> Result<Submission, RecvTimeoutError> {
        if self.groups.none_departed() {
            return inbox.recv_timeout(wait);
        }
        inbox.try_recv().map_err(|_| RecvTimeoutError::Timeout)
    }

    /// Takes submissions until the group is full, or there are no more and the disk has nothing to do: while it writes,
    /// more may come, and one sync for all of them is better than two.
    fn gather(
        &mut self,
        mut next: Option<Submission>,
        inbox: &Receiver<Submission>,
        taken: &mut Taken,
    ) -> Result<(), StoreError> {
        loop {
            let stamp = self.clock.now();
            while let Some(submission) = next.take() {
                taken.add(&submission);
                self.take(submission, stamp)?;
                self.look(taken.submissions)?;
                if taken.stop || taken.is_full() {
                    return Ok(());
                }
                next = inbox.try_recv().ok();
            }
            if self.log.commits_begun() == 0 {
                return Ok(());
            }
            self.end_commit()?;
            next = inbox.try_recv().ok();
        }
    }

    /// Settles the group before as soon as it is durable, also while this one gathers.
    fn look(&mut self, taken: usize) -> Result<(), StoreError> {
        if taken.is_multiple_of(LOOK_SUBMISSIONS) && self.log.has_commit_to_end() {
            self.end_commit()?;
        }
        Ok(())
    }

    /// Between two groups: nothing of the head's state is ahead of the log, unless a failed group is still to come.
    fn answer(&mut self) {
        if self.head.applied() <= self.log.durable() {
            self.questions.drain(..).for_each(|question| question(&self.head));
        }
    }

    fn take(&mut self, submission: Submission, stamp: GatewayTime) -> Result<(), StoreError> {
        match submission {
            Submission::Publish(publish, receipt) => self.admit(&publish, receipt, stamp),
            Submission::SessionEnded(session) => {
                // Its devices' departures are owed from now on, see `append_owed`.
                self.head.ingest.session_ended(session.0);
                Ok(())
            }
            Submission::Append(draft, done) if !self.head.ingest.accepts(&draft) => {
                // Whoever appended may have stopped waiting.
                done.send(Err(AppendError::Refused)).ok();
                Ok(())
            }
            Submission::Append(draft, done) => {
                match self.append(draft, stamp) {
                    Ok(offset) => self.groups.wait(Waiting::Append(done, offset)),
                    Err(StoreError::TooLong { .. } | StoreError::Unwritable(_)) => {
                        // Whoever appended may have stopped waiting.
                        done.send(Err(AppendError::TooLong)).ok();
                    }
                    Err(error) => return Err(error),
                }
                Ok(())
            }
            Submission::Ask(question) => {
                self.questions.push(question);
                Ok(())
            }
            Submission::Stop => Ok(()),
        }
    }

    fn admit(&mut self, publish: &Publish, receipt: Receipt, stamp: GatewayTime) -> Result<(), StoreError> {
        let refuses = self.log.refuses_clients();
        if !refuses && let Some(connected) = self.head.ingest.connect(publish) {
            self.append(connected.into(), stamp)?;
        }
        let body = match self.head.ingest.admit(publish) {
            Admission::Store(_) if refuses => {
                receipt.settle(Outcome::Refused(QUOTA_EXCEEDED));
                return Ok(());
            }
            Admission::Store(body) => body,
            Admission::Duplicate => {
                // The original stands in this group or before it: the group's commit covers both.
                self.metrics.ingest_duplicates_total.add(1);
                self.groups.wait(Waiting::Receipt(receipt));
                return Ok(());
            }
            Admission::Refuse(code) => {
                receipt.settle(Outcome::Refused(code));
                return Ok(());
            }
            Admission::Unfit(code, why) => {
                receipt.settle(Outcome::Unfit(code, why));
                return Ok(());
            }
        };
        match self.append(body.into(), stamp) {
            Ok(_) => self.groups.wait(Waiting::Receipt(receipt)),
            Err(StoreError::TooLong { .. } | StoreError::Unwritable(_)) => {
                receipt.settle(Outcome::Refused(PACKET_TOO_LARGE));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Adds what is due by itself, commits, settles, checkpoints. The commit of a large group is begun only, unless there
    /// is something that has to see all of it durable.
    fn finish(&mut self, is_large: bool) -> Result<(), StoreError> {
        let stamp = self.clock.now();
        if self.is_tick_due(stamp.mono_ms) {
            self.append(Body::Tick.into(), stamp)?;
            self.tick_due_ms = stamp.mono_ms + TICK_PERIOD_MS;
        }
        self.append_owed(stamp)?;
        let is_due = self.is_checkpoint_due(stamp.mono_ms);
        if is_large && !is_due && self.questions.is_empty() {
            return self.begin_commit();
        }
        self.commit()?;
        if is_due {
            (self.checkpoint_ms, self.checkpoint_bytes) = (stamp.mono_ms, 0);
            self.checkpoint();
        }
        Ok(())
    }

    fn is_checkpoint_due(&self, now_ms: u64) -> bool {
        let much = self.checkpoint_bytes + self.groups.gathered_bytes() >= CHECKPOINT_BYTES;
        let pause_ms = if much { CHECKPOINT_PAUSE_MS } else { CHECKPOINT_PERIOD_MS };
        now_ms.saturating_sub(self.checkpoint_ms) >= pause_ms
    }

    /// A deadline of the fold has passed, and nothing newer is in the log that would tell it so.
    fn is_tick_due(&self, now_ms: u64) -> bool {
        let passed = |due| self.head.last_stamp().mono_ms < due && due <= now_ms;
        self.tick_due_ms <= now_ms && self.gate.fold_deadline().is_some_and(passed)
    }

    fn append_owed(&mut self, stamp: GatewayTime) -> Result<(), StoreError> {
        for _ in 0..OWED_ROUNDS {
            for draft in self.head.ingest.owed(stamp) {
                self.append(draft, stamp)?;
            }
        }
        for damaged in self.damages.take() {
            let draft = Body::Damaged(damaged).into();
            if self.head.ingest.accepts(&draft) {
                self.append(draft, stamp)?;
            }
        }
        Ok(())
    }

    /// Puts one record into the group and folds it into the head's state.
    fn append(&mut self, draft: Draft, stamp: GatewayTime) -> Result<Offset, StoreError> {
        let offset = match self.log.push(&draft, stamp) {
            Err(StoreError::GroupFull) => {
                self.begin_commit()?;
                self.log.push(&draft, stamp)?
            }
            pushed => pushed?,
        };
        if self.gate.set_no_room(false) {
            info!("the disk has a place for records again");
        }
        let Draft { cause, body } = draft;
        let record = Record { offset, epoch: self.log.epoch(), stamp, cause, key: KeyId::default(), body };
        self.groups.add(&record);
        self.head.apply(&record);
        Ok(offset)
    }

    /// Makes durable what was gathered and settles it, with all that was under way.
    fn commit(&mut self) -> Result<(), StoreError> {
        self.groups.depart(self.head.applied());
        let durable = self.log.commit()?;
        self.landed(durable);
        Ok(())
    }

    /// Begins to make durable what was gathered, so that the next group can gather.
    fn begin_commit(&mut self) -> Result<(), StoreError> {
        self.groups.depart(self.head.applied());
        let durable = self.log.begin_commit()?;
        self.landed(durable);
        Ok(())
    }

    /// Waits for the oldest group that is under way.
    fn end_commit(&mut self) -> Result<(), StoreError> {
        let durable = self.log.end_commit()?;
        self.landed(durable);
        Ok(())
    }

    /// Settles what is durable.
    fn landed(&mut self, durable: Offset) {
        let bytes = self.groups.landed(durable);
        if bytes > 0 {
            self.checkpoint_bytes += bytes;
            (self.wake)();
        }
    }

    /// Hands the dirty rows of the head's state over; without a place for them they stay dirty until the next time.
    fn checkpoint(&mut self) {
        // What a failed group made due again may still be pending: a checkpoint is never ahead of the durable log.
        if self.head.applied() > self.log.durable() {
            return;
        }
        let head = &mut self.head;
        if let Some(checkpoints) = &self.checkpoints {
            checkpoints.offer(|| head.changes());
        }
    }
}

impl Taken {
    fn add(&mut self, submission: &Submission) {
        self.submissions += 1;
        self.bytes += match submission {
            Submission::Publish(publish, _) => publish.payload.len() + publish.topic.len(),
            Submission::SessionEnded(_) | Submission::Append(..) | Submission::Ask(_) | Submission::Stop => 0,
        };
        self.stop |= matches!(submission, Submission::Stop);
    }

    fn is_full(&self) -> bool {
        self.submissions >= GROUP_SUBMISSIONS_MAX || self.bytes >= GROUP_BYTES_MAX
    }

    /// Whoever stops waits for all of it.
    fn is_large(&self) -> bool {
        !self.stop && (self.is_full() || self.submissions >= LARGE_SUBMISSIONS)
    }
}

#[cfg(test)]
pub(crate) mod tests;
