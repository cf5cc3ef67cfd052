//! `halo-gateway state`: the checkpoints' engine, changed or measured.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{Failure, Settings};
use crate::clock::Clock;
use crate::halo::FOLD_VERSION;
use crate::store::fs::{Disk, Fs};
use crate::store::state::{self, Engine, Figures, Work};
use crate::store::{LOG_FOLDER, StoreError};
use crate::terminal::{complain, say};

/// What to do with the checkpoints.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Take the checkpoints over into another engine; the gateway must be stopped.
    Migrate {
        /// `redb` or `sled`.
        #[arg(long, value_name = "ENGINE", value_parser = engine)]
        to: Engine,
        /// One JSON document.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Measure every engine of this build with the same work: time per commit, bytes on disk, opening, rebuilding.
    Compare(Comparison),
}

/// What is measured, and where.
#[derive(Args)]
pub(super) struct Comparison {
    /// Rows, as many as subjects.
    #[arg(long, default_value_t = 20_000)]
    rows: u32,
    /// Bytes of a row.
    #[arg(long, default_value_t = 1_000)]
    value_bytes: usize,
    /// Rows of one commit.
    #[arg(long, default_value_t = 500)]
    commit_rows: u32,
    /// How often; figures are medians.
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// A folder on the disk that is to be measured; what is written there is removed again.
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs one of the commands.
pub(super) fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Migrate { to, json, settings } => migrate(to, json, &settings),
        Command::Compare(comparison) => compare(&comparison),
    }
}

fn engine(text: &str) -> Result<Engine, String> {
    let found = Engine::ALL.into_iter().find(|engine| engine.name() == text);
    found.ok_or_else(|| "wanted `redb` or `sled`".to_owned())
}

fn migrate(to: Engine, json: bool, settings: &Settings) -> Result<ExitCode, Failure> {
    // Before anything is locked or read: the target may be an engine that this build lacks.
    if !to.is_built() {
        return Err(state::StateError::NotBuilt(to.name()).into());
    }
    let data_dir = settings.load()?.gateway.data_dir;
    let _lock = lock(&data_dir)?;
    let migrated = state::migrate(&data_dir, to, FOLD_VERSION.into())?;
    if json {
        let rows: Map<String, Value> =
            migrated.rows.iter().map(|(table, rows)| ((*table).to_owned(), json!(rows))).collect();
        let checksum = format!("{:08x}", migrated.checksum);
        say(json!({"engine": to.name(), "path": migrated.path, "rows": rows, "checksum": checksum}));
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<String> = migrated.rows.iter().map(|(table, rows)| format!("{rows} {table}")).collect();
    say(format_args!("rows: {} in {}, checksum {:08x}", rows.join(", "), migrated.path.display(), migrated.checksum));
    say(format_args!("now write into the configuration:\n\n[state]\nengine = \"{}\"", to.name()));
    Ok(ExitCode::SUCCESS)
}

/// The data folder's lock: nobody else changes it meanwhile.
pub(super) fn lock(data_dir: &Path) -> Result<<Disk as Fs>::Lock, Failure> {
    let log = data_dir.join(LOG_FOLDER);
    if !log.is_dir() {
        let data_dir = data_dir.display();
        return Err(format!("{data_dir} holds no log: wanted a gateway's data folder (--data-dir)").into());
    }
    Disk.lock(&log.join("lock")).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => StoreError::InUse(data_dir.to_owned()).into(),
        _ => format!("lock {}: {error}", log.display()).into(),
    })
}

fn compare(comparison: &Comparison) -> Result<ExitCode, Failure> {
    let Comparison { rows, value_bytes, commit_rows, runs, dir, json } = comparison;
    let work = Work { rows: *rows, value_bytes: *value_bytes, commit_rows: *commit_rows, runs: *runs };
    let folder = dir.join(format!("halo-gateway-compare-{}", std::process::id()));
    std::fs::create_dir(&folder).map_err(|error| format!("create folder {}: {error}", folder.display()))?;
    let figures = state::compare(&folder, work, &Clock::system());
    // Also after a failure; what it failed of says more than a folder left behind.
    state::remove(&folder).ok();
    let figures = figures?;
    if *json {
        print_json(&figures, work);
    } else {
        print_table(&figures, work);
    }
    if !Engine::Sled.is_built() {
        complain("this build has redb only; build with --features sled to measure both");
    }
    Ok(ExitCode::SUCCESS)
}

fn print_json(figures: &[Figures], work: Work) {
    let engines: Vec<_> = figures
        .iter()
        .map(|it| {
            json!({
                "engine": it.engine.name(), "commit_ms": it.commit.as_millis(), "update_ms": it.update.as_millis(),
                "reopen_ms": it.reopen.as_millis(), "rebuild_ms": it.rebuild.as_millis(), "bytes": it.bytes,
            })
        })
        .collect();
    let work = json!({
        "rows": work.rows, "value_bytes": work.value_bytes, "commit_rows": work.commit_rows, "runs": work.runs,
    });
    say(json!({"machine": machine(), "work": work, "engines": engines}));
}

/// What a line of the table says, and its figure.
type Line = (&'static str, fn(&Figures) -> f64);

fn print_table(figures: &[Figures], work: Work) {
    let Work { rows, value_bytes, commit_rows, runs } = work;
    say(format_args!("{}; {rows} rows of {value_bytes} bytes, {commit_rows} a commit, median of {runs}\n", machine()));
    let names: Vec<&str> = figures.iter().map(|it| it.engine.name()).collect();
    say(format_args!("| | {} | ratio |", names.join(" | ")));
    say(format_args!("|---|{}---:|", "---:|".repeat(names.len())));
    let commits = u128::from(rows.div_ceil(commit_rows.max(1)));
    let lines: [Line; 6] = [
        ("one durable commit, ms", |it| it.commit.as_secs_f64() * 1e3),
        ("all rows, ms", |it| it.commit.as_secs_f64() * 1e3),
        ("a tenth of them again, ms", |it| it.update.as_secs_f64() * 1e3),
        ("open and read all, ms", |it| it.reopen.as_secs_f64() * 1e3),
        ("rebuild after damage, ms", |it| it.rebuild.as_secs_f64() * 1e3),
        ("on disk, MB", |it| it.bytes as f64 / 1e6),
    ];
    for (at, (what, figure)) in lines.into_iter().enumerate() {
        let per = if at == 0 { commits as f64 } else { 1.0 };
        let values: Vec<f64> = figures.iter().map(|it| figure(it) / per).collect();
        let cells: Vec<String> = values.iter().map(|value| format!("{value:.1}")).collect();
        let ratio = match values.as_slice() {
            [first, second] if *first > 0.0 => format!("{:.1}", second / first),
            _ => "–".to_owned(),
        };
        say(format_args!("| {what} | {} | {ratio} |", cells.join(" | ")));
    }
}

/// What it was measured on, as far as the system tells.
fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown CPU", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let build = if cfg!(debug_assertions) { "debug build" } else { "release build" };
    format!("{model}, {cores} cores, Linux {}, {build}", kernel.trim())
}
