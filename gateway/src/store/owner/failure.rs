//! A group that could not be written: who waits for it is not told that it is stored, the head goes back to what is durable,
//! and the log goes on in a new segment.

use tracing::{error, warn};

use super::{Owner, Turn};
use crate::record::Offset;
use crate::store::StoreError;
use crate::store::fs::Fs;
use crate::store::head::Head;
use crate::store::state::{MemState, StateEngine, Table};

impl<F: Fs> Owner<F> {
    /// Nothing of a failed group is acknowledged: its connections close and their devices send again. The head's state
    /// goes back to what is durable, and the log goes on in a new segment if the disk lets it.
    pub(super) fn failed(&mut self, mut error: StoreError) -> Turn {
        if !self.log.is_poisoned() {
            if self.gate.set_no_room(true) {
                error!(%error, "the disk has no place for another record: publishes are not acknowledged until it has");
            }
            match self.commit() {
                Ok(()) => return Turn::Next,
                Err(worse) => error = worse,
            }
        }
        error!(%error, "commit failed; nothing of it is acknowledged");
        // The log may have ended the commit of another group by itself before this one failed.
        self.landed(self.log.durable());
        let once = self.groups.give_up(self.log.durable());
        if let Err(error) = self.recover() {
            error!(%error, "the log cannot be written any more; restart the gateway when the disk is well again");
            self.gate.fail();
            return Turn::Failed;
        }
        warn!(durable = self.log.durable().0, "the log goes on in a new segment");
        // Durable with the next group; a failure now is that group's.
        let stamp = self.clock.now();
        for body in once {
            if let Err(error) = self.append(body.into(), stamp) {
                warn!(%error, "a departure, a count of repeats or of damage is not in the log");
            }
        }
        Turn::Next
    }

    fn recover(&mut self) -> Result<(), StoreError> {
        let lost = self.log.recover_from_failure()?;
        for finding in &lost {
            error!(%finding, "the disk has lost what it had reported durable");
            self.damages.met(finding);
        }
        let mut rebuilt = self.last_checkpoint()?;
        rebuilt.skip(self.head.skipped().clone());
        let mut reader = self.log.reader(rebuilt.applied().next());
        // Damage was reported above, or when it was first read.
        drop(rebuilt.replay(&mut reader)?);
        self.head.become_rebuilt(rebuilt);
        Ok(())
    }

    /// The head as last written down, else as last carried in the log, else an empty one: the log has everything.
    fn last_checkpoint(&self) -> Result<Head, StoreError> {
        let grammar = self.head.grammar();
        let healthy = self.checkpoints.as_ref().filter(|checkpoints| checkpoints.is_healthy());
        let loaded = healthy.and_then(|checkpoints| checkpoints.read(move |engine| Head::load(&grammar, engine))?.ok());
        if let Some(head) = loaded {
            return Ok(head);
        }
        let mut rows = MemState::default();
        if self.log.first_offset() > Offset(1) {
            self.log.carried(|mut changes| {
                changes.retain(|change| change.table != Table::Halo);
                // Memory takes everything.
                rows.commit(changes).unwrap_or_default();
                Ok::<_, StoreError>(())
            })?;
        }
        let head = Head::load(&grammar, &rows).unwrap_or_else(|_| Head::new(&grammar));
        // What came before the log's first segment is known by neither: going on would forget it.
        if head.applied().next() < self.log.first_offset() { Err(StoreError::Poisoned) } else { Ok(head) }
    }
}
