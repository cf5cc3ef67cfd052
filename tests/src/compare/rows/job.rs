//! The whole job: in as frames, out as readings and halos.

use std::time::Duration;

use firmware_sim::bench::{Pace, Plan};

use super::super::goal::{Figures, Goal};
use super::super::ground::{Ground, Loaded, load};
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
    let ours = ground.on_gateway(&[], |at| ground.whole_job(at, READINGS))?;
    let theirs = ground.on_mosquitto(|at| ground.whole_job(at, FRAMES))?;
    let mut figures = generator::used(ground, &[&ours])?;
    figures.extend([
        ("gateway readings/s", ours.report.deliveries_per_s),
        ("gateway missing", ours.report.missing as f64),
        ("mosquitto relayed/s", theirs.report.deliveries_per_s),
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
    let both = |at| -> Result<(Loaded, Loaded), Failure> {
        Ok((load(ground.whole_job(at, READINGS))?, load(ground.open_loop(at, RATE, READINGS))?))
    };
    let (theirs, their_open) = both(broker.address())?;
    drop((node_red, broker));
    let gateway = ground.gateway(&[])?;
    let (ours, our_open) = both(gateway.address())?;
    drop(gateway);
    let (our_latency, their_latency) = (our_open.delivery_ms()?, their_open.delivery_ms()?);
    let mut figures = generator::used(ground, &[&ours, &our_open])?;
    figures.extend([
        ("gateway readings/s", ours.report.deliveries_per_s),
        ("node-red readings/s", theirs.report.deliveries_per_s),
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
    let subjects = ground.many(5_000);
    let pace = Pace::Open { rate: subjects as f64 };
    // A second so that each has its first frame; then at least two frames of each.
    let (warm_up, run_for) = if ground.quick { (0.5, 1.0) } else { (2.0, ground.run_for.as_secs_f64().max(3.0)) };
    let (warm_up, run_for) = (Duration::from_secs_f64(warm_up), Duration::from_secs_f64(run_for));
    let loaded = ground.on_gateway(&[], |at| {
        let open = ground.open_loop(at, RATE, "halo/v1/halos/#");
        Plan { connections: subjects, devices: subjects, pace, warm_up, run_for, ..open }
    })?;
    let (report, lateness) = (&loaded.report, loaded.delivery_ms()?);
    let mut figures = generator::used(ground, &[&loaded])?;
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
    let loaded = ground.on_gateway(&[], |at| ground.open_loop(at, RATE, READINGS))?;
    let (report, ours) = (&loaded.report, loaded.delivery_ms()?);
    let theirs = ground.on_mosquitto(|at| ground.open_loop(at, RATE, FRAMES))?.delivery_ms()?;
    let mut figures = generator::used(ground, &[&loaded])?;
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
