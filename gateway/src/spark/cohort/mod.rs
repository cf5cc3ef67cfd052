//! Figures over many, of which nothing can be learnt about a few.
//!
//! In: the fold after a record, and cohorts of the configuration. Out: drafts of publications; what came back from the
//! log stands in the fold and is what a publication is compared with.
//!
//! ```text
//! halos of who takes part ─gather─▶ members and values ─settle─▶ who may be counted ─figures─▶ draft ─▶ log ─▶ fold
//!                                                         ▲ earlier publications, of it and of other cohorts ─┘
//! ```
//!
//! * Only who has the setting `cohorts = yes` is counted; nobody by default.
//! * [`apart`]: below [`K`] subjects nothing is published, and what differs from any remembered publication (who joined,
//!   who left, whose value changed) differs by none or by at least [`K`].
//! * A cohort is looked at when something changed, at most once per `every`: the work is bounded by subjects per `every`,
//!   by [`MEMBERS_MAX`] members and by [`STEPS_MAX`] steps of expressions.
//! * One that cannot be run is fenced off with the reason, told by health and `cohorts list`, until a restart. What it
//!   published stands. The rest goes on.
//! * What was published survives a restart; what waits is found anew.

mod apart;
mod census;
mod config;
mod gather;
mod state;
mod summary;

pub(super) use census::Census;
pub(super) use config::wants_ranks;
pub use config::{CohortConfig, CohortError, check};
pub(super) use gather::{Sight, takes_part};
pub use state::{CohortState, Standing};

/// Of fewer subjects nothing is told, and no difference of publications is of fewer.
pub const K: usize = 10;
/// Most cohorts of one gateway.
const COHORTS_MAX: usize = 64;
/// Most figures of one cohort.
const FIGURES_MAX: usize = 16;
/// Most members of one cohort.
const MEMBERS_MAX: usize = 100_000;
/// Steps that one look at a cohort may take in all.
const STEPS_MAX: u32 = 20_000_000;
