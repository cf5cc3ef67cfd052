//! How many tables there are and what they weigh, as the log has it: the door asks before one more is let in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{OFFERS_BYTES_MAX, TABLES_MAX, weight};
use crate::record::Name;

/// The tables in force, by topic, and their weights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted(BTreeMap<Name, u64>);

/// Why there is no room for one more table; withdraw others first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Full {
    /// Too many.
    #[error("there are {TABLES_MAX} offer tables already: withdraw one first")]
    Tables,
    /// Too heavy.
    #[error(
        "offer tables would take up to {got} bytes of memory, wanted at most {OFFERS_BYTES_MAX}: withdraw one first"
    )]
    Bytes {
        /// With this one.
        got: u64,
    },
}

impl Counted {
    /// Whether a table may come in the place of the one its topic may have.
    ///
    /// # Errors
    /// What there would be too much of.
    pub fn check(&self, topic: &str, payload: &[u8]) -> Result<(), Full> {
        let old = self.0.get(topic);
        if payload.is_empty() {
            return Ok(());
        }
        if old.is_none() && self.0.len() >= TABLES_MAX {
            return Err(Full::Tables);
        }
        let got = self.0.values().sum::<u64>() - old.copied().unwrap_or_default() + weight(payload);
        if got > OFFERS_BYTES_MAX { Err(Full::Bytes { got }) } else { Ok(()) }
    }

    /// Follows a table that is in the log.
    pub fn count(&mut self, topic: &Name, payload: &[u8]) {
        if payload.is_empty() {
            self.0.remove(topic);
        } else {
            self.0.insert(topic.clone(), weight(payload));
        }
    }
}
