//! Many clients: what each costs, and whether some can hurt others.

use std::time::Duration;

use firmware_sim::bench::{Load, Pace, Phase, Plan};

use super::super::goal::{Figures, Goal};
use super::super::ground::{Ground, Loaded, load_and};
use super::super::vitals::{cpu_s, rss};
use super::{at_most, generator, ratio};
use crate::Failure;

/// Frames a second, few enough for one core.
const RATE: f64 = 4_000.0;
/// Measured frames of each of the many devices, and time on top so that none misses its last one.
const FRAMES_OF_EACH: f64 = 5.0;
const SPARE: Duration = Duration::from_millis(500);
/// Until the sockets and queues of slow readers are full. Until then they are a fan-out of 200,000 readings a second, which
/// takes both cores for about 7 s.
const FILL_TIME: Duration = Duration::from_secs(15);

pub(super) static CPU: [Goal; 2] = [
    at_most(
        "10,000 devices / 100, processor time a frame",
        |_| Some(1.3),
        |it| ratio(it, "at 10,000 devices, µs a frame", "at 100 devices, µs a frame"),
    ),
    generator::GOAL,
];

pub(super) fn cpu(ground: &Ground) -> Result<Figures, Failure> {
    let crowd = ground.many(10_000);
    let time = if ground.quick { ground.run_for } else { cpu_time(ground.run_for, crowd) };
    let (few, many) = (cpu_at(ground, 100, time)?, cpu_at(ground, crowd, time)?);
    let mut figures = generator::used(ground, &[&few.loaded, &many.loaded])?;
    figures.extend([
        ("at 100 devices, µs a frame", few.us_a_frame()),
        ("at 10,000 devices, µs a frame", many.us_a_frame()),
        ("frames a device of 10,000", many.frames() / crowd as f64),
    ]);
    Ok(figures)
}

/// Long enough that each of so many devices is measured over some frames.
fn cpu_time(run_for: Duration, devices: usize) -> Duration {
    run_for.max(Duration::from_secs_f64(FRAMES_OF_EACH * devices as f64 / RATE) + SPARE)
}

struct Spent {
    loaded: Loaded,
    cpu_s: f64,
}

impl Spent {
    fn frames(&self) -> f64 {
        self.loaded.report.acks_per_s * self.loaded.report.seconds
    }

    fn us_a_frame(&self) -> f64 {
        self.cpu_s * 1e6 / self.frames().max(1.0)
    }
}

fn cpu_at(ground: &Ground, devices: usize, run_for: Duration) -> Result<Spent, Failure> {
    let gateway = ground.gateway(&[])?;
    let pid = gateway.pid();
    let plan = Plan {
        connections: devices,
        devices,
        pace: Pace::Open { rate: RATE },
        // Each device's first frame costs more, and is not what this is about.
        warm_up: Duration::from_secs_f64(devices as f64 / RATE + 0.5),
        run_for,
        ..ground.plan(gateway.address())
    };
    let (report, seen) = load_and(&plan, || cpu_s(pid))?;
    let cpu_s = seen.at(Phase::Measured)? - seen.at(Phase::Measuring)?;
    Ok(Spent { loaded: Loaded { plan, report }, cpu_s })
}

pub(super) static CONNECTS: [Goal; 3] = [
    at_most("refused", |_| Some(0.0), |it| it.get("gateway refused").copied()),
    at_most("ms until all are connected", |_| Some(1_500.0), |it| it.get("gateway, ms").copied()),
    at_most("MB with all of them", |_| Some(100.0), |it| it.get("gateway memory, MB").copied()),
];

pub(super) fn connects(ground: &Ground) -> Result<Figures, Failure> {
    let gateway = ground.gateway(&[])?;
    let pid = gateway.pid();
    let (ours, seen) = load_and(&storm(ground, gateway.address()), || rss(pid))?;
    let held = seen.at(Phase::Connected)?;
    drop(gateway);
    let theirs = ground.on_mosquitto(|at| storm(ground, at))?.report;
    Ok(Figures::from([
        ("gateway, ms", ours.connect_ms),
        ("gateway refused", ours.refused as f64),
        ("gateway memory, MB", held / 1024.0 / 1024.0),
        ("mosquitto, ms", theirs.connect_ms),
        ("mosquitto refused", theirs.refused as f64),
    ]))
}

fn storm(ground: &Ground, address: std::net::SocketAddr) -> Plan {
    let connections = ground.many(10_000);
    Plan {
        connections,
        devices: connections,
        pace: Pace::Idle,
        warm_up: Duration::ZERO,
        run_for: Duration::from_millis(100),
        connecting_max: usize::MAX,
        count_refusals: true,
        ..ground.plan(address)
    }
}

pub(super) fn fan_out(ground: &Ground) -> Result<Figures, Failure> {
    fan(ground, 1, ground.many(1_000), 50.0)
}

pub(super) fn fan_in(ground: &Ground) -> Result<Figures, Failure> {
    fan(ground, ground.many(1_000), 5, 5_000.0)
}

pub(super) static FAN: [Goal; 2] =
    [at_most("messages missing", |_| Some(0.0), |it| it.get("gateway missing").copied()), generator::GOAL];

/// Opaque messages outside of the telemetry topics: nothing is durable on either side.
fn fan(ground: &Ground, publishers: usize, subscribers: usize, rate: f64) -> Result<Figures, Failure> {
    let plan = |address| Plan {
        connections: publishers,
        devices: publishers,
        load: Load::Opaque { bytes: 200, prefix: "bench".to_owned() },
        pace: Pace::Open { rate },
        subscribers,
        subscribe: "bench/#".to_owned(),
        ..ground.plan(address)
    };
    let (ours, theirs) = (ground.on_gateway(&[], plan)?, ground.on_mosquitto(plan)?);
    let (our_latency, their_latency) = (ours.delivery_ms()?, theirs.delivery_ms()?);
    let mut figures = generator::used(ground, &[&ours])?;
    figures.extend([
        ("gateway p50, ms", our_latency.p50),
        ("gateway p99, ms", our_latency.p99),
        ("gateway deliveries/s", ours.report.deliveries_per_s),
        ("gateway missing", ours.report.missing as f64),
        ("mosquitto p50, ms", their_latency.p50),
        ("mosquitto p99, ms", their_latency.p99),
        ("mosquitto deliveries/s", theirs.report.deliveries_per_s),
        ("mosquitto missing", theirs.report.missing as f64),
    ]);
    Ok(figures)
}

pub(super) static SLOW: [Goal; 2] = [
    at_most(
        "p99 of publishers, with / without",
        |_| Some(1.1),
        |it| ratio(it, "with, ack p99 ms", "without, ack p99 ms"),
    ),
    generator::GOAL,
];

/// Queues that are full before it is measured: their bound is what protects the others.
const SHORT_QUEUES: [&str; 1] = ["broker.queue_messages_max=64"];

pub(super) fn slow_readers(ground: &Ground) -> Result<Figures, Failure> {
    let plan = |at, slow_readers: usize| {
        let plan = ground.plan(at);
        Plan {
            pace: Pace::Open { rate: 200.0 },
            subscribe: "halo/v1/readings/#".to_owned(),
            slow_readers,
            warm_up: if ground.quick { plan.warm_up } else { FILL_TIME },
            // A p99 of some hundred publishes is two or three pauses of the host.
            run_for: 4 * ground.run_for,
            ..plan
        }
    };
    let with = |readers| ground.on_gateway(&SHORT_QUEUES, |at| plan(at, readers));
    let (without, with) = (with(0)?, with(ground.many(1_000))?);
    let mut figures = generator::used(ground, &[&without, &with])?;
    let of = |load: &Loaded| load.report.ack_ms.ok_or("nothing was acknowledged");
    figures.extend([
        ("without, ack p99 ms", of(&without)?.p99),
        ("with, ack p99 ms", of(&with)?.p99),
        ("without, ack p50 ms", of(&without)?.p50),
        ("with, ack p50 ms", of(&with)?.p50),
        ("slow readers closed", with.report.slow_readers_closed as f64),
    ]);
    Ok(figures)
}
