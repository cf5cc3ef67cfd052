//! Durable acknowledgements a second.

use firmware_sim::bench::Report;

use super::super::goal::{Figures, Goal};
use super::super::ground::Ground;
use super::{at_least, generator, ratio};
use crate::Failure;

pub(super) static GOALS: [Goal; 2] = [
    at_least("gateway / mosquitto, acks/s", |_| Some(3.0), |it| ratio(it, "gateway acks/s", "mosquitto acks/s")),
    generator::GOAL,
];

pub(super) fn acks(ground: &Ground, connections: usize) -> Result<Figures, Failure> {
    let connections = if ground.quick { connections / 10 } else { connections };
    let loaded = ground.on_gateway(&[], |at| ground.acks(at, connections))?;
    let ours = &loaded.report;
    complete("the gateway", ours)?;
    let theirs = ground.on_mosquitto(|at| ground.acks(at, connections))?.report;
    complete("mosquitto", &theirs)?;
    let mut figures = generator::used_and_room(ground, &loaded)?;
    figures.extend([
        ("gateway acks/s", ours.acks_per_s),
        ("gateway ack p50, ms", ours.ack_ms.map_or(f64::NAN, |ack| ack.p50)),
        ("gateway ack p99, ms", ours.ack_ms.map_or(f64::NAN, |ack| ack.p99)),
        ("mosquitto acks/s", theirs.acks_per_s),
    ]);
    Ok(figures)
}

/// What was not acknowledged spoils the figure.
fn complete(who: &str, report: &Report) -> Result<(), Failure> {
    if report.acked == report.sent {
        return Ok(());
    }
    Err(format!("{who} acknowledged {} of {} publishes", report.acked, report.sent).into())
}
