//! A halo as it was: the log folded again, up to a time.

use std::ops::ControlFlow;

use super::past::{Past, PastError};
use crate::halo::{FOLD_VERSION, Fold};
use crate::record::{GatewayTime, Offset};
use crate::store::fs::Fs;
use crate::store::state::{MemState, StateEngine, Table};

/// Bytes of log read at a time.
const STEP: usize = 1 << 20;

/// The fold as of a time.
pub struct Folded {
    /// What was known then.
    pub fold: Fold,
    /// Stamp of the last record in it; `None` when there is none.
    pub last: Option<GatewayTime>,
    /// Records folded for it.
    pub records: u64,
    /// It began with what the log carries for what retention took.
    pub carried: bool,
    /// What had been deleted before is not in it: nothing in the log stands for it.
    pub begins_without: Option<Offset>,
}

impl<F: Fs> Past<F> {
    /// Folds everything written up to a time, Unix milliseconds of the gateway's clock, from the beginning of the log, or
    /// from what it carries of the time before. `progress` hears how many bytes of how many are read, and may end it.
    ///
    /// # Errors
    /// [`PastError::TooEarly`] when the log knows that time only as a whole with what came later; the others by what to
    /// do about them.
    pub fn folded(
        &self,
        until_ms: i64,
        mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Folded, PastError> {
        let (mut folded, number) = self.begin()?;
        if folded.carried {
            // The carried halos are as of any moment up to this record: earlier ones cannot be told apart.
            let batch = self.archive().reader(number).next(1)?;
            let from_ms = batch.records.first().map_or(i64::MAX, |record| record.stamp.wall_ms);
            if until_ms < from_ms {
                return Err(PastError::TooEarly { from_ms });
            }
        }
        let (mut read, total) = (0, self.archive().bytes());
        let mut reader = self.archive().reader(folded.fold.applied().next());
        loop {
            let batch = reader.next(STEP)?;
            if batch.is_empty() {
                return Ok(folded);
            }
            read += batch.bytes as u64;
            for record in &batch.records {
                if record.stamp.wall_ms > until_ms {
                    return Ok(folded);
                }
                if self.skipped().contains(record.offset) {
                    folded.fold.skip(record);
                } else {
                    folded.fold.apply(record);
                }
                folded.records += 1;
                folded.last = Some(record.stamp);
            }
            if progress(read.min(total), total).is_break() {
                return Ok(folded);
            }
        }
    }

    /// What to begin with, and the last record it may know.
    fn begin(&self) -> Result<(Folded, Offset), PastError> {
        let nothing = |begins_without| Folded {
            fold: Fold::new(self.grammar()),
            last: None,
            records: 0,
            carried: false,
            begins_without,
        };
        let begins = self.archive().begins();
        if begins <= Offset(1) {
            return Ok((nothing(None), Offset(0)));
        }
        let mut rows = MemState::default();
        let set = self.archive().carried(|some| rows.commit(some).map_err(PastError::from))?;
        let rows = rows.rows(Table::Halo)?;
        let rows = rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        match (set, Fold::load(self.grammar(), rows)) {
            (Some(number), Ok(fold)) => Ok((Folded { fold, carried: true, ..nothing(None) }, number)),
            (Some(_), Err(error)) => Err(PastError::OtherFold { wanted: FOLD_VERSION, why: error.to_string() }),
            (None, _) => Ok((nothing(Some(begins)), Offset(0))),
        }
    }
}
