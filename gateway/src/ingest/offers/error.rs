//! What can be wrong with a table, and where.

use std::fmt;

use thiserror::Error;

use super::{CELL_BYTES_MAX, CELLS_MAX, COLUMNS_MAX, KEY_BYTES_MAX, ROWS_MAX, TABLE_BYTES_MAX};

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// Characters, from 1.
    pub column: usize,
}

impl Place {
    /// The place behind a text.
    pub(super) fn end_of(text: &str) -> Self {
        let last = text.rsplit('\n').next().unwrap_or_default();
        Self { line: 1 + text.bytes().filter(|byte| *byte == b'\n').count(), column: 1 + last.chars().count() }
    }

    /// The place of a byte.
    fn of(text: &str, at: usize) -> Self {
        Self::end_of(text.get(..text.floor_char_boundary(at)).unwrap_or_default())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a table is refused; the former one stays in force.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OffersError {
    /// More than is read.
    #[error("table has {got} bytes, wanted at most {TABLE_BYTES_MAX}")]
    TooBig {
        /// Its bytes.
        got: u64,
    },
    /// Nothing but blanks.
    #[error("table is empty, wanted a CSV with a header line, or JSON")]
    Empty,
    /// In another encoding.
    #[error("{at}: not UTF-8, the only encoding that is read: save the table as UTF-8")]
    NotUtf8 {
        /// The first byte that is not.
        at: Place,
    },
    /// Two rows have one key.
    #[error("{at}: key {key:?} is the key of the row at {first} already")]
    DuplicateKey {
        /// The second row.
        at: Place,
        /// The key.
        key: String,
        /// The first row.
        first: Place,
    },
    /// A row has more or fewer cells than the header has columns.
    #[error("{at}: row has {got} cells, the header has {wanted}")]
    Ragged {
        /// The row.
        at: Place,
        /// Its cells.
        got: usize,
        /// The header's.
        wanted: usize,
    },
    /// Anything else.
    #[error("{at}: {what}")]
    Malformed {
        /// Where.
        at: Place,
        /// What was found and what was wanted.
        what: Box<str>,
    },
}

/// What is wrong at a byte of the text.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    DuplicateKey { key: Box<str>, first: usize },
    Ragged { got: usize, wanted: usize },
    Rows,
    Cells,
    Columns,
    Column(Box<str>),
    TwiceColumn(Box<str>),
    NoKey,
    Key { len: usize },
    Cell { len: usize },
    Other(Box<str>),
}

impl Fault {
    pub(super) fn other(at: usize, what: impl Into<Box<str>>) -> Self {
        Self { at, what: What::Other(what.into()) }
    }

    /// As whoever wrote the text finds it.
    #[cold]
    pub(super) fn placed(self, text: &str) -> OffersError {
        let at = Place::of(text, self.at);
        let what = match self.what {
            What::DuplicateKey { key, first } => {
                return OffersError::DuplicateKey { at, key: key.into(), first: Place::of(text, first) };
            }
            What::Ragged { got, wanted } => return OffersError::Ragged { at, got, wanted },
            What::Rows => format!("more than {ROWS_MAX} rows"),
            What::Cells => format!("more than {CELLS_MAX} cells that are not empty"),
            What::Columns => format!("more than {COLUMNS_MAX} columns"),
            What::Column(name) => {
                format!("column name {} is not of the form [A-Za-z_][A-Za-z0-9_]{{0,63}}", shown(&name))
            }
            What::TwiceColumn(name) => format!("column {} is there twice", shown(&name)),
            What::NoKey => "row has no \"key\", which is to be text".to_owned(),
            What::Key { len } => format!("key has {len} bytes, wanted 1 to {KEY_BYTES_MAX}"),
            What::Cell { len } => format!("cell has {len} bytes, wanted at most {CELL_BYTES_MAX}"),
            What::Other(what) => return OffersError::Malformed { at, what },
        };
        OffersError::Malformed { at, what: what.into() }
    }
}

/// A name as it was found, cut to a readable length.
fn shown(name: &str) -> String {
    const SHOWN_MAX: usize = 64;
    match name.get(..name.floor_char_boundary(SHOWN_MAX)) {
        Some(head) if head.len() < name.len() => format!("{:?}", format!("{head}…")),
        _ => format!("{name:?}"),
    }
}
