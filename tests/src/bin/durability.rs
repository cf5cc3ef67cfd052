//! Cuts the power of a disk under a real gateway, and kills gateways, and counts what was acknowledged and is gone.
//!
//! `cargo run --release -p halo-tests --bin durability -- --cuts 1000 --kills 10000 --evidence FILE`. Wants root,
//! `/dev/fuse`, loop devices, nbdkit and nbdfuse for the cuts. Exit code 1 when anything acknowledged was lost, or when
//! the negative control lost nothing.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::Parser;
use halo_tests::clock::Stopwatch;
use halo_tests::random::Random;
use halo_tests::rig::{FileSystem, is_possible_or_skip};
use halo_tests::trial::{Blow, Plan, Tally, run};
use halo_tests::{Failure, evidence};
use serde_json::{Map, Value, json};

/// Blows of the negative control: each must lose.
const CONTROL_BLOWS: u32 = 5;

/// Power cuts and kills of a gateway under load; nothing acknowledged may be lost.
#[derive(Parser)]
struct Arguments {
    /// Power cuts, shared evenly among the file systems.
    #[arg(long, default_value_t = 0)]
    cuts: u32,
    /// kill -9 on an ordinary disk.
    #[arg(long, default_value_t = 0)]
    kills: u32,
    /// File systems of the cuts.
    #[arg(long, value_delimiter = ',', default_value = "ext4,xfs")]
    fs: Vec<FileSystem>,
    /// Where all chance comes from.
    #[arg(long, default_value_t = 20_261_122)]
    seed: u64,
    /// Blows on one data folder before the next, fresh one.
    #[arg(long, default_value_t = 25)]
    blows_per_life: u32,
    /// Trials of each kind side by side.
    #[arg(long, default_value_t = 1)]
    jobs: u32,
    /// Stop after so many minutes, at the end of a life, and say how far it came.
    #[arg(long)]
    minutes: Option<u64>,
    /// Only the negative control: a disk that ignores flushes. Must lose.
    #[arg(long)]
    negative: bool,
    /// Write the figures here, as JSON; renewed after every life.
    #[arg(long)]
    evidence: Option<PathBuf>,
}

/// One row of the result.
struct Part {
    name: String,
    plan: Plan,
    tally: Tally,
    error: Option<String>,
}

fn main() -> ExitCode {
    match work(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("durability: {error}");
            ExitCode::FAILURE
        }
    }
}

fn work(arguments: &Arguments) -> Result<bool, Failure> {
    let parts = plan(arguments)?;
    let watch = Stopwatch::new();
    println!("commit {}, {} gateway", evidence::commit(), build());
    let limit = arguments.minutes.map(|minutes| Duration::from_secs(60 * minutes));
    let parts = Mutex::new(parts);
    let total = { lock(&parts).len() };
    let saved: Mutex<Result<(), Failure>> = Mutex::new(Ok(()));
    std::thread::scope(|scope| {
        for index in 0..total {
            let (parts, watch, saved) = (&parts, &watch, &saved);
            scope.spawn(move || {
                let plan = { lock(parts).get(index).map(|part| part.plan) };
                let Some(plan) = plan else { return };
                let outcome = run(&plan, |tally| {
                    note(parts, index, tally, watch);
                    let written = evidence::write(arguments.evidence.as_deref(), document(&lock(parts), watch));
                    if let Err(error) = written {
                        *saved.lock().unwrap_or_else(PoisonError::into_inner) = Err(error);
                    }
                    limit.is_none_or(|limit| watch.elapsed() < limit)
                });
                if let (Err(error), Some(part)) = (outcome, lock(parts).get_mut(index)) {
                    eprintln!("{}: {error}", part.name);
                    part.error = Some(error.to_string());
                }
            });
        }
    });
    saved.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    let parts = parts.into_inner().unwrap_or_else(PoisonError::into_inner);
    let document = evidence::write(arguments.evidence.as_deref(), document(&parts, &watch))?;
    println!("{document:#}");
    Ok(parts.iter().all(holds))
}

fn plan(arguments: &Arguments) -> Result<Vec<Part>, Failure> {
    let mut random = Random::new(arguments.seed);
    let mut parts = Vec::new();
    let mut add = |name: String, blow, blows, seed| {
        let plan = Plan { blow, blows, blows_per_life: arguments.blows_per_life.max(1), seed };
        parts.push(Part { name, plan, tally: Tally::default(), error: None });
    };
    let systems = u32::try_from(arguments.fs.len())?;
    let wants_rig = arguments.cuts > 0 || arguments.negative;
    if wants_rig && (systems == 0 || !is_possible_or_skip()) {
        return Err("power cuts are not possible here".into());
    }
    let jobs = arguments.jobs.max(1);
    for fs in &arguments.fs {
        for job in 0..if arguments.negative { 0 } else { jobs } {
            let blows = share(arguments.cuts / systems.max(1), jobs, job);
            if blows > 0 {
                let blow = Blow::PowerCut { fs: *fs, ignores_flushes: false };
                add(format!("power cuts, {}, {job}", fs.name()), blow, blows, random.next());
            }
        }
        if wants_rig {
            let blow = Blow::PowerCut { fs: *fs, ignores_flushes: true };
            add(format!("control without flushes, {}", fs.name()), blow, CONTROL_BLOWS, random.next());
        }
    }
    for job in 0..if arguments.negative { 0 } else { jobs } {
        let blows = share(arguments.kills, jobs, job);
        if blows > 0 {
            add(format!("kills, {job}"), Blow::Kill, blows, random.next());
        }
    }
    Ok(parts)
}

fn share(all: u32, jobs: u32, job: u32) -> u32 {
    all / jobs + u32::from(job < all % jobs)
}

fn must_lose(part: &Part) -> bool {
    matches!(part.plan.blow, Blow::PowerCut { ignores_flushes: true, .. })
}

fn holds(part: &Part) -> bool {
    let as_wanted = if must_lose(part) { part.tally.blows_with_loss == part.tally.blows } else { part.tally.holds() };
    part.error.is_none() && part.tally.blows > 0 && as_wanted
}

fn note(parts: &Mutex<Vec<Part>>, index: usize, tally: &Tally, watch: &Stopwatch) {
    let mut parts = lock(parts);
    if let Some(part) = parts.get_mut(index) {
        part.tally = tally.clone();
        let seconds = watch.elapsed().as_secs_f64();
        let left = seconds / f64::from(tally.blows.max(1)) * f64::from(part.plan.blows.saturating_sub(tally.blows));
        println!(
            "{:<32} {:>6} of {} blows, {:>8} acknowledged, {} lost; {seconds:.0} s, {left:.0} s to go",
            part.name,
            tally.blows,
            part.plan.blows,
            tally.frames_acknowledged + tally.retained_acknowledged,
            tally.frames_lost + tally.retained_lost,
        );
    }
}

fn document(parts: &[Part], watch: &Stopwatch) -> Map<String, Value> {
    let row = |part: &Part| {
        json!({
            "name": part.name, "seed": part.plan.seed, "wanted": part.plan.blows, "holds": holds(part),
            "must_lose": must_lose(part), "tally": part.tally, "error": part.error,
        })
    };
    let mut cuts = Tally::default();
    let mut kills = Tally::default();
    for part in parts.iter().filter(|part| !must_lose(part)) {
        let sum = if part.plan.blow == Blow::Kill { &mut kills } else { &mut cuts };
        sum.add(&part.tally);
    }
    let fields = [
        ("what", json!("acknowledged frames and retained messages after power cuts and kills of the gateway")),
        ("power_cuts", json!(cuts)),
        ("kills", json!(kills)),
        ("parts", parts.iter().map(row).collect()),
        ("seconds", json!(watch.elapsed().as_secs())),
        ("gateway_build", json!(build())),
    ];
    fields.map(|(key, value)| (key.to_owned(), value)).into_iter().collect()
}

/// Which build of the gateway is under test.
fn build() -> String {
    let binary = halo_tests::process::binary().unwrap_or_default();
    let release = binary.components().any(|part| part.as_os_str() == "release");
    if release { "release" } else { "debug" }.to_owned()
}

fn lock(parts: &Mutex<Vec<Part>>) -> std::sync::MutexGuard<'_, Vec<Part>> {
    parts.lock().unwrap_or_else(PoisonError::into_inner)
}
