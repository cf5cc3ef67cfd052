//! The door of the log: the broker's publishes and the stages' own records enter here, bounded.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};

use halo_proto::topic::{Grammar, Topic};
use tokio::sync::oneshot;

use crate::broker::{Disposition, Inbound, Pending, Receipt, SessionKey, Sink};
use crate::ingest::{Channel, Publish};
use crate::record::{Draft, Name, Offset};
use crate::store::gate::Gate;

/// Submissions that may wait for the owner; with [`Gate`]'s bytes the bound of everything not yet durable.
pub(crate) const QUEUE_SUBMISSIONS_MAX: usize = 8_192;
/// MQTT 5 reason code "Topic Name invalid".
const TOPIC_NAME_INVALID: u8 = 0x90;

/// One thing for the owner to do.
pub(crate) enum Submission {
    /// A publish that has to be durable before it is acknowledged.
    Publish(Publish, Receipt),
    /// The session published its last.
    SessionEnded(SessionKey),
    /// A record of a stage.
    Append(Draft, oneshot::Sender<Offset>),
    /// Commit what is there and end.
    Stop,
}

/// Why a record was not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The log failed or the gateway is stopping.
    #[error("the log takes no records any more")]
    Closed,
}

/// Appends records from any stage; the answer is their offset, once durable.
#[derive(Clone)]
pub struct Appender {
    queue: SyncSender<Submission>,
}

impl Appender {
    /// Appends one record and waits until it is durable.
    ///
    /// # Errors
    /// [`AppendError::Closed`]: whether the record is in the log shows after a restart.
    pub async fn append(&self, draft: Draft) -> Result<Offset, AppendError> {
        let (done, durable) = oneshot::channel();
        let mut submission = Submission::Append(draft, done);
        loop {
            match self.queue.try_send(submission) {
                Ok(()) => return durable.await.map_err(|_| AppendError::Closed),
                Err(TrySendError::Disconnected(_)) => return Err(AppendError::Closed),
                Err(TrySendError::Full(back)) => submission = back,
            }
            tokio::task::yield_now().await;
        }
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
        Appender { queue: self.queue.clone() }
    }

    /// Tells the owner to commit what it has and end.
    pub(crate) fn stop(&self) {
        // A closed queue means that the owner has ended already.
        drop(self.queue.send(Submission::Stop));
    }

    fn channel(&self, inbound: &Inbound) -> Result<Option<(Name, Channel)>, u8> {
        let (device, channel) = match self.grammar.parse(&inbound.topic) {
            Topic::Telemetry { device } => (device, Channel::Telemetry),
            Topic::Birth { device } if inbound.retain => (device, Channel::Birth),
            Topic::State { device } if inbound.retain => (device, Channel::State),
            Topic::Invalid { .. } => return Err(TOPIC_NAME_INVALID),
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
        if !self.gate.is_open() {
            return Err(inbound);
        }
        let bytes = inbound.payload.len() + inbound.topic.len();
        let Inbound { session, client_id, principal, topic, payload, qos, retain, will, arrival, receipt } = inbound;
        let publish =
            Publish { device, topic, publisher: principal, channel, payload, qos, arrival, session: session.0 };
        // Counted first: the owner may settle it before this thread goes on.
        self.gate.entered(bytes);
        match self.queue.try_send(Submission::Publish(publish, receipt)) {
            Ok(()) => Ok(Disposition::Logged),
            Err(TrySendError::Full(Submission::Publish(publish, receipt))) => {
                self.gate.settled(bytes as u64);
                let Publish { topic, publisher: principal, payload, qos, arrival, .. } = publish;
                Err(Inbound { session, client_id, principal, topic, payload, qos, retain, will, arrival, receipt })
            }
            // The dropped receipt says `Lost`: the connection closes without an acknowledgement.
            Err(_) => Ok(Disposition::Logged),
        }
    }

    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(self.gate.opened())
    }

    fn session_ended(&self, session: SessionKey) {
        // Waits for room rather than losing a device's end; the owner never waits for the broker, so it comes.
        drop(self.queue.send(Submission::SessionEnded(session)));
    }
}
