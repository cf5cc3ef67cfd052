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
    /// It began with a set of carried facts, not with the first record.
    pub carried: bool,
    /// What had been deleted before is not in it: nothing in the log stands for it.
    pub begins_without: Option<Offset>,
}

impl<F: Fs> Past<F> {
    /// Folds everything written up to a time, Unix milliseconds of the gateway's clock, from the newest set of carried facts
    /// before it, or from the beginning of the log. `progress` hears how many bytes of how many are read, and may end it.
    ///
    /// # Errors
    /// [`PastError::TooEarly`] when the log knows that time only as a whole with what came later; the others by what to
    /// do about them.
    pub fn folded(
        &self,
        until_ms: i64,
        mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Folded, PastError> {
        let mut folded = self.begin(until_ms)?;
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

    /// What to begin with for the halos of a time: the newest set of carried facts that was taken by then, whether for what
    /// retention took or to look back from.
    pub(super) fn begin(&self, until_ms: i64) -> Result<Folded, PastError> {
        let from_the_beginning = |begins_without| Folded {
            fold: Fold::new(self.grammar()),
            last: None,
            records: 0,
            carried: false,
            begins_without,
        };
        let begins = self.archive().begins();
        let is_whole = begins <= Offset(1);
        let (mut too_early, mut other_fold) = (None, None);
        for number in self.sets()?.into_iter().rev() {
            // Its halos are as of any moment up to this record: earlier ones cannot be told apart.
            let batch = self.archive().reader(number).next(1)?;
            let from_ms = batch.records.first().map_or(i64::MAX, |record| record.stamp.wall_ms);
            if until_ms < from_ms {
                too_early = Some(PastError::TooEarly { from_ms });
                continue;
            }
            match self.load(number)? {
                Some(Ok(fold)) => return Ok(Folded { fold, carried: true, ..from_the_beginning(None) }),
                Some(Err(why)) => other_fold = Some(PastError::OtherFold { wanted: FOLD_VERSION, why }),
                None => {}
            }
        }
        match other_fold.or(too_early).filter(|_| !is_whole) {
            Some(error) => Err(error),
            None => Ok(from_the_beginning((!is_whole).then_some(begins))),
        }
    }

    /// The sets that may be begun with. What retention noted is not indexed in segments of early versions.
    fn sets(&self) -> Result<Vec<Offset>, PastError> {
        let mut sets = self.archive().sets()?;
        if sets.is_empty() && self.archive().begins() > Offset(1) {
            sets.extend(self.archive().carried(|_| Ok::<_, PastError>(()))?);
        }
        Ok(sets)
    }

    /// The fold of a set; none when the set is damaged, or why it is of no use.
    fn load(&self, number: Offset) -> Result<Option<Result<Fold, String>>, PastError> {
        let mut rows = MemState::default();
        if !self.archive().set(number, |some| rows.commit(some).map_err(PastError::from))? {
            return Ok(None);
        }
        let rows = rows.rows(Table::Halo)?;
        let rows = rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        Ok(Some(Fold::load(self.grammar(), rows).map_err(|error| error.to_string())))
    }
}
