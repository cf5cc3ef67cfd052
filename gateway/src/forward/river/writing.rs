//! Checkpoints of the halos, slice by slice between two batches.

use super::{CHECKPOINT_PERIOD_MS, River, Schedule};
use crate::store::fs::Fs;
use crate::store::state::{Change, Table};

/// Checkpoint after this much log (LOG.md, "Checkpoints") …
const CHECKPOINT_BYTES: u64 = 32 << 20;
/// … in slices of at most so much.
const SLICE_BYTES: usize = 2 << 20;

impl<F: Fs> River<F> {
    /// Hands over at most one slice, when one is due: between two slices the river flows.
    pub(super) fn write_down(&mut self) {
        let now_ms = self.now_ms();
        // Also when retention waits for it.
        let hurried = self.checkpoints.take_hurry();
        let due = self.checkpoint.bytes >= CHECKPOINT_BYTES || now_ms >= self.checkpoint.due_ms || hurried;
        if !due && !self.checkpoint.under_way {
            return;
        }
        let fold = &mut self.fold;
        let mut finished = false;
        let taken = self.checkpoints.offer(|| {
            let slice = fold.checkpoint_slice(SLICE_BYTES);
            finished = slice.watermark.is_some();
            let value = |value: Vec<u8>| Some(value).filter(|value| !value.is_empty());
            let change = |(key, it)| Change { table: Table::Halo, key, value: value(it) };
            slice.rows.into_iter().map(change).collect()
        });
        self.checkpoint.under_way |= taken;
        if finished {
            self.checkpoint = Schedule { bytes: 0, due_ms: now_ms + CHECKPOINT_PERIOD_MS, under_way: false };
        }
    }

    /// The last act: everything durable is folded and written, so that the next start has nothing to replay.
    pub(super) fn write_down_everything(&mut self) {
        self.flow();
        self.checkpoint.due_ms = 0;
        while self.checkpoints.is_healthy() {
            self.checkpoints.wait();
            self.write_down();
            if !self.checkpoint.under_way && self.checkpoint.due_ms > 0 {
                break;
            }
        }
    }
}
