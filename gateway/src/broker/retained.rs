//! Retained messages of clients, in memory; the log keeps them across restarts.

use std::collections::HashMap;
use std::sync::Arc;

use super::message::Message;
use super::topic::{has_wildcard, matches};

#[derive(Debug)]
pub(crate) struct RetainedStore {
    messages: HashMap<Arc<str>, Message>,
    bytes: usize,
    topics_max: usize,
    bytes_max: usize,
}

impl RetainedStore {
    pub(crate) fn new(topics_max: usize, bytes_max: usize) -> Self {
        Self { messages: HashMap::new(), bytes: 0, topics_max, bytes_max }
    }

    /// Whether a message of this weight fits, in place of the one its topic may have.
    pub(crate) fn has_room(&self, topic: &str, weight: usize) -> bool {
        let old = self.messages.get(topic);
        let topics = self.messages.len() + usize::from(old.is_none());
        let bytes = self.bytes - old.map_or(0, Message::weight) + weight;
        topics <= self.topics_max && bytes <= self.bytes_max
    }

    /// Keeps a message, or clears its topic when the payload is empty. Room was checked when it was taken, so what is
    /// durable is kept even if others filled the room since.
    pub(crate) fn apply(&mut self, message: &Message) {
        let old = if message.payload.is_empty() {
            self.messages.remove(&message.topic)
        } else {
            self.bytes += message.weight();
            self.messages.insert(Arc::clone(&message.topic), message.clone())
        };
        self.bytes -= old.as_ref().map_or(0, Message::weight);
    }

    pub(crate) fn get(&self, topic: &str) -> Option<&Message> {
        self.messages.get(topic)
    }

    pub(crate) fn matching<'a>(&'a self, filter: &str) -> Vec<&'a Message> {
        if !has_wildcard(filter) {
            return self.messages.get(filter).into_iter().collect();
        }
        self.messages.values().filter(|message| matches(filter, &message.topic)).collect()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(topic: &str, payload: &'static str) -> Message {
        let (topic, payload) = (Arc::from(topic), Bytes::from_static(payload.as_bytes()));
        Message { topic, payload, qos: 1, retain: true, properties: None }
    }

    #[test]
    fn an_empty_payload_clears_and_gives_its_room_back() {
        let mut store = RetainedStore::new(1, 10);
        store.apply(&message("a", "123456789"));
        assert!(!store.has_room("b", 1), "one topic is all there is room for");
        assert!(store.has_room("a", 10) && !store.has_room("a", 11));
        store.apply(&message("a", ""));
        assert!(store.matching("#").is_empty());
        assert!(store.has_room("b", 10));
    }

    #[test]
    fn a_newer_message_replaces() {
        let mut store = RetainedStore::new(10, 100);
        store.apply(&message("a/b", "old"));
        store.apply(&message("a/b", "new"));
        assert_eq!(store.matching("a/+"), [&message("a/b", "new")]);
        assert_eq!(store.matching("a/b"), [&message("a/b", "new")]);
        assert_eq!(store.bytes, 6);
    }
}
