//! The simulator's program.

mod args;
mod progress;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use firmware_sim::{Fleet, FleetConfig, Summary};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use args::{Arguments, Command, RunArguments};
use progress::Progress;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let wanted = std::env::var("RUST_LOG").ok().and_then(|wanted| wanted.parse().ok());
    let filter: Targets = wanted.unwrap_or_else(|| Targets::new().with_default(LevelFilter::ERROR));
    tracing_subscriber::registry().with(tracing_subscriber::fmt::layer().with_writer(io::stderr)).with(filter).init();
    match act(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("firmware-sim: {error}");
            ExitCode::FAILURE
        }
    }
}

fn act(command: Command) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let (config, run) = match command {
        Command::List { json } => {
            let text = if json { format!("{}\n", firmware_sim::list_json()) } else { firmware_sim::list() };
            io::stdout().write_all(text.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        #[cfg(target_os = "linux")]
        Command::Bench(arguments) => return Ok(firmware_sim::bench::execute(&arguments)?),
        Command::Fleet(arguments) => arguments.into_config(),
        Command::Scenario(arguments) => arguments.into_config(),
        Command::Replay(arguments) => arguments.into_config()?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(send(config, &run))
}

/// Runs the fleet to its end, to `--for` or to Ctrl-C, whichever comes first.
async fn send(config: FleetConfig, run: &RunArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
    let stop_after = run.run_for.unwrap_or(Duration::MAX);
    let progress = if run.json { None } else { Some(Progress::new(&config, run.run_for)) };
    let fleet = Fleet::start(config, &tracker, &token)?;
    let watch = async {
        match &progress {
            Some(progress) => progress.watch(&fleet).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(watch);
    tokio::select! {
        _ = fleet.finished() => {}
        () = tokio::time::sleep(stop_after) => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        () = &mut watch => {}
    }
    token.cancel();
    let last_error = fleet.last_error();
    let summary = tokio::select! {
        summary = fleet.finished() => summary,
        () = &mut watch => fleet.finished().await,
    };
    if let Some(progress) = &progress {
        progress.end();
    }
    report(&summary, last_error.or(fleet.last_error()), run.json)
}

fn report(summary: &Summary, last_error: Option<String>, json: bool) -> Result<ExitCode, Box<dyn std::error::Error>> {
    if json {
        writeln!(io::stdout(), "{}", serde_json::to_string(summary)?)?;
    } else {
        writeln!(io::stdout(), "{summary}")?;
    }
    if summary.frames > 0 && summary.acked == summary.frames {
        return Ok(ExitCode::SUCCESS);
    }
    let reason = last_error.map_or_else(String::new, |error| format!("; last trouble: {error}"));
    writeln!(
        io::stderr(),
        "firmware-sim: {} of {} frames not acknowledged{reason}",
        summary.frames - summary.acked,
        summary.frames
    )?;
    Ok(ExitCode::FAILURE)
}
