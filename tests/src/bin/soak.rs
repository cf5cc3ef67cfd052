//! A long run under faults: a fleet, a gateway that is killed and stopped, an upstream that comes and goes; every second
//! the gateway's memory, open files and disk are written down.
//!
//! `cargo run --release -p halo-tests --bin soak -- --devices 200 --for 30m --evidence FILE`. In the first half the
//! gateway itself is struck as well; in the second half only what is around it, so that a leak shows as a slope. Exit
//! code 1 when a rule of the checker is broken or a slope is too steep.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Parser;
use halo_checker::{Ledger, Log, Received, Report, Sent, check};
use halo_tests::clock::{Stopwatch, pass};
use halo_tests::mqtt::{Client, Packet};
use halo_tests::process::{Gateway, free_address, run};
use halo_tests::random::Random;
use halo_tests::trial::Load;
use halo_tests::{Failure, evidence};
use serde::Serialize;
use serde_json::json;

/// Between two samples.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// Between two faults, seconds.
const FAULT_EVERY_S: std::ops::Range<u64> = 5..20;
/// Growth of resident memory in the second half that is no leak: allocators and caches settle.
const RSS_GROWTH_MAX: u64 = 16 << 20;
/// The same of open files: connections that come and go.
const FILES_GROWTH_MAX: u64 = 16;
/// The consumer's name of the upstream in the log.
const UPSTREAM: &str = "far";

/// A long run under faults.
#[derive(Parser)]
struct Arguments {
    /// Devices, a frame a second each.
    #[arg(long, default_value_t = 200)]
    devices: u32,
    /// How long, such as 2m or 1h.
    #[arg(long = "for", default_value = "30m", value_parser = halo_gateway::units::parse_duration)]
    duration: Duration,
    /// Where all chance comes from.
    #[arg(long, default_value_t = 20_261_122)]
    seed: u64,
    /// Settings of the gateway; {upstream} is the upstream's port, such as `upstream=[{name="far", …}]`.
    #[arg(long = "set")]
    sets: Vec<String>,
    /// The data folder may not grow beyond this many bytes.
    #[arg(long, default_value_t = 10_000_000_000)]
    disk_max: u64,
    /// Write the figures here, as JSON.
    #[arg(long)]
    evidence: Option<PathBuf>,
}

/// The gateway at one moment.
#[derive(Clone, Copy, Debug, Serialize)]
struct Sample {
    at_s: u64,
    rss: u64,
    files: u64,
    disk: u64,
    acknowledged: u64,
}

fn main() -> ExitCode {
    match work(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::from(2)
        }
    }
}

fn work(arguments: &Arguments) -> Result<bool, Failure> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let mut upstream = Upstream::start(folder.path())?;
    let sets: Vec<String> =
        arguments.sets.iter().map(|set| set.replace("{upstream}", &upstream.address.port().to_string())).collect();
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    let address = free_address()?;
    let mut gateway = Gateway::start(&data, address, &sets)?;
    // A fault proxy between the devices and the gateway goes here: the load is given its address.
    let mut load = Load::live(address, arguments.devices, arguments.seed)?;
    let (mut random, watch) = (Random::new(arguments.seed), Stopwatch::new());
    let (mut samples, mut faults) = (Vec::new(), BTreeMap::<&str, u32>::new());
    let mut next_fault = fault_after(watch.elapsed(), &mut random);
    while watch.elapsed() < arguments.duration {
        pass(SAMPLE_EVERY);
        samples.push(sample(&watch, &gateway, &data, &load)?);
        if samples.len() % 10 == 0 {
            println!("{:?}", samples.last());
        }
        if watch.elapsed() >= next_fault {
            next_fault = fault_after(watch.elapsed(), &mut random);
            let strikes_the_gateway = watch.elapsed() * 2 < arguments.duration;
            let fault = match random.below(if strikes_the_gateway { 4 } else { 2 }) {
                0 | 1 => upstream.restart().map(|()| "upstream restarted")?,
                2 => {
                    gateway.kill();
                    gateway = Gateway::start(&data, address, &sets)?;
                    "gateway killed"
                }
                _ => {
                    if !gateway.stop()?.success() {
                        return Err("the gateway did not drain".into());
                    }
                    gateway = Gateway::start(&data, address, &sets)?;
                    "gateway stopped"
                }
            };
            *faults.entry(fault).or_default() += 1;
        }
    }
    let summary = load.drain();
    if !gateway.stop()?.success() {
        return Err("the gateway did not drain".into());
    }
    let report = judge(&data, &load, &upstream)?;
    println!("{report}");
    let slope = Growth::of(&samples, arguments.duration);
    let disk_most = samples.iter().map(|sample| sample.disk).max().unwrap_or(0);
    let holds = report.holds()
        && summary.unacked == 0
        && slope.is_flat()
        && disk_most <= arguments.disk_max
        && summary.acked > 0;
    let fields = json!({
        "what": "a long run under faults", "holds": holds, "devices": arguments.devices, "seed": arguments.seed,
        "seconds": arguments.duration.as_secs(), "fleet": summary, "faults": faults, "growth_in_second_half": slope,
        "disk_most": disk_most, "report": report, "sets": arguments.sets,
        "samples": samples.iter().step_by((samples.len() / 120).max(1)).collect::<Vec<_>>(),
    });
    let fields = fields.as_object().cloned().unwrap_or_default();
    println!("{:#}", evidence::write(arguments.evidence.as_deref(), fields)?);
    Ok(holds)
}

fn fault_after(now: Duration, random: &mut Random) -> Duration {
    now + Duration::from_secs(FAULT_EVERY_S.start + random.below(FAULT_EVERY_S.end - FAULT_EVERY_S.start))
}

/// The checker's judgement of everything so far.
fn judge(data: &Path, load: &Load, upstream: &Upstream) -> Result<Report, Failure> {
    let frames = load.frames();
    let ledger = frames.iter().map(|(key, entry)| {
        let identity = (key.device.to_string(), u64::from(key.boot), u64::from(key.seq));
        let sent = Sent { crc: crc32c(&entry.payload), acknowledged: entry.acked_ms.is_some(), bad: false };
        (identity, sent)
    });
    let dump = run(&["log", "dump", "--json", &data.display().to_string()])?;
    let log = Log::read(&String::from_utf8(dump.stdout)?)?;
    let mut upstreams = BTreeMap::new();
    // Nothing is forwarded until an upstream is configured; its cursor shows that it is.
    if log.cursors.contains_key(UPSTREAM) {
        upstreams.insert(UPSTREAM.to_owned(), Received::read(&upstream.received())?);
    }
    Ok(check(&Ledger(ledger.collect()), &log, &upstreams, false))
}

/// CRC-32C (Castagnoli), bit by bit: the checker's own view of the sender's bytes.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0_u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

/// How much more there is at the end of the second half than at its beginning, each the least of a tenth of it.
#[derive(Debug, Serialize)]
struct Growth {
    rss: u64,
    files: u64,
    looked_at: usize,
}

impl Growth {
    fn of(samples: &[Sample], duration: Duration) -> Self {
        // A gateway that was struck last needs a while to be warm: the second half without its first fifth.
        let from = duration.as_secs() * 6 / 10;
        let late: Vec<&Sample> = samples.iter().filter(|sample| sample.at_s >= from).collect();
        let tenth = (late.len() / 10).max(1);
        let least = |part: &[&Sample], of: fn(&Sample) -> u64| part.iter().map(|it| of(it)).min().unwrap_or(0);
        let (first, last) = (&late[..tenth.min(late.len())], &late[late.len().saturating_sub(tenth)..]);
        let growth = |of: fn(&Sample) -> u64| least(last, of).saturating_sub(least(first, of));
        Self { rss: growth(|it| it.rss), files: growth(|it| it.files), looked_at: late.len() }
    }

    fn is_flat(&self) -> bool {
        self.looked_at > 0 && self.rss <= RSS_GROWTH_MAX && self.files <= FILES_GROWTH_MAX
    }
}

fn sample(watch: &Stopwatch, gateway: &Gateway, data: &Path, load: &Load) -> Result<Sample, Failure> {
    let process = PathBuf::from(format!("/proc/{}", gateway.pid()));
    let status = std::fs::read_to_string(process.join("status"))?;
    let kilobytes =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    Ok(Sample {
        at_s: watch.elapsed().as_secs(),
        rss: kilobytes.unwrap_or(0_u64) * 1024,
        files: std::fs::read_dir(process.join("fd"))?.count() as u64,
        disk: size(data),
        acknowledged: load.progress().counts.acked,
    })
}

/// Bytes allocated below a folder; what disappears meanwhile counts nothing.
fn size(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    };
    entries.map(of).sum()
}

/// A mosquitto far away, and what arrives there.
struct Upstream {
    config: PathBuf,
    address: SocketAddr,
    process: Child,
    lines: Arc<Mutex<String>>,
    over: Arc<AtomicBool>,
}

impl Upstream {
    fn start(folder: &Path) -> Result<Self, Failure> {
        let address = free_address()?;
        let config = folder.join("mosquitto.conf");
        std::fs::write(&config, format!("listener {} 127.0.0.1\nallow_anonymous true\n", address.port()))?;
        let process = mosquitto(&config)?;
        let (lines, over) = (Arc::<Mutex<String>>::default(), Arc::new(AtomicBool::new(false)));
        let (book, end) = (Arc::clone(&lines), Arc::clone(&over));
        drop(
            std::thread::Builder::new()
                .name("far-subscriber".to_owned())
                .spawn(move || listen(address, &book, &end))?,
        );
        Ok(Self { config, address, process, lines, over })
    }

    fn restart(&mut self) -> Result<(), Failure> {
        drop(self.process.kill());
        self.process.wait()?;
        self.process = mosquitto(&self.config)?;
        Ok(())
    }

    fn received(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn mosquitto(config: &Path) -> Result<Child, Failure> {
    let mut command = Command::new("mosquitto");
    Ok(command.arg("-c").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}

/// Keeps a line of every document with an id; comes back when the upstream does.
fn listen(address: SocketAddr, lines: &Mutex<String>, over: &AtomicBool) {
    while !over.load(Ordering::Acquire) {
        if let Ok((mut client, _)) = Client::connect(address, "far-subscriber", false, Duration::from_secs(2)) {
            let Ok(mut before) = client.subscribe("#").map(Vec::into_iter) else { continue };
            while !over.load(Ordering::Acquire) {
                match before.next().map_or_else(|| client.read(), Ok) {
                    Ok(Packet::Message(_, payload, id)) => {
                        if let Ok(text) = std::str::from_utf8(&payload)
                            && text.contains("\"mid\"")
                        {
                            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                            lines.push_str(text.trim());
                            lines.push('\n');
                        }
                        if id.is_some_and(|id| client.acknowledge(id).is_err()) {
                            break;
                        }
                    }
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
        }
        pass(Duration::from_millis(50));
    }
}
