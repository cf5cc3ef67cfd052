//! Resident memory.

use std::time::Duration;

use firmware_sim::Kind;
use firmware_sim::bench::{Load, Pace, Phase, Plan};

use super::super::goal::{Figures, Goal};
use super::super::ground::{Ground, load, load_and};
use super::super::vitals::{MemoryLimit, rss, rss_peak};
use super::{at_least, at_most, ratio};
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

pub(super) static FOLDED: [Goal; 2] = [
    at_most("MB of 10,000 wristbands", |_| Some(350.0), |it| it.get("10,000 wristbands, MB").copied()),
    at_most("KB of one, connection included", |_| Some(24.0), |it| it.get("a wristband, KB").copied()),
];

pub(super) fn folded(ground: &Ground) -> Result<Figures, Failure> {
    let gateway = ground.gateway(&[])?;
    pass(SETTLE);
    let (pid, devices) = (gateway.pid(), ground.many(10_000));
    let before = rss(pid)?;
    let load =
        Load::Frames { kinds: vec![Kind::Wristband], period: Duration::from_secs(10), step: STEP, fill_to: None };
    let messages = Some((devices * FRAMES) as u64);
    let pace = Pace::Closed { window: 2, credit: firmware_sim::bench::Credit::Ack };
    let plan = Plan { connections: devices, devices, load, messages, pace, ..ground.plan(gateway.address()) };
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

pub(super) static LIMIT: [Goal; 2] = [
    at_least("alive after the load", |_| Some(1.0), |it| it.get("alive").copied()),
    at_most("MB at most", |_| Some(64.0), |it| it.get("most, MB").copied()),
];

pub(super) fn limit(ground: &Ground) -> Result<Figures, Failure> {
    let mut gateway = ground.gateway(&[])?;
    let (pid, devices) = (gateway.pid(), ground.many(1_000));
    let limit = MemoryLimit::new(pid, LIMIT_BYTES);
    let report = load(&Plan { connections: devices, devices, ..ground.plan(gateway.address()) })?;
    let alive = !gateway.process.has_ended()? && report.acked == report.sent;
    let figures = Figures::from([
        ("alive", f64::from(u8::from(alive))),
        ("most, MB", rss_peak(pid)? / MB),
        ("limit enforced by the system", f64::from(u8::from(limit.is_some()))),
        ("acks/s", report.acks_per_s),
    ]);
    // The group can go once its process has.
    drop(gateway);
    drop(limit);
    Ok(figures)
}

pub(super) static BACKLOG: [Goal; 1] = [at_most(
    "memory at the end / after the first tenth",
    |_| Some(1.1),
    |it| ratio(it, "at the end, MB", "after a tenth, MB"),
)];

pub(super) fn backlog(ground: &Ground) -> Result<Figures, Failure> {
    let away = "upstream=[{name=\"away\",url=\"mqtt://127.0.0.1:1\",send=[\"readings\"]}]";
    let gateway = ground.gateway(&[away])?;
    let (pid, frames) = (gateway.pid(), ground.many(1_300_000) as u64);
    let part = |messages: u64, boot: u32| -> Result<f64, Failure> {
        let plan = Plan { messages: Some(messages), boot: Some(boot), ..ground.plan(gateway.address()) };
        let (_, seen) = load_and(&plan, || rss(pid))?;
        Ok(seen.at(Phase::Drained)? / MB)
    };
    let early = part(frames / 10, 3_000_000)?;
    let late = part(frames - frames / 10, 3_000_001)?;
    Ok(Figures::from([("after a tenth, MB", early), ("at the end, MB", late), ("frames", frames as f64)]))
}
