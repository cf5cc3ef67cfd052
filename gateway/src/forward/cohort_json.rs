//! `cohort/1`: figures over many subjects, as their retained topic shows them. `gateway/schema/cohort-1.schema.json`
//! describes every field.

use bytes::Bytes;
use halo_proto::topic::{Grammar, Topic};
use serde::Serialize;

use super::json::{Number, Table, Time, document};
use crate::halo::{Fold, Told};
use crate::spark::{CohortState, Engine, Standing};

/// The documents of all cohorts that have one, with their topics.
pub(super) fn cohorts<'a>(
    engine: &'a Engine,
    fold: &'a Fold,
    grammar: &'a Grammar,
) -> impl Iterator<Item = (String, Bytes)> {
    engine.cohorts(fold).filter_map(|state| {
        let topic = grammar.display(Topic::Cohort { cohort: &state.config.name }).to_string();
        Some((topic, cohort_json(&state)?))
    })
}

/// Renders one; none while nothing is published.
pub fn cohort_json(state: &CohortState<'_>) -> Option<Bytes> {
    let (cohort, pending) = (state.config.name.as_str(), state.pending);
    let figures = Table(state.figures.iter().map(|(path, told)| (*path, FigureJson::new(told))).collect());
    Some(match state.standing {
        Standing::Nothing => return None,
        Standing::TooSmall(since_ms) => {
            document(&CohortJson { schema: "cohort/1", cohort, state: "too_small", time: Time(since_ms), told: None })
        }
        Standing::Counted => {
            let told = Some(CountedJson { n: state.n, pending, figures });
            document(&CohortJson { schema: "cohort/1", cohort, state: "counted", time: Time(state.time_ms), told })
        }
    })
}

#[derive(Serialize)]
struct CohortJson<'a> {
    schema: &'static str,
    cohort: &'a str,
    state: &'static str,
    time: Time,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    told: Option<CountedJson<'a>>,
}

#[derive(Serialize)]
struct CountedJson<'a> {
    n: usize,
    pending: bool,
    figures: Table<'a, FigureJson>,
}

#[derive(Serialize)]
struct FigureJson {
    n: u64,
    mean: Number,
    sd: Number,
    p25: Number,
    p50: Number,
    p75: Number,
    time: Time,
}

impl FigureJson {
    fn new(told: &Told) -> Self {
        let it = told.summary;
        let [mean, sd, p25, p50, p75] = [it.mean, it.sd, it.p25, it.p50, it.p75].map(Number);
        Self { n: it.n, mean, sd, p25, p50, p75, time: Time(told.time_ms) }
    }
}
