//! `halo-gateway model`: what a model is made of and how good it is; a model made from histories.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Failure;
use crate::app::model_bytes;
use crate::halo::engine::{self, FORMAT_VERSION, Model};
use crate::terminal::say;
#[cfg(feature = "onnx")]
use crate::units::count;

/// What to do with a model.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Version, sensors, features, training set and figures of a model; with a test set, how good it is on that.
    Show(Show),
    /// Make a model of remaining life from histories that end in failure; needs a build with feature `train`.
    Train(Train),
}

/// Which model, and what it is tried on.
#[derive(Args)]
pub(super) struct Show {
    /// The model, of turbofans or `*.onnx` [default: the one of this build].
    file: Option<PathBuf>,
    /// Histories that end before failure, as in `test_FD001.txt`; the last flight of each engine is forecast.
    #[arg(long, value_name = "FILE", requires = "rul")]
    test: Option<PathBuf>,
    /// Flights that were left then, a line for each engine, as in `RUL_FD001.txt`.
    #[arg(long, value_name = "FILE", requires = "test")]
    rul: Option<PathBuf>,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

/// What is learnt from, and where the model goes.
#[derive(Args)]
pub(super) struct Train {
    /// Histories that end in failure, as in `train_FD001.txt`.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// The model; never overwritten.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Name of the histories in the model [default: the file's name without its ending].
    #[arg(long)]
    name: Option<String>,
    /// One JSON document, as of `model show`.
    #[arg(long)]
    json: bool,
}

/// Runs one of the commands.
pub(super) fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Show(show) if show.is_onnx() => show.tell_onnx()?,
        Command::Show(show) => {
            let (model, tried) = show.found()?;
            tell(&model, tried.as_ref(), show.json);
        }
        Command::Train(args) => tell(&train(&args)?, None, args.json),
    }
    Ok(ExitCode::SUCCESS)
}

impl Show {
    fn is_onnx(&self) -> bool {
        let ending = self.file.as_ref().and_then(|file| file.extension());
        ending.is_some_and(|ending| ending.eq_ignore_ascii_case("onnx"))
    }

    #[cfg(feature = "onnx")]
    fn tell_onnx(&self) -> Result<(), Failure> {
        let file = self.file.as_deref().unwrap_or_else(|| Path::new(""));
        if self.test.is_some() {
            return Err(format!("{}: histories of engines are for models of engines", file.display()).into());
        }
        let told = |error: String| format!("{}: {error}", file.display());
        let (facts, took) = crate::app::onnx_facts(file).map_err(told)?;
        let (took, problem) = match took {
            Some(Ok(took)) => (Some(took), None),
            Some(Err(problem)) => (None, Some(problem)),
            None => (None, None),
        };
        let listed = |tensors: &[crate::app::OnnxTensor]| tensors.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (inputs, outputs) = (listed(&facts.inputs), listed(&facts.outputs));
        if self.json {
            say(json!({
                "kind": "onnx", "bytes": facts.bytes, "ir": facts.ir, "opset": facts.opset, "producer": facts.producer,
                "inputs": inputs, "outputs": outputs, "operators": facts.operators, "parameters": facts.parameters,
                "inference_us": took.map(|it| it.as_secs_f64() * 1e6), "problem": problem,
            }));
            return problem.map_or(Ok(()), |problem| Err(told(problem).into()));
        }
        let operators: Vec<_> = facts.operators.iter().map(|(name, times)| format!("{times} {name}")).collect();
        let lines = [
            ("kind", format!("ONNX: {}, {}", count(facts.bytes as u64, "byte"), count(facts.parameters, "parameter"))),
            ("version", format!("file format (IR) {}, operators (opset) {}", facts.ir, facts.opset)),
            ("made by", Some(facts.producer).filter(|it| !it.is_empty()).unwrap_or_else(|| "not told".to_owned())),
            ("takes", inputs.join("; ")),
            ("tells", outputs.join("; ")),
            ("operators", operators.join(", ")),
        ];
        let takes = took.map(|took| ("inference", format!("{took:.1?}, the middle of five, on this machine now")));
        lines.into_iter().chain(takes).all(|(what, told)| say(format_args!("{what:<11} {told}")));
        problem.map_or(Ok(()), |problem| Err(told(problem).into()))
    }

    #[cfg(not(feature = "onnx"))]
    fn tell_onnx(&self) -> Result<(), Failure> {
        Err(crate::app::ModelsError::NotBuilt.to_string().into())
    }

    fn found(&self) -> Result<(Model, Option<Tried>), Failure> {
        let told = |file: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let model = match &self.file {
            Some(file) => {
                let bytes = model_bytes(file).map_err(|error| told(file, &error))?;
                Model::read(&bytes).map_err(|error| told(file, &error))?
            }
            None => Model::shipped()?,
        };
        let tried = self.test.as_deref().zip(self.rul.as_deref());
        let tried = tried.map(|(test, rul)| tried_on(&model, test, rul)).transpose()?;
        Ok((model, tried))
    }
}

/// How good a model is at the last flights of engines it never saw.
#[derive(Debug)]
struct Tried {
    engines: usize,
    rmse: f64,
    score: f64,
    rmse_capped: f64,
    score_capped: f64,
    /// Share of the engines whose life ended within the interval, and its mean width in flights.
    covered: f64,
    width: f64,
}

fn tried_on(model: &Model, test: &Path, rul: &Path) -> Result<Tried, Failure> {
    let rows = engine::parse_rows(&text(test)?).map_err(|error| format!("{}: {error}", test.display()))?;
    let truths: Result<Vec<f64>, _> = text(rul)?.split_ascii_whitespace().map(str::parse).collect();
    let truths = truths.map_err(|error| format!("{}: {error}", rul.display()))?;
    let tried = engine::last_forecasts(model, &rows);
    if tried.len() != truths.len() || truths.is_empty() {
        let (engines, truths) = (tried.len(), truths.len());
        return Err(format!("{} has {engines} engines, {} has {truths}", test.display(), rul.display()).into());
    }
    let known: Vec<_> = tried.iter().zip(&truths).filter_map(|(it, truth)| Some((it.as_ref()?, *truth))).collect();
    if known.len() < truths.len() {
        return Err(format!("{} of {} engines cannot be forecast", truths.len() - known.len(), truths.len()).into());
    }
    let pairs = |cap: f64| known.iter().map(|(it, truth)| (it.rul, truth.min(cap))).collect::<Vec<_>>();
    let (whole, capped) = (pairs(f64::INFINITY), pairs(model.settings().life_max));
    let inside = known.iter().filter(|(it, truth)| (it.low..=it.high).contains(truth)).count();
    Ok(Tried {
        engines: known.len(),
        rmse: engine::rmse(&whole),
        score: engine::phm08_score(&whole),
        rmse_capped: engine::rmse(&capped),
        score_capped: engine::phm08_score(&capped),
        covered: inside as f64 / known.len() as f64,
        width: known.iter().map(|(it, _)| it.high - it.low).sum::<f64>() / known.len() as f64,
    })
}

#[cfg(feature = "train")]
fn train(args: &Train) -> Result<Model, Failure> {
    use std::fs::File;
    use std::io::{IsTerminal, Write, stderr};

    use crate::terminal::{complain, prompt};

    let told = |error: std::io::Error| format!("{}: {error}", args.out.display());
    // Before minutes of work.
    if args.out.exists() {
        return Err(told(std::io::ErrorKind::AlreadyExists.into()).into());
    }
    let rows = engine::parse_rows(&text(&args.from)?).map_err(|error| format!("{}: {error}", args.from.display()))?;
    let stem = || args.from.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let name = args.name.clone().unwrap_or_else(stem);
    let on_terminal = stderr().is_terminal();
    let progress = |done: usize, of: usize| match on_terminal {
        true => prompt(format_args!("\rtraining: {done} of {of} boosters")),
        false => complain(format_args!("training: {done} of {of} boosters")),
    };
    let trained = engine::train(&name, &rows, &engine::TrainSettings::default(), progress);
    if on_terminal {
        prompt(format_args!("\r{:40}\r", ""));
    }
    let model = trained.map_err(|error| format!("{}: {error}", args.from.display()))?;
    let mut out = File::create_new(&args.out).map_err(told)?;
    out.write_all(&model.write()?).and_then(|()| out.sync_all()).map_err(told)?;
    Ok(model)
}

#[cfg(not(feature = "train"))]
fn train(args: &Train) -> Result<Model, Failure> {
    let Train { from, out, .. } = args;
    let command = format!("model train --from {} --out {}", from.display(), out.display());
    Err(format!("this build cannot train: `cargo run --release --features train -- {command}` can").into())
}

fn tell(model: &Model, tried: Option<&Tried>, as_json: bool) {
    if as_json {
        say(document(model, tried));
    } else {
        lines(model, tried).into_iter().all(|(what, told)| say(format_args!("{what:<11} {told}")));
    }
}

fn document(model: &Model, tried: Option<&Tried>) -> Value {
    let training = model.training();
    json!({
        "kind": "turbofan", "format": FORMAT_VERSION, "sensors": model.sensors().collect::<Vec<_>>(),
        "features": model.features(), "trees": model.trees(), "settings": model.settings(),
        "cross_validation": model.figures(), "test": tried.map(Tried::json),
        "training": {"name": training.name, "units": training.units, "rows": training.rows, "sha256": hex(&training.sha256)},
    })
}

fn lines(model: &Model, tried: Option<&Tried>) -> Vec<(&'static str, String)> {
    let (training, settings, figures) = (model.training(), model.settings(), model.figures());
    let sensors: Vec<_> = model.sensors().collect();
    let (features, cap) = (model.features(), settings.life_max);
    let held_out = format!(
        "{} forecasts, each by a model that never saw the engine: RMSE {:.2}, score {:.2} a flight; of those within {cap} \
         flights of failure {:.2}, {:.2}",
        figures.forecasts, figures.rmse_capped, figures.score_capped, figures.rmse_near, figures.score_near
    );
    let lines = [
        ("kind", "turbofan: remaining useful life in flights".to_owned()),
        ("format", FORMAT_VERSION.to_string()),
        ("trained on", format!("{}: {} engines, {} flights", training.name, training.units, training.rows)),
        ("sha-256", hex(&training.sha256)),
        ("sensors", format!("{}: {}", sensors.len(), sensors.join(", "))),
        ("features", format!("{}: {}", features.len(), features.join(", "))),
        ("trees", format!("{}, lives up to {cap} flights", model.trees())),
        ("held out", held_out),
    ];
    let tried = tried.map(|it| ("test set", it.line(cap, settings.coverage)));
    lines.into_iter().chain(tried).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

impl Tried {
    fn json(&self) -> Value {
        json!({
            "engines": self.engines, "rmse": self.rmse, "score": self.score, "rmse_capped": self.rmse_capped,
            "score_capped": self.score_capped, "covered": self.covered, "width": self.width,
        })
    }

    fn line(&self, cap: f64, coverage: f64) -> String {
        format!(
            "{} engines at their last flights: RMSE {:.2}, score {:.1}; lives capped at {cap}: {:.2}, {:.1}; \
             {:.0} % within the interval of {:.0} %, {:.0} flights wide",
            self.engines,
            self.rmse,
            self.score,
            self.rmse_capped,
            self.score_capped,
            self.covered * 100.0,
            coverage * 100.0,
            self.width
        )
    }
}

fn text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(args: &[&str]) -> Result<(Model, Option<Tried>), String> {
        use clap::Parser;
        let line = ["halo-gateway", "model", "show"].iter().chain(args);
        let super::super::Command::Model(Command::Show(show)) =
            super::super::Cli::try_parse_from(line).map_err(|error| error.to_string())?.command
        else {
            panic!("another command");
        };
        show.found().map_err(|error| error.to_string())
    }

    #[test]
    fn the_model_of_this_build_says_what_it_is_made_of() {
        let (model, tried) = shown(&[]).expect("that of this build");
        assert!(tried.is_none());
        let lines: std::collections::BTreeMap<_, _> = lines(&model, None).into_iter().collect();
        assert_eq!(lines["trained on"], "train_FD001: 100 engines, 20631 flights");
        assert!(lines["held out"].contains("RMSE 8.14, score 0.95 a flight"), "{}", lines["held out"]);
        let document = document(&model, None);
        assert_eq!((&document["kind"], &document["format"]), (&json!("turbofan"), &json!(FORMAT_VERSION)));
        assert_eq!(document["features"].as_array().map(Vec::len), Some(model.features().len()));
        assert_eq!(document["training"]["sha256"].as_str().map(str::len), Some(64));
    }

    #[test]
    fn a_model_is_tried_on_engines_whose_truth_is_known() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let flight = |unit: u32, cycle: u32| {
            let sensors = "518.67 642 1589 1400 14.62 21.61 554 2388 9046 1.3 47.4 521.7 2388 8138 8.42 0.03 392 2388 100 39 23.4";
            format!("{unit} {cycle} 0 0 100 {sensors}\n")
        };
        let history: String = (1..=2).flat_map(|unit| (1..=12).map(move |cycle| flight(unit, cycle))).collect();
        std::fs::write(path("test"), &history).expect("written");
        std::fs::write(path("rul"), "112\n98\n").expect("written");
        let tried =
            |rul: &str| shown(&["--test", &path("test"), "--rul", &path(rul)]).map(|(_, tried)| tried.expect("tried"));
        let good = tried("rul").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(good.engines, 2);
        assert!(good.rmse < 40.0 && good.line(125.0, 0.9).starts_with("2 engines at their last flights: RMSE "));
        assert_eq!(good.json()["engines"], json!(2));
        std::fs::write(path("short"), "112\n").expect("written");
        let error = tried("short").expect_err("refused");
        assert_eq!(error, format!("{} has 2 engines, {} has 1", path("test"), path("short")));
        std::fs::write(path("words"), "soon").expect("written");
        assert!(tried("words").expect_err("refused").starts_with(&path("words")));
        std::fs::write(path("test"), flight(1, 1)).expect("written");
        assert_eq!(tried("short").expect_err("refused"), "1 of 1 engines cannot be forecast");
    }

    #[test]
    fn what_is_no_model_is_told_with_its_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.model").display().to_string();
        std::fs::write(&path, "not a model at all").expect("written");
        assert_eq!(shown(&[&path]).expect_err("refused"), format!("{path}: file does not begin as a model does"));
        assert!(shown(&["/nowhere.model"]).expect_err("refused").starts_with("/nowhere.model: "));
        assert!(shown(&["--test", "x"]).is_err(), "without the truth");
    }

    #[test]
    fn a_file_that_ends_with_onnx_is_told_as_one_where_that_is_built() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("mine.ONNX");
        std::fs::write(&file, "[halo]").expect("written");
        let show = Show { file: Some(file.clone()), test: None, rul: None, json: false };
        assert!(show.is_onnx());
        let error = show.tell_onnx().expect_err("refused").to_string();
        if cfg!(feature = "onnx") {
            assert!(error.starts_with(&format!("{}: is no ONNX model", file.display())), "{error}");
        } else {
            assert!(error.contains("--features onnx"), "{error}");
        }
        assert!(!Show { file: Some("mine.model".into()), ..show }.is_onnx());
    }

    #[test]
    fn training_overwrites_nothing_and_tells_a_build_that_cannot() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let out = folder.path().join("mine.model");
        std::fs::write(&out, "precious").expect("written");
        let args = Train { from: "/nowhere.txt".into(), out: out.clone(), name: None, json: false };
        let error = train(&args).expect_err("refused").to_string();
        if cfg!(feature = "train") {
            assert!(error.starts_with(&out.display().to_string()), "{error}");
        } else {
            assert!(error.contains("--features train -- model train --from /nowhere.txt"), "{error}");
        }
        assert_eq!(std::fs::read(&out).expect("still there"), b"precious");
    }
}
