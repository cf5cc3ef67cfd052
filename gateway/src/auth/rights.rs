//! What an account may do: topic filters, and branches of devices by how their ids begin.

use std::sync::Arc;

use halo_proto::topic::id_is_valid;
use serde::{Deserialize, Serialize};

use crate::broker::matches;

/// What an account or a role is granted; nothing is granted by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// Topic filters it may publish to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<Filter>,
    /// Topic filters it may subscribe with, or with any filter they cover.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subscribe: Vec<Filter>,
    /// Devices, by how their ids begin, that it speaks for: it publishes to `d/<device>/…` and hears `d/<device>/cmd`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Prefix>,
}

impl Grants {
    /// Each grant as a line: `publish a/#`.
    pub fn texts(&self) -> Vec<String> {
        let publish = self.publish.iter().map(|filter| format!("publish {}", filter.0));
        let subscribe = self.subscribe.iter().map(|filter| format!("subscribe {}", filter.0));
        let devices = self.devices.iter().map(|prefix| format!("devices {}", prefix.0));
        publish.chain(subscribe).chain(devices).collect()
    }
}

/// A topic filter, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Filter(Arc<str>);

impl TryFrom<String> for Filter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match crate::broker::check_filter(&text) {
            Ok(()) => Ok(Self(text.into())),
            Err(error) => Err(format!("{text:?} is not a topic filter: {error}")),
        }
    }
}

impl From<Filter> for String {
    fn from(filter: Filter) -> Self {
        filter.0.to_string()
    }
}

/// How ids of devices begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix(Arc<str>);

impl TryFrom<String> for Prefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match id_is_valid(&text) {
            true => Ok(Self(text.into())),
            false => Err(format!("{text:?} is not the beginning of a device id: wanted [A-Za-z0-9._-]{{1,64}}")),
        }
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.0.to_string()
    }
}

/// What one account may do, its roles resolved.
#[derive(Clone, Debug, Default)]
pub struct Rights {
    root: Arc<str>,
    grants: Grants,
    /// The one device it is.
    device: Option<Arc<str>>,
}

impl Rights {
    /// Nothing is allowed under `root` yet.
    pub fn none(root: &str) -> Self {
        Self { root: root.into(), ..Self::default() }
    }

    /// Adds what an account or one of its roles is granted.
    pub fn add(&mut self, grants: &Grants) {
        self.grants.publish.extend(grants.publish.iter().cloned());
        self.grants.subscribe.extend(grants.subscribe.iter().cloned());
        self.grants.devices.extend(grants.devices.iter().cloned());
    }

    /// Adds what a device may: publish in its own branch and hear its commands.
    pub fn add_device(&mut self, id: &str) {
        self.device = Some(id.into());
    }

    /// May it publish to `topic`, a checked name?
    pub fn may_publish(&self, topic: &str) -> bool {
        self.grants.publish.iter().any(|filter| matches(&filter.0, topic))
            || branch(&self.root, topic).is_some_and(|(device, rest)| !rest.is_empty() && self.speaks_for(device))
    }

    /// May `topic`, a checked name, be delivered to it?
    pub fn may_receive(&self, topic: &str) -> bool {
        self.grants.subscribe.iter().any(|filter| matches(&filter.0, topic)) || self.is_command(topic)
    }

    /// May it subscribe with `filter`, a checked filter: is everything that it matches allowed by one grant?
    pub fn may_subscribe(&self, filter: &str) -> bool {
        self.grants.subscribe.iter().any(|granted| covers(&granted.0, filter)) || self.is_command(filter)
    }

    /// `d/<device>/cmd` of a device it speaks for. Ids have no wildcards, so a filter is one only if it is a topic.
    fn is_command(&self, topic: &str) -> bool {
        branch(&self.root, topic).is_some_and(|(device, rest)| rest == "cmd" && self.speaks_for(device))
    }

    fn speaks_for(&self, device: &str) -> bool {
        self.device.as_deref() == Some(device)
            || self.grants.devices.iter().any(|prefix| device.starts_with(&*prefix.0))
    }
}

/// The device of `<root>/d/<device>/…`, and what follows it.
pub(super) fn branch<'a>(root: &str, topic: &'a str) -> Option<(&'a str, &'a str)> {
    let below = topic.strip_prefix(root)?.strip_prefix("/d/")?;
    let (device, rest) = below.split_once('/')?;
    id_is_valid(device).then_some((device, rest))
}

/// Whether `granted` matches every topic that `asked` matches.
fn covers(granted: &str, asked: &str) -> bool {
    let (server, wild) = (asked.starts_with('$'), granted.starts_with(['+', '#']));
    if server && wild {
        return false;
    }
    // At the first level `#` matches no fewer levels than `+/#`: every topic has one.
    if asked == "#" {
        return granted == "#" || granted == "+/#";
    }
    let mut asked = asked.split('/');
    for level in granted.split('/') {
        match (level, asked.next()) {
            ("#", _) => return true,
            (_, Some("#")) | (_, None) => return false,
            ("+", Some(_)) => {}
            (level, Some(other)) if level == other => {}
            _ => return false,
        }
    }
    asked.next().is_none()
}

#[cfg(test)]
mod tests;
