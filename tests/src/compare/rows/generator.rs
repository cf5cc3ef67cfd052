//! What the generator itself used: where it is the limit, a figure says nothing of who was measured.

use std::time::Duration;

use firmware_sim::Broker;
use firmware_sim::bench::{Credit, Pace, Plan, Report};

use super::super::goal::{Figures, Goal};
use super::super::ground::{Ground, Loaded, load};
use super::{at_most, ratio};
use crate::Failure;

const SHARE: &str = "generator, cores at the gateway";
const MESSAGES: &str = "generator, messages/s at the gateway";
const SINK: &str = "generator, messages/s into a null sink";
/// Share of a core up to which it is not the limit …
const SHARE_MAX: f64 = 0.4;
/// … nor where it sends so many times as much to somebody who only acknowledges.
const ROOM: f64 = 1.5;

/// Of each row that reports a rate, or a latency at one.
pub(super) const GOAL: Goal = at_most(
    "generator's share of a core (0 where its null sink does 1.5x)",
    |_| Some(SHARE_MAX),
    |it| {
        let has_room = ratio(it, SINK, MESSAGES).is_some_and(|room| room >= ROOM);
        if has_room { Some(0.0) } else { it.get(SHARE).copied() }
    },
);

/// In the load that took most of it; into a null sink only where that is too much.
pub(super) fn used(ground: &Ground, loads: &[&Loaded]) -> Result<Figures, Failure> {
    let share = |load: &Loaded| load.report.own_cpu.unwrap_or(f64::NAN);
    let busiest = loads.iter().max_by(|one, other| share(one).total_cmp(&share(other)));
    let busiest = busiest.ok_or("no load, no generator")?;
    if busiest.report.own_cpu.is_some_and(|share| share <= SHARE_MAX) {
        return Ok(at_the_gateway(&busiest.report));
    }
    used_and_room(ground, busiest)
}

/// The same of one load, and into a null sink in any case.
pub(super) fn used_and_room(ground: &Ground, loaded: &Loaded) -> Result<Figures, Failure> {
    let mut figures = at_the_gateway(&loaded.report);
    let sink = ground.null_sink()?;
    figures.insert(SINK, load(into(sink.address().into(), &loaded.plan, ground.run_for))?.report.acks_per_s);
    Ok(figures)
}

/// A message is what was published or what came back of it, whichever is more.
fn at_the_gateway(report: &Report) -> Figures {
    Figures::from([
        (SHARE, report.own_cpu.unwrap_or(f64::NAN)),
        (MESSAGES, report.acks_per_s.max(report.deliveries_per_s)),
    ])
}

/// The same publishers with the same payloads, as fast as they are acknowledged. Nobody listens: a null sink delivers
/// nothing.
fn into(broker: Broker, plan: &Plan, run_for: Duration) -> Plan {
    let pace = Pace::Closed { window: 20, credit: Credit::Ack };
    let warm_up = Duration::from_millis(500);
    let (subscribers, slow_readers, messages) = (0, 0, None);
    Plan { broker, pace, warm_up, run_for, subscribers, slow_readers, messages, ..plan.clone() }
}
