//! What derived signals and forecasts cost: the whole job with and without them, and each kind of device by itself.

use std::time::Duration;

use firmware_sim::Kind;
use firmware_sim::bench::{Load, payloads};
use halo_gateway::halo::Fold;
use halo_gateway::record::{
    Body, ClockSource, ClockUse, FoldConfig, Format, Frame, GatewayTime, Identity, KeyId, Name, Offset, Record,
    StartEpoch,
};
use halo_proto::topic::Grammar;

use super::super::goal::{Figures, Goal};
use super::super::ground::Ground;
use super::{at_least, generator, ratio};
use crate::Failure;
use crate::clock::Stopwatch;

/// Every device is of a kind that nothing is derived of, and nothing is forecast.
const NOTHING: [&str; 2] =
    ["halo.forecasts=false", r#"halo.kinds=[{name="plain", devices=["bench-*"], derive=["statistics"]}]"#];
/// The same as a fold is told.
const NO_DERIVATIONS: &str = r#"{"kinds":[{"name":"plain","devices":["someone-*"],"derive":["statistics"]}]}"#;

pub(super) static WHOLE: [Goal; 2] = [
    at_least(
        "whole job, everything derived and forecast / nothing",
        |_| Some(0.5),
        |it| ratio(it, "readings/s, everything", "readings/s, nothing"),
    ),
    generator::GOAL,
];

pub(super) fn whole(ground: &Ground) -> Result<Figures, Failure> {
    let with = |sets: &[&str]| ground.on_gateway(sets, |at| ground.whole_job(at, "halo/v1/readings/#"));
    let (nothing, everything) = (with(&NOTHING)?, with(&[])?);
    let mut figures = generator::used(ground, &[&nothing, &everything])?;
    figures.extend([
        ("readings/s, nothing", nothing.report.deliveries_per_s),
        ("readings/s, everything", everything.report.deliveries_per_s),
    ]);
    Ok(figures)
}

/// What is measured of one kind, in order.
macro_rules! figures_of {
    ($kind:literal) => {
        [
            concat!($kind, ": µs a frame, statistics alone"),
            concat!($kind, ": µs a frame, derived signals as well"),
            concat!($kind, ": µs a frame, forecasts as well"),
            concat!($kind, ": bytes a subject, statistics alone"),
            concat!($kind, ": bytes a subject, derived signals as well"),
            concat!($kind, ": bytes a subject, forecasts as well"),
        ]
    };
}

const KINDS: [(Kind, [&str; 6]); 6] = [
    (Kind::Wristband, figures_of!("wristband")),
    (Kind::CarDongle, figures_of!("car")),
    (Kind::Turbofan, figures_of!("engine")),
    (Kind::ParcelTracker, figures_of!("parcel")),
    (Kind::ParkBand, figures_of!("park band")),
    (Kind::Pacemaker, figures_of!("pacemaker")),
];
/// Subjects that send in turn, so that their state is in nobody's cache, and frames of each: 50 minutes.
const SUBJECTS: u32 = 100;
const FRAMES: u32 = 300;
const PERIOD: Duration = Duration::from_secs(10);
const WALL_MS: i64 = 1_795_291_200_000;

pub(super) fn kinds(ground: &Ground) -> Result<Figures, Failure> {
    let mut figures = Figures::new();
    for (kind, names) in KINDS {
        let configs = [
            FoldConfig { forecasts: false, derivations: NO_DERIVATIONS.to_owned(), ..FoldConfig::default() },
            FoldConfig { forecasts: false, ..FoldConfig::default() },
            FoldConfig::default(),
        ];
        let records = records(kind, ground.many(SUBJECTS as usize) as u32)?;
        for (nth, config) in configs.into_iter().enumerate() {
            let (us, bytes) = cost(&records, config);
            figures.extend([(names[nth], us), (names[nth + 3], bytes)]);
        }
    }
    Ok(figures)
}

/// Microseconds a frame, read and folded, and bytes a subject at the end.
fn cost(records: &[Record], config: FoldConfig) -> (f64, f64) {
    let mut fold = Fold::new(Grammar::default());
    let first = Record { offset: Offset(1), body: Body::Config(config), ..records[0].clone() };
    fold.apply(&first);
    let watch = Stopwatch::new();
    for record in records {
        fold.apply(record);
    }
    let us = watch.elapsed().as_secs_f64() * 1e6 / records.len() as f64;
    let subjects = fold.subjects();
    let bytes: usize = subjects.iter().map(|subject| subject.memory_bytes()).sum();
    (us, bytes as f64 / subjects.len().max(1) as f64)
}

fn records(kind: Kind, subjects: u32) -> Result<Vec<Record>, Failure> {
    let load = Load::Frames { kinds: vec![kind], period: PERIOD, step: PERIOD, fill_to: None };
    let mut records = Vec::new();
    for (seq, payload) in (0..FRAMES).zip(payloads(&load, 0, FRAMES)?) {
        let mono_ms = u64::from(seq + 1) * PERIOD.as_millis() as u64;
        let arrival = GatewayTime { wall_ms: WALL_MS + mono_ms as i64, mono_ms };
        for subject in 0..subjects {
            let name = Name::from(format!("someone-{subject:03}"));
            let frame = Frame {
                device: name.clone(),
                publisher: name.clone(),
                subject: name,
                identity: Some(Identity { boot: 1, seq }),
                format: Format::Tf1,
                arrival,
                qos: 1,
                // Uptime begins at 2^28 ms.
                clock: ClockUse { offset_ms: WALL_MS - (1 << 28), source: ClockSource::Synced },
                payload: payload.clone(),
            };
            let (offset, stamp, key) = (Offset(records.len() as u64 + 2), arrival, KeyId(0));
            records.push(Record { offset, epoch: StartEpoch(1), stamp, cause: None, key, body: Body::Frame(frame) });
        }
    }
    Ok(records)
}
