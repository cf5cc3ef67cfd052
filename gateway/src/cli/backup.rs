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
use crate::terminal::say;

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
    /// Take what is intact of a damaged backup; without it, a damaged one is refused.
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
    findings.iter().for_each(|finding| eprintln!("! {finding}"));
    let about = About {
        gateway: config.gateway.id,
        identities: Identities::of_folder(&data_dir)?,
        accounts: Some(config.auth.accounts.unwrap_or_else(|| data_dir.join(ACCOUNTS_FILE))),
        time: Clock::system().now(),
    };
    let shows_progress = io::stderr().is_terminal();
    let made = backup::backup(&log, &about, to, |progress| {
        if shows_progress {
            eprint!("\r{} of {} MB", progress.done >> 20, progress.total >> 20);
        }
    })?;
    if shows_progress {
        eprintln!();
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
    let (files, bytes, durable) = (&made["files"], &made["bytes"], &made["durable"]);
    say(format_args!("{path}: {files} files, {bytes} bytes, every record up to offset {durable}"));
}

/// Makes a data folder of a backup.
pub(super) fn restore(From { from, data_dir, force, json }: &From) -> Result<ExitCode, Failure> {
    let restored = backup::restore(from, data_dir, *force)?;
    let code = if restored.damaged.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
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
    restored.damaged.iter().for_each(|damaged| eprintln!("! {damaged}"));
    restored.findings.iter().for_each(|finding| eprintln!("! {finding}"));
    say(format_args!(
        "{}: gateway {} as of {}, {} records up to offset {}, {} bytes",
        data_dir.display(),
        restored.manifest.gateway,
        restored.manifest.time,
        restored.records,
        restored.durable,
        restored.bytes
    ));
    say(format_args!(
        "new records get message ids with {}; start it with `halo-gateway run --data-dir {}`",
        restored.identity,
        data_dir.display()
    ));
    Ok(code)
}
