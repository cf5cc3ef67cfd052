//! What becomes of a column that is read.

#[cfg(feature = "alloc")]
use crate::series::Unkept;
use crate::series::{Marked, Slots};

/// Who wants a column's values, or does not.
pub(super) trait Column {
    /// It has no value.
    fn none(&mut self);
    /// It has a value in each row: where they go.
    fn all(&mut self) -> impl Slots;
    /// Of `count` rows from `row` on (at most 32) those have a value whose bits are set, the first one's at the top.
    fn mark(&mut self, row: usize, count: u32, present: u32);
    /// Where the values of the marked rows go, so many.
    fn marked(&mut self, present: usize) -> impl Slots;
}

impl Column for [Option<i64>] {
    fn none(&mut self) {
        self.fill(None);
    }

    fn all(&mut self) -> impl Slots {
        self.iter_mut()
    }

    fn mark(&mut self, row: usize, count: u32, present: u32) {
        let slots = self.get_mut(row..row + count as usize).unwrap_or_default();
        slots.iter_mut().zip(0..).for_each(|(slot, at)| *slot = (present << at >> 31 == 1).then_some(0));
    }

    fn marked(&mut self, _: usize) -> impl Slots {
        Marked(self.iter_mut())
    }
}

/// Which rows have a value in any of the columns.
#[cfg(feature = "alloc")]
pub(super) struct Seen {
    rows: usize,
    /// The first and the last such row.
    pub(super) span: Option<(usize, usize)>,
}

#[cfg(feature = "alloc")]
impl Seen {
    pub(super) fn new(rows: usize) -> Self {
        Self { rows, span: None }
    }

    pub(super) fn add(&mut self, from: usize, to: usize) {
        let (first, last) = self.span.unwrap_or((from, to));
        self.span = Some((first.min(from), last.max(to)));
    }
}

#[cfg(feature = "alloc")]
impl Column for Seen {
    fn none(&mut self) {}

    fn all(&mut self) -> impl Slots {
        self.add(0, self.rows - 1);
        Unkept(self.rows)
    }

    fn mark(&mut self, row: usize, _: u32, present: u32) {
        if present != 0 {
            self.add(row + present.leading_zeros() as usize, row + 31 - present.trailing_zeros() as usize);
        }
    }

    fn marked(&mut self, present: usize) -> impl Slots {
        Unkept(present)
    }
}

/// A column whose values are the steps between the rows: wanted as such only, and in each row.
#[cfg(feature = "alloc")]
pub(super) struct Intervals<'t> {
    pub(super) steps: &'t mut [i64],
    pub(super) nulls: bool,
}

#[cfg(feature = "alloc")]
impl Column for Intervals<'_> {
    fn none(&mut self) {
        self.nulls = true;
    }

    fn all(&mut self) -> impl Slots {
        self.steps.iter_mut()
    }

    fn mark(&mut self, _: usize, _: u32, _: u32) {
        self.nulls = true;
    }

    fn marked(&mut self, present: usize) -> impl Slots {
        Unkept(present)
    }
}
