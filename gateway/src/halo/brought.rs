//! Models that whoever runs the gateway brings: from values of a halo to one more derived signal.
//!
//! In: what a subject's halo says, by the paths of its document. Out: one number, when everything the model takes is known.
//! A model that fails, tells what is no number, or is late too often in a row is fenced off: it is not run again until a
//! restart, its signal is absent, and the rest of every halo goes on. Nothing of it is folded.

mod input;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::warn;

pub use input::Input;

use super::derive::{Derived, Value};
use super::sketch::Tally;
use super::subject::Subject;

/// Late this many times in a row, a model is fenced off: one alone may be the machine's fault.
const LATE_MAX: u8 = 3;

/// What computes. The runtime is behind it.
pub trait Run: Send + Sync {
    /// One number from these, which are in the order of the model's inputs; blocks no longer than the model's limit.
    ///
    /// # Errors
    /// [`Miss`]: there is no number.
    fn run(&self, inputs: &[f32]) -> Result<f32, Miss>;
}

/// Why there is no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    /// It took longer than its limit.
    #[error("takes longer than its limit")]
    Late,
    /// It cannot: what it said.
    #[error("{0}")]
    Failed(String),
}

/// One model, its signal, and how it has done so far.
pub struct Brought {
    name: String,
    unit: String,
    inputs: Vec<Input>,
    run: Box<dyn Run>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// In a row.
    late: u8,
    fenced: Option<String>,
    /// Scratch memory.
    tally: Tally,
}

impl fmt::Debug for Brought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Brought").field("name", &self.name).field("inputs", &self.inputs).finish_non_exhaustive()
    }
}

impl Brought {
    /// `run` on `inputs`, told as the derived signal `name`, in `unit` (UCUM; empty: a pure number).
    pub fn new(name: String, unit: String, inputs: Vec<Input>, run: Box<dyn Run>) -> Self {
        Self { name, unit, inputs, run, state: Mutex::default() }
    }

    /// What it tells of a subject of whom `known` is derived; none while an input is unknown, or it is fenced off.
    pub(super) fn value(&self, subject: &Subject, known: &[Derived]) -> Option<Derived> {
        let mut state = self.state();
        if state.fenced.is_some() {
            return None;
        }
        let inputs: Option<Vec<f32>> =
            self.inputs.iter().map(|input| Some(input.of(subject, known, &mut state.tally)? as f32)).collect();
        let inputs = inputs.filter(|inputs| inputs.iter().all(|input| input.is_finite()))?;
        match self.run.run(&inputs) {
            Ok(value) if value.is_finite() => {
                state.late = 0;
                let (name, unit, value) = (self.name.clone(), self.unit.clone(), Value::Number(value.into()));
                Some(Derived { name: name.into(), unit: unit.into(), ..Derived::plain("", value, "") })
            }
            missed => {
                state.missed(&self.name, missed);
                None
            }
        }
    }

    /// Why it is fenced off, if it is.
    pub(super) fn ailment(&self) -> Option<String> {
        let why = self.state().fenced.clone()?;
        Some(format!("the model of {} is not run any more, until a restart: it {why}", self.name))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts, and fences off.
    fn missed(&mut self, name: &str, missed: Result<f32, Miss>) {
        let why = match missed {
            Ok(value) => format!("told {value}, which is no number"),
            Err(Miss::Failed(why)) => format!("failed: {why}"),
            Err(Miss::Late) => {
                self.late += 1;
                if self.late < LATE_MAX {
                    return;
                }
                format!("took longer than its limit {LATE_MAX} times in a row")
            }
        };
        warn!(model = name, why, "a model is not run any more, until a restart");
        self.fenced = Some(why);
    }
}

#[cfg(test)]
mod tests;
