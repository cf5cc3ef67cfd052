//! What an organisation offers, as its halo has it: which tables, not their rows.

use serde::Serialize;

use super::json::{Table, Time};
use crate::halo::Subject;

/// One table.
#[derive(Serialize)]
pub(super) struct OfferJson<'a> {
    rows: u32,
    columns: Vec<&'a str>,
    time: Time,
}

impl<'a> OfferJson<'a> {
    /// Tables by name; none when there are none.
    pub(super) fn all(subject: &'a Subject) -> Option<Table<'a, Self>> {
        let offers = subject.offers()?.iter().map(|(name, offer)| {
            let columns = offer.columns.iter().map(|column| &**column).collect();
            (&**name, Self { rows: offer.rows, columns, time: Time(offer.arrived_ms) })
        });
        Some(Table(offers.collect()))
    }
}
