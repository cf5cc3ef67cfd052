//! Rows on their way into a table: every bound is checked here, whatever they are read from.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use super::error::{Fault, What};
use super::table::{Cell, Row, Table, is_column_name};
use super::{CELL_BYTES_MAX, CELLS_MAX, COLUMNS_MAX, KEY_BYTES_MAX, ROWS_MAX};
use crate::record::Name;

/// What has been read so far; places are bytes of the text.
#[derive(Default)]
pub(super) struct Shelf {
    columns: Vec<Name>,
    /// With the place of the row.
    rows: Vec<(usize, Laid)>,
    cells: usize,
    texts: HashSet<Arc<str>>,
}

struct Laid {
    key: Name,
    cells: Vec<(u8, Cell)>,
}

/// What a shared text takes: its counts, its bytes, what is allocated in steps of.
pub(super) fn text_bytes(text: &str) -> usize {
    16 + text.len().next_multiple_of(16)
}

impl Shelf {
    /// The number of a column, added when it is new.
    pub(super) fn column(&mut self, name: &str, at: usize) -> Result<u8, Fault> {
        let known = self.columns.iter().position(|it| **it == *name);
        let number = match known {
            Some(number) => number,
            None if !is_column_name(name) => return Err(Fault { at, what: What::Column(name.into()) }),
            None if self.columns.len() >= COLUMNS_MAX => return Err(Fault { at, what: What::Columns }),
            None => {
                self.columns.push(name.into());
                self.columns.len() - 1
            }
        };
        Ok(u8::try_from(number).unwrap_or(u8::MAX))
    }

    /// Columns of a header: each is new.
    pub(super) fn header(&mut self, name: &str, at: usize) -> Result<(), Fault> {
        if self.columns.iter().any(|it| **it == *name) {
            return Err(Fault { at, what: What::TwiceColumn(name.into()) });
        }
        self.column(name, at).map(drop)
    }

    pub(super) fn columns(&self) -> &[Name] {
        &self.columns
    }

    pub(super) fn text(&mut self, text: &str, at: usize) -> Result<Cell, Fault> {
        if text.len() > CELL_BYTES_MAX {
            return Err(Fault { at, what: What::Cell { len: text.len() } });
        }
        Ok(Cell::Text(self.shared(text)))
    }

    /// A row: the key is the cell of column `keys`.
    pub(super) fn row(&mut self, at: usize, keys: u8, key: &str, mut cells: Vec<(u8, Cell)>) -> Result<(), Fault> {
        if !(1..=KEY_BYTES_MAX).contains(&key.len()) {
            return Err(Fault { at, what: What::Key { len: key.len() } });
        }
        if self.rows.len() >= ROWS_MAX {
            return Err(Fault { at, what: What::Rows });
        }
        let key = self.shared(key);
        cells.push((keys, Cell::Text(key.clone())));
        cells.sort_by_key(|(column, _)| *column);
        self.cells += cells.len();
        if self.cells > CELLS_MAX {
            return Err(Fault { at, what: What::Cells });
        }
        self.rows.push((at, Laid { key, cells }));
        Ok(())
    }

    pub(super) fn into_table(mut self) -> Result<Table, Fault> {
        // Stable: of two rows of one key the first stays first.
        self.rows.sort_by(|(_, a), (_, b)| a.key.cmp(&b.key));
        let twice = self.rows.windows(2).filter_map(|pair| match pair {
            [(first, a), (at, b)] if a.key == b.key => Some((*at, *first, &b.key)),
            _ => None,
        });
        if let Some((at, first, key)) = twice.min_by_key(|(at, ..)| *at) {
            return Err(Fault { at, what: What::DuplicateKey { key: (**key).into(), first } });
        }
        let columns: Arc<[Name]> = self.columns.into();
        let row = |(_, Laid { key, cells }): (usize, Laid)| {
            let (present, cells): (Vec<u8>, Vec<Cell>) = cells.into_iter().unzip();
            Row { key, columns: Arc::clone(&columns), present: present.into(), cells: cells.into() }
        };
        let rows = self.rows.into_iter().map(row).collect();
        let indexes = columns.iter().map(|_| OnceLock::new()).collect();
        let texts_bytes = self.texts.iter().map(|text| text_bytes(text)).sum();
        Ok(Table { columns, rows, indexes, texts_bytes })
    }

    fn shared(&mut self, text: &str) -> Name {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let new = Name::from(text);
        self.texts.insert(new.clone());
        new
    }
}
