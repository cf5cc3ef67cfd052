//! Durable acknowledgements a second.

use firmware_sim::bench::Report;

use super::super::goal::{Figures, Goal};
use super::super::ground::{Ground, load};
use super::{at_least, generator, ratio};
use crate::Failure;

pub(super) static GOALS: [Goal; 2] = [
    at_least("gateway / mosquitto, acks/s", |_| Some(3.0), |it| ratio(it, "gateway acks/s", "mosquitto acks/s")),
    generator::GOAL,
];

pub(super) fn acks(ground: &Ground, connections: usize) -> Result<Figures, Failure> {
    let connections = if ground.quick { connections / 10 } else { connections };
    let gateway = ground.gateway(&[])?;
    let plan = ground.acks(gateway.address(), connections);
    let ours = load(&plan)?;
    complete("the gateway", &ours)?;
    drop(gateway);
    let broker = ground.mosquitto()?;
    let theirs = load(&ground.acks(broker.address(), connections))?;
    complete("mosquitto", &theirs)?;
    drop(broker);
    let mut figures = generator::used_and_room(ground, &plan, &ours)?;
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
