//! The gateway's own retained topics, rendered by the river when somebody subscribes.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::broker::{OwnedTopics, Pending};
use crate::halo::Fold;
use crate::record::Name;
use crate::spark::Engine;

/// How long to wait before asking a busy river again.
const BUSY_PAUSE: Duration = Duration::from_millis(2);

/// Topics with their payloads now.
pub(crate) type Rendered = Vec<(Arc<str>, Bytes)>;

/// What is asked of the rules.
pub(crate) type RulesQuestion = Box<dyn FnOnce(&Engine, &Fold) + Send>;

/// What the river is asked.
pub(crate) enum Call {
    /// Something became durable.
    Look,
    /// Render the owned topics that match.
    Matching(String, oneshot::Sender<Rendered>),
    /// Name all subjects.
    Subjects(oneshot::Sender<Vec<Name>>),
    /// Render the halos of these subjects, of those that are known.
    Render(Vec<Name>, oneshot::Sender<Vec<(Name, Bytes)>>),
    /// Ask the rules, and the fold they look at; must be quick, the river waits.
    Rules(RulesQuestion),
    /// Say that the gateway stops, then answer.
    Stopping(oneshot::Sender<()>),
    /// Fold what is durable, write everything down and end.
    Stop,
}

/// Asks the river.
#[derive(Clone)]
pub(crate) struct Asker {
    calls: SyncSender<Call>,
}

impl Asker {
    pub(crate) fn new(calls: SyncSender<Call>) -> Self {
        Self { calls }
    }

    /// Something became durable. A river with calls waiting is awake already.
    pub(crate) fn look(&self) {
        drop(self.calls.try_send(Call::Look));
    }

    /// Has the river end; blocks until there is room for that word. One that has ended hears nothing.
    pub(crate) fn stop(&self) {
        drop(self.calls.send(Call::Stop));
    }

    /// Asks the rules; none when the river has ended.
    pub(crate) async fn rules<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine, &Fold) -> T + Send + 'static,
    ) -> Option<T> {
        let (said, heard) = oneshot::channel();
        // Whoever asked may have stopped waiting.
        let call = Call::Rules(Box::new(move |engine, fold| drop(said.send(question(engine, fold)))));
        if !self.call(call).await {
            return None;
        }
        heard.await.ok()
    }

    /// Hands over a call, waiting for room; `false` when the river has ended.
    pub(crate) async fn call(&self, mut call: Call) -> bool {
        loop {
            match self.calls.try_send(call) {
                Ok(()) => return true,
                Err(TrySendError::Disconnected(_)) => return false,
                Err(TrySendError::Full(back)) => call = back,
            }
            tokio::time::sleep(BUSY_PAUSE).await;
        }
    }
}

impl OwnedTopics for Asker {
    fn matching<'a>(&'a self, filter: &'a str) -> Pending<'a, Rendered> {
        Box::pin(async move {
            let (reply, rendered) = oneshot::channel();
            if !self.call(Call::Matching(filter.to_owned(), reply)).await {
                return Vec::new();
            }
            // A river that ends meanwhile has nothing to show any more.
            rendered.await.unwrap_or_default()
        })
    }
}
