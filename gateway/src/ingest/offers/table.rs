//! A table that was read: rows in order of their keys, found by key or by the value of any column.

use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

use crate::record::Name;

/// Longest column name, bytes.
const COLUMN_BYTES_MAX: usize = 64;

/// Whether `name` is of the form `[A-Za-z_][A-Za-z0-9_]{0,63}`.
pub fn is_column_name(name: &str) -> bool {
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    begins && name.len() <= COLUMN_BYTES_MAX && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// In words.
    Text(Arc<str>),
    /// Finite.
    Number(f64),
    /// True or false.
    Bool(bool),
}

impl Cell {
    /// A total order: numbers, then truth, then text.
    fn order(&self, other: &Self) -> Ordering {
        let kind = |cell: &Self| match cell {
            Self::Number(_) => 0,
            Self::Bool(_) => 1,
            Self::Text(_) => 2,
        };
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            // Zero is zero, whatever its sign.
            (Self::Number(a), Self::Number(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            _ => kind(self).cmp(&kind(other)),
        }
    }
}

/// One row.
#[derive(Debug, PartialEq)]
pub struct Row {
    pub(super) key: Name,
    pub(super) columns: Arc<[Name]>,
    /// Numbers of the columns whose cells are not absent, ascending; and those cells.
    pub(super) present: Box<[u8]>,
    pub(super) cells: Box<[Cell]>,
}

impl Row {
    /// Names it among the rows of its table; 1 to 128 bytes.
    pub fn key(&self) -> &Name {
        &self.key
    }

    /// The cell of a column; none when it is absent, or when there is no such column. Compares names, at most 64.
    pub fn cell(&self, column: &str) -> Option<&Cell> {
        self.cell_at(self.columns.iter().position(|name| **name == *column)?)
    }

    /// Column names and cells, those that are not absent, in order of the columns.
    pub fn cells(&self) -> impl Iterator<Item = (&Name, &Cell)> {
        let names = self.present.iter().filter_map(|column| self.columns.get(usize::from(*column)));
        names.zip(self.cells.iter())
    }

    fn cell_at(&self, column: usize) -> Option<&Cell> {
        let at = self.present.binary_search_by(|it| usize::from(*it).cmp(&column)).ok()?;
        self.cells.get(at)
    }
}

/// One table. Cheap to share, never changed.
#[derive(Debug)]
pub struct Table {
    pub(super) columns: Arc<[Name]>,
    /// In order of their keys.
    pub(super) rows: Box<[Row]>,
    /// For each column, numbers of the rows that have a cell there, in order of the cells; made when first asked for.
    pub(super) indexes: Box<[OnceLock<Box<[u32]>>]>,
    /// What the texts take, each counted once.
    pub(super) texts_bytes: usize,
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.columns == other.columns && self.rows == other.rows
    }
}

impl Table {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row: a table may have columns only.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Names of the columns, the keys' among them, in the order in which they came.
    pub fn columns(&self) -> &[Name] {
        &self.columns
    }

    /// The row at a place, in order of keys, from 0.
    pub fn row(&self, at: usize) -> Option<&Row> {
        self.rows.get(at)
    }

    /// All rows, in order of keys.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &Row> {
        self.rows.iter()
    }

    /// The row of that key; compares log2 of the rows.
    pub fn by_key(&self, key: &str) -> Option<&Row> {
        self.rows.get(self.rows.binary_search_by(|row| (*row.key).cmp(key)).ok()?)
    }

    /// The rows whose cell of a column is this one, in order of keys; none where there is no such column. Finding the
    /// first compares log2 of the rows. The first question to a column sorts it: a few milliseconds for 10,000 rows.
    pub fn rows_where(&self, column: &str, is: &Cell) -> impl Iterator<Item = &Row> {
        let at = self.columns.iter().position(|name| **name == *column);
        let index = at.and_then(|at| Some((at, self.indexes.get(at)?.get_or_init(|| self.index(at)))));
        let found = index.map_or(&[][..], |(column, index)| {
            let cell = |row: &u32| self.rows.get(*row as usize).and_then(|row| row.cell_at(column));
            let before = |row: &u32, and_equal| {
                cell(row).is_some_and(|cell| match cell.order(is) {
                    Ordering::Less => true,
                    Ordering::Equal => and_equal,
                    Ordering::Greater => false,
                })
            };
            let (from, to) =
                (index.partition_point(|row| before(row, false)), index.partition_point(|row| before(row, true)));
            index.get(from..to).unwrap_or_default()
        });
        found.iter().filter_map(|row| self.rows.get(*row as usize))
    }

    fn index(&self, column: usize) -> Box<[u32]> {
        let cells = self.rows.iter().enumerate().filter_map(|(at, row)| Some((row.cell_at(column)?, at)));
        let mut cells: Vec<(&Cell, usize)> = cells.collect();
        cells.sort_by(|(a, _), (b, _)| a.order(b));
        cells.into_iter().filter_map(|(_, at)| u32::try_from(at).ok()).collect()
    }

    /// Bytes in memory, with the indexes made by now.
    pub fn memory_bytes(&self) -> usize {
        let cells = |row: &Row| row.cells.len() * (size_of::<Cell>() + 1);
        let indexes = |index: &OnceLock<Box<[u32]>>| index.get().map_or(0, |rows| rows.len() * size_of::<u32>());
        size_of::<Self>()
            + self.columns.iter().map(|name| size_of::<Name>() + super::shelf::text_bytes(name)).sum::<usize>()
            + self.rows.len() * size_of::<Row>()
            + self.rows.iter().map(cells).sum::<usize>()
            + self.indexes.len() * size_of::<OnceLock<Box<[u32]>>>()
            + self.indexes.iter().map(indexes).sum::<usize>()
            + self.texts_bytes
    }
}
