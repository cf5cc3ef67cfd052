//! Resident memory.

use std::net::SocketAddr;
use std::time::Duration;

use firmware_sim::Kind;
use firmware_sim::bench::{Credit, Load, Pace, Phase, Plan};

use super::super::goal::{Figures, Goal};
use super::super::ground::{Ground, load, load_and};
use super::super::vitals::{MemoryLimit, rss, rss_peak};
use super::{at_least, at_most, generator, ratio};
use crate::Failure;
use crate::clock::pass;

const MB: f64 = 1024.0 * 1024.0;
/// Until a gateway that does nothing has done what it does after a start.
const SETTLE: Duration = Duration::from_millis(1_500);
/// Frames of a device, a quarter of an hour apart: 25 h of event time, all windows full.
const FRAMES: usize = 100;
const STEP: Duration = Duration::from_secs(900);
const LIMIT_BYTES: u64 = 64 << 20;

pub(super) static IDLE: [Goal; 2] = [
    at_most("MB of an idle process", |_| Some(20.0), |it| it.get("idle process, MB").copied()),
    at_most("bytes of an idle connection", |_| Some(4_096.0), |it| it.get("idle connection, bytes").copied()),
];

pub(super) fn idle(ground: &Ground) -> Result<Figures, Failure> {
    let gateway = ground.gateway(&[])?;
    pass(SETTLE);
    let (pid, connections) = (gateway.pid(), ground.many(10_000));
    let before = rss(pid)?;
    let plan = ground.plan(gateway.address());
    let run_for = Duration::from_secs(2);
    let plan = Plan { connections, devices: connections, pace: Pace::Idle, run_for, warm_up: Duration::ZERO, ..plan };
    let (_, seen) = load_and(&plan, || rss(pid))?;
    let held = seen.at(Phase::Measured)?;
    Ok(Figures::from([
        ("idle process, MB", before / MB),
        ("idle connection, bytes", (held - before) / connections as f64),
        ("connections", connections as f64),
    ]))
}

/// The state alone, at most 20 KB, is a test of the fold's: here allocator, connection and ingest's books count as well.
pub(super) static FOLDED: [Goal; 1] =
    [at_most("MB of 10,000 wristbands", |_| Some(350.0), |it| it.get("10,000 wristbands, MB").copied())];

pub(super) fn folded(ground: &Ground) -> Result<Figures, Failure> {
    let gateway = ground.gateway(&[])?;
    pass(SETTLE);
    let (pid, devices) = (gateway.pid(), ground.many(10_000));
    let before = rss(pid)?;
    let plan = a_day(ground, gateway.address(), devices, &[Kind::Wristband]);
    let (report, seen) = load_and(&plan, || {
        // What is acknowledged is folded soon after.
        pass(Duration::from_millis(300));
        rss(pid)
    })?;
    let held = seen.at(Phase::Drained)?;
    Ok(Figures::from([
        ("10,000 wristbands, MB", held / MB),
        ("a wristband, KB", (held - before) / 1024.0 / devices as f64),
        ("frames", report.acked as f64),
    ]))
}

/// So many devices, each on a connection of its own, through a day of event time.
fn a_day(ground: &Ground, address: SocketAddr, devices: usize, kinds: &[Kind]) -> Plan {
    let load = Load::Frames { kinds: kinds.to_vec(), period: Duration::from_secs(10), step: STEP, fill_to: None };
    let messages = Some((devices * FRAMES) as u64);
    let pace = Pace::Closed { window: 2, credit: Credit::Ack };
    Plan { connections: devices, devices, load, messages, pace, ..ground.plan(address) }
}

pub(super) static LIMIT: [Goal; 3] = [
    at_least("alive after the load", |_| Some(1.0), |it| it.get("alive").copied()),
    at_most("MB at most", |_| Some(64.0), |it| it.get("most, MB").copied()),
    generator::GOAL,
];

pub(super) fn limit(ground: &Ground) -> Result<Figures, Failure> {
    let mut gateway = ground.gateway(&[])?;
    let (pid, devices) = (gateway.pid(), ground.many(1_000));
    let limit = MemoryLimit::new(pid, LIMIT_BYTES);
    let loaded = load(a_day(ground, gateway.address(), devices, &[Kind::Wristband]))?;
    let report = &loaded.report;
    let alive = !gateway.process.has_ended()? && report.acked == report.sent;
    let most = rss_peak(pid)? / MB;
    let limited = limit.is_some();
    // The group can go once its process has.
    drop(gateway);
    drop(limit);
    let mut figures = generator::used(ground, &[&loaded])?;
    figures.extend([
        ("alive", f64::from(u8::from(alive))),
        ("most, MB", most),
        ("limit enforced by the system", f64::from(u8::from(limited))),
        ("acks/s", report.acks_per_s),
    ]);
    Ok(figures)
}

pub(super) static BACKLOG: [Goal; 1] =
    [at_most("memory with a backlog / without", |_| Some(1.1), |it| ratio(it, "with a backlog, MB", "without, MB"))];

/// The same frames with an upstream that is away and with none: halos grow over their first day in either case.
pub(super) fn backlog(ground: &Ground) -> Result<Figures, Failure> {
    let away = "upstream=[{name=\"away\",url=\"mqtt://127.0.0.1:1\",send=[\"readings\"]}]";
    let frames = ground.many(1_300_000) as u64;
    let held = |sets: &[&str]| -> Result<f64, Failure> {
        let gateway = ground.gateway(sets)?;
        let pid = gateway.pid();
        let plan = Plan { messages: Some(frames), ..ground.plan(gateway.address()) };
        let (_, seen) = load_and(&plan, || rss(pid))?;
        Ok(seen.at(Phase::Drained)? / MB)
    };
    let (without, with) = (held(&[])?, held(&[away])?);
    Ok(Figures::from([("without, MB", without), ("with a backlog, MB", with), ("frames", frames as f64)]))
}
