//! The threads of the flow, and their end: in flow order, of a gateway that stops and of one that does not come to run.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::forward::owned::Asker;
use crate::store::gate::Gate;
use crate::store::inlet::Inlet;
use crate::store::owner::Turn;
use crate::store::retention::Running;

/// Held by a thread of the flow. One that ends unasked, by a panic too, ends the gateway: nothing is acknowledged any
/// more, rather than halos standing still.
pub(super) struct Ending {
    gate: Arc<Gate>,
    failed: CancellationToken,
    expected: bool,
}

impl Ending {
    pub(super) fn new(gate: &Arc<Gate>, failed: &CancellationToken) -> Self {
        Self { gate: Arc::clone(gate), failed: failed.clone(), expected: false }
    }

    pub(super) fn ended(mut self, expected: bool) {
        self.expected = expected;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.expected {
            self.gate.fail();
            self.failed.cancel();
        }
    }
}

pub(super) fn thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, StartError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(StartError::Thread)
}

/// What runs so far. Dropped, it has ended: an error late in a start leaves nothing behind.
pub(super) struct Threads {
    inlet: Arc<Inlet>,
    asker: Asker,
    pub(super) upstreams_stop: CancellationToken,
    pub(super) owner: Option<JoinHandle<Turn>>,
    pub(super) retention: Option<Running>,
    pub(super) river: Option<JoinHandle<()>>,
    pub(super) upstreams: Vec<JoinHandle<()>>,
    pub(super) checkpoints: Option<JoinHandle<()>>,
}

impl Threads {
    /// None yet.
    pub(super) fn new(inlet: Arc<Inlet>, asker: Asker) -> Self {
        let upstreams_stop = CancellationToken::new();
        let (owner, retention, river, upstreams, checkpoints) = (None, None, None, Vec::new(), None);
        Self { inlet, asker, upstreams_stop, owner, retention, river, upstreams, checkpoints }
    }

    /// Ends them in flow order and waits: upstreams write their last cursors, the log commits what it has, the river
    /// folds it and writes it down. Whether the log committed and the rest came to its end.
    pub(super) fn end(&mut self) -> bool {
        // Before the log ends: their last cursors are records.
        self.upstreams_stop.cancel();
        self.upstreams.drain(..).for_each(|thread| drop(thread.join()));
        if let Some(retention) = self.retention.take() {
            retention.stop();
        }
        let committed = self.owner.take().is_some_and(|owner| {
            self.inlet.stop();
            matches!(owner.join(), Ok(Turn::Stop))
        });
        let folded = self.river.take().is_some_and(|river| {
            self.asker.stop();
            river.join().is_ok()
        });
        // It ends when nobody is left who could hand it anything.
        let written = self.checkpoints.take().is_some_and(|checkpoints| checkpoints.join().is_ok());
        committed & folded & written
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.end();
    }
}
