//! What is said of cohorts.

use serde_json::{Value, json};

use super::desk::{Desk, Refusal};
use super::rows::time;
use crate::spark::{CohortState, Standing};

impl Desk {
    pub(super) async fn cohorts(&self) -> Result<Vec<Value>, Refusal> {
        self.ask_rules(|engine, fold| engine.cohorts(fold).map(|state| row(&state)).collect()).await
    }
}

fn row(state: &CohortState<'_>) -> Value {
    let (word, since_ms) = match state.standing {
        _ if state.fenced => ("fenced", None),
        Standing::Nothing => ("nothing", None),
        Standing::TooSmall(since_ms) => ("too_small", Some(since_ms)),
        Standing::Counted => ("counted", Some(state.time_ms)),
    };
    let told = state.standing == Standing::Counted;
    let figures: serde_json::Map<String, Value> = state
        .figures
        .iter()
        .map(|(path, told)| {
            let it = told.summary;
            let figure = json!({
                "n": it.n, "mean": it.mean, "sd": it.sd, "p25": it.p25, "p50": it.p50, "p75": it.p75,
                "time": time(told.time_ms),
            });
            ((*path).to_owned(), figure)
        })
        .collect();
    json!({
        "cohort": state.config.name, "state": word, "n": told.then_some(state.n), "time": since_ms.map(time),
        "pending": state.pending, "reason": state.why, "where": state.config.filter, "figures": figures,
    })
}
