//! What names mean, as the host says at check time.

use super::types::Type;

/// One step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// `.name`
    Field(&'a str),
    /// `["name"]`
    Key(&'a str),
}

impl<'a> Step<'a> {
    /// The name, however it was written.
    pub fn name(self) -> &'a str {
        match self {
            Step::Field(name) | Step::Key(name) => name,
        }
    }
}

/// What a path stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// What [`super::Facts::get`] is asked at run time.
    pub slot: u16,
    /// What it answers.
    pub kind: Type,
    /// How many of the steps the slot stands for; those behind are fields of the value.
    pub consumed: usize,
}

/// Why a path means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The step that is wrong, from 0; none: the root.
    pub step: Option<usize>,
    /// A sentence: `unknown signal "heart_rat", did you mean "heart_rate"?`
    pub what: String,
}

/// What the names of an expression mean.
pub trait Schema {
    /// The longest prefix of a path (`a`, `.signals`, `.heart_rate`, `.value`) that is one value.
    ///
    /// # Errors
    /// [`Unknown`]: which step means nothing, and why.
    fn resolve(&mut self, root: &str, steps: &[Step<'_>]) -> Result<Resolved, Unknown>;
}
