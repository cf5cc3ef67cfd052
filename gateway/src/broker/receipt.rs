//! The way back: one box per connection that takes settlements, deliveries and the order to end, and wakes the
//! connection's task at most once until it looks inside.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::message::Delivery;
use super::seam::Outcome;

/// Place of a publish in its connection's queue of acknowledgements; counts from 0.
pub(crate) type Ticket = u64;

/// Owed to a publish that was handed to the [`Sink`](super::Sink). Dropping it unsettled settles [`Outcome::Lost`].
#[must_use = "dropping a receipt says that the publish is lost"]
pub struct Receipt {
    mailbox: Option<Arc<Mailbox>>,
    ticket: Ticket,
}

impl Receipt {
    pub(crate) fn new(mailbox: Arc<Mailbox>, ticket: Ticket) -> Self {
        Self { mailbox: Some(mailbox), ticket }
    }

    /// Its place in its connection's queue.
    pub(crate) fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Says how the publish ended. Callable from any thread; never blocks for longer than a push.
    pub fn settle(self, outcome: Outcome) {
        self.settle_with(outcome, &mut Wakes::default());
    }

    /// The same as one of many: its connection is woken with the others.
    pub fn settle_with(mut self, outcome: Outcome, wakes: &mut Wakes) {
        if let Some(mailbox) = self.mailbox.take() {
            mailbox.settle(self.ticket, outcome, wakes);
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(mailbox) = self.mailbox.take() {
            mailbox.settle(self.ticket, Outcome::Lost, &mut Wakes::default());
        }
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receipt").field(&self.ticket).finish()
    }
}

/// Connections that have something in their mailbox and do not know it yet. Woken one by one while a group of
/// acknowledgements or readings is still being handed out, each would write many small packets instead of a few.
#[derive(Default)]
pub struct Wakes(Vec<Arc<Mailbox>>);

impl Wakes {
    /// Wakes them all; dropping does the same.
    pub fn wake(&mut self) {
        self.0.drain(..).for_each(|mailbox| mailbox.wake.notify_one());
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        self.wake();
    }
}

impl fmt::Debug for Wakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wakes").field(&self.0.len()).finish()
    }
}

/// Why a connection is told to end from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kick {
    /// Another connection came with the same client id.
    TakenOver,
    /// Its queue of QoS 1 messages is full.
    TooSlow,
    /// The gateway stops.
    Shutdown,
    /// The account that let it in was removed or changed.
    Revoked,
}

/// How much may wait for one subscriber; one message always may, however heavy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueBounds {
    pub(crate) messages_max: usize,
    pub(crate) bytes_max: usize,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    Queued,
    /// QoS 0 over the bound.
    Dropped,
    /// QoS 1 over the bound: the subscriber ends.
    Ended,
    /// The subscriber has ended already.
    Closed,
}

#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    inner: Mutex<Inner>,
    wake: Notify,
    /// Cancelled when the connection has offered its last publish.
    pub(crate) over: CancellationToken,
}

#[derive(Debug, Default)]
struct Inner {
    settled: Vec<(Ticket, Outcome)>,
    queue: VecDeque<Delivery>,
    queue_bytes: usize,
    kick: Option<Kick>,
    closed: bool,
    signalled: bool,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>, wakes: &mut Wakes) {
        let first = !std::mem::replace(&mut inner.signalled, true);
        drop(inner);
        if first {
            wakes.0.push(Arc::clone(self));
        }
    }

    fn settle(self: &Arc<Self>, ticket: Ticket, outcome: Outcome, wakes: &mut Wakes) {
        let mut inner = self.lock();
        inner.settled.push((ticket, outcome));
        self.signal(inner, wakes);
    }

    pub(crate) fn kick(self: &Arc<Self>, kick: Kick) {
        let mut inner = self.lock();
        inner.kick.get_or_insert(kick);
        self.signal(inner, &mut Wakes::default());
    }

    /// Queues a delivery, or not; never waits for the subscriber.
    pub(crate) fn push(self: &Arc<Self>, delivery: Delivery, bounds: QueueBounds, wakes: &mut Wakes) -> Pushed {
        let mut inner = self.lock();
        if inner.closed {
            return Pushed::Closed;
        }
        let weight = delivery.weight();
        let too_many = inner.queue.len() >= bounds.messages_max;
        let too_heavy = inner.queue_bytes + weight > bounds.bytes_max && !inner.queue.is_empty();
        let full = too_many || too_heavy;
        match (full, delivery.qos) {
            (true, 0) => return Pushed::Dropped,
            (true, _) => {
                inner.closed = true;
                inner.kick.get_or_insert(Kick::TooSlow);
                self.signal(inner, wakes);
                return Pushed::Ended;
            }
            (false, _) => {
                inner.queue_bytes += weight;
                inner.queue.push_back(delivery);
            }
        }
        self.signal(inner, wakes);
        Pushed::Queued
    }

    /// Resolves when something came in since the last [`Mailbox::collect`]. Cancel safe.
    pub(crate) async fn mail(&self) {
        self.wake.notified().await;
    }

    /// Takes the settlements, in the order they came, and the order to end; from here on the next push wakes again.
    pub(crate) fn collect(&self) -> (Vec<(Ticket, Outcome)>, Option<Kick>) {
        let mut inner = self.lock();
        inner.signalled = false;
        (std::mem::take(&mut inner.settled), inner.kick.take())
    }

    pub(crate) fn pop(&self) -> Option<Delivery> {
        let mut inner = self.lock();
        let delivery = inner.queue.pop_front()?;
        inner.queue_bytes -= delivery.weight();
        if inner.queue.is_empty() {
            inner.queue = VecDeque::new();
        }
        Some(delivery)
    }

    /// Keeps of `snapshot` what no waiting delivery is newer than.
    pub(crate) fn without_waiting(&self, snapshot: &mut Vec<Delivery>) {
        let inner = self.lock();
        if !inner.queue.is_empty() {
            let waiting: std::collections::HashSet<&str> = inner.queue.iter().map(|d| &*d.topic).collect();
            snapshot.retain(|d| !waiting.contains(&*d.topic));
        }
    }

    /// No delivery is taken any more and what waits is dropped; settlements still arrive.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        inner.queue = VecDeque::new();
        inner.queue_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use bytes::Bytes;

    use super::*;

    const BOUNDS: QueueBounds = QueueBounds { messages_max: 2, bytes_max: 100 };

    fn delivery(qos: u8, len: usize) -> Delivery {
        let payload = Bytes::from(vec![0; len]);
        Delivery { topic: Arc::from("t"), payload, qos, retain: false, properties: None }
    }

    #[test]
    fn a_receipt_dropped_unsettled_is_lost() {
        let mailbox = Arc::new(Mailbox::default());
        drop(Receipt::new(Arc::clone(&mailbox), 7));
        Receipt::new(Arc::clone(&mailbox), 8).settle(Outcome::Stored);
        assert_eq!(mailbox.collect().0, vec![(7, Outcome::Lost), (8, Outcome::Stored)]);
    }

    #[test]
    fn a_connection_is_woken_once_for_many_settlements_and_deliveries_and_not_before_the_last() {
        let mailbox = Arc::new(Mailbox::default());
        let mut mail = pin!(mailbox.mail());
        let mut is_woken = || mail.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        let mut wakes = Wakes::default();
        Receipt::new(Arc::clone(&mailbox), 1).settle_with(Outcome::Stored, &mut wakes);
        Receipt::new(Arc::clone(&mailbox), 2).settle_with(Outcome::Stored, &mut wakes);
        mailbox.push(delivery(1, 1), BOUNDS, &mut wakes);
        assert_eq!(wakes.0.len(), 1);
        assert!(!is_woken());
        drop(wakes);
        assert!(is_woken());
    }

    #[test]
    fn above_the_message_bound_qos_0_is_dropped_and_qos_1_ends_the_subscriber() {
        let mailbox = Arc::new(Mailbox::default());
        assert_eq!(mailbox.push(delivery(1, 1), BOUNDS, &mut Wakes::default()), Pushed::Queued);
        assert_eq!(mailbox.push(delivery(0, 1), BOUNDS, &mut Wakes::default()), Pushed::Queued);
        assert_eq!(mailbox.push(delivery(0, 1), BOUNDS, &mut Wakes::default()), Pushed::Dropped);
        assert_eq!(mailbox.push(delivery(1, 1), BOUNDS, &mut Wakes::default()), Pushed::Ended);
        assert_eq!(mailbox.push(delivery(1, 1), BOUNDS, &mut Wakes::default()), Pushed::Closed);
        assert_eq!(mailbox.collect().1, Some(Kick::TooSlow));
    }

    #[test]
    fn the_byte_bound_counts_what_is_waiting_and_is_free_again_after_a_pop() {
        let mailbox = Arc::new(Mailbox::default());
        assert_eq!(mailbox.push(delivery(0, 90), BOUNDS, &mut Wakes::default()), Pushed::Queued);
        assert_eq!(mailbox.push(delivery(0, 9), BOUNDS, &mut Wakes::default()), Pushed::Dropped);
        assert!(mailbox.pop().is_some());
        assert_eq!(
            mailbox.push(delivery(1, 500), BOUNDS, &mut Wakes::default()),
            Pushed::Queued,
            "one message always fits"
        );
    }

    #[test]
    fn a_snapshot_gives_way_to_newer_deliveries_of_the_same_topic() {
        let mailbox = Arc::new(Mailbox::default());
        mailbox.push(delivery(0, 1), BOUNDS, &mut Wakes::default());
        let mut snapshot = vec![delivery(1, 5), Delivery { topic: Arc::from("u"), ..delivery(1, 5) }];
        mailbox.without_waiting(&mut snapshot);
        assert_eq!(snapshot.iter().map(|d| &*d.topic).collect::<Vec<_>>(), ["u"]);
    }
}
