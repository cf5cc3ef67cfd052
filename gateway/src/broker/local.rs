//! Subscribing without a socket.

use std::sync::Arc;

use super::message::Message;
use super::receipt::Kick;
use super::router::Router;
use super::subscriptions::Subscriber;

/// The subscriber did not keep up: its queue of QoS 1 messages was full, and it gets nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("local subscriber did not keep up: its queue was full")]
pub struct TooSlow;

/// A subscription of the gateway's own; dropping it unsubscribes. Bounded like any subscriber.
pub struct LocalSubscriber {
    router: Router,
    subscriber: Arc<Subscriber>,
    ended: bool,
}

impl LocalSubscriber {
    pub(crate) fn new(router: Router, subscriber: Arc<Subscriber>) -> Self {
        Self { router, subscriber, ended: false }
    }

    /// The next message, in order of publishing. Cancel safe.
    ///
    /// # Errors
    /// [`TooSlow`] once everything queued before the overflow has been received; then for ever.
    pub async fn recv(&mut self) -> Result<Message, TooSlow> {
        loop {
            if let Some(message) = self.try_recv()? {
                return Ok(message);
            }
            self.subscriber.mailbox.mail().await;
        }
    }

    /// The next message if one is there.
    ///
    /// # Errors
    /// As [`LocalSubscriber::recv`].
    pub fn try_recv(&mut self) -> Result<Option<Message>, TooSlow> {
        let mailbox = &self.subscriber.mailbox;
        self.ended |= mailbox.collect().1 == Some(Kick::TooSlow);
        match mailbox.pop() {
            Some(message) => Ok(Some(message)),
            None if self.ended => Err(TooSlow),
            None => Ok(None),
        }
    }
}

impl Drop for LocalSubscriber {
    fn drop(&mut self) {
        self.router.forget(None, self.subscriber.key);
    }
}
