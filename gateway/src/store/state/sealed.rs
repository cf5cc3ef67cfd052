//! What both engines on disk add to a library that does not check what it reads: a CRC-32C behind every value, and a
//! digest over all rows of a table that tells when one is missing.

use super::{Row, Table};

/// How many rows a table has, and the exclusive or of their checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest {
    pub(super) rows: u64,
    pub(super) sum: u32,
}

impl Digest {
    /// Adds (`by` = 1) or removes (`by` = -1) a row with this sealed value.
    pub(super) fn toggle(&mut self, sealed: &[u8], by: i64) {
        self.rows = self.rows.wrapping_add_signed(by);
        self.sum ^= sealed.last_chunk().map_or(0, |crc| u32::from_le_bytes(*crc));
    }
}

/// A value with its checksum behind it.
pub(super) fn sealed(table: Table, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(value.len() + 4);
    sealed.extend_from_slice(value);
    sealed.extend(crc32(table, key, value).to_le_bytes());
    sealed
}

/// The value of a row as it was committed, or what is wrong with it.
pub(super) fn unsealed(table: Table, key: &[u8], value: &[u8]) -> Result<Vec<u8>, String> {
    let intact = value.split_last_chunk().filter(|(value, crc)| crc32(table, key, value).to_le_bytes() == **crc);
    let what = || format!("value of {} row {} fails its checksum", name(table), key.escape_ascii());
    intact.map(|(value, _)| value.to_vec()).ok_or_else(what)
}

/// All rows of a table as they were committed, if none of them is damaged or missing.
pub(super) fn unsealed_rows(table: Table, rows: Vec<Row>, wanted: Digest) -> Result<Vec<Row>, String> {
    let mut digest = Digest::default();
    let unsealed = |(key, value): Row| {
        digest.toggle(&value, 1);
        unsealed(table, &key, &value).map(|value| (key, value))
    };
    let rows = rows.into_iter().map(unsealed).collect::<Result<_, _>>()?;
    if digest == wanted { Ok(rows) } else { Err(format!("table {} lacks rows", name(table))) }
}

/// The table's name on disk.
pub(super) const fn name(table: Table) -> &'static str {
    match table {
        Table::Ingest => "ingest",
        Table::Retained => "retained",
        Table::Halo => "halo",
        Table::Meta => "meta",
        Table::Cursor => "cursor",
    }
}

/// Over the place as well: a value that turns up under another key is damage too.
fn crc32(table: Table, key: &[u8], value: &[u8]) -> u32 {
    let place = crc32c::crc32c_append(crc32c::crc32c(name(table).as_bytes()), &(key.len() as u64).to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(place, key), value)
}
