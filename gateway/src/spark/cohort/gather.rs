//! Who belongs to a cohort now, and what is known of them.

use std::cell::RefCell;

use super::config::Cohort;
use super::{MEMBERS_MAX, STEPS_MAX};
use crate::halo::{Fold, Models, Subject, Tally};
use crate::record::Name;
use crate::spark::cel::{self, Program, Value};
use crate::spark::central::Central;
use crate::spark::index::is_one;
use crate::spark::members::Members;
use crate::spark::view::{Halo, View};

/// The setting by which a subject takes part, and its value.
const SETTING: (&str, &str) = ("cohorts", "yes");

/// Whether a subject said that it wants to be counted.
pub(in crate::spark) fn takes_part(subject: &Subject) -> bool {
    let setting = subject.ties().and_then(|ties| ties.settings().get(SETTING.0));
    setting.is_some_and(|value| value == SETTING.1)
}

/// What a look needs beside the fold.
#[derive(Clone, Copy)]
pub(in crate::spark) struct Sight<'a> {
    pub(in crate::spark) fold: &'a Fold,
    pub(in crate::spark) models: &'a Models,
    pub(in crate::spark) members: &'a Members,
    pub(in crate::spark) central: &'a Central,
    pub(in crate::spark) tally: &'a RefCell<Tally>,
}

/// Members in order of name, and for each of the figures their values.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) members: Vec<Name>,
    pub(super) values: Vec<Vec<Option<f64>>>,
}

/// Looks at everybody.
///
/// # Errors
/// Why the cohort cannot be run, for a human.
pub(super) fn gather(cohort: &Cohort, sight: Sight<'_>) -> Result<Gathered, String> {
    let about = &cohort.config.about;
    let mut gathered = Gathered { members: Vec::new(), values: vec![Vec::new(); cohort.figures.len()] };
    let mut left = STEPS_MAX;
    for subject in sight.fold.subjects() {
        if !takes_part(subject) || !is_one((about.subject.as_deref(), about.kind), subject) {
            continue;
        }
        let halo = Halo::new(subject, sight.models);
        let view = View {
            paths: &cohort.paths,
            a: &halo,
            b: None,
            row: None,
            table: None,
            members: sight.members,
            central: sight.central,
            tally: sight.tally,
            now_ms: sight.fold.clock().wall_ms,
            alone: None,
        };
        if !matches!(run(&cohort.filter, &view, &mut left, "where")?, Some(Value::Bool(true))) {
            continue;
        }
        if gathered.members.len() >= MEMBERS_MAX {
            return Err(format!("has more than {MEMBERS_MAX} members: narrow it by `where`"));
        }
        gathered.members.push(subject.name().clone());
        for (figure, values) in cohort.figures.iter().zip(&mut gathered.values) {
            let value = run(figure, &view, &mut left, "figures")?.and_then(|value| value.as_double());
            values.push(value.filter(|value| value.is_finite()));
        }
    }
    Ok(gathered)
}

fn run<'v>(
    program: &'v Program,
    view: &'v View<'_, '_>,
    left: &mut u32,
    key: &str,
) -> Result<Option<Value<'v>>, String> {
    if *left == 0 {
        return Err(format!("takes more than {STEPS_MAX} steps: make `where` simpler"));
    }
    let given = cel::BUDGET.min(*left);
    let mut budget = given;
    let value = program.run(view, &mut budget).map_err(|failure| format!("{key}: {failure}"))?;
    *left = left.saturating_sub(given.saturating_sub(budget).max(1));
    Ok(value)
}
