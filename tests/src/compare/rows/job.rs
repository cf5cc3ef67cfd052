//! The whole job: in as frames, out as readings and halos.

use std::time::Duration;

use firmware_sim::bench::{Latency, Pace, Plan, Report};

use super::super::goal::{Figures, Goal};
use super::super::ground::{Ground, load};
use super::super::node_red::NodeRed;
use super::{at_least, at_most, generator, ratio};
use crate::Failure;

const READINGS: &str = "halo/v1/readings/#";
const FRAMES: &str = "halo/v1/d/#";
const RATE: f64 = 5_000.0;

pub(super) static RELAY: [Goal; 3] = [
    at_least(
        "gateway's readings / mosquitto's relay, frames/s",
        |_| Some(1.0),
        |it| ratio(it, "gateway readings/s", "mosquitto relayed/s"),
    ),
    at_most("readings missing", |_| Some(0.0), |it| it.get("gateway missing").copied()),
    generator::GOAL,
];

pub(super) fn relay(ground: &Ground) -> Result<Figures, Failure> {
    let gateway = ground.gateway(&[])?;
    let plan = ground.whole_job(gateway.address(), READINGS);
    let ours = load(&plan)?;
    drop(gateway);
    let broker = ground.mosquitto()?;
    let theirs = load(&ground.whole_job(broker.address(), FRAMES))?;
    drop(broker);
    let mut figures = generator::used(ground, &[(&plan, &ours)])?;
    figures.extend([
        ("gateway readings/s", ours.deliveries_per_s),
        ("gateway missing", ours.missing as f64),
        ("mosquitto relayed/s", theirs.deliveries_per_s),
    ]);
    Ok(figures)
}

pub(super) static NODE_RED: [Goal; 3] = [
    at_least(
        "gateway / Node-RED, frames/s",
        |_| Some(4.0),
        |it| ratio(it, "gateway readings/s", "node-red readings/s"),
    ),
    at_most(
        "gateway p99 / Node-RED's",
        |_| Some(1.0 / 3.0),
        |it| ratio(it, "gateway p99 at 5,000/s, ms", "node-red p99 at 5,000/s, ms"),
    ),
    generator::GOAL,
];

pub(super) fn node_red(ground: &Ground) -> Result<Figures, Failure> {
    let broker = ground.mosquitto()?;
    let node_red = NodeRed::start(broker.address())?;
    let theirs = load(&ground.whole_job(broker.address(), READINGS))?;
    let their_latency = latency_of(&ground.open_loop(broker.address(), RATE, READINGS))?.1;
    drop((node_red, broker));
    let gateway = ground.gateway(&[])?;
    let (job, open) =
        (ground.whole_job(gateway.address(), READINGS), ground.open_loop(gateway.address(), RATE, READINGS));
    let ours = load(&job)?;
    let (report, our_latency) = latency_of(&open)?;
    drop(gateway);
    let mut figures = generator::used(ground, &[(&job, &ours), (&open, &report)])?;
    figures.extend([
        ("gateway readings/s", ours.deliveries_per_s),
        ("node-red readings/s", theirs.deliveries_per_s),
        ("gateway p50 at 5,000/s, ms", our_latency.p50),
        ("gateway p99 at 5,000/s, ms", our_latency.p99),
        ("node-red p50 at 5,000/s, ms", their_latency.p50),
        ("node-red p99 at 5,000/s, ms", their_latency.p99),
    ]);
    Ok(figures)
}

pub(super) static HALOS: [Goal; 3] = [
    at_most("ms until the latest frame is in a halo", |_| Some(1_200.0), |it| it.get("latest, ms").copied()),
    at_most("frames in no halo", |_| Some(0.0), |it| it.get("frames in no halo").copied()),
    generator::GOAL,
];

pub(super) fn halos(ground: &Ground) -> Result<Figures, Failure> {
    let gateway = ground.gateway(&[])?;
    let subjects = ground.many(5_000);
    let open = ground.open_loop(gateway.address(), RATE, "halo/v1/halos/#");
    let pace = Pace::Open { rate: subjects as f64 };
    // A second so that each has its first frame; then at least two frames of each.
    let (warm_up, run_for) = if ground.quick { (0.5, 1.0) } else { (2.0, ground.run_for.as_secs_f64().max(3.0)) };
    let (warm_up, run_for) = (Duration::from_secs_f64(warm_up), Duration::from_secs_f64(run_for));
    let plan = Plan { connections: subjects, devices: subjects, pace, warm_up, run_for, ..open };
    let report = load(&plan)?;
    drop(gateway);
    let lateness = report.delivery_ms.ok_or("no halo came")?;
    let mut figures = generator::used(ground, &[(&plan, &report)])?;
    figures.extend([
        ("latest, ms", lateness.max),
        ("p50, ms", lateness.p50),
        ("p99, ms", lateness.p99),
        ("frames in no halo", report.missing as f64),
        ("frames", report.sent as f64),
        ("halos", report.halos as f64),
    ]);
    Ok(figures)
}

pub(super) static LATENCY: [Goal; 3] = [
    at_most(
        "gateway p50, ms (mosquitto's + flush p50 + 0.3 ms)",
        |it| Some(it.get("mosquitto p50, ms")? + it.get("flush p50, ms")? + 0.3),
        |it| it.get("gateway p50, ms").copied(),
    ),
    at_most(
        "gateway p99, ms (mosquitto's + 2 x flush p99)",
        |it| Some(it.get("mosquitto p99, ms")? + 2.0 * it.get("flush p99, ms")?),
        |it| it.get("gateway p99, ms").copied(),
    ),
    generator::GOAL,
];

pub(super) fn latency(ground: &Ground) -> Result<Figures, Failure> {
    let (flush_p50, flush_p99) = ground.flush_ms()?;
    let gateway = ground.gateway(&[])?;
    let plan = ground.open_loop(gateway.address(), RATE, READINGS);
    let (report, ours) = latency_of(&plan)?;
    drop(gateway);
    let broker = ground.mosquitto()?;
    let (_, theirs) = latency_of(&ground.open_loop(broker.address(), RATE, FRAMES))?;
    drop(broker);
    let mut figures = generator::used(ground, &[(&plan, &report)])?;
    figures.extend([
        ("flush p50, ms", flush_p50),
        ("flush p99, ms", flush_p99),
        ("gateway p50, ms", ours.p50),
        ("gateway p99, ms", ours.p99),
        ("gateway ack p50, ms", report.ack_ms.map_or(f64::NAN, |ack| ack.p50)),
        ("gateway ack p99, ms", report.ack_ms.map_or(f64::NAN, |ack| ack.p99)),
        ("gateway missing", report.missing as f64),
        ("mosquitto p50, ms", theirs.p50),
        ("mosquitto p99, ms", theirs.p99),
    ]);
    Ok(figures)
}

fn latency_of(plan: &Plan) -> Result<(Report, Latency), Failure> {
    let report = load(plan)?;
    let latency = report.delivery_ms.ok_or_else(|| format!("nothing was delivered: {}", report.plan))?;
    Ok((report, latency))
}
