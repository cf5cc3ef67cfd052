//! The door of the log: the broker's publishes and the stages' own records enter here, bounded.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};

use halo_proto::topic::{Grammar, Topic};
use tokio::sync::oneshot;

use crate::broker::reason::TOPIC_NAME_INVALID;
use crate::broker::{Disposition, Inbound, Pending, Receipt, SessionKey, Sink};
use crate::ingest::{Channel, Publish};
use crate::record::{Draft, Name, Offset};
use crate::store::gate::{Gate, SUBMISSIONS_MAX};
use crate::store::head::Head;

/// Places in the owner's queue: what the [`Gate`] lets in, and half as many for ends of sessions, which it counts and
/// cannot refuse.
pub(crate) const QUEUE_MAX: usize = SUBMISSIONS_MAX + SUBMISSIONS_MAX / 2;

/// One thing for the owner to do.
pub(crate) enum Submission {
    /// A publish that has to be durable before it is acknowledged.
    Publish(Publish, Receipt),
    /// The session published its last.
    SessionEnded(SessionKey),
    /// A record of a stage.
    Append(Draft, oneshot::Sender<Result<Offset, AppendError>>),
    /// A question to the head's state; answered between two groups, when all of it is durable.
    Ask(Question),
    /// Commit what is there and end.
    Stop,
}

/// What is asked of the head's state: must be quick, the log waits.
pub(crate) type Question = Box<dyn FnOnce(&Head) + Send>;

/// Why a record was not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The log failed or the gateway is stopping.
    #[error("the log takes no records any more")]
    Closed,
    /// It no longer makes sense: the frame is not in quarantine any more, or the act contradicts what is in force.
    #[error("the record contradicts what is known by now")]
    Refused,
    /// It can never be written.
    #[error("the record does not fit into the log")]
    TooLong,
}

/// What became of a record that was handed over.
pub(crate) type Answer = oneshot::Receiver<Result<Offset, AppendError>>;

/// Appends records from any stage; the answer is their offset, once durable.
#[derive(Clone)]
pub struct Appender {
    queue: SyncSender<Submission>,
    gate: Arc<Gate>,
}

impl Appender {
    /// Appends one record and waits until it is durable.
    ///
    /// # Errors
    /// [`AppendError::Closed`]: whether the record is in the log shows after a restart. [`AppendError::TooLong`]: it is not.
    pub async fn append(&self, draft: Draft) -> Result<Offset, AppendError> {
        let (done, durable) = oneshot::channel();
        let mut submission = Submission::Append(draft, done);
        while let Some(back) = self.offer(submission).await? {
            submission = back;
        }
        durable.await.map_err(|_| AppendError::Closed)?
    }

    /// Asks the head's state; the answer is about durable records only.
    ///
    /// # Errors
    /// [`AppendError::Closed`].
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Head) -> T + Send + 'static,
    ) -> Result<T, AppendError> {
        let (said, heard) = oneshot::channel();
        let mut submission = Submission::Ask(Box::new(move |head| {
            // Whoever asked may have stopped waiting.
            said.send(question(head)).ok();
        }));
        while let Some(back) = self.offer(submission).await? {
            submission = back;
        }
        heard.await.map_err(|_| AppendError::Closed)
    }

    /// Hands a record over without waiting; it comes back when there is no place for it now. The answer is its offset,
    /// once durable; an answer that is dropped says that the log ended.
    pub(crate) fn submit(&self, draft: Draft) -> Result<Result<Answer, Draft>, AppendError> {
        if self.gate.has_failed() {
            return Err(AppendError::Closed);
        }
        if !self.gate.claim() {
            return Ok(Err(draft));
        }
        let (done, durable) = oneshot::channel();
        match self.queue.try_send(Submission::Append(draft, done)) {
            Ok(()) => Ok(Ok(durable)),
            Err(TrySendError::Full(Submission::Append(draft, _))) => {
                self.gate.unclaim();
                Ok(Err(draft))
            }
            Err(_) => {
                self.gate.left(1, 0);
                Err(AppendError::Closed)
            }
        }
    }

    /// Hands it over; when there is no place for it, it comes back as soon as there may be one.
    async fn offer(&self, submission: Submission) -> Result<Option<Submission>, AppendError> {
        let room = self.gate.room();
        if self.gate.has_failed() {
            return Err(AppendError::Closed);
        }
        let mut back = submission;
        if self.gate.claim() {
            match self.queue.try_send(back) {
                Ok(()) => return Ok(None),
                Err(TrySendError::Disconnected(_)) => {
                    self.gate.left(1, 0);
                    return Err(AppendError::Closed);
                }
                Err(TrySendError::Full(it)) => {
                    self.gate.unclaim();
                    back = it;
                }
            }
        }
        room.await;
        Ok(Some(back))
    }
}

/// The broker's [`Sink`]: tells telemetry and retained publishes from the rest and queues them for the owner.
pub struct Inlet {
    queue: SyncSender<Submission>,
    gate: Arc<Gate>,
    grammar: Grammar,
}

impl Inlet {
    pub(crate) fn new(queue: SyncSender<Submission>, gate: Arc<Gate>, grammar: Grammar) -> Self {
        Self { queue, gate, grammar }
    }

    /// An appender for the stages below.
    pub fn appender(&self) -> Appender {
        Appender { queue: self.queue.clone(), gate: Arc::clone(&self.gate) }
    }

    /// Tells the owner to commit what it has and end.
    pub(crate) fn stop(&self) {
        self.gate.claim_anyway();
        // A closed queue means that the owner has ended already.
        drop(self.queue.send(Submission::Stop));
    }

    fn channel(&self, inbound: &Inbound) -> Result<Option<(Name, Channel)>, u8> {
        let (device, channel) = match self.grammar.parse(&inbound.topic) {
            Topic::Telemetry { device } => (device, Channel::Telemetry),
            Topic::Birth { device } if inbound.retain => (device, Channel::Birth),
            Topic::State { device } if inbound.retain => (device, Channel::State),
            Topic::Answer { device } => (device, Channel::Answer),
            Topic::Offers { .. } if inbound.retain => ("", Channel::Offers),
            Topic::Offers { .. } | Topic::Invalid { .. } => return Err(TOPIC_NAME_INVALID),
            _ if inbound.retain => ("", Channel::Other),
            _ => return Ok(None),
        };
        Ok(Some((Name::from(device), channel)))
    }
}

impl Sink for Inlet {
    fn publish(&self, inbound: Inbound) -> Result<Disposition, Inbound> {
        let (device, channel) = match self.channel(&inbound) {
            Ok(Some(known)) => known,
            Ok(None) => return Ok(Disposition::Immediate),
            Err(code) => return Ok(Disposition::Refused(code)),
        };
        if self.gate.has_failed() {
            // Dropped with its receipt, which says `Lost`: the connection closes without an acknowledgement.
            return Ok(Disposition::Logged);
        }
        // Counted before it is sent: the owner may settle it before this thread goes on.
        let bytes = inbound.payload.len() + inbound.topic.len();
        if !self.gate.try_enter(bytes) {
            return Err(inbound);
        }
        let Inbound { session, client_id, principal, topic, payload, qos, retain, will, arrival, receipt } = inbound;
        let publish =
            Publish { device, topic, publisher: principal, channel, payload, qos, arrival, session: session.0 };
        match self.queue.try_send(Submission::Publish(publish, receipt)) {
            Ok(()) => Ok(Disposition::Logged),
            Err(TrySendError::Full(Submission::Publish(publish, receipt))) => {
                // Ends of sessions have taken more than their half: the gate is closed, so this waits for the owner.
                self.gate.left(1, bytes as u64);
                let Publish { topic, publisher: principal, payload, qos, arrival, .. } = publish;
                Err(Inbound { session, client_id, principal, topic, payload, qos, retain, will, arrival, receipt })
            }
            // The owner has ended; the dropped receipt says `Lost`.
            Err(_) => {
                self.gate.left(1, bytes as u64);
                Ok(Disposition::Logged)
            }
        }
    }

    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(self.gate.opened())
    }

    fn session_ended(&self, session: SessionKey) {
        self.gate.claim_anyway();
        // Waits for room rather than losing a device's end; the owner never waits for the broker, so it comes.
        drop(self.queue.send(Submission::SessionEnded(session)));
    }
}

#[cfg(test)]
mod tests;
