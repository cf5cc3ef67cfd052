//! Tables of what an organisation offers: reference data that rules join with, such as prescriptions, routes, tariffs.
//!
//! **In:** the payload of a retained publish on `offers/<organisation>/<table>`. **Out:** a [`Table`], rows found by key
//! without a scan, or an [`OffersError`] that names the line and the column.
//!
//! **CSV** (RFC 4180, with a header line) unless the first non-blank byte is `[` or `{`, then **JSON**: an array of flat
//! objects, or an object of key → flat object. The column `key` has the keys; a CSV without one has them in its first
//! column. A cell is text, a number, true, false, or absent (an empty cell of a CSV, null). What a CSV writes as JSON
//! writes a number is one; `007` and `+49 …` are text. Blanks around a cell that is not quoted do not count.
//!
//! **Bounds:** those below. Memory is bounded by [`weight`], which is known of a payload without reading it.
//!
//! Not the `csv` crate: it knows no columns of places, and takes a quote that is never closed for a cell.

mod csv;
mod error;
mod json;
mod limits;
mod shelf;
mod table;

pub use error::{OffersError, Place};
pub use limits::{Counted, Full};
pub use table::{Cell, Row, Table, is_column_name};

/// Most bytes of one table as it comes.
pub const TABLE_BYTES_MAX: usize = 1 << 20;
/// Most bytes of one that a client publishes: it is read on the log's thread, where everybody waits. A loaded one is not.
pub const PUBLISHED_BYTES_MAX: usize = 256 << 10;
/// Most rows of one table.
pub const ROWS_MAX: usize = 10_000;
/// Most columns of one table.
pub const COLUMNS_MAX: usize = 64;
/// Most cells of one table that are not absent.
pub const CELLS_MAX: usize = 200_000;
/// Longest text of a cell, bytes.
pub const CELL_BYTES_MAX: usize = 256;
/// Longest key, bytes; the shortest has one.
pub const KEY_BYTES_MAX: usize = 128;
/// Most tables of all organisations.
pub const TABLES_MAX: usize = 256;
/// What all tables may weigh, see [`weight`].
pub const OFFERS_BYTES_MAX: u64 = 64 << 20;

/// Bytes that the table of a payload takes in memory at most, its payload included; an empty one takes none.
pub fn weight(payload: &[u8]) -> u64 {
    let is_json = is_json(payload);
    let cells = 1 + payload.iter().filter(|byte| **byte == b',').count();
    let ends = payload.iter().filter(|byte| **byte == if is_json { b'}' } else { b'\n' }).count();
    if payload.is_empty() {
        return 0;
    }
    // Of a cell: itself, its place in two indexes, its text. Of a row: itself, its key, which is a cell too.
    (TABLE_BYTES + 2 * payload.len() + 64 * (cells + ends + 1) + 96 * (ends + 1)) as u64
}

/// What a table takes however little it says: its columns and their indexes.
const TABLE_BYTES: usize = 8 << 10;

impl Table {
    /// Reads a table.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(payload: &[u8]) -> Result<Self, OffersError> {
        if payload.len() > TABLE_BYTES_MAX {
            return Err(OffersError::TooBig { got: payload.len() as u64 });
        }
        let text = std::str::from_utf8(payload).map_err(|error| {
            let before = payload.get(..error.valid_up_to()).and_then(|it| std::str::from_utf8(it).ok());
            OffersError::NotUtf8 { at: Place::end_of(before.unwrap_or_default()) }
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let read = match text.trim_ascii_start().is_empty() {
            true => return Err(OffersError::Empty),
            false if is_json(text.as_bytes()) => json::read(text),
            false => csv::read(text),
        };
        read.and_then(shelf::Shelf::into_table).map_err(|fault| fault.placed(text))
    }
}

fn is_json(payload: &[u8]) -> bool {
    let text = payload.strip_prefix("\u{feff}".as_bytes()).unwrap_or(payload);
    matches!(text.trim_ascii_start().first(), Some(b'[' | b'{'))
}

#[cfg(test)]
mod tests;
