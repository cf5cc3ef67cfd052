//! The end of a connection: last words to the client, last publishes to the sink, last outcomes from the log.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::{debug, info};

use super::{Connection, Pause};
use crate::broker::session::Cause;

/// How long a closing connection tries to get its last bytes out, and then waits for the client to close.
const LINGER: Duration = Duration::from_secs(1);
/// How long a will waits for a full sink.
const WILL_WAIT: Duration = Duration::from_secs(10);

impl Connection {
    /// The connection is closed for the client; what it left behind is brought to its end.
    pub(super) async fn finish(mut self, cause: Cause) {
        debug!(session = self.key.0, %cause, "connection closed");
        self.count_end(cause);
        self.mailbox.close();
        self.pause = Pause::No;
        self.backlog = VecDeque::new();
        self.hang_up().await;
        self.offer_last().await;
        if let Some((client_id, _)) = &self.client {
            self.shared.sink.session_ended(self.key);
            self.shared.router.forget(Some(client_id), self.key);
        }
        self.mailbox.over.cancel();
        self.take_outcomes().await;
        self.linger().await;
        self.shared.connection_over(self.key);
    }

    fn count_end(&self, cause: Cause) {
        let metrics = &self.shared.metrics;
        match cause {
            Cause::Violation(_) => metrics.broker_protocol_errors_total.add(1),
            Cause::PublishRefused(_) => metrics.broker_refused_total.add(1),
            _ => {}
        }
    }

    /// Writes the last bytes, the DISCONNECT among them, and says that no more will come.
    async fn hang_up(&mut self) {
        let rest = self.output.split_off(self.written.min(self.output.len()));
        let written = timeout(LINGER, self.stream.hang_up(&rest));
        if !matches!(written.await, Ok(Ok(()))) {
            debug!(session = self.key.0, "last bytes not written");
        }
    }

    /// Offers what the sink had no room for yet, the will last.
    async fn offer_last(&mut self) {
        let sink = Arc::clone(&self.shared.sink);
        let offered = timeout(WILL_WAIT, async {
            self.offer_stalled();
            while !self.stalled.is_empty() {
                sink.ready().await;
                self.offer_stalled();
            }
        });
        if offered.await.is_err() {
            info!(session = self.key.0, "sink full: last publishes of a closed connection given up");
            self.stalled.clear();
        }
    }

    /// Routes what is stored only now. A stopping gateway does not wait for it longer than for the living.
    async fn take_outcomes(&mut self) {
        loop {
            self.take_mail();
            if self.session.is_drained() {
                return;
            }
            let Some(due_ms) = self.shutdown_due_ms else {
                self.mailbox.mail().await;
                continue;
            };
            let left = Duration::from_millis(due_ms.saturating_sub(self.now().mono_ms));
            if timeout(left, self.mailbox.mail()).await.is_err() {
                return;
            }
        }
    }

    /// Reads on until the client closes: closing over unread bytes would reset the connection and lose our last words.
    async fn linger(&mut self) {
        let drained = timeout(LINGER, async {
            let mut waste = Vec::new();
            loop {
                waste.clear();
                match self.stream.read(&mut waste).await {
                    Ok(0) => return,
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                    _ => {}
                }
            }
        });
        if drained.await.is_err() {
            debug!(session = self.key.0, "client did not close");
        }
    }
}
