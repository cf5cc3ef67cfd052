//! `health/1`: how the gateway itself is. `gateway/schema/health-1.schema.json` describes every field.

use bytes::Bytes;
use serde::Serialize;

use super::json::{Time, document};
use crate::record::Offset;

/// What the gateway can be relied on for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Reading its log; does not take connections yet.
    Starting,
    /// Everything works.
    Ready,
    /// Works in part; the reasons say what does not.
    Degraded,
    /// Takes nothing new and finishes what it has.
    Stopping,
    /// Gone; also its last will.
    Offline,
}

/// The figures of one moment.
#[derive(Clone, Debug)]
pub struct Health<'a> {
    /// The gateway's id.
    pub gateway: &'a str,
    /// Version of the program.
    pub version: &'a str,
    /// What it can be relied on for.
    pub state: State,
    /// What is wrong, for a human; empty when nothing is.
    pub reasons: &'a [String],
    /// When: Unix milliseconds. None for a last will, which is written before.
    pub time_ms: Option<i64>,
    /// The last durable record.
    pub durable: Offset,
    /// The last record folded into halos.
    pub folded: Offset,
    /// Bytes of the log between the two.
    pub lag_bytes: u64,
    /// Connections open.
    pub connections: u64,
    /// Subjects known.
    pub subjects: u64,
}

impl Health<'_> {
    /// What subscribers read when the gateway is gone without a word.
    pub fn last_will(gateway: &str) -> Bytes {
        health_json(&Health {
            gateway,
            version: env!("CARGO_PKG_VERSION"),
            state: State::Offline,
            reasons: &[],
            time_ms: None,
            durable: Offset(0),
            folded: Offset(0),
            lag_bytes: 0,
            connections: 0,
            subjects: 0,
        })
    }
}

/// Renders the figures. An offline gateway has none: the log goes on existing, but nobody knows how far it came.
pub fn health_json(health: &Health<'_>) -> Bytes {
    let figures = (health.state != State::Offline).then_some(FiguresJson {
        durable: health.durable.0,
        folded: health.folded.0,
        lag_records: health.durable.0.saturating_sub(health.folded.0),
        lag_bytes: health.lag_bytes,
    });
    document(&HealthJson {
        schema: "health/1",
        gateway: health.gateway,
        version: health.version,
        state: match health.state {
            State::Starting => "starting",
            State::Ready => "ready",
            State::Degraded => "degraded",
            State::Stopping => "stopping",
            State::Offline => "offline",
        },
        reasons: health.reasons,
        time: health.time_ms.map(Time),
        log: figures,
        connections: health.connections,
        subjects: health.subjects,
    })
}

#[derive(Serialize)]
struct HealthJson<'a> {
    schema: &'static str,
    gateway: &'a str,
    version: &'a str,
    state: &'static str,
    reasons: &'a [String],
    time: Option<Time>,
    log: Option<FiguresJson>,
    connections: u64,
    subjects: u64,
}

#[derive(Serialize)]
struct FiguresJson {
    durable: u64,
    folded: u64,
    lag_records: u64,
    lag_bytes: u64,
}
