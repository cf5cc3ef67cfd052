//! What organisations offer: their tables, as the log has them. The door has let in only what is a table and what there
//! is room for (`ingest::offers`); here the newest of each topic is kept.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use halo_proto::topic::Topic;
use serde::{Deserialize, Serialize};

use super::fold::Fold;
use super::subjects::Change;
use crate::ingest::offers::Table;
use crate::record::{Name, Offset, Retained, SubjectKind};

/// All tables in force.
#[derive(Debug, Default)]
pub struct Offers {
    tables: BTreeMap<Name, BTreeMap<Name, Kept>>,
    /// Tables that the checkpoint does not have as they are, or has although they are withdrawn.
    dirty: BTreeSet<(Name, Name)>,
    taken: Vec<(Name, Name)>,
}

/// A table and the payload it was read from, which is what a checkpoint has.
#[derive(Debug)]
struct Kept {
    /// The record that published it.
    published: Offset,
    /// The checkpoint it was loaded from has every record up to here.
    applied: Offset,
    payload: Bytes,
    table: Arc<Table>,
}

/// What an organisation's halo shows of its tables, by their names. Of one that has withdrawn all of them nothing is
/// shown, but it stays an organisation.
pub type Offered = BTreeMap<Name, Offer>;

/// What a halo shows of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// How many rows it has.
    pub rows: u32,
    /// Its columns.
    pub columns: Vec<Name>,
    /// When it was published: Unix milliseconds of the gateway's clock.
    pub arrived_ms: i64,
}

impl Offer {
    pub(super) fn of(table: &Table, arrived_ms: i64) -> Self {
        let rows = u32::try_from(table.len()).unwrap_or(u32::MAX);
        Self { rows, columns: table.columns().to_vec(), arrived_ms }
    }
}

impl Fold {
    /// What organisations offer.
    pub fn offers(&self) -> &Offers {
        &self.offers
    }

    /// A table is published or withdrawn: it is in force from here on, and shows in the halo of its organisation, which
    /// the first one makes.
    pub(super) fn retained(&mut self, retained: &Retained) {
        let Topic::Offers { subject, table } = self.schemas.grammar().parse(&retained.topic) else { return };
        let (organisation, table) = (Name::from(subject), Name::from(table));
        let Ok(read) = self.offers.publish((&organisation, &table), self.applied, retained) else { return };
        if read.is_none() && self.subjects.find(&organisation).is_none() {
            return;
        }
        let offer = read.map(|read| Offer::of(&read, retained.arrival.wall_ms));
        let holders = &self.holders;
        let at = self.subjects.position(&organisation, || SubjectKind::Organisation);
        self.subjects.change(at, self.applied, self.clock, |subject, _| {
            let changed = subject.offer(table, offer);
            subject.kind = subject.kind_by(holders);
            if changed { Change::Shown } else { Change::None }
        });
    }
}

/// A row of a checkpoint.
#[derive(Serialize, Deserialize)]
pub(super) struct Row {
    applied: Offset,
    published: Offset,
    organisation: Name,
    table: Name,
    payload: Vec<u8>,
}

/// How the rows of a checkpoint begin; organisation and table follow.
pub(super) const PREFIX: &[u8] = b"o/";

fn row_key(organisation: &str, table: &str) -> Vec<u8> {
    [PREFIX, organisation.as_bytes(), b"/", table.as_bytes()].concat()
}

impl Offers {
    /// One table.
    pub fn table(&self, organisation: &str, table: &str) -> Option<&Arc<Table>> {
        self.tables.get(organisation)?.get(table).map(|kept| &kept.table)
    }

    /// The record that published one.
    pub fn published(&self, organisation: &str, table: &str) -> Option<Offset> {
        Some(self.tables.get(organisation)?.get(table)?.published)
    }

    /// Organisation, name and table, in order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Name, &Arc<Table>)> {
        self.tables.iter().flat_map(|(organisation, tables)| each(organisation, tables))
    }

    /// How many tables.
    pub fn len(&self) -> usize {
        self.tables.values().map(BTreeMap::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Bytes in memory.
    pub fn memory_bytes(&self) -> usize {
        let kept = self.tables.values().flat_map(BTreeMap::values);
        kept.map(|kept| size_of::<Kept>() + kept.payload.len() + kept.table.memory_bytes()).sum()
    }

    /// Takes in a publish: the table it is, none when it withdraws one. An error is no table, and changes nothing.
    pub(super) fn publish(
        &mut self,
        (organisation, table): (&Name, &Name),
        offset: Offset,
        retained: &Retained,
    ) -> Result<Option<Arc<Table>>, ()> {
        let read = match retained.payload.is_empty() {
            true => None,
            false => Some(Arc::new(Table::parse(&retained.payload).map_err(drop)?)),
        };
        let tables = self.tables.entry(organisation.clone()).or_default();
        if tables.get(table).is_some_and(|kept| kept.applied >= offset) {
            return Ok(read);
        }
        match &read {
            Some(read) => {
                let payload = retained.payload.clone();
                let kept = Kept { published: offset, applied: Offset(0), payload, table: Arc::clone(read) };
                tables.insert(table.clone(), kept);
            }
            None => drop(tables.remove(table)),
        }
        if let Entry::Occupied(tables) = self.tables.entry(organisation.clone())
            && tables.get().is_empty()
        {
            tables.remove();
        }
        self.dirty.insert((organisation.clone(), table.clone()));
        Ok(read)
    }

    /// The next row of a checkpoint at `applied`; an empty value takes a row away.
    pub(super) fn next_row(&mut self, encode: impl FnOnce(&Row) -> Vec<u8>, applied: Offset) -> Option<Written> {
        let (organisation, table) = self.dirty.pop_first()?;
        let key = row_key(&organisation, &table);
        let value = self.row(&organisation, &table, applied).map(|row| encode(&row)).unwrap_or_default();
        self.taken.push((organisation, table));
        Some((key, value))
    }

    /// The row just given comes later, in another slice.
    pub(super) fn put_back(&mut self) {
        self.dirty.extend(self.taken.pop());
    }

    /// A round begins: what was taken before is durable.
    pub(super) fn begin_round(&mut self) {
        self.taken.clear();
    }

    /// What was taken in this round is not durable.
    pub(super) fn take_back(&mut self) {
        self.dirty.extend(self.taken.drain(..));
    }

    /// All rows as of `applied`.
    #[cfg(test)]
    pub(super) fn all_rows(&self, encode: impl Fn(&Row) -> Vec<u8>, applied: Offset) -> Vec<Written> {
        let row = |(organisation, table, _): (&Name, &Name, _)| {
            Some((row_key(organisation, table), encode(&self.row(organisation, table, applied)?)))
        };
        self.iter().filter_map(row).collect()
    }

    /// Takes up a row of a checkpoint; false when it is not what was written.
    pub(super) fn load(&mut self, key: &[u8], row: Row) -> bool {
        let Row { applied, published, organisation, table, payload } = row;
        if key != row_key(&organisation, &table) {
            return false;
        }
        let Ok(read) = Table::parse(&payload) else { return false };
        let kept = Kept { published, applied, payload: payload.into(), table: Arc::new(read) };
        self.tables.entry(organisation).or_default().insert(table, kept);
        true
    }

    fn row(&self, organisation: &Name, table: &Name, applied: Offset) -> Option<Row> {
        let kept = self.tables.get(organisation)?.get(table)?;
        let (organisation, table) = (organisation.clone(), table.clone());
        Some(Row { applied, published: kept.published, organisation, table, payload: kept.payload.to_vec() })
    }
}

/// Key and value of a row.
type Written = (Vec<u8>, Vec<u8>);

fn each<'a>(
    organisation: &'a Name,
    tables: &'a BTreeMap<Name, Kept>,
) -> impl Iterator<Item = (&'a Name, &'a Name, &'a Arc<Table>)> {
    tables.iter().map(move |(name, kept)| (organisation, name, &kept.table))
}
