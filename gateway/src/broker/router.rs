//! Messages to subscribers: the shared tables of clients, subscriptions and retained messages.
//!
//! One lock: publishing reads, everything else writes, so a new subscription and the retained messages it gets are one
//! step. Under it nothing waits and nothing is rendered.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;

use super::codec::SubscribeRequest;
use super::config::Config;
use super::local::LocalSubscriber;
use super::message::{Delivery, Message};
use super::reason;
use super::receipt::{Kick, Mailbox, Pushed, QueueBounds, Wakes};
use super::retained::RetainedStore;
use super::seam::{Policy, Principal, SessionKey};
use super::subscriptions::{Options, Subscriber, Subscription, Subscriptions};
use super::topic::{TopicError, check_filter, check_name};
use crate::metrics::Metrics;

/// The gateway's own way into and out of the broker. Clones share one broker; every call is synchronous, takes microseconds and may
/// come from any thread.
#[derive(Clone)]
pub struct Router(Arc<Shared>);

struct Shared {
    table: RwLock<Table>,
    policy: Arc<dyn Policy>,
    metrics: Arc<Metrics>,
    bounds: QueueBounds,
    next_key: AtomicU64,
}

struct Table {
    subscriptions: Subscriptions,
    /// The filters of each subscriber, to be able to forget it.
    filters: HashMap<SessionKey, HashSet<Arc<str>>>,
    clients: HashMap<Arc<str>, Arc<Subscriber>>,
    retained: RetainedStore,
}

/// A retained message that a part of the gateway stored in a client's place.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The topic: one that a client may publish to.
    pub topic: Arc<str>,
    /// Empty = cleared.
    pub payload: Bytes,
    /// 0 or 1.
    pub qos: u8,
}

impl From<Kept> for Message {
    fn from(Kept { topic, payload, qos }: Kept) -> Self {
        Self { topic, payload, qos: qos.min(1), retain: true, properties: None }
    }
}

/// What came of a client's registration.
pub(crate) enum Registered {
    New,
    /// The session that had this client id; it has been told to end.
    TookOver(Arc<Mailbox>),
    /// The client id is in use by another principal, or the account that let this one in is gone: the reason code.
    Refused(u8),
}

impl Router {
    /// An empty router.
    pub fn new(config: &Config, policy: Arc<dyn Policy>, metrics: Arc<Metrics>) -> Self {
        let table = Table {
            subscriptions: Subscriptions::default(),
            filters: HashMap::new(),
            clients: HashMap::new(),
            retained: RetainedStore::new(config.retained_topics_max, config.retained_bytes_max),
        };
        let bounds = QueueBounds { messages_max: config.queue_messages_max, bytes_max: config.queue_bytes_max };
        Self(Arc::new(Shared { table: RwLock::new(table), policy, metrics, bounds, next_key: AtomicU64::new(1) }))
    }

    /// Publishes on behalf of the gateway. `retain` only sets the flag that subscribers with "retain as published" see: what the
    /// gateway wants kept it renders in [`OwnedTopics`](super::OwnedTopics). Never waits for a subscriber.
    ///
    /// # Errors
    /// The topic is no topic name; nothing was published.
    pub fn publish(&self, topic: Arc<str>, payload: Bytes, qos: u8, retain: bool) -> Result<(), TopicError> {
        self.publish_with(topic, payload, qos, retain, &mut Wakes::default())
    }

    /// The same as one of many: subscribers are woken with `wakes`, which is not to be kept for long.
    ///
    /// # Errors
    /// As [`Router::publish`].
    pub fn publish_with(
        &self,
        topic: Arc<str>,
        payload: Bytes,
        qos: u8,
        retain: bool,
        wakes: &mut Wakes,
    ) -> Result<(), TopicError> {
        self.send(Message { topic, payload, qos: qos.min(1), retain, properties: None }, wakes)
    }

    /// The same as a question: a client that speaks MQTT 5 is told where to answer, and with which words of ours.
    ///
    /// # Errors
    /// As [`Router::publish`].
    pub fn ask_with(
        &self,
        topic: Arc<str>,
        payload: Bytes,
        (response_topic, correlation): (&str, &str),
        wakes: &mut Wakes,
    ) -> Result<(), TopicError> {
        let properties = Some(super::codec::question(response_topic, correlation).into());
        self.send(Message { topic, payload, qos: 1, retain: true, properties }, wakes)
    }

    fn send(&self, message: Message, wakes: &mut Wakes) -> Result<(), TopicError> {
        check_name(&message.topic)?;
        self.deliver(&self.read(), &message, None, wakes);
        Ok(())
    }

    /// Publishes what a client would have published retained, once it is durable, and keeps it for later subscribers.
    pub fn keep(&self, kept: Kept) {
        self.route(&kept.into(), SessionKey::NONE);
    }

    /// Whether it may be kept, by the limits of the configuration.
    pub fn has_room_for(&self, kept: &Kept) -> bool {
        self.has_room(&kept.clone().into())
    }

    /// Whether any subscriber's filter matches `topic`: if not, rendering a payload for it is wasted.
    pub fn wants(&self, topic: &str) -> bool {
        let mut wanted = false;
        self.read().subscriptions.each_match(topic, |_| wanted = true);
        wanted
    }

    /// Subscribes a part of the gateway, at QoS 1, to live messages; retained ones are not replayed to it.
    ///
    /// # Errors
    /// The filter is no topic filter.
    pub fn subscribe(&self, filter: &str) -> Result<LocalSubscriber, TopicError> {
        check_filter(filter)?;
        let subscriber = self.subscriber(None, Arc::default());
        let subscriber = Arc::new(subscriber);
        let options = Options { qos: 1, no_local: false, retain_as_published: true };
        self.write().subscribe(&subscriber, &Arc::from(filter), options);
        Ok(LocalSubscriber::new(self.clone(), subscriber))
    }

    /// Fills the retained messages of clients at start: (topic, payload, QoS). Later entries replace earlier ones, an empty payload
    /// clears; the limits of the configuration do not apply, because all this was once accepted.
    pub fn load_retained(&self, messages: impl IntoIterator<Item = (Arc<str>, Bytes, u8)>) {
        let mut table = self.write();
        for (topic, payload, qos) in messages {
            table.retained.apply(&Message { topic, payload, qos: qos.min(1), retain: true, properties: None });
        }
    }

    /// Ends the sessions of everybody who is `over`, with "not authorized"; how many. Change what the policy knows first:
    /// a session that begins meanwhile is either ended here or refused by [`Policy::holds`].
    pub fn end_sessions(&self, over: impl Fn(&Principal) -> bool) -> usize {
        let table = self.write();
        let ended = table.clients.values().filter(|client| client.principal.as_ref().is_some_and(&over));
        ended.map(|client| client.mailbox.kick(Kick::Revoked)).count()
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.0.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.0.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn policy(&self) -> &Arc<dyn Policy> {
        &self.0.policy
    }

    pub(crate) fn next_key(&self) -> SessionKey {
        SessionKey(self.0.next_key.fetch_add(1, Ordering::Relaxed))
    }

    fn subscriber(&self, principal: Option<Principal>, mailbox: Arc<Mailbox>) -> Subscriber {
        Subscriber { key: self.next_key(), principal, mailbox }
    }

    /// Routes a client's message, and keeps it when it is retained.
    pub(crate) fn route(&self, message: &Message, origin: SessionKey) {
        // Woken when the table is free again: the first thing they do may be to look into it.
        let mut wakes = Wakes::default();
        if message.retain {
            let mut table = self.write();
            table.retained.apply(message);
            self.deliver(&table, message, Some(origin), &mut wakes);
        } else {
            self.deliver(&self.read(), message, Some(origin), &mut wakes);
        }
    }

    /// Whether this very payload is what `topic` retains.
    pub(crate) fn keeps(&self, topic: &str, payload: &[u8]) -> bool {
        self.read().retained.get(topic).map_or(payload.is_empty(), |kept| kept.payload == payload)
    }

    pub(crate) fn has_room(&self, message: &Message) -> bool {
        message.payload.is_empty() || self.read().retained.has_room(&message.topic, message.weight())
    }

    /// Gives `subscriber` the client id; of two connections of one principal the later wins.
    pub(crate) fn register(&self, client_id: &Arc<str>, subscriber: &Arc<Subscriber>) -> Registered {
        let mut table = self.write();
        if subscriber.principal.as_ref().is_some_and(|principal| !self.0.policy.holds(principal)) {
            return Registered::Refused(reason::NOT_AUTHORIZED);
        }
        let Some(old) = table.clients.get(client_id) else {
            table.clients.insert(Arc::clone(client_id), Arc::clone(subscriber));
            return Registered::New;
        };
        let same = |(old, new): (&Principal, &Principal)| old.is_same(new);
        if !old.principal.as_ref().zip(subscriber.principal.as_ref()).is_some_and(same) {
            return Registered::Refused(reason::CLIENT_ID);
        }
        let old = Arc::clone(old);
        table.clients.insert(Arc::clone(client_id), Arc::clone(subscriber));
        old.mailbox.kick(Kick::TakenOver);
        Registered::TookOver(Arc::clone(&old.mailbox))
    }

    /// Subscribes a client and returns the retained messages it gets for that.
    pub(crate) fn subscribe_client(
        &self,
        subscriber: &Arc<Subscriber>,
        request: &SubscribeRequest,
        retained: bool,
    ) -> Vec<Delivery> {
        let SubscribeRequest { filter, qos, no_local, retain_as_published, .. } = request;
        let (no_local, retain_as_published) = (*no_local, *retain_as_published);
        let mut table = self.write();
        table.subscribe(subscriber, filter, Options { qos: *qos, no_local, retain_as_published });
        if !retained {
            return Vec::new();
        }
        let may_see = |m: &&Message| self.may_see(subscriber, &m.topic);
        let deliver = |m: &Message| Delivery { qos: m.qos.min(*qos), ..m.clone() };
        table.retained.matching(filter).into_iter().filter(may_see).map(deliver).collect()
    }

    pub(crate) fn may_see(&self, subscriber: &Subscriber, topic: &str) -> bool {
        subscriber.principal.as_ref().is_none_or(|principal| self.0.policy.deliver(principal, topic))
    }

    pub(crate) fn unsubscribe(&self, key: SessionKey, filter: &Arc<str>) {
        let mut table = self.write();
        table.subscriptions.remove(filter, key);
        if let Some(filters) = table.filters.get_mut(&key) {
            filters.remove(filter);
        }
    }

    /// Forgets a subscriber and, if it still has it, its client id.
    pub(crate) fn forget(&self, client_id: Option<&Arc<str>>, key: SessionKey) {
        let mut table = self.write();
        for filter in table.filters.remove(&key).into_iter().flatten() {
            table.subscriptions.remove(&filter, key);
        }
        if let Some(id) = client_id
            && table.clients.get(id).is_some_and(|client| client.key == key)
        {
            table.clients.remove(id);
        }
    }

    fn deliver(&self, table: &Table, message: &Message, origin: Option<SessionKey>, wakes: &mut Wakes) {
        let mut matched: Vec<&Subscription> = Vec::new();
        table.subscriptions.each_match(&message.topic, |s| {
            if !(s.options.no_local && origin == Some(s.subscriber.key)) {
                matched.push(s);
            }
        });
        matched.sort_unstable_by_key(|s| s.subscriber.key);
        for group in matched.chunk_by(|a, b| a.subscriber.key == b.subscriber.key) {
            self.deliver_one(group, message, wakes);
        }
    }

    /// Overlapping subscriptions of one subscriber give one delivery, at the highest QoS granted.
    fn deliver_one(&self, group: &[&Subscription], message: &Message, wakes: &mut Wakes) {
        let Some(first) = group.first() else { return };
        if !self.may_see(&first.subscriber, &message.topic) {
            return;
        }
        let qos = group.iter().map(|s| s.options.qos).max().unwrap_or(0).min(message.qos);
        let retain = message.retain && group.iter().any(|s| s.options.retain_as_published);
        let metrics = &self.0.metrics;
        match first.subscriber.mailbox.push(Delivery { qos, retain, ..message.clone() }, self.0.bounds, wakes) {
            Pushed::Queued => metrics.broker_deliveries_total.add(1),
            Pushed::Dropped => metrics.broker_dropped_total.add(1),
            Pushed::Ended => metrics.broker_slow_closed_total.add(1),
            Pushed::Closed => {}
        }
    }
}

impl Table {
    fn subscribe(&mut self, subscriber: &Arc<Subscriber>, filter: &Arc<str>, options: Options) {
        let subscription = Subscription { subscriber: Arc::clone(subscriber), options };
        self.subscriptions.insert(filter, subscription);
        self.filters.entry(subscriber.key).or_default().insert(Arc::clone(filter));
    }
}
