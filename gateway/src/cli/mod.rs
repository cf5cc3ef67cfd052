//! The command line: what a user can type, what comes back, and with which exit code.
//!
//! Exit codes: 0 done; 1 it failed, the last line on stderr says where and what to do; 2 the arguments were wrong.
//! Output for people goes to stdout as lines; `--json` gives one JSON document per line instead. Logs go to stderr.

mod backup;
mod log;
mod state;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::app::{App, StopSignal};
use crate::config::Config;
use crate::terminal::say;

/// What a command ends with when it fails; shown once, at the top.
type Failure = Box<dyn std::error::Error>;

/// An MQTT gateway that makes each telemetry frame durable before it acknowledges it, and folds the stream into halos.
#[derive(Parser)]
#[command(name = "halo-gateway", version, about, max_term_width = 110)]
struct Cli {
    /// Log lines on stderr: error, warn, info, debug, trace, or `module=level` lists [default: info; demo: warn].
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway until Ctrl-C or SIGTERM.
    Run(Settings),
    /// Run the gateway with a simulated fleet in one process, on loopback, and show halos as they change.
    #[cfg(feature = "demo")]
    Demo(crate::demo::Options),
    /// Check a configuration without running anything: exit code 0 means `run` would accept it.
    Check(Settings),
    /// Look into the log of a data folder: verify it, print its records, or repair it.
    #[command(subcommand)]
    Log(log::Command),
    /// Change or measure the engine that keeps the checkpoints.
    #[command(subcommand)]
    State(state::Command),
    /// Copy the data folder of a stopped gateway: log, identity, accounts.
    Backup(backup::To),
    /// Make a data folder from a backup.
    Restore(backup::From),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Where the configuration comes from; later sources win.
#[derive(Args)]
struct Settings {
    /// Configuration file (TOML). Without one the defaults hold.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address of the MQTT listener, as `gateway.mqtt`.
    #[arg(long, value_name = "ADDR")]
    mqtt: Option<SocketAddr>,
    /// Folder of the log and the checkpoints, as `gateway.data_dir`.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Any other key, e.g. `--set gateway.id=gw-7`; also as HALO_GATEWAY__GATEWAY__ID=gw-7 in the environment.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    sets: Vec<String>,
}

impl Settings {
    fn load(&self) -> Result<Config, Failure> {
        let mut config = Config::load(self.config.as_deref(), std::env::vars(), &self.sets)?;
        if let Some(address) = self.mqtt {
            config.gateway.mqtt = address;
        }
        if let Some(folder) = &self.data_dir {
            config.gateway.data_dir.clone_from(folder);
        }
        config.validate()?;
        Ok(config)
    }
}

/// Runs the command of this process's arguments.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let quiet = !matches!(cli.command, Command::Run(_));
    if let Err(error) = init_logs(cli.log.as_deref(), if quiet { "warn" } else { "info" }) {
        eprintln!("halo-gateway: --log: {error}");
        return ExitCode::from(2);
    }
    match execute(cli.command) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("halo-gateway: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn init_logs(level: Option<&str>, default: &str) -> Result<(), Failure> {
    let filter = match level {
        Some(level) => EnvFilter::builder().parse(level)?,
        None => EnvFilter::new(default),
    };
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    Ok(())
}

fn execute(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Run(settings) => serve(settings.load()?),
        #[cfg(feature = "demo")]
        Command::Demo(options) => runtime()?.block_on(crate::demo::run(options)),
        Command::Check(settings) => check(&settings),
        Command::Log(command) => log::run(command),
        Command::State(command) => state::run(command),
        Command::Backup(to) => backup::backup(&to),
        Command::Restore(from) => backup::restore(&from),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "halo-gateway", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check(settings: &Settings) -> Result<ExitCode, Failure> {
    let config = settings.load()?;
    crate::broker::check_loopback(config.gateway.mqtt)?;
    say(format_args!(
        "configuration is valid: gateway {} on {}, data in {}, {} assignments",
        config.gateway.id,
        config.gateway.mqtt,
        config.gateway.data_dir.display(),
        config.assignment.len()
    ));
    Ok(ExitCode::SUCCESS)
}

fn serve(config: Config) -> Result<ExitCode, Failure> {
    runtime()?.block_on(async {
        let mut stop = StopSignal::listen()?;
        let app = App::start(config).await?;
        say(format_args!("halo-gateway listens on mqtt://{}", app.address()));
        let failed = tokio::select! {
            reason = stop.heard() => { tracing::info!(reason, "stopping"); false }
            () = app.failed() => true,
        };
        let stopped = app.stop().await;
        tracing::info!(durable = stopped.durable.0, folded = stopped.folded.0, drained = stopped.drained, "stopped");
        Ok(if failed || !stopped.drained { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    })
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
