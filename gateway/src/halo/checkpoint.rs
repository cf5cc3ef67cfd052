//! Writing the fold down in slices while it goes on, and taking it up again.
//!
//! A round begins by writing down what is not a subject's (clock, configuration, schemas) as of its first offset, then
//! takes the subjects changed by then slice by slice, each as of the moment it is taken. The round's own row, which
//! moves the watermark, goes with the last slice. Whatever prefix of the slices is durable, a replay from the durable
//! watermark finds the schemas and the configuration of that offset, and each subject passes over the records it has.

use halo_proto::topic::Grammar;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::cohorts::Cohorts;
use super::fold::{FOLD_VERSION, Fold};
use super::offers::{self, Offers};
use super::sparks::Ledger;
use super::subject::Subject;
use super::subjects::At;
use crate::ingest::assign::Acts;
use crate::ingest::people::People;
use crate::ingest::schemas::Schemas;
use crate::record::{FoldConfig, GatewayTime, Offset};

/// Key of the row that is no subject's; subject rows are [`SUBJECT_PREFIX`] and the subject's name, tables' those of
/// [`offers`].
const FOLD_KEY: &[u8] = b"fold";
const SUBJECT_PREFIX: &[u8] = b"s/";

/// Some rows, to be written in one transaction, in the order the slices were taken.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Key and new value; an empty value takes the row away.
    pub rows: Vec<(Vec<u8>, Vec<u8>)>,
    /// In the last slice of a round: once it is durable, a restart replays the records behind this offset.
    pub watermark: Option<Offset>,
}

/// Why rows cannot be taken up; the log has everything, so the answer is to remove the rows and fold it from its start.
#[derive(Debug, Error)]
pub enum LoadError {
    /// Written by another version of the fold.
    #[error("halo checkpoint has version {got}, wanted {wanted}")]
    Version {
        /// The version found.
        got: u16,
        /// The version of this program.
        wanted: u16,
    },
    /// Not what the fold wrote.
    #[error("halo checkpoint row {key:?} is not readable")]
    Row {
        /// Its key, as text.
        key: String,
    },
}

/// How far the round of writing has come.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// The row that ends the round; none between rounds.
    last: Option<(Offset, Vec<u8>)>,
    waiting: Vec<At>,
    taken: Vec<At>,
}

/// The row of what is not a subject's.
#[derive(Serialize, Deserialize)]
struct Common {
    applied: Offset,
    clock: GatewayTime,
    config: FoldConfig,
    acts: Acts,
    schemas: Schemas,
    people: People,
    passed_ms: i64,
    ledger: Ledger,
    cohorts: Cohorts,
}

impl Fold {
    /// The next slice of a checkpoint, of at most `bytes_max` unless a single row is larger; begins a round when none is
    /// under way. An empty slice without watermark does not occur: the last slice has at least the round's own row.
    pub fn checkpoint_slice(&mut self, bytes_max: usize) -> Slice {
        let (watermark, last) = match self.round.last.take() {
            Some(last) => last,
            None => {
                self.round.waiting = self.subjects.dirty();
                self.round.taken.clear();
                self.offers.begin_round();
                (self.applied, self.common())
            }
        };
        let mut slice = Slice::default();
        let mut bytes = 0;
        while let Some(at) = self.round.waiting.pop() {
            let Some((key, value)) = self.subjects.at(at).map(|subject| self.row(subject)) else { continue };
            bytes += key.len() + value.len();
            if bytes > bytes_max && !slice.rows.is_empty() {
                self.round.waiting.push(at);
                self.round.last = Some((watermark, last));
                return slice;
            }
            self.subjects.set_dirty(at, false);
            self.round.taken.push(at);
            slice.rows.push((key, value));
        }
        while let Some((key, value)) = self.offers.next_row(encode, self.applied) {
            bytes += key.len() + value.len();
            if bytes > bytes_max && !slice.rows.is_empty() {
                self.offers.put_back();
                self.round.last = Some((watermark, last));
                return slice;
            }
            slice.rows.push((key, value));
        }
        if bytes + last.len() > bytes_max && !slice.rows.is_empty() {
            self.round.last = Some((watermark, last));
            return slice;
        }
        slice.rows.push((FOLD_KEY.to_vec(), last));
        slice.watermark = Some(watermark);
        slice
    }

    /// A slice could not be made durable: everything taken in this round has to be written again, in a new one.
    pub fn checkpoint_failed(&mut self) {
        self.offers.take_back();
        let round = std::mem::take(&mut self.round);
        round.taken.into_iter().for_each(|at| self.subjects.set_dirty(at, true));
    }

    /// Takes up the rows of all durable slices, in any order. No rows, or no finished round: apply the log from its
    /// start; in any case from [`Fold::applied`].
    ///
    /// # Errors
    /// [`LoadError`] when the rows are of no use.
    pub fn load<'a>(grammar: Grammar, rows: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Result<Self, LoadError> {
        let mut fold = Self::new(grammar);
        let (mut subjects, mut offers) = (Vec::new(), Offers::default());
        for (key, value) in rows {
            if key == FOLD_KEY {
                let common: Common = decode(key, value)?;
                fold = Self::with(common.applied, common.clock, common.config, common.acts, common.schemas);
                fold.know_people(common.people, common.passed_ms);
                fold.ledger = common.ledger;
                fold.cohorts = common.cohorts;
            } else if key.starts_with(offers::PREFIX) {
                if !value.is_empty() && !offers.load(key, decode(key, value)?) {
                    return Err(unreadable(key));
                }
            } else {
                let (applied, subject): (Offset, Subject) = decode(key, value)?;
                if !subject.is_sound() || key.strip_prefix(SUBJECT_PREFIX) != Some(subject.name().as_bytes()) {
                    return Err(unreadable(key));
                }
                subjects.push((applied, subject));
            }
        }
        fold.offers = offers;
        for (applied, subject) in subjects {
            let at = fold.subjects.insert(subject, applied);
            fold.subjects.await_silence(at);
        }
        Ok(fold)
    }

    /// How far the fold is written down whose row [`Fold::ROW`] is.
    ///
    /// # Errors
    /// [`LoadError`] when the row is of no use.
    pub fn written(row: &[u8]) -> Result<Offset, LoadError> {
        decode::<Common>(FOLD_KEY, row).map(|common| common.applied)
    }

    /// Key of the row that is no subject's.
    pub const ROW: &[u8] = FOLD_KEY;

    /// Everything, as of now.
    #[cfg(test)]
    pub(crate) fn all_rows(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let subjects = self.subjects().into_iter().map(|subject| self.row(subject));
        let offers = self.offers.all_rows(encode, self.applied);
        subjects.chain(offers).chain([(FOLD_KEY.to_vec(), self.common())]).collect()
    }

    /// The row of a subject as of now.
    fn row(&self, subject: &Subject) -> (Vec<u8>, Vec<u8>) {
        let key = [SUBJECT_PREFIX, subject.name().as_bytes()].concat();
        (key, encode(&(self.applied, subject)))
    }

    fn common(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Common<'a>(
            (Offset, GatewayTime),
            &'a FoldConfig,
            &'a Acts,
            &'a Schemas,
            &'a People,
            i64,
            (&'a Ledger, &'a Cohorts),
        );
        let (people, passed_ms) = (self.holders.people(), self.turns.passed_ms());
        let (acts, decided) = (self.holders.acts(), (&self.ledger, &self.cohorts));
        let at = (self.applied, self.clock);
        encode(&Common(at, &self.config, acts, &self.schemas, people, passed_ms, decided))
    }
}

fn encode(row: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(&(FOLD_VERSION, row)).expect("writing owned state to memory cannot fail")
}

fn decode<'de, T: Deserialize<'de>>(key: &[u8], value: &'de [u8]) -> Result<T, LoadError> {
    let (got, rest) = postcard::take_from_bytes::<u16>(value).map_err(|_| unreadable(key))?;
    if got != FOLD_VERSION {
        return Err(LoadError::Version { got, wanted: FOLD_VERSION });
    }
    postcard::from_bytes(rest).map_err(|_| unreadable(key))
}

fn unreadable(key: &[u8]) -> LoadError {
    LoadError::Row { key: String::from_utf8_lossy(key).into_owned() }
}
