//! 4. Halos become sparks: rules over one or two halos, offers and the time decide when something is worth telling.
//!
//! In: the fold after each record, and which subjects the record changed. Out: drafts of decision records (raised,
//! answered, cleared), each naming the record that made it due; the log owner appends them, and when they come back
//! through the fold they are sparks.
//!
//! ```text
//! record ─▶ fold ─▶ which rules does that concern? ─▶ with whom, with which offers? ─▶ does it hold, since when? ─▶ draft
//!            ▲                                                                                                      │
//!            └───────────────────────────────────────── log ◀───────────────────────────────────────────────────────┘
//! ```
//!
//! * Nothing is decided twice: whether a spark is open the fold knows, from the log; what was proposed and is not in the
//!   log yet is remembered here. After a start everything that an earlier life left is folded first, then each rule looks
//!   at each subject once: what became true or false meanwhile is told then. A condition that was holding for its time
//!   begins to hold anew.
//! * Only rules whose inputs a record changed are run ([`index`]); others found by a key when the key moves ([`joins`]).
//! * A rule that cannot be run (a division by zero, a cell of another type, too many steps) is fenced off with the reason,
//!   told by health: for the halo it failed for, until something is said of that anew; after eight of them, or one with
//!   no halo to blame, for all, until it is changed or resumed ([`fences`]). What it raised stands. The rest goes on.
//! * Beside rules: figures over many subjects ([`cohort`]), and who is in the middle of them ([`central`]).
//! * Bounded: 32 open sparks a subject, 64 partners of a kind and value and 64 rows a rule and subject, 10,000 steps an expression.
//!
//! No I/O, no clock: time is the fold's.

pub mod cel;
mod path;
mod rules;
mod ruleset;
mod members;
mod crowd;
mod joins;
mod index;
mod view;
mod facts;
mod id;
mod quiet;
mod offered;
mod judge;
mod fences;
mod book;
mod ahead;
mod engine;
mod going;
#[cfg(test)]
mod tests;
mod state;
mod paper;
mod central;
mod cohort;

pub use cohort::{CohortConfig, CohortError, CohortState, K, Standing, check as check_cohorts};
pub use engine::Engine;
pub use id::spark_id;
pub use paper::{OnPaper, Verdict, on_paper};
pub use path::Known;
pub use quiet::quiet_until_ms;
pub use rules::{OfferOf, RuleConfig, RuleError, Who, With};
pub use ruleset::{RULES_MAX, Rules};
pub use state::{RuleState, Turned, Working};
