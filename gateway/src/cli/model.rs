//! `halo-gateway model`: what a model is made of and how good it is; a model made from histories.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Failure;
use crate::halo::engine::{self, FORMAT_VERSION, Model};
use crate::terminal::say;

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
    /// The model [default: the one of this build].
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
        Command::Show(show) => {
            let model = match &show.file {
                Some(file) => Model::read(&read(file)?).map_err(|error| format!("{}: {error}", file.display()))?,
                None => Model::shipped()?,
            };
            let tried = show.test.as_deref().zip(show.rul.as_deref());
            tell(&model, tried.map(|(test, rul)| tried_on(&model, test, rul)).transpose()?, show.json);
        }
        Command::Train(args) => train(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// How good a model is at the last flights of engines it never saw.
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
fn train(args: &Train) -> Result<(), Failure> {
    use std::io::{IsTerminal, Write};

    use crate::terminal::{complain, prompt};

    let rows = engine::parse_rows(&text(&args.from)?).map_err(|error| format!("{}: {error}", args.from.display()))?;
    let stem = || args.from.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let name = args.name.clone().unwrap_or_else(stem);
    // Before minutes of work: a file that is there is not overwritten.
    let mut out = std::fs::File::create_new(&args.out).map_err(|error| format!("{}: {error}", args.out.display()))?;
    let on_terminal = std::io::stderr().is_terminal();
    let progress = |done: usize, of: usize| match on_terminal {
        true => prompt(format_args!("\rtraining: {done} of {of} boosters")),
        false => complain(format_args!("training: {done} of {of} boosters")),
    };
    let trained = engine::train(&name, &rows, &engine::TrainSettings::default(), progress);
    if on_terminal {
        prompt(format_args!("\r{:40}\r", ""));
    }
    let written = trained.map_err(Failure::from).and_then(|model| {
        out.write_all(&model.write()?)?;
        out.sync_all()?;
        Ok(model)
    });
    let model = written.inspect_err(|_| drop(std::fs::remove_file(&args.out)))?;
    tell(&model, None, args.json);
    Ok(())
}

#[cfg(not(feature = "train"))]
fn train(args: &Train) -> Result<(), Failure> {
    let Train { from, out, .. } = args;
    let command = format!("model train --from {} --out {}", from.display(), out.display());
    Err(format!("this build cannot train: `cargo run --release --features train -- {command}` can").into())
}

fn tell(model: &Model, tried: Option<Tried>, as_json: bool) {
    let (training, settings, figures) = (model.training(), model.settings(), model.figures());
    let sensors: Vec<_> = model.sensors().collect();
    let sha256 = training.sha256.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    if as_json {
        say(json!({
            "kind": "turbofan", "format": FORMAT_VERSION, "sensors": sensors, "features": model.features(),
            "trees": model.trees(), "settings": settings, "cross_validation": figures,
            "training": {"name": training.name, "units": training.units, "rows": training.rows, "sha256": sha256},
            "test": tried.map(|tried| tried.json()),
        }));
        return;
    }
    let features = model.features().len();
    let lines = [
        ("kind", "turbofan: remaining useful life in flights".to_owned()),
        ("format", FORMAT_VERSION.to_string()),
        ("trained on", format!("{}: {} engines, {} flights", training.name, training.units, training.rows)),
        ("sha-256", sha256),
        ("sensors", format!("{}: {}", sensors.len(), sensors.join(", "))),
        ("features", format!("{features}: {}", model.features().join(", "))),
        ("trees", format!("{}, lives up to {} flights", model.trees(), settings.life_max)),
        (
            "held out",
            format!(
                "{} forecasts in {} parts, a flight: RMSE {:.2}, score {:.2}; within {} flights of failure {:.2}, {:.2}",
                figures.forecasts,
                settings.folds,
                figures.rmse_capped,
                figures.score_capped,
                settings.life_max,
                figures.rmse_near,
                figures.score_near
            ),
        ),
    ];
    let tried = tried.map(|it| ("test set", it.line(settings.life_max, settings.coverage)));
    lines.into_iter().chain(tried).all(|(what, told)| say(format_args!("{what:<11} {told}")));
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

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()).into())
}
