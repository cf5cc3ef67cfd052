//! `halo-gateway backup` and `restore`: a data folder is copied, by the gateway itself where one runs on it, and brought
//! back.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::client::Target;
use super::{Failure, Settings, state};
use crate::admin::Command;
use crate::clock::Clock;
use crate::record::Offset;
use crate::store::backup::{self, ACCOUNTS_FILE, About, Backup};
use crate::store::fs::Disk;
use crate::store::identity::Identities;
use crate::store::{LOG_FOLDER, Reader};
use crate::terminal::{complain, prompt, say};
use crate::units::count;

/// Restored, and not everything is as it was.
const DAMAGED: u8 = 3;

/// Where a backup goes.
#[derive(Args)]
pub(super) struct To {
    /// A folder that does not exist yet.
    #[arg(value_name = "DIR")]
    to: PathBuf,
    /// One JSON document.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: Settings,
}

/// Where a data folder comes from.
#[derive(Args)]
pub(super) struct From {
    /// The backup.
    #[arg(value_name = "DIR")]
    from: PathBuf,
    /// The data folder to make; it must not exist, or be empty.
    #[arg(long, value_name = "NEW")]
    data_dir: PathBuf,
    /// Take what is intact of a damaged backup; without it, a damaged one is refused. Then the exit code is 3.
    #[arg(long)]
    force: bool,
    /// One JSON document per line: what was damaged or found, and last what was restored.
    #[arg(long)]
    json: bool,
}

/// Has the gateway that runs on a data folder copy it; copies it itself where none runs.
pub(super) fn backup(To { to, json, settings }: &To) -> Result<ExitCode, Failure> {
    let config = settings.load()?;
    let target = Target { data_dir: config.gateway.data_dir.clone(), json: false };
    let to = &std::path::absolute(to)?;
    if let Some(rows) = target.try_ask(Command::Backup { to: to.clone() })? {
        rows.iter().for_each(|made| tell(made, *json));
        return Ok(ExitCode::SUCCESS);
    }
    let data_dir = config.gateway.data_dir;
    let _lock = state::lock(&data_dir)?;
    let (log, findings) = Reader::over(Disk, &data_dir.join(LOG_FOLDER), Offset(0))?;
    findings.iter().for_each(|finding| complain(format_args!("! {finding}")));
    let about = About {
        gateway: config.gateway.id,
        identities: Identities::of_folder(&data_dir)?,
        accounts: Some(config.auth.accounts.unwrap_or_else(|| data_dir.join(ACCOUNTS_FILE))),
        time: Clock::system().now(),
    };
    let shows_progress = io::stderr().is_terminal();
    let made = backup::backup(&log, &about, to, |so_far| {
        if shows_progress {
            prompt(format_args!("\r{} of {} MB", so_far.done >> 20, so_far.total >> 20));
        }
    })?;
    if shows_progress {
        complain("");
    }
    let Backup { path, durable, files, bytes } = made;
    tell(&json!({"path": path, "files": files, "bytes": bytes, "durable": durable.0}), *json);
    Ok(ExitCode::SUCCESS)
}

/// A backup that was made: `path`, `files`, `bytes`, `durable` (the last offset in it).
fn tell(made: &Value, as_json: bool) {
    if as_json {
        say(made);
        return;
    }
    let path = made["path"].as_str().unwrap_or_default();
    let counted = |key: &str, one| count(made[key].as_u64().unwrap_or_default(), one);
    let (files, bytes, durable) = (counted("files", "file"), counted("bytes", "byte"), &made["durable"]);
    say(format_args!("{path}: {files}, {bytes}, every record up to offset {durable}"));
}

/// Makes a data folder of a backup.
pub(super) fn restore(From { from, data_dir, force, json }: &From) -> Result<ExitCode, Failure> {
    let restored = backup::restore(from, data_dir, *force)?;
    let is_intact = restored.damaged.is_empty() && restored.findings.is_empty();
    let code = if is_intact { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) };
    if *json {
        restored.damaged.iter().all(|damaged| say(json!({"damaged": damaged})));
        restored.findings.iter().all(|finding| say(json!({"finding": finding.to_string()})));
        say(json!({
            "data_dir": data_dir, "gateway": restored.manifest.gateway, "time": restored.manifest.time,
            "records": restored.records, "durable": restored.durable.0, "bytes": restored.bytes,
            "identity": restored.identity, "damaged": restored.damaged.len(), "findings": restored.findings.len(),
        }));
        return Ok(code);
    }
    restored.damaged.iter().for_each(|damaged| complain(format_args!("! {damaged}")));
    restored.findings.iter().for_each(|finding| complain(format_args!("! {finding}")));
    say(format_args!(
        "{}: gateway {} as of {}, {} up to offset {}, {}",
        data_dir.display(),
        restored.manifest.gateway,
        restored.manifest.time,
        count(restored.records, "record"),
        restored.durable,
        count(restored.bytes, "byte")
    ));
    if !is_intact {
        complain("damage was found (lines with ! above): what it touched is lost, everything else is restored");
    }
    say(format_args!(
        "new records get message ids with {}; start it with `halo-gateway run --data-dir {}`",
        restored.identity,
        data_dir.display()
    ));
    Ok(code)
}
