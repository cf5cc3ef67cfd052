//! Starts, and what does not depend on a load.

use std::path::Path;
use std::time::Duration;

use firmware_sim::bench::{Load, Pace, Phase, Plan};
use firmware_sim::{Broker, Kind};

use super::super::goal::{Figures, Goal};
use super::super::ground::{Ground, load, load_and};
use super::super::vitals::written;
use super::at_most;
use crate::clock::Stopwatch;
use crate::{Failure, process};

const MB: f64 = 1024.0 * 1024.0;
/// Log to start on.
const BACKLOG_BYTES: usize = 1_000_000_000;
/// Frames between two looks at its length, which counts room that is allocated in advance.
const PART: u64 = 20_000;
const DAY_S: f64 = 86_400.0;

pub(super) static EMPTY: [Goal; 1] =
    [at_most("ms to the first acknowledgement", |_| Some(200.0), |it| it.get("first ack, ms").copied())];

pub(super) fn empty(ground: &Ground) -> Result<Figures, Failure> {
    let watch = Stopwatch::new();
    let gateway = ground.gateway(&[])?;
    let listens = watch.elapsed();
    first_ack(&ground.plan(gateway.address()))?;
    let acked = watch.elapsed();
    Ok(Figures::from([("listens, ms", ms(listens)), ("first ack, ms", ms(acked))]))
}

fn first_ack(plan: &Plan) -> Result<(), Failure> {
    let report =
        load(Plan { connections: 1, devices: 1, messages: Some(1), prefix: "first-".to_owned(), ..plan.clone() })?
            .report;
    if report.acked == 1 { Ok(()) } else { Err("the first publish was not acknowledged".into()) }
}

pub(super) static BACKLOG: [Goal; 1] =
    [at_most("ms until it takes publishes", |_| Some(1_000.0), |it| it.get("first ack, ms").copied())];

pub(super) fn backlog(ground: &Ground) -> Result<Figures, Failure> {
    let gateway = ground.gateway(&[])?;
    let (data, wanted) = (gateway.folder.path().join("data"), ground.many(BACKLOG_BYTES) as u64);
    let minute = Duration::from_secs(60);
    let frames = Load::Frames { kinds: vec![Kind::Turbofan], period: minute, step: minute, fill_to: None };
    let (mut boot, mut sent) = (3_000_000, 0);
    loop {
        let plan =
            Plan { load: frames.clone(), messages: Some(PART), boot: Some(boot), ..ground.plan(gateway.address()) };
        sent += load(plan)?.report.acked;
        boot += 1;
        if log_bytes(&data) >= wanted {
            break;
        }
    }
    gateway.process.kill();
    let watch = Stopwatch::new();
    let again = process::Gateway::start(&data, ([127, 0, 0, 1], 0).into(), &[])?;
    let listens = watch.elapsed();
    first_ack(&Plan { drain: minute, ..Plan::new(Broker::from(again.address())) })?;
    let acked = watch.elapsed();
    Ok(Figures::from([
        ("listens, ms", ms(listens)),
        ("first ack, ms", ms(acked)),
        ("log, MB", log_bytes(&data) as f64 / MB),
        ("frames", sent as f64),
    ]))
}

fn log_bytes(data: &Path) -> u64 {
    let entries = std::fs::read_dir(data.join("log")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

pub(super) fn writes(ground: &Ground) -> Result<Figures, Failure> {
    let gateway = ground.gateway(&[])?;
    let pid = gateway.pid();
    // Halos are written down every 30 s.
    let run_for = Duration::from_secs(if ground.quick { 2 } else { 32 });
    let load = Load::frames(&[Kind::Wristband]);
    let pace = Pace::Open { rate: 1.0 };
    let plan = Plan { connections: 1, devices: 1, load, pace, run_for, ..ground.plan(gateway.address()) };
    let (report, seen) = load_and(&plan, || written(pid))?;
    let (before, after) = (seen.at(Phase::Measuring)?, seen.at(Phase::Measured)?);
    let a_day = |bytes: f64| bytes * DAY_S / report.seconds / MB;
    Ok(Figures::from([
        ("handed to write calls, MB a day", a_day(after.0 - before.0)),
        ("sent to the disk, MB a day", a_day(after.1 - before.1)),
        ("payload, MB a day", a_day(report.payload_bytes * report.seconds)),
    ]))
}

pub(super) static BINARY: [Goal; 1] = [at_most("MB", |_| Some(25.0), |it| it.get("program, MB").copied())];

pub(super) fn binary(_: &Ground) -> Result<Figures, Failure> {
    Ok(Figures::from([("program, MB", std::fs::metadata(process::binary()?)?.len() as f64 / MB)]))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
