//! The simulator's program.

mod args;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use firmware_sim::{Fleet, FleetConfig, FleetHandle, Summary};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use args::{Arguments, Command, RunArguments};

/// How often the line on a terminal changes.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(io::stderr)
        .init();
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
        Command::List => {
            io::stdout().write_all(firmware_sim::list().as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Fleet(arguments) => arguments.into_config(),
        Command::Replay(arguments) => arguments.into_config()?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(send(config, &run))
}

/// Runs the fleet to its end, to `--for` or to Ctrl-C, whichever comes first.
async fn send(config: FleetConfig, run: &RunArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
    let fleet = Fleet::start(config, &tracker, &token)?;
    let stop_after = run.run_for.unwrap_or(Duration::MAX);
    tokio::select! {
        _ = fleet.finished() => {}
        () = tokio::time::sleep(stop_after) => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        error = watch(&fleet) => return Err(error.into()),
    }
    token.cancel();
    let last_error = fleet.last_error();
    let summary = tokio::select! {
        summary = fleet.finished() => summary,
        error = watch(&fleet) => return Err(error.into()),
    };
    report(&summary, last_error.or(fleet.last_error()), run.json)
}

/// Keeps one line on a terminal up to date; elsewhere only waits.
async fn watch(fleet: &FleetHandle) -> io::Error {
    let shown = io::stderr().is_terminal();
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    loop {
        look.tick().await;
        if shown {
            let now = fleet.progress();
            let counts = now.counts;
            let trouble = if now.connected == 0 { fleet.last_error().unwrap_or_default() } else { String::new() };
            let written = write!(
                io::stderr(),
                "\r\x1b[K{}/{} connected   {} frames   {} acknowledged   {} held   {trouble}",
                now.connected,
                counts.devices,
                counts.frames,
                counts.acked,
                counts.unacked
            );
            if let Err(error) = written {
                return error;
            }
        }
    }
}

fn report(summary: &Summary, last_error: Option<String>, json: bool) -> Result<ExitCode, Box<dyn std::error::Error>> {
    if io::stderr().is_terminal() {
        write!(io::stderr(), "\r\x1b[K")?;
    }
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
