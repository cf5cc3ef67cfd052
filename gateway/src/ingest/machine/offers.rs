//! The door of offer tables: what is no table, and what there is no room for, does not become a record.

use std::sync::Arc;

use halo_proto::topic::Topic;

use super::Ingest;
use crate::broker::reason::{PAYLOAD_FORMAT_INVALID, QUOTA_EXCEEDED};
use crate::ingest::offers::{Full, PUBLISHED_BYTES_MAX, Table};
use crate::record::Retained;

impl Ingest {
    /// Whether there is room for a table.
    ///
    /// # Errors
    /// What there would be too much of.
    pub fn has_room_for_offers(&self, topic: &str, payload: &[u8]) -> Result<(), Full> {
        self.offers.check(topic, payload)
    }

    /// The reason code and what is wrong, for a human. Room first: it costs nothing to know.
    pub(super) fn check_offers(&self, topic: &str, payload: &[u8]) -> Result<(), (u8, Arc<str>)> {
        self.has_room_for_offers(topic, payload).map_err(|full| (QUOTA_EXCEEDED, full.to_string().into()))?;
        if payload.is_empty() {
            return Ok(());
        }
        if payload.len() > PUBLISHED_BYTES_MAX {
            let got = payload.len();
            let why =
                format!("table has {got} bytes, published wanted at most {PUBLISHED_BYTES_MAX}: use `offers load`");
            return Err((PAYLOAD_FORMAT_INVALID, why.into()));
        }
        let read = Table::parse(payload).map(drop);
        read.map_err(|error| (PAYLOAD_FORMAT_INVALID, error.to_string().into()))
    }

    pub(super) fn follow_offers(&mut self, retained: &Retained) {
        if self.is_offers(retained) {
            self.offers.count(&retained.topic, &retained.payload);
            self.dirty.offers = true;
        }
    }

    /// Whether a table that was checked before is still to be appended.
    pub(super) fn accepts_retained(&self, retained: &Retained) -> bool {
        !self.is_offers(retained) || self.has_room_for_offers(&retained.topic, &retained.payload).is_ok()
    }

    fn is_offers(&self, retained: &Retained) -> bool {
        matches!(self.settings.grammar.parse(&retained.topic), Topic::Offers { .. })
    }
}
