//! Every row: what it is, what is wanted of it, who measures it.

mod acks;
mod crowds;
mod derived;
mod frames;
mod generator;
mod job;
mod log;
mod memory;
mod series;
mod starts;

use super::Ground;
use super::goal::{Figures, Goal, Sense, name_of};
use crate::Failure;

pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// One round is enough: what it measures hardly varies, or takes long.
    pub(super) once: bool,
    /// Repeated on disks with slow flushes.
    pub(super) on_slow_disks: bool,
    pub(super) run: fn(&Ground) -> Result<Figures, Failure>,
    pub(super) goals: &'static [Goal],
}

/// The names of all rows, with what they are; then those repeated on disks whose flushes take so many milliseconds.
pub fn names(delays: &[u32]) -> Vec<(String, &'static str)> {
    on_all_disks(delays).map(|(row, delay)| (name_of(row, delay), row.what)).collect()
}

/// All rows, then those on each of the slow disks.
pub(super) fn on_all_disks(delays: &[u32]) -> impl Iterator<Item = (&'static Row, Option<u32>)> {
    let slow = |ms: &u32| {
        let ms = *ms;
        ROWS.iter().filter(|row| row.on_slow_disks).map(move |row| (row, Some(ms)))
    };
    ROWS.iter().map(|row| (row, None)).chain(delays.iter().flat_map(slow))
}

pub(super) static ROWS: [Row; 24] = [
    on_slow_disks(row(
        "acks-100",
        "durable QoS 1 acks, 200 B frames, 100 connections, window 20",
        |ground| acks::acks(ground, 100),
        &acks::GOALS,
    )),
    on_slow_disks(row(
        "acks-1000",
        "durable QoS 1 acks, 200 B frames, 1,000 connections, window 20",
        |ground| acks::acks(ground, 1_000),
        &acks::GOALS,
    )),
    row(
        "job",
        "durable, decoded, folded, one readings message a frame to one subscriber; mosquitto relays the same frames",
        job::relay,
        &job::RELAY,
    ),
    on_slow_disks(row(
        "node-red",
        "the same against mosquitto + Node-RED (which has the easier job); latencies at 5,000 frames/s",
        job::node_red,
        &job::NODE_RED,
    )),
    row(
        "derived",
        "the whole job with everything derived and forecast, and with nothing",
        derived::whole,
        &derived::WHOLE,
    ),
    once("kinds", "frames of 10 s of a hundred devices in turn, read and folded in this process", derived::kinds, &[]),
    on_slow_disks(row(
        "halos",
        "halos of 5,000 subjects at 1 frame/s each: from a frame to the first halo that counts it",
        job::halos,
        &job::HALOS,
    )),
    on_slow_disks(row(
        "latency",
        "frame published to reading at a subscriber, 5,000 frames/s open loop",
        job::latency,
        &job::LATENCY,
    )),
    on_slow_disks(row(
        "log",
        "the log against a bare pwrite + fdatasync loop of the same bytes and group sizes",
        log::log,
        &log::GOALS,
    )),
    row(
        "cpu-devices",
        "processor time a frame at 100 and at 10,000 devices, a connection each, 4,000 frames/s",
        crowds::cpu,
        &crowds::CPU,
    ),
    row("connects", "10,000 clients connect at once", crowds::connects, &crowds::CONNECTS),
    row("fan-out", "1 publisher to 1,000 subscribers, 50 messages/s of 200 B", crowds::fan_out, &crowds::FAN),
    row("fan-in", "1,000 publishers to 5 subscribers, 5,000 messages/s of 200 B", crowds::fan_in, &crowds::FAN),
    row(
        "slow-readers",
        "publishers beside 1,000 subscribers that read a byte a second",
        crowds::slow_readers,
        &crowds::SLOW,
    ),
    on_slow_disks(row("start", "start with an empty log", starts::empty, &starts::EMPTY)),
    once("start-backlog", "start with 1 GB of log, after kill -9", starts::backlog, &starts::BACKLOG),
    once("memory-idle", "an idle process, and 10,000 idle connections", memory::idle, &memory::IDLE),
    once(
        "memory-folded",
        "10,000 wristbands connected and folded, a day of event time",
        memory::folded,
        &memory::FOLDED,
    ),
    once("memory-limit", "1,000 wristbands within 64 MB, a day of event time", memory::limit, &memory::LIMIT),
    once(
        "memory-backlog",
        "memory while an upstream is away for 1.3 million frames (a day of 15 frames/s)",
        memory::backlog,
        &memory::BACKLOG,
    ),
    once("disk-writes", "bytes written a day at 1 frame/s, checkpoints included", starts::writes, &[]),
    once(
        "sample-bytes",
        "bytes a sample of seven series, three of them real, frames of a minute",
        series::bytes_a_sample,
        &series::GOALS,
    ),
    once(
        "sample-bytes-simulated",
        "the same of simulated devices, which no target is about",
        frames::bytes_a_sample,
        &[],
    ),
    once("binary", "size of the program", starts::binary, &starts::BINARY),
];

const fn row(
    name: &'static str,
    what: &'static str,
    run: fn(&Ground) -> Result<Figures, Failure>,
    goals: &'static [Goal],
) -> Row {
    Row { name, what, once: false, on_slow_disks: false, run, goals }
}

const fn once(
    name: &'static str,
    what: &'static str,
    run: fn(&Ground) -> Result<Figures, Failure>,
    goals: &'static [Goal],
) -> Row {
    Row { once: true, ..row(name, what, run, goals) }
}

const fn on_slow_disks(row: Row) -> Row {
    Row { on_slow_disks: true, ..row }
}

const fn at_least(
    what: &'static str,
    limit: fn(&Figures) -> Option<f64>,
    reached: fn(&Figures) -> Option<f64>,
) -> Goal {
    Goal { what, reached, limit, sense: Sense::AtLeast }
}

const fn at_most(what: &'static str, limit: fn(&Figures) -> Option<f64>, reached: fn(&Figures) -> Option<f64>) -> Goal {
    Goal { what, reached, limit, sense: Sense::AtMost }
}

fn ratio(of: &Figures, this: &str, that: &str) -> Option<f64> {
    Some(of.get(this)? / of.get(that)?)
}

#[cfg(test)]
mod tests;
