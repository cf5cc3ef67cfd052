//! What is wrong with a text, and what went wrong in a run.

use std::fmt;

use thiserror::Error;

use super::types::Kind;

/// Where in a text: both from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: u16,
    /// Column.
    pub column: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// A text that is no program. Shown with the line it is about and a caret below it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{place}: {what}\n  | {quoted}\n  | {}", caret(quoted, *under))]
pub struct CelError {
    /// Where.
    pub place: Place,
    /// What is wrong, one sentence.
    pub what: String,
    /// The line of the text; of a long one what is around the place.
    pub quoted: String,
    /// The column of `quoted` that is meant, from 1.
    pub under: u16,
}

/// A caret under a column; tabs stay tabs, so that it stands where the eye looks.
fn caret(quoted: &str, under: u16) -> String {
    let before = quoted.chars().map(|c| if c == '\t' { '\t' } else { ' ' }).chain(std::iter::repeat(' '));
    before.take(usize::from(under.saturating_sub(1))).chain(['^']).collect()
}

/// A run that came to no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{place}: {reason}")]
pub struct Failure {
    /// The operator, call or name that failed.
    pub place: Place,
    /// Why.
    pub reason: Reason,
}

/// Why a run failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Reason {
    /// A whole number beyond 64 bits, a time or a span beyond what can be told.
    #[error("the result is out of range")]
    Overflow,
    /// Of whole numbers.
    #[error("division by zero")]
    DivisionByZero,
    /// An index before the first or behind the last element.
    #[error("index {index} of a list of {len}")]
    OutOfRange {
        /// The index.
        index: i64,
        /// Elements there are.
        len: u32,
    },
    /// A value of dyn type was not what it is used as.
    #[error("got {got}, wanted {wanted}")]
    WrongType {
        /// What it is used as.
        wanted: Kind,
        /// What it was.
        got: Kind,
    },
    /// More steps than the budget has; whoever gave it decides what comes of the rule.
    #[error("the step budget is spent")]
    BudgetSpent,
    /// A text or a number that `int()`, `double()`, `duration()` or `timestamp()` cannot read.
    #[error("the value cannot be read as {0}")]
    Unreadable(Kind),
    /// A made text longer than [`super::MADE_TEXT_BYTES_MAX`].
    #[error("the text is longer than {} bytes", super::MADE_TEXT_BYTES_MAX)]
    TooLong,
    /// Latitude beyond ±90, longitude beyond ±180, or not finite.
    #[error("the coordinates are no place on earth")]
    NoPlace,
}
