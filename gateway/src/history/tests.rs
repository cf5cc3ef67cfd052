//! Whatever happens to devices, clocks, assignments, births and power: history says what the fold was given.
//! `HALO_SEED=… cargo test -p halo-gateway --lib history` replays.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use halo_proto::topic::Grammar;

use super::*;
use crate::clock::Clock;
use crate::halo::{Fold, Quality, physical};
use crate::record::*;
use crate::store::fs::mem::{MemFs, Rng};
use crate::store::owner::tests::rig::{Rig, birth, clock, frame, telemetry};
use crate::store::replaying::Skipped;
use crate::store::state::MemState;

mod at;
mod why;

const WALL_MS: i64 = crate::store::owner::tests::rig::WALL_MS;
const DEVICES: [&str; 4] = ["pi", "watch", "van", "cow"];
const SUBJECTS: [&str; 6] = ["anna", "bert", "pi", "watch", "van", "cow"];

/// Subject and signal → (time, value, offset), in the order of history.
type Told = BTreeMap<(String, String), Vec<(i64, f64, Offset)>>;

struct World {
    rng: Rng,
    fs: MemFs,
    clock: Clock,
    rig: Rig,
    seq: u32,
}

fn assigned() -> FoldConfig {
    let span = |device: &str, subject: &str, from_ms, until_ms| Assignment {
        device: device.into(),
        subject: subject.into(),
        kind: SubjectKind::Person,
        from_ms,
        until_ms,
    };
    let assignments = vec![
        span("pi", "anna", None, Some(WALL_MS + 300_000)),
        span("pi", "bert", Some(WALL_MS + 400_000), None),
        span("watch", "anna", None, None),
    ];
    FoldConfig { hash: 7, assignments, silent_after_ms: 60_000, ..FoldConfig::default() }
}

impl World {
    fn new(seed: u64) -> Self {
        let (fs, clock) = (MemFs::new(seed), clock());
        let rig = Rig::start(&fs, MemState::default(), &clock, &assigned()).unwrap();
        Self { rng: Rng(seed), fs, clock, rig, seq: 0 }
    }

    fn payload(&mut self) -> Bytes {
        self.seq += 1;
        let now_ms = self.clock.now().wall_ms;
        let value = self.rng.below(100);
        match self.rng.below(8) {
            0 => format!("{{\"depth\":{value}.5,\"time\":{}}}", now_ms - self.rng.below(900_000) as i64).into(),
            1 => format!("{{\"heart_rate\":{},\"time\":{now_ms}}}", 60 + value * 4).into(),
            2 => format!("{{\"depth\":{value},\"time\":{}}}", now_ms + 3_600_000).into(),
            3 => Bytes::from_static(b"no format"),
            _ => frame(self.seq, value as i64),
        }
    }

    fn live(&mut self) {
        let device = DEVICES[self.rng.below(4) as usize];
        let (session, now) = (self.rng.below(9), self.clock.now());
        match self.rng.below(40) {
            0 => {
                self.rig.publish(birth(device, session, now));
            }
            1 => self.act(Deed::Forget { device: device.into() }),
            2 => self.act(Deed::Release { device: device.into(), at_ms: now.wall_ms - 50_000 }),
            3 => {
                let subject = SUBJECTS[self.rng.below(2) as usize].to_owned();
                let (kind, from_ms) = (SubjectKind::Person, Some(now.wall_ms - 20_000));
                self.act(Deed::Assign(Assignment { device: device.into(), subject, kind, from_ms, until_ms: None }));
            }
            _ => {
                let payload = self.payload();
                self.rig.publish(telemetry(device, session, payload, now));
            }
        }
        self.clock.advance(Duration::from_millis(self.rng.below(3_000)));
        if self.rng.one_in(150) {
            self.clock.step_wall(self.rng.below(100_000) as i64 - 50_000);
        }
    }

    fn act(&mut self, deed: Deed) {
        drop(self.rig.append(Body::Act(Act { by: "local".into(), deed })));
        self.rig.turn();
    }

    fn cut(self) -> Self {
        let Self { rng, fs, clock, rig, seq } = self;
        drop(rig);
        fs.power_cut();
        let rig = Rig::start(&fs, MemState::default(), &clock, &assigned()).unwrap();
        Self { rng, fs, clock, rig, seq }
    }

    fn past(&self) -> Past<MemFs> {
        Past::over(self.fs.clone(), Path::new("/log"), Skipped::default(), Grammar::default()).unwrap()
    }
}

/// What the fold was given, frame by frame.
fn folded(records: &[Record]) -> Told {
    let mut fold = Fold::new(Grammar::default());
    let mut told = Told::new();
    for record in records {
        let touched = fold.apply(record);
        let (Some(readings), Body::Frame(frame) | Body::Replayed(frame)) = (touched.readings(), &record.body) else {
            continue;
        };
        for series in &readings.series {
            let signal = &series.signal;
            let list = told.entry((frame.subject.to_string(), signal.name.to_string())).or_default();
            let seen = series
                .points
                .iter()
                .filter(|point| Quality::of(signal, point, frame.arrival.wall_ms) != Quality::Future);
            list.extend(seen.map(|it| (it.event_ms, physical(it.raw, signal.num, signal.den), record.offset)));
        }
    }
    told.values_mut().for_each(|list| list.sort_by_key(|(at, _, offset)| (*at, *offset)));
    told
}

fn question(subject: &str, signal: &str, span_ms: std::ops::Range<i64>) -> Question {
    Question { subject: subject.into(), signal: signal.into(), span_ms, arrived_by_ms: i64::MAX }
}

fn answered(past: &Past<MemFs>, question: &Question) -> Vec<(i64, f64, Offset)> {
    let (answer, account) = past.readings(question, |_, _| ()).unwrap();
    assert_eq!((account.unread, &account.sought.findings[..]), (0, &[][..]));
    let told = answer.readings.iter().map(|reading| {
        let signal = answer.signal(reading).unwrap();
        (reading.event_ms, physical(reading.raw, signal.num, signal.den), reading.offset)
    });
    told.collect()
}

#[test]
fn history_over_a_run_is_what_the_fold_was_given() {
    let seed = std::env::var("HALO_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(3);
    println!("HALO_SEED={seed}");
    let (mut readings, mut births, mut replayed) = (0, 0, 0);
    for world in 0..6 {
        let mut world = World::new(seed * 1_000 + world);
        for _ in 0..500 {
            world.live();
            if world.rng.one_in(120) {
                world = world.cut();
            }
        }
        let records = world.rig.records();
        replayed += records.iter().filter(|record| matches!(record.body, Body::Replayed(_))).count();
        let told = folded(&records);
        let past = world.past();
        for subject in SUBJECTS {
            for signal in ["depth", "heart_rate"] {
                let all = told.get(&(subject.to_owned(), signal.to_owned())).cloned().unwrap_or_default();
                assert_eq!(
                    answered(&past, &question(subject, signal, i64::MIN..i64::MAX)),
                    all,
                    "{signal} of {subject}"
                );
                readings += all.len();
                for _ in 0..5 {
                    let from = WALL_MS + world.rng.below(900_000) as i64 - 100_000;
                    let span = from..from + world.rng.below(300_000) as i64 + 1;
                    let some: Vec<_> = all.iter().copied().filter(|(at, ..)| span.contains(at)).collect();
                    assert_eq!(answered(&past, &question(subject, signal, span.clone())), some, "{span:?}");
                }
            }
            births += usize::from(
                past.frames(subject, i64::MIN..i64::MAX, |_, _| (), |_: &mut (), _| Ok(())).unwrap().1.births,
            );
        }
    }
    assert!(readings > 5_000 && births > 10 && replayed > 5, "{readings} readings, {births}, {replayed}");
}

#[test]
fn steps_say_what_their_readings_say() {
    let mut world = World::new(11);
    (0..400).for_each(|_| world.live());
    let past = world.past();
    let asked = question("anna", "depth", i64::MIN..i64::MAX);
    let (stepped, _) = past.steps(&asked, 10_000, |_, _| ()).unwrap();
    let mut plain: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (at, value, _) in answered(&past, &asked) {
        plain.entry(at.div_euclid(10_000) * 10_000).or_default().push(value);
    }
    assert_eq!(stepped.steps.keys().collect::<Vec<_>>(), plain.keys().collect::<Vec<_>>());
    for (begins, values) in &plain {
        let step = stepped.steps[begins];
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let (min, max) = values.iter().fold((f64::MAX, f64::MIN), |(min, max), it| (min.min(*it), max.max(*it)));
        assert_eq!((step.n, step.min, step.max), (values.len() as u64, min, max));
        assert!((step.mean() - mean).abs() < 1e-9);
    }
    assert!(plain.len() > 20, "{}", plain.len());
}

#[test]
fn what_came_later_than_asked_for_is_left_out() {
    let mut world = World::new(12);
    let before = |ms: i64, now: GatewayTime| format!("{{\"depth\":{ms},\"time\":{}}}", now.wall_ms - ms);
    let begun = world.clock.now();
    world.rig.publish(telemetry("van", 1, before(1, begun).into(), begun));
    world.clock.advance(Duration::from_hours(5));
    let late = world.clock.now();
    world.rig.publish(telemetry("van", 1, before(5 * 3_600_000 - 10, late).into(), late));
    let past = world.past();
    let asked = question("van", "depth", WALL_MS - 1_000..WALL_MS + 60_000);
    assert_eq!(answered(&past, &asked).len(), 2, "a buffer drained hours later is found");
    let asked = Question { arrived_by_ms: begun.wall_ms + 3_600_000, ..asked };
    assert_eq!(answered(&past, &asked).iter().map(|(at, ..)| *at - WALL_MS).collect::<Vec<_>>(), [-1]);
}
