use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use halo_proto::topic::Grammar;

use super::*;
use crate::forward::halo_json::render;
use crate::halo::tests::support::Log;
use crate::halo::{Fold, Models};

/// Tells what it is given to tell, one after the other, then the sum of what it takes; and notes what that was.
#[derive(Clone, Default)]
struct Given {
    answers: Arc<Mutex<VecDeque<Result<f32, Miss>>>>,
    taken: Arc<Mutex<Vec<Vec<f32>>>>,
}

impl Run for Given {
    fn run(&self, inputs: &[f32]) -> Result<f32, Miss> {
        self.taken.lock().unwrap().push(inputs.to_vec());
        self.answers.lock().unwrap().pop_front().unwrap_or_else(|| Ok(inputs.iter().sum()))
    }
}

impl Given {
    fn times(&self) -> usize {
        self.taken.lock().unwrap().len()
    }
}

fn log() -> Log {
    let mut log = Log::default();
    for second in 0..3 {
        log.after(1_000).value("band", "egt", f64::from(600 + second), 0);
    }
    log
}

fn folded(log: &Log) -> Fold {
    let mut fold = Fold::new(Grammar::default());
    for record in &log.records {
        fold.apply(record);
    }
    fold
}

fn model(name: &str, inputs: &[&str], run: &Given) -> Brought {
    let inputs = inputs.iter().map(|path| path.parse().expect("a path")).collect();
    Brought::new(name.to_owned(), "Cel".to_owned(), inputs, Box::new(run.clone()))
}

fn told(fold: &Fold, models: &Models) -> serde_json::Value {
    let subject = fold.subject("band").expect("it sent frames");
    serde_json::from_slice(&render(subject, models, &mut Tally::default())).expect("JSON")
}

#[test]
fn a_model_tells_one_more_derived_signal_of_what_the_halo_says() {
    let (fold, run) = (folded(&log()), Given::default());
    let paths = ["signals.egt.value", "signals.egt.stats.1m.mean", "signals.egt.stats.15m.n"];
    let models = Models::default().with_brought(vec![model("engine.wear", &paths, &run)]);
    let halo = told(&fold, &models);
    assert_eq!(*run.taken.lock().unwrap(), [[602.0, 601.0, 3.0]]);
    assert_eq!(halo["derived"], serde_json::json!({"engine.wear": {"value": 1206, "unit": "Cel"}}));
    for path in paths {
        let mut at = &halo;
        path.split('.').for_each(|level| at = &at[level]);
        assert!(at.is_number(), "the document has {path}");
    }
}

#[test]
fn without_all_its_inputs_a_model_is_not_run_and_its_signal_absent() {
    let (fold, run) = (folded(&log()), Given::default());
    let paths = ["signals.egt.value", "signals.n1.value"];
    let models = Models::default().with_brought(vec![
        model("one", &paths, &run),
        model("two", &["derived.engine.health.value"], &run),
        model("three", &["signals.n1.stats.1m.sd"], &run),
    ]);
    assert_eq!((told(&fold, &models)["derived"].clone(), run.times()), (serde_json::json!({}), 0));
    assert_eq!(models.ailments().count(), 0);
}

#[test]
fn a_model_may_take_what_one_before_it_told() {
    let (fold, run) = (folded(&log()), Given::default());
    let second = || model("a.second", &["derived.b.first.value", "signals.egt.value"], &run);
    let first = || model("b.first", &["signals.egt.value"], &run);
    let models = Models::default().with_brought(vec![first(), second()]);
    let derived = told(&fold, &models)["derived"].clone();
    assert_eq!((&derived["a.second"]["value"], &derived["b.first"]["value"]), (&1204.into(), &602.into()));
    let names: Vec<_> = derived.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, ["a.second", "b.first"], "in order of names");
    let models = Models::default().with_brought(vec![second(), first()]);
    assert!(told(&fold, &models)["derived"]["a.second"].is_null(), "it is not known yet");
}

#[test]
fn a_model_late_three_times_in_a_row_is_fenced_off_and_the_rest_of_the_halo_goes_on() {
    let (fold, slow, quick) = (folded(&log()), Given::default(), Given::default());
    let answers = [Err(Miss::Late), Err(Miss::Late), Ok(1.0), Err(Miss::Late), Err(Miss::Late), Err(Miss::Late)];
    slow.answers.lock().unwrap().extend(answers);
    let path = ["signals.egt.value"];
    let models = Models::default().with_brought(vec![model("slow", &path, &slow), model("quick", &path, &quick)]);
    let twin = models.clone();
    for round in 1..=5 {
        let halo = told(&fold, &models);
        assert_eq!(halo["derived"]["slow"]["value"] == 1, round == 3, "{halo}");
        assert_eq!(models.ailments().count(), 0, "after {round}");
    }
    for _ in 6..=8 {
        let halo = told(&fold, &twin);
        assert_eq!((&halo["derived"]["quick"]["value"], &halo["derived"]["slow"]), (&602.into(), &().into()));
        assert_eq!(halo["signals"]["egt"]["value"], 602);
    }
    assert_eq!((slow.times(), quick.times()), (6, 8), "a model that is fenced off is not run");
    let told: Vec<_> = models.ailments().collect();
    let reason =
        "the model of slow is not run any more, until a restart: it took longer than its limit 3 times in a row";
    assert_eq!(told, [reason]);
}

#[test]
fn a_model_that_fails_or_tells_no_number_is_fenced_off_at_once() {
    let fold = folded(&log());
    let endings = [
        (Err(Miss::Failed("no such axis".to_owned())), "it failed: no such axis"),
        (Ok(f32::NAN), "it told NaN, which is no number"),
        (Ok(f32::INFINITY), "it told inf, which is no number"),
    ];
    for (answer, reason) in endings {
        let run = Given::default();
        run.answers.lock().unwrap().push_back(answer);
        let models = Models::default().with_brought(vec![model("mine", &["signals.egt.value"], &run)]);
        for _ in 0..2 {
            assert!(told(&fold, &models)["derived"]["mine"].is_null());
        }
        assert_eq!(run.times(), 1);
        let ailment = models.ailments().next().expect("it is ill");
        assert!(ailment.ends_with(reason), "{ailment}");
    }
}

#[test]
fn whoever_asks_for_what_is_derived_here_waits_for_no_model() {
    let (fold, run) = (folded(&log()), Given::default());
    let models = Models::default().with_brought(vec![model("mine", &["signals.egt.value"], &run)]);
    let subject = fold.subject("band").expect("it sent frames");
    assert_eq!((subject.derived_here(&models), run.times()), (vec![], 0));
    assert_eq!((subject.derived_by(&models).len(), run.times()), (1, 1));
}

#[test]
fn no_model_changes_what_is_folded() {
    let log = log();
    let (fold, rows) = (folded(&log), folded(&log).all_rows());
    let run = Given::default();
    let models = Models::default().with_brought(vec![model("mine", &["signals.egt.value"], &run)]);
    assert_eq!(told(&fold, &models)["derived"]["mine"]["value"], 602);
    assert_eq!(fold.all_rows(), rows);
}
