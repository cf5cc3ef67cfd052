//! `halo-gateway log`: what stands in the log of a data folder. `verify` and `dump` read only, the gateway may be
//! running; `repair` wants it stopped.

use std::fmt::Write as _;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Failure;
use crate::record::{Account, Body, Cursor, Format, Frame, Offset, Record};
use crate::store::fs::Disk;
use crate::store::repair::Deed;
use crate::store::{self, Dumped, LOG_FOLDER};
use crate::terminal::{Out, complain, prompt, say};
use crate::units::count;

/// What to do with the log.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Read every byte of every segment and say what is damaged; exit code 1 if anything is.
    Verify(Folder),
    /// Print the records, oldest first, one per line.
    Dump {
        #[command(flatten)]
        folder: Folder,
        /// Begin with this offset (records, counted from 1).
        #[arg(long, value_name = "OFFSET", default_value_t = 1)]
        from: u64,
        /// Only records about this device.
        #[arg(long, value_name = "DEVICE")]
        device: Option<String>,
    },
    /// Make a damaged log readable again, with holes where records are lost; the gateway must be stopped. Exit code 1: it
    /// found damage and changed nothing.
    Repair {
        #[command(flatten)]
        folder: Folder,
        /// Only say what would be done; the default.
        #[arg(long, conflicts_with = "write")]
        dry_run: bool,
        /// Do it; damaged segments are kept as `*.damaged`.
        #[arg(long)]
        write: bool,
    },
}

/// Which log, and how to print.
#[derive(Args)]
pub(super) struct Folder {
    /// The gateway's data folder.
    #[arg(value_name = "DATA_DIR")]
    data_dir: PathBuf,
    /// One JSON document per line; payloads in hexadecimal.
    #[arg(long)]
    json: bool,
}

/// Runs one of the commands.
pub(super) fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Verify(folder) => verify(&folder),
        Command::Dump { folder, from, device } => dump(&folder, Offset(from), device.as_deref()),
        Command::Repair { folder, write, .. } => repair(&folder, write),
    }
}

/// The log's own folder; a data folder without one is named as such rather than shown as empty.
fn log_folder(folder: &Folder) -> Result<PathBuf, Failure> {
    let log = folder.data_dir.join(LOG_FOLDER);
    if log.is_dir() {
        return Ok(log);
    }
    Err(format!(
        "{} holds no log: wanted a gateway's data folder, with a folder {LOG_FOLDER:?} in it",
        folder.data_dir.display()
    )
    .into())
}

fn verify(folder: &Folder) -> Result<ExitCode, Failure> {
    let log = log_folder(folder)?;
    let shows_progress = io::stderr().is_terminal();
    let verified = store::verify(&Disk, &log, |so_far| {
        if shows_progress {
            prompt(format_args!("\r{} of {} MB", so_far.done >> 20, so_far.total >> 20));
        }
    })?;
    if shows_progress {
        complain("");
    }
    for finding in &verified.findings {
        if folder.json {
            let (from, until) = (finding.bytes.start, finding.bytes.end);
            say(json!({"finding": finding.to_string(), "segment": finding.segment, "from": from, "until": until}));
        } else {
            say(finding);
        }
    }
    let (segments, records, findings) = (verified.segments, verified.records, verified.findings.len());
    if folder.json {
        say(json!({"segments": segments, "records": records, "bytes": verified.bytes, "findings": findings}));
    } else {
        let found = count(findings as u64, "finding");
        let (segments, records) = (count(segments as u64, "segment"), count(records, "record"));
        say(format_args!("{segments}, {records}, {}: {found}", count(verified.bytes, "byte")));
    }
    Ok(if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn repair(folder: &Folder, write: bool) -> Result<ExitCode, Failure> {
    let repaired = store::repair::repair(&Disk, &log_folder(folder)?, write)?;
    for mended in &repaired.mended {
        let deed = match &mended.deed {
            Deed::Rewritten { kept, filled } => {
                format!("{} kept, {} lost", count(*kept, "record"), count(*filled, "byte"))
            }
            Deed::Replaced => "replaced by a segment without records".to_owned(),
            Deed::SetAside => "no part of the log: set aside".to_owned(),
            Deed::Left(why) => format!("left as it is: {why}"),
        };
        if folder.json {
            let findings: Vec<_> = mended
                .findings
                .iter()
                .map(|it| {
                    let lost = it.offsets.as_ref().map(|lost| json!([lost.start().0, lost.end().0]));
                    json!({"finding": it.to_string(), "from": it.bytes.start, "until": it.bytes.end, "lost": lost})
                })
                .collect();
            let kept_as = mended.kept_as.as_ref().map(|path| path.display().to_string());
            let repairable = mended.is_repairable();
            say(
                json!({"segment": mended.segment, "deed": deed, "repairable": repairable, "kept_as": kept_as, "findings": findings}),
            );
            continue;
        }
        for finding in &mended.findings {
            say(finding);
        }
        let kept_as = mended.kept_as.as_ref().map(|path| format!("; the damaged file is kept as {}", path.display()));
        say(format_args!("segment {}: {deed}{}", mended.segment, kept_as.unwrap_or_default()));
    }
    let repairable = repaired.mended.iter().filter(|mended| mended.is_repairable()).count();
    if !folder.json {
        match (repairable, write) {
            (0, _) => say("nothing to repair"),
            (n, false) => {
                let segments = count(n as u64, "segment");
                say(format_args!("{segments} can be repaired: stop the gateway and add --write"))
            }
            (n, true) => {
                let segments = count(n as u64, "segment");
                say(format_args!("{segments} repaired; findings left: {}", repaired.left.len()))
            }
        };
    }
    Ok(if write || repairable == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn dump(folder: &Folder, from: Offset, device: Option<&str>) -> Result<ExitCode, Failure> {
    let log = log_folder(folder)?;
    let mut out = BufWriter::new(Out);
    let mut written = Ok(());
    store::dump(&Disk, &log, from..=Offset(u64::MAX), |dumped| {
        written = match dumped {
            Dumped::Record(record) if device.is_none_or(|device| is_about(&record, device)) => {
                line(&record, folder.json, &mut out)
            }
            Dumped::Record(_) => Ok(()),
            Dumped::Finding(finding) if folder.json => {
                writeln!(out, "{}", json!({"kind": "finding", "what": finding.to_string()}))
            }
            Dumped::Finding(finding) => writeln!(out, "! {finding}"),
        };
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    // What is left of a failed write is not tried again; `Out` has noted why it failed.
    match written {
        Ok(()) => drop(out.flush()),
        Err(_) => drop(out.into_parts()),
    }
    Ok(ExitCode::SUCCESS)
}

fn is_about(record: &Record, device: &str) -> bool {
    describe(&record.body).1.get("device").is_some_and(|named| named == device)
}

fn line(record: &Record, as_json: bool, out: &mut impl Write) -> io::Result<()> {
    let (kind, mut fields) = describe(&record.body);
    let time = time(record.stamp.wall_ms);
    if as_json {
        let common = [
            ("kind", json!(kind)),
            ("offset", json!(record.offset.0)),
            ("epoch", json!(record.epoch.0)),
            ("time", json!(time)),
            ("mono_ms", json!(record.stamp.mono_ms)),
            ("cause", json!(record.cause.map(|cause| cause.0))),
        ];
        fields.extend(common.map(|(key, value)| (key.to_owned(), value)));
        return writeln!(out, "{}", Value::Object(fields));
    }
    write!(out, "{:>8}  {time}  {kind:<11}", record.offset.0)?;
    if let Some(cause) = record.cause {
        write!(out, " because of {cause}")?;
    }
    for (key, value) in &fields {
        match value {
            Value::String(text) => write!(out, " {key} {text}")?,
            other => write!(out, " {key} {other}")?,
        }
    }
    writeln!(out)
}

/// RFC 3339, to the millisecond.
pub(super) fn time(unix_ms: i64) -> String {
    Timestamp::from_millisecond(unix_ms).map_or_else(|_| "-".to_owned(), |time| format!("{time:.3}"))
}

/// The kind's name and what it says.
pub(super) fn describe(body: &Body) -> (&'static str, Map<String, Value>) {
    let (kind, fields) = match body {
        Body::Frame(frame) => ("frame", frame_fields(frame)),
        Body::Replayed(frame) => ("replayed", frame_fields(frame)),
        Body::Retained(retained) => {
            let device = retained.topic.split('/').rev().nth(1);
            (
                "retained",
                json!({"topic": *retained.topic, "device": device, "publisher": *retained.publisher, "qos": retained.qos, "payload": hex(&retained.payload)}),
            )
        }
        Body::Tick => ("tick", json!({})),
        Body::Start(start) => ("start", json!({"version": start.version})),
        Body::WallJump(jump) => ("wall-jump", json!({"by_ms": jump.by_ms})),
        Body::Config(config) => (
            "config",
            json!({"hash": config.hash, "assignments": config.assignments.len(), "silent_after_ms": config.silent_after_ms, "forecasts": config.forecasts}),
        ),
        Body::Connected(presence) => ("connected", json!({"device": *presence.device, "subject": *presence.subject})),
        Body::Gone(presence) => ("gone", json!({"device": *presence.device, "subject": *presence.subject})),
        Body::Quarantine(it) => {
            ("quarantine", json!({"device": *it.device, "subject": *it.subject, "reason": it.reason}))
        }
        Body::Gap(gap) => (
            "gap",
            json!({"device": *gap.device, "subject": *gap.subject, "boot": gap.boot, "first": gap.first, "last": gap.last}),
        ),
        Body::Duplicates(it) => {
            ("duplicates", json!({"device": *it.device, "subject": *it.subject, "count": it.count}))
        }
        Body::Conflict(it) => (
            "conflict",
            json!({"device": *it.device, "subject": *it.subject, "boot": it.identity.boot, "seq": it.identity.seq}),
        ),
        Body::Cursor(it) => ("cursor", cursor_fields(it)),
        Body::Act(act) => ("act", json!({"by": act.by, "deed": act.deed})),
        Body::Dropped(it) => (
            "dropped",
            json!({
                "device": *it.device, "subject": *it.subject, "boot": it.boot, "first": it.first, "last": it.last,
                "frames": it.frames, "from": it.stretch.first.0, "until": it.stretch.last.0, "reason": it.reason,
                "missed": it.missed,
            }),
        ),
        Body::Expired(it) => ("expired", json!({"device": *it.device, "subject": *it.subject, "reason": it.reason})),
        Body::Damaged(it) => (
            "damaged",
            json!({"segment": it.segment, "from": it.lost.first.0, "until": it.lost.last.0, "reason": it.what}),
        ),
        Body::Reply(reply) => {
            ("reply", json!({"device": *reply.device, "subject": *reply.subject, "said": reply.said}))
        }
        Body::Spark(spark) => ("spark", json!({"subject": *spark.subject, "rule": *spark.rule, "turn": spark.turn})),
        Body::Cohort(it) => (
            "cohort",
            json!({
                "cohort": *it.cohort, "members": it.count.members,
                "figures": it.count.figures.iter().map(|figure| json!({
                    "path": figure.path, "of": figure.of, "n": figure.summary.n, "mean": figure.summary.mean,
                })).collect::<Vec<_>>(),
            }),
        ),
        Body::Carry(carry) => (
            "carry",
            json!({
                "set": carry.set, "part": carry.part, "bytes": carry.bytes.len(),
                "replay_from": carry.end.map(|end| end.from.0),
            }),
        ),
    };
    let Value::Object(fields) = fields else { return (kind, Map::new()) };
    (kind, fields)
}

fn cursor_fields(cursor: &Cursor) -> Value {
    let Account { forwarded, quarantined, dropped } = cursor.progress.account;
    let backfill: Vec<_> = cursor.progress.backfill.iter().map(|it| json!([it.first.0, it.last.0])).collect();
    json!({
        "consumer": *cursor.consumer, "confirmed": cursor.confirmed.0, "live": cursor.progress.live.0,
        "backfill": backfill, "forwarded": forwarded, "quarantined": quarantined, "dropped": dropped,
        "early": cursor.progress.early, "sparks": cursor.progress.sparks.map(|at| at.0),
    })
}

fn frame_fields(frame: &Frame) -> Value {
    let format = match frame.format {
        Format::Tf1 => "tf1",
        Format::Json => "json",
        Format::Senml => "senml",
        Format::Unknown => "unknown",
        Format::Proven => "tf1-proven",
        Format::Unproven => "unproven",
    };
    json!({
        "device": *frame.device, "subject": *frame.subject, "publisher": *frame.publisher, "format": format,
        "boot": frame.identity.map(|identity| identity.boot), "seq": frame.identity.map(|identity| identity.seq),
        "qos": frame.qos, "offset_ms": frame.clock.offset_ms, "payload": hex(&frame.payload),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}
