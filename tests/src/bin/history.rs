//! How long a day of one signal takes out of a long log: `cargo run --release -p halo-tests --bin history`.
//!
//! It writes a log as a fleet of wristbands makes it, a frame of ten readings every ten seconds from each, lets
//! `halo-gateway history` take 24 hours of one signal of one of them out of it, checks that every reading came, and
//! times the whole process: cold (the page cache dropped, which wants root) and warm. The log is deleted afterwards.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use halo_gateway::record::{Body, ClockSource, ClockUse, Format, Frame, GatewayTime, Identity, Name, Start};
use halo_gateway::store::fs::Disk;
use halo_gateway::store::{LOG_FOLDER, Log, Options};
use halo_proto::chunk::Times;
use halo_proto::frame::Header;
use halo_proto::schema::{FrameBuilder, Schema};
use halo_tests::{Failure, evidence};

/// The wristband of the registry, and a signal of its first group.
const SCHEMA: u32 = 1;
const SIGNAL: &str = "heart_rate";
/// Milliseconds between two frames of a device; as many rows as seconds in each.
const EVERY_MS: i64 = 10_000;
const ROWS: i64 = 10;
const DAY_MS: i64 = 86_400_000;
/// Readings of a signal in a day.
const READINGS: usize = (DAY_MS / EVERY_MS * ROWS) as usize;
/// Different payloads made; a device takes them in turn.
const PAYLOADS: u32 = 8_640;

/// Times a day of one signal out of a long log.
#[derive(Parser)]
struct Arguments {
    /// Megabytes of log to write.
    #[arg(long, default_value_t = 3_000)]
    megabytes: u64,
    /// Devices that send.
    #[arg(long, default_value_t = 1_000)]
    devices: u32,
    /// Times each question is asked.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Where to write; a folder of its own is made and deleted there.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let folder = tempfile::tempdir_in(&arguments.folder)?;
    let log = folder.path().join(LOG_FOLDER);
    let (first_ms, last_ms) = write(&log, &arguments)?;
    let (segments, bytes) = size(&log)?;
    let machine = evidence::machine();
    println!("machine   {machine}");
    println!(
        "log       {} MB in {segments} segments, {} devices, {:.1} days, a frame of {ROWS} readings every {} s from each",
        bytes / 1_000_000,
        arguments.devices,
        (last_ms - first_ms) as f64 / DAY_MS as f64,
        EVERY_MS / 1_000,
    );
    let newest = (last_ms + EVERY_MS - DAY_MS, "the newest day");
    let oldest = (first_ms, "the oldest day, and late frames up to the end");
    let days = if last_ms - first_ms > 2 * DAY_MS { vec![newest, oldest] } else { vec![newest] };
    for (from_ms, what) in days {
        for cold in [true, false] {
            let mut took = Vec::new();
            for _ in 0..arguments.rounds {
                if cold && !drop_caches() {
                    println!("cold      not measured: the page cache can be dropped by root only");
                    break;
                }
                took.push(ask(folder.path(), from_ms, arguments.devices / 2)?);
            }
            took.sort_unstable();
            if let (Some(median), Some(worst)) = (took.get(took.len() / 2), took.last()) {
                let how = if cold { "cold" } else { "warm" };
                println!(
                    "{how}      {what}: median {median:.0?}, worst {worst:.0?} of {} ({READINGS} readings as CSV)",
                    took.len()
                );
            }
        }
    }
    Ok(())
}

/// Writes the log; when its first and its last frame were taken.
fn write(log: &Path, arguments: &Arguments) -> Result<(i64, i64), Failure> {
    let payloads = (0..PAYLOADS).map(payload).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<Name> = (0..arguments.devices).map(|n| format!("wristband-{n:05}").into()).collect();
    let (mut log, _) = Log::open(Disk, log, Options::default())?;
    // Ends about now; how long it is follows from how much there is to be.
    let record_bytes = 56 + 16 + payloads.iter().map(|it| it.len() as u64).sum::<u64>() / u64::from(PAYLOADS) + 16;
    let rounds = arguments.megabytes * 1_000_000 / (record_bytes * u64::from(arguments.devices));
    let rounds = i64::try_from(rounds)?.max(DAY_MS / EVERY_MS);
    let now_ms = i64::try_from(now()?.as_millis())? / EVERY_MS * EVERY_MS;
    let first_ms = now_ms - rounds * EVERY_MS;
    let at = |ms: i64| GatewayTime { wall_ms: ms, mono_ms: (ms - first_ms).unsigned_abs() };
    log.push(&Body::Start(Start { version: "bench".into() }).into(), at(first_ms))?;
    for round in 0..rounds {
        let seq = u32::try_from(round)?;
        let payload = payloads.get((seq % PAYLOADS) as usize).ok_or("payloads are made")?;
        let boot = 1 + seq / PAYLOADS;
        // A frame is sent when its last row was taken.
        let arrival = at(first_ms + (round + 1) * EVERY_MS);
        for name in &names {
            let offset_ms = first_ms + i64::from(boot - 1) * i64::from(PAYLOADS) * EVERY_MS;
            let frame = Frame {
                device: name.clone(),
                publisher: name.clone(),
                subject: name.clone(),
                identity: Some(Identity { boot, seq: seq % PAYLOADS }),
                format: Format::Tf1,
                arrival,
                qos: 1,
                clock: ClockUse { offset_ms, source: ClockSource::Estimated },
                payload: payload.clone().into(),
            };
            log.push(&Body::Frame(frame).into(), arrival)?;
        }
        log.commit()?;
        if round % 1_000 == 0 {
            eprintln!("{round} of {rounds} rounds");
        }
    }
    log.close()?;
    Ok((first_ms, first_ms + (rounds - 1) * EVERY_MS))
}

fn payload(seq: u32) -> Result<Vec<u8>, Failure> {
    let schema = Schema::from_registry(SCHEMA).ok_or("the wristband is registered")?;
    let group = schema.groups.first().ok_or("it has a group")?;
    let value = |bias: i64, row: i64| Some(bias + (i64::from(seq) + row) % 7);
    let columns: Vec<Vec<Option<i64>>> =
        group.columns.iter().map(|column| (0..ROWS).map(|row| value(column.bias, row)).collect()).collect();
    let columns: Vec<&[Option<i64>]> = columns.iter().map(Vec::as_slice).collect();
    let t0_ms = u64::from(seq) * EVERY_MS.unsigned_abs();
    let mut builder = FrameBuilder::new();
    let begun = builder.begin(&Header { schema: SCHEMA, boot: 1, seq, t0_ms });
    begun
        .and_then(|it| it.chunk(&schema, 0, Times::From(t0_ms.cast_signed()), &columns))
        .map_err(|error| format!("{error:?}"))?;
    Ok(builder.finish().to_vec())
}

/// How long the program takes for a day.
fn ask(folder: &Path, from_ms: i64, device: u32) -> Result<Duration, Failure> {
    let program = std::env::current_exe()?.with_file_name("halo-gateway");
    if !program.exists() {
        return Err(format!("{} is not there; build it first: cargo build --release", program.display()).into());
    }
    let time = |ms: i64| jiff::Timestamp::from_millisecond(ms).map(|time| time.to_string());
    let begun = stopwatch();
    let mut command = Command::new(program);
    command.args(["history", &format!("wristband-{device:05}"), SIGNAL, "--csv", "--from"]).arg(time(from_ms)?);
    command.arg("--to").arg(time(from_ms + DAY_MS)?).arg("--data-dir").arg(folder);
    let output = command.stdin(Stdio::null()).output()?;
    let took = begun.elapsed();
    let lines = output.stdout.iter().filter(|byte| **byte == b'\n').count();
    if !output.status.success() || lines != READINGS + 1 {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{lines} lines instead of {}: {said}", READINGS + 1).into());
    }
    Ok(took)
}

fn size(log: &Path) -> Result<(usize, u64), Failure> {
    let mut sizes = Vec::new();
    for entry in std::fs::read_dir(log)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|it| it == "seg") {
            sizes.push(entry.metadata()?.len());
        }
    }
    Ok((sizes.len(), sizes.iter().sum()))
}

/// Makes the machine forget what it has read; only root may.
fn drop_caches() -> bool {
    rustix::fs::sync();
    std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}

#[expect(clippy::disallowed_methods, reason = "a stopwatch, not a part of the program")]
fn stopwatch() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the log is to end about now")]
fn now() -> Result<Duration, Failure> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}
