//! How frames are to be read: the compiled-in registry and the births seen.

use serde::{Deserialize, Serialize};

use crate::record::Record;

/// What is known of signals and schemas.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schemas {
    root: String,
}

/// A signal of the registry, as plain payloads need it.
pub(super) struct Known {
    pub(super) unit: &'static str,
    pub(super) metric: u16,
    /// Plausible physical range: raw bounds with their scale.
    pub(super) num: u32,
    pub(super) den: u32,
    pub(super) min: i64,
    pub(super) max: i64,
    pub(super) step_max: Option<i64>,
}

impl Schemas {
    /// The registry alone; births will be recognised under the topic root (`halo/v1`).
    pub fn new(root: &str) -> Self {
        Self { root: root.to_owned() }
    }

    /// Learns from a birth; every other record changes nothing. Apply each record once, in offset order.
    pub fn apply(&mut self, _record: &Record) {}

    /// The registry's entry of a signal name.
    pub(super) fn known(&self, _name: &str) -> Option<Known> {
        None
    }
}
