//! The cursor's records: when they are written, and the last one.

use tracing::warn;

use super::{LOG_WAIT, Task};
use crate::record::{Cursor, Name};
use crate::store::fs::Fs;

/// A cursor is written this long after something was confirmed, milliseconds, if not earlier.
pub(super) const CURSOR_WAIT_MS: u64 = 100;

impl<F: Fs> Task<F> {
    /// Has a cursor written when one is due; sending goes on meanwhile.
    pub(super) fn keep_cursor(&mut self) {
        let (at_once, fresh) = self.machine.cursor_due();
        if !fresh || self.jobs.is_writing() || !self.reads_log() {
            return;
        }
        let now_ms = self.now_ms();
        let since_ms = *self.cursor_since_ms.get_or_insert(now_ms);
        if at_once || now_ms >= since_ms + CURSOR_WAIT_MS {
            self.write_cursor();
        }
    }

    pub(super) fn write_cursor(&mut self) {
        self.cursor_since_ms = None;
        let (confirmed, progress) = self.machine.take_cursor();
        let cursor = Cursor { consumer: Name::from(self.config.name.as_str()), confirmed, progress };
        self.jobs.write(self.shared.appender.clone(), cursor);
    }

    /// What was confirmed to the last is written, so that the next start repeats nothing.
    pub(super) async fn write_last_cursor(&mut self) {
        let last = async {
            loop {
                while self.jobs.is_writing()
                    && let Some(came) = self.jobs.next().await
                {
                    drop(self.came(came, None));
                }
                if !self.machine.cursor_due().1 || !self.reads_log() {
                    return;
                }
                self.write_cursor();
            }
        };
        if tokio::time::timeout(LOG_WAIT, last).await.is_err() {
            warn!(upstream = self.config.name, "the last cursor was not written in time: some messages may come twice");
        }
        self.show();
    }
}
