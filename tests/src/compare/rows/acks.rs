//! Durable acknowledgements a second.

use firmware_sim::bench::Report;

use super::super::goal::{Figures, Goal};
use super::super::ground::{Ground, load};
use super::{at_least, at_most, ratio};
use crate::Failure;

pub(super) static GOALS: [Goal; 2] = [
    at_least("gateway / mosquitto, acks/s", |_| Some(3.0), |it| ratio(it, "gateway acks/s", "mosquitto acks/s")),
    at_most(
        "generator's share of a core (0 where its null sink does 1.5x)",
        |_| Some(0.4),
        |it| {
            let has_room = ratio(it, "null sink acks/s", "gateway acks/s")? >= 1.5;
            if has_room { Some(0.0) } else { it.get("generator, cores at the gateway").copied() }
        },
    ),
];

pub(super) fn acks(ground: &Ground, connections: usize) -> Result<Figures, Failure> {
    let connections = if ground.quick { connections / 10 } else { connections };
    let gateway = ground.gateway(&[])?;
    let ours = load(&ground.acks(gateway.address(), connections))?;
    complete("the gateway", &ours)?;
    drop(gateway);
    let broker = ground.mosquitto()?;
    let theirs = load(&ground.acks(broker.address(), connections))?;
    complete("mosquitto", &theirs)?;
    drop(broker);
    let sink = ground.null_sink()?;
    let bare = load(&ground.acks(sink.address(), connections))?;
    Ok(Figures::from([
        ("gateway acks/s", ours.acks_per_s),
        ("gateway ack p50, ms", ours.ack_ms.map_or(f64::NAN, |ack| ack.p50)),
        ("gateway ack p99, ms", ours.ack_ms.map_or(f64::NAN, |ack| ack.p99)),
        ("mosquitto acks/s", theirs.acks_per_s),
        ("null sink acks/s", bare.acks_per_s),
        ("generator, cores at the gateway", ours.own_cpu.unwrap_or(f64::NAN)),
    ]))
}

/// What was not acknowledged spoils the figure.
fn complete(who: &str, report: &Report) -> Result<(), Failure> {
    if report.acked == report.sent {
        return Ok(());
    }
    Err(format!("{who} acknowledged {} of {} publishes", report.acked, report.sent).into())
}
