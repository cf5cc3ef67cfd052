//! Who subscribed to what: exact filters in a map, filters with wildcards in a tree of levels held in one vector, so
//! that neither matching nor removing recurses.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::receipt::Mailbox;
use super::seam::{Principal, SessionKey};
use super::topic::{has_wildcard, is_server_topic};

/// One that receives: a connection, or a part of the gateway (no principal: everything may be delivered).
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) key: SessionKey,
    pub(crate) principal: Option<Principal>,
    pub(crate) mailbox: Arc<Mailbox>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) qos: u8,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) subscriber: Arc<Subscriber>,
    pub(crate) options: Options,
}

#[derive(Debug)]
pub(crate) struct Subscriptions {
    exact: HashMap<Arc<str>, Vec<Subscription>>,
    nodes: Vec<Node>,
    free: Vec<usize>,
}

const ROOT: usize = 0;
const PLUS: &str = "+";

#[derive(Debug, Default)]
struct Node {
    parent: usize,
    level: Box<str>,
    /// Ordered: most have a handful, which are found with fewer steps than a name is hashed in.
    children: BTreeMap<Box<str>, usize>,
    /// The child of `+`, which every name asks for.
    plus: Option<usize>,
    /// Subscriptions whose filter ends here.
    here: Vec<Subscription>,
    /// Subscriptions whose filter ends here with `#`.
    below: Vec<Subscription>,
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self { exact: HashMap::new(), nodes: vec![Node::default()], free: Vec::new() }
    }
}

impl Node {
    fn child(&self, level: &str) -> Option<usize> {
        if level == PLUS { self.plus } else { self.children.get(level).copied() }
    }

    fn set_child(&mut self, level: &str, child: Option<usize>) {
        match child {
            _ if level == PLUS => self.plus = child,
            Some(child) => {
                self.children.insert(level.into(), child);
            }
            None => {
                self.children.remove(level);
            }
        }
    }

    /// Whether nothing hangs on it.
    fn is_idle(&self) -> bool {
        self.children.is_empty() && self.plus.is_none() && self.here.is_empty() && self.below.is_empty()
    }
}

impl Subscriptions {
    /// Adds a subscription under a checked filter; one of the same subscriber under the same filter is replaced.
    pub(crate) fn insert(&mut self, filter: &Arc<str>, subscription: Subscription) {
        let list = if has_wildcard(filter) {
            let (path, open) = split_open(filter);
            let at = self.grow(path);
            let Some(node) = self.nodes.get_mut(at) else { return };
            if open { &mut node.below } else { &mut node.here }
        } else {
            self.exact.entry(Arc::clone(filter)).or_default()
        };
        list.retain(|s| s.subscriber.key != subscription.subscriber.key);
        list.push(subscription);
    }

    /// Removes what `key` subscribed to with `filter`, if anything.
    pub(crate) fn remove(&mut self, filter: &str, key: SessionKey) {
        if !has_wildcard(filter) {
            if let Some(list) = self.exact.get_mut(filter) {
                list.retain(|s| s.subscriber.key != key);
                if list.is_empty() {
                    self.exact.remove(filter);
                }
            }
            return;
        }
        let (path, open) = split_open(filter);
        let Some(at) = self.find(path) else { return };
        if let Some(node) = self.nodes.get_mut(at) {
            let list = if open { &mut node.below } else { &mut node.here };
            list.retain(|s| s.subscriber.key != key);
        }
        self.prune(at);
    }

    /// Calls `each` with every subscription whose filter matches the checked name `topic`.
    pub(crate) fn each_match<'a>(&'a self, topic: &str, mut each: impl FnMut(&'a Subscription)) {
        self.exact.get(topic).into_iter().flatten().for_each(&mut each);
        if self.nodes.len() - self.free.len() == 1 && self.nodes.first().is_some_and(|root| root.below.is_empty()) {
            return;
        }
        let wild_root = !is_server_topic(topic);
        let (mut next, mut open) = (Some((ROOT, Some(topic))), Vec::new());
        while let Some((at, rest)) = next.take().or_else(|| open.pop()) {
            let Some(node) = self.nodes.get(at) else { continue };
            if at != ROOT || wild_root {
                node.below.iter().for_each(&mut each);
            }
            let Some(rest) = rest else {
                node.here.iter().for_each(&mut each);
                continue;
            };
            let (level, rest) = match rest.split_once('/') {
                Some((level, rest)) => (level, Some(rest)),
                None => (rest, None),
            };
            if at != ROOT || wild_root {
                next = node.plus.map(|child| (child, rest));
            }
            // Nothing is kept for later where one way leads on.
            if let Some(child) = node.child(level).map(|child| (child, rest)) {
                open.extend(next.replace(child));
            }
        }
    }

    fn find(&self, path: Option<&str>) -> Option<usize> {
        let mut at = ROOT;
        for level in path.into_iter().flat_map(|path| path.split('/')) {
            at = self.nodes.get(at)?.child(level)?;
        }
        Some(at)
    }

    fn grow(&mut self, path: Option<&str>) -> usize {
        let mut at = ROOT;
        for level in path.into_iter().flat_map(|path| path.split('/')) {
            at = match self.nodes.get(at).and_then(|node| node.child(level)) {
                Some(child) => child,
                None => self.add_child(at, level),
            };
        }
        at
    }

    fn add_child(&mut self, parent: usize, level: &str) -> usize {
        let node = Node { parent, level: level.into(), ..Node::default() };
        let child = match self.free.pop() {
            Some(child) => {
                if let Some(slot) = self.nodes.get_mut(child) {
                    *slot = node;
                }
                child
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        };
        if let Some(parent) = self.nodes.get_mut(parent) {
            parent.set_child(level, Some(child));
        }
        child
    }

    /// Frees `at` and its ancestors as far as nothing hangs on them.
    fn prune(&mut self, mut at: usize) {
        while at != ROOT {
            let Some(node) = self.nodes.get_mut(at) else { return };
            if !node.is_idle() {
                return;
            }
            let Node { parent, level, .. } = std::mem::take(node);
            self.free.push(at);
            if let Some(parent) = self.nodes.get_mut(parent) {
                parent.set_child(&level, None);
            }
            at = parent;
        }
    }

    #[cfg(test)]
    fn nodes_in_use(&self) -> usize {
        self.nodes.len() - self.free.len()
    }
}

/// `a/+/#` → (`a/+`, true); `#` → (nothing, true); `a/+` → (`a/+`, false).
fn split_open(filter: &str) -> (Option<&str>, bool) {
    match filter {
        "#" => (None, true),
        filter => match filter.strip_suffix("/#") {
            Some(path) => (Some(path), true),
            None => (Some(filter), false),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::broker::topic::{check_filter, matches};

    fn subscription(key: u64) -> Subscription {
        let subscriber = Subscriber { key: SessionKey(key), principal: None, mailbox: Arc::default() };
        let options = Options { qos: 0, no_local: false, retain_as_published: false };
        Subscription { subscriber: Arc::new(subscriber), options }
    }

    fn found(subscriptions: &Subscriptions, topic: &str) -> Vec<u64> {
        let mut keys = Vec::new();
        subscriptions.each_match(topic, |s| keys.push(s.subscriber.key.0));
        keys.sort_unstable();
        keys
    }

    proptest! {
        #[test]
        fn the_tree_finds_what_matching_each_filter_finds_also_after_removals(
            filters in prop::collection::vec("[ab$+#/]{1,7}", 1..20),
            gone in prop::collection::vec(any::<bool>(), 20),
            topics in prop::collection::vec("[ab$/]{1,7}", 1..10),
        ) {
            let filters: Vec<_> = filters.into_iter().filter(|f| check_filter(f).is_ok()).collect();
            let mut tree = Subscriptions::default();
            for (key, filter) in filters.iter().enumerate() {
                tree.insert(&Arc::from(filter.as_str()), subscription(key as u64));
            }
            for (key, filter) in filters.iter().enumerate().filter(|&(key, _)| gone[key]) {
                tree.remove(filter, SessionKey(key as u64));
            }
            for topic in &topics {
                let expected: Vec<u64> = filters.iter().enumerate()
                    .filter(|&(key, filter)| !gone[key] && matches(filter, topic))
                    .map(|(key, _)| key as u64)
                    .collect();
                prop_assert_eq!(found(&tree, topic), expected, "topic {} filters {:?}", topic, filters);
            }
            for (key, filter) in filters.iter().enumerate() {
                tree.remove(filter, SessionKey(key as u64));
            }
            prop_assert_eq!(tree.nodes_in_use(), 1);
            prop_assert!(tree.exact.is_empty());
        }
    }

    #[test]
    fn subscribing_again_replaces() {
        let mut tree = Subscriptions::default();
        tree.insert(&Arc::from("a/+"), subscription(1));
        tree.insert(&Arc::from("a/+"), subscription(1));
        assert_eq!(found(&tree, "a/b"), [1]);
    }
}
