//! The command line: what a user can type, what comes back, and with which exit code.
//!
//! Exit codes: 0 done; 1 it failed, the last line on stderr says where and what to do; 2 the arguments were wrong; 3 of
//! `restore`: done, but damage was found.
//! Output for people goes to stdout as lines; `--json` gives one JSON document per line instead. Logs go to stderr.

mod accounts;
mod admin;
mod backup;
mod client;
mod disk;
mod halo;
mod help;
mod history;
mod limits;
mod log;
mod model;
mod offers;
mod past;
mod people;
mod plot;
mod rules;
mod cohorts;
mod show;
mod state;
mod status;
mod table;
#[cfg(test)]
mod tests;
mod why;
#[cfg(feature = "view")]
mod top;
mod usage;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use serde_json::json;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::app::{App, StopSignal};
use crate::config::Config;
use crate::terminal::{Out, complain, noted, say, unwritten};
use crate::units::count;

/// What a command ends with when it fails; shown once, at the top.
type Failure = Box<dyn std::error::Error>;

/// An MQTT gateway that makes each telemetry frame durable before it acknowledges it, and folds the stream into halos.
#[derive(Parser)]
#[command(name = "halo-gateway", version, about, max_term_width = 110, after_help = help::ALL)]
struct Cli {
    /// Log lines on stderr: error, warn, info, debug, trace, or `module=level` lists [default: warn; run: info].
    #[arg(long, global = true, value_name = "LEVEL", display_order = 90)]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway until Ctrl-C or SIGTERM.
    #[command(after_help = help::RUN)]
    Run(Settings),
    /// Run the gateway with a simulated fleet in one process, on loopback, and show halos as they change.
    #[cfg(feature = "demo")]
    #[command(after_help = help::DEMO)]
    Demo(crate::demo::Options),
    /// Check a configuration without running anything: exit code 0 means `run` would accept it.
    Check(Check),
    /// Look into the log of a data folder: verify it, print its records, or repair it.
    #[command(subcommand, after_help = help::LOG)]
    Log(log::Command),
    /// How a running gateway is, on one screen.
    Status(client::Target),
    /// A running gateway on a terminal: what flows through it, its devices and its halos, once a second.
    #[cfg(feature = "view")]
    #[command(after_help = help::TOP)]
    Top(top::Top),
    /// The devices of a running gateway: list, show, assign, release, replace, remove, token.
    #[command(after_help = help::DEVICE)]
    Device(admin::On<admin::Device>),
    /// The subjects of a running gateway: their halos, relations, other names and settings.
    #[command(after_help = help::SUBJECT)]
    Subject(admin::On<admin::Subject>),
    /// The halo of a subject, now or as it was at a time; with the gateway running or not.
    #[command(after_help = help::HALO)]
    Halo(halo::Halo),
    /// One signal of one subject over a span of time, from the log; with the gateway running or not.
    #[command(after_help = help::HISTORY)]
    History(history::History),
    /// What a value of a halo rests on: reading, frame, bytes; and the same value derived from them again.
    #[command(after_help = help::WHY)]
    Why(why::Why),
    /// Rules that raise sparks: list, check, add, remove, resume, test on a halo, replay on history.
    #[command(subcommand, after_help = help::RULES)]
    Rules(rules::Rules),
    /// Sparks: what rules raised; list them, answer one.
    #[command(subcommand)]
    Sparks(rules::Sparks),
    /// Figures over many subjects, of those that take part: what is published of each cohort.
    #[command(subcommand)]
    Cohorts(cohorts::Cohorts),
    /// What organisations offer, for rules to join with: list, show, load, withdraw.
    #[command(after_help = help::OFFERS)]
    Offers(admin::On<offers::Offers>),
    /// Frames that could not be understood: list, show, replay, discard.
    #[command(after_help = help::QUARANTINE)]
    Quarantine(admin::On<admin::Quarantine>),
    /// The upstreams of a running gateway: list, pause, resume.
    Upstream(admin::On<admin::Upstream>),
    /// The existing brokers a running gateway reads from.
    Source(admin::On<admin::Source>),
    /// The wall clock of a running gateway.
    Clock(admin::On<admin::Clock>),
    /// What was lost, given up or is in doubt; of a gateway that is down, as far as its log still tells.
    Losses(client::Target),
    /// Set the password of a user, from the terminal or from stdin; makes the user if there is none.
    #[command(after_help = help::PASSWD)]
    Passwd(accounts::Passwd),
    /// Accounts: list, grant, remove.
    User(accounts::Users),
    /// Roles, which are granted to users: list, set, remove.
    #[command(after_help = help::ROLE)]
    Role(accounts::Roles),
    /// Show the configuration in force and where each value comes from.
    #[command(subcommand)]
    Config(show::Command),
    /// Change or measure the engine that keeps the checkpoints.
    #[command(subcommand)]
    State(state::Command),
    /// Models that turn what is known of a machine into forecasts: show one, train one.
    #[command(subcommand, after_help = help::MODEL)]
    Model(model::Command),
    /// Copy a data folder, also while the gateway runs: log, identity, accounts.
    #[command(after_help = help::BACKUP)]
    Backup(backup::To),
    /// Make a data folder from a backup.
    #[command(after_help = help::RESTORE)]
    Restore(backup::From),
    /// Print a completion script for a shell.
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// What is checked, and how it is told.
#[derive(Args)]
struct Check {
    /// One JSON document; of a configuration that is refused too.
    #[arg(long)]
    json: bool,
    /// Also measure how fast the disk of the data folder makes something durable; takes up to 2 s.
    #[arg(long)]
    disk: bool,
    #[command(flatten)]
    settings: Settings,
}

/// Where the configuration comes from; later sources win.
#[derive(Args)]
struct Settings {
    /// Configuration file (TOML). Without one the defaults hold.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port of the MQTT listener, e.g. `127.0.0.1:1883`, as `gateway.mqtt`.
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
    limits::raise_open_files();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => return tell(usage::plain(told)),
    };
    let runs = matches!(cli.command, Command::Run(_));
    if let Err(error) = init_logs(cli.log.as_deref(), if runs { "info" } else { "warn" }) {
        complain(format_args!("halo-gateway: --log: {error}"));
        return ExitCode::from(2);
    }
    match execute(cli.command) {
        // What it said is not why a gateway runs.
        Ok(code) if runs => code,
        Ok(code) => if_written(code),
        Err(failure) => {
            complain(format_args!("halo-gateway: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// Help and version go to stdout, what is wrong with the arguments to stderr.
fn tell(told: clap::Error) -> ExitCode {
    if told.use_stderr() {
        drop(told.print());
        return ExitCode::from(2);
    }
    drop(noted(told.print().and_then(|()| Out.flush())));
    if_written(ExitCode::SUCCESS)
}

/// A command whose words were lost has failed, unless nobody wants to read them.
fn if_written(code: ExitCode) -> ExitCode {
    let Some(error) = unwritten() else { return code };
    complain(format_args!("halo-gateway: write to stdout: {error}"));
    ExitCode::FAILURE
}

fn init_logs(level: Option<&str>, default: &str) -> Result<(), Failure> {
    let filter: Targets = level.unwrap_or(default).parse()?;
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_ansi(colours).with_writer(|| crate::terminal::Logs);
    tracing_subscriber::registry().with(lines).with(filter).init();
    Ok(())
}

fn execute(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Run(settings) => serve(settings.load()?),
        #[cfg(feature = "demo")]
        Command::Demo(options) => runtime()?.block_on(crate::demo::run(options)),
        Command::Check(it) => check(&it),
        Command::Log(command) => log::run(command),
        Command::Status(target) => status::status(&target),
        #[cfg(feature = "view")]
        Command::Top(top) => top::run(top),
        Command::Device(on) => admin::device(on),
        Command::Subject(on) => admin::subject(on),
        Command::Halo(halo) => halo::run(&halo),
        Command::History(history) => history::run(&history),
        Command::Why(why) => why::run(&why),
        Command::Rules(command) => rules::rules(command),
        Command::Sparks(command) => rules::sparks(command),
        Command::Cohorts(command) => cohorts::run(command),
        Command::Offers(on) => offers::run(on),
        Command::Quarantine(on) => admin::quarantine(on),
        Command::Upstream(on) => admin::upstream(on),
        Command::Source(on) => admin::source(on),
        Command::Clock(on) => admin::clock(on),
        Command::Losses(target) => status::losses(&target),
        Command::Passwd(args) => accounts::passwd(args),
        Command::User(args) => accounts::users(args),
        Command::Role(args) => accounts::roles(args),
        Command::Config(command) => show::run(command),
        Command::State(command) => state::run(command),
        Command::Model(command) => model::run(command),
        Command::Backup(to) => backup::backup(&to),
        Command::Restore(from) => backup::restore(&from),
        Command::Completions { shell } => {
            // Through memory: its writer panics where a write fails.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "halo-gateway", &mut script);
            drop(Out.write_all(&script).and_then(|()| Out.flush()));
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check(Check { json, disk, settings }: &Check) -> Result<ExitCode, Failure> {
    let checked = settings.load().and_then(|config| Ok((crate::app::admission(&config)?.0, config)));
    let (accounts, config) = match checked {
        Ok(checked) => checked,
        Err(failure) if *json => {
            say(json!({"valid": false, "problem": failure.to_string()}));
            return Ok(ExitCode::FAILURE);
        }
        Err(failure) => return Err(failure),
    };
    let warnings = crate::app::warnings(&config, &accounts);
    let measured = disk.then(|| disk::measure(&config.gateway.data_dir)).transpose()?;
    if *json {
        let disk = measured.as_ref().map(disk::Measured::json);
        say(json!({
            "valid": true, "gateway": config.gateway.id, "mqtt": config.gateway.mqtt.to_string(),
            "data_dir": config.gateway.data_dir, "assignments": config.assignment.len(), "warnings": warnings, "disk": disk,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!(
        "configuration is valid: gateway {} on {}, data in {}, {}",
        config.gateway.id,
        config.gateway.mqtt,
        config.gateway.data_dir.display(),
        count(config.assignment.len() as u64, "assignment")
    ));
    warnings.iter().all(|warning| say(format_args!("warning: {warning}")));
    measured.iter().flat_map(disk::Measured::lines).all(say);
    Ok(ExitCode::SUCCESS)
}

fn serve(config: Config) -> Result<ExitCode, Failure> {
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        let mut stop = StopSignal::listen()?;
        let app = App::start(config).await?;
        say(format_args!("halo-gateway listens on mqtt://{}", app.address()));
        app.tls_address().iter().all(|address| say(format_args!("halo-gateway listens on mqtts://{address}")));
        unwritten().iter().for_each(|error| tracing::warn!(%error, "stdout cannot be written"));
        let failed = tokio::select! {
            reason = stop.heard() => { tracing::info!(reason, "stopping"); false }
            () = app.failed() => true,
        };
        let stopped = app.stop().await;
        tracing::info!(durable = stopped.durable.0, folded = stopped.folded.0, drained = stopped.drained, "stopped");
        Ok(if failed || !stopped.drained { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    });
    // A backup that is being copied is given up; everything else has ended by now.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    served
}

/// Sockets get half of the processors: log and river have threads of their own, which work harder. On two processors one
/// worker carried 1.06 times the acknowledgements of two, and 1.13 times the whole job.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_multi_thread().worker_threads((processors / 2).max(1)).enable_all().build()
}
