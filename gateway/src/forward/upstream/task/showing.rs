//! What an operator sees of it.

use super::{Connection, Task};
use crate::forward::upstream::config::Send;
use crate::forward::upstream::machine::Way;
use crate::forward::upstream::probe::By;
use crate::forward::upstream::status::{LaneStatus, State};
use crate::store::fs::Fs;

impl<F: Fs> Task<F> {
    pub(super) fn show_connected(&self, it: &Connection) {
        self.show();
        let mut board = self.board.lock();
        board.round_trip_ms = it.probe.round_trip_ms().or(board.round_trip_ms);
        board.round_trip_is_puback = it.probe.by() == By::Puback;
    }

    pub(super) fn show(&self) {
        let now_ms = self.now_ms();
        let progress = self.machine.progress();
        let lane = |way| {
            let (confirmed, under_way) = self.machine.stands(way);
            LaneStatus { confirmed, under_way }
        };
        let reads = self.reads_log();
        let mut board = self.board.lock();
        board.live = reads.then(|| lane(Way::Live));
        board.backfill = (!progress.backfill.is_empty()).then(|| lane(Way::Backfill));
        board.sparks = progress.sparks.map(|_| lane(Way::Sparks));
        board.stretches = progress.backfill;
        board.account = progress.account;
        let all = progress.live == self.source.learned() && board.stretches.is_empty();
        let all = all || !self.config.sends(Send::Readings);
        board.pending = if all { 0 } else { self.source.frames().saturating_sub(self.machine.passed()) };
        board.counting = self.source.is_counting();
        board.halos_pending = (self.halos.waiting() + self.changes.as_ref().map_or(0, |it| it.len())) as u64;
        // Halos wait for their turn also while data flows, a second at most.
        let is_behind = board.pending > 0 || (board.halos_pending > 0 && board.state != State::Flowing);
        let behind_since_ms = self.behind_since_ms.get().unwrap_or(now_ms);
        self.behind_since_ms.set(is_behind.then_some(behind_since_ms));
        // What is under way tells when it was written; what nobody has read yet, since when it waits.
        let oldest_ms =
            self.machine.oldest_ms().unwrap_or(now_ms).min(if is_behind { behind_since_ms } else { now_ms });
        board.lag_ms = now_ms.saturating_sub(oldest_ms);
        board.repeats_possible = self.machine.repeats_possible();
        board.halos = self.halos.confirmed();
    }
}
