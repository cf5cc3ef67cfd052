//! One device, the machine that takes its publishes, and the fold of what comes of them.

use firmware_sim::{Delivery, Step, Stepped};
use halo_gateway::halo::{Derived, DerivedValue, Fold, Models, Subject};
use halo_gateway::ingest::{Admission, Channel, Ingest, Publish, Settings};
use halo_gateway::record::{
    Body, Cohort, Draft, FoldConfig, GatewayTime, KeyId, Name, Offset, Record, Spark, StartEpoch,
};
use halo_gateway::spark::Engine;
use halo_proto::frame::peek_header;
use halo_proto::topic::Grammar;
use serde_json::Value;

use super::START_MS;
use super::spans::Span;
use crate::Failure;

/// Uptime of the gateway at [`START_MS`].
const UP_MS: u64 = 60_000;
/// Connections have numbers from 1 on; one is enough.
const SESSION: u64 = 1;
/// Most that becomes due by the passing of time between two steps.
const TICKS_MAX: usize = 10_000;

/// See the module's text.
pub(super) struct World {
    ingest: Ingest,
    fold: Fold,
    /// Follows the same log, and begins anew when it is told to.
    second: Option<Fold>,
    config: FoldConfig,
    models: Models,
    offset: u64,
    engine: Option<Engine>,
    /// What it decided.
    decided: Vec<Decided>,
    counted: Vec<Cohort>,
    newest_ms: i64,
}

/// What the rules decided.
#[derive(Clone, Debug)]
pub(super) struct Decided {
    /// Of the newest reading, or of the act or the passing of time it follows from, Unix ms.
    pub(super) at_ms: i64,
    /// Of the gateway's clock: what was kept without a network is told later than it was so, Unix ms.
    pub(super) told_ms: i64,
    pub(super) offset: Offset,
    pub(super) spark: Spark,
}

/// What a subscriber sees of one subject after one frame.
pub(super) struct Look<'a> {
    pub(super) subject: &'a Subject,
    /// Of the frame, as the gateway dates it.
    pub(super) newest_ms: i64,
    values: Vec<Derived>,
}

impl Look<'_> {
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        match self.value(name)? {
            DerivedValue::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn count(&self, name: &str) -> Option<u64> {
        self.number(name).map(|number| number as u64)
    }

    pub(super) fn text(&self, name: &str) -> Option<&'static str> {
        match self.value(name)? {
            DerivedValue::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn has(&self, list: &str, what: &str) -> bool {
        matches!(self.value(list), Some(DerivedValue::List(list)) if list.contains(&what))
    }

    fn value(&self, name: &str) -> Option<&DerivedValue> {
        self.values.iter().find(|derived| derived.name == name).map(|derived| &derived.value)
    }
}

/// Everything a device will do: cheap to keep, so that what is true is known before it is looked for.
pub(super) fn whole_life(device: Stepped) -> Result<(String, Vec<Step>), Failure> {
    let id = device.id().to_string();
    Ok((id, device.collect::<Result<Vec<Step>, _>>()?))
}

/// The truths of one sort, in order of their times.
pub(super) fn truths<'a>(steps: &'a [Step], what: &'a str) -> impl Iterator<Item = &'a Value> {
    steps.iter().flat_map(|step| &step.truths).filter(move |line| line["truth"] == *what)
}

/// Dead zones of a device that sends the newest frame first when it is back: what it kept is late then, and late
/// readings change nothing that is derived. None of a device that keeps the order.
pub(super) fn out_of_order(steps: &[Step]) -> Vec<Span> {
    let sequence = |delivery: &Delivery| match delivery {
        Delivery::Frame(payload) => peek_header(payload).ok().map(|header| header.seq),
        Delivery::Birth(_) => None,
    };
    let backwards = |step: &Step| {
        let mut sequences = step.delivered.iter().filter_map(sequence);
        let first = sequences.next();
        sequences.next_back() < first && step.delivered.len() > 2
    };
    if !steps.iter().any(backwards) {
        return Vec::new();
    }
    truths(steps, "dead_zone").map(Span::of).collect()
}

impl World {
    /// With this configuration in its log, and a second fold if one is wanted.
    pub(super) fn new(config: FoldConfig, second: bool) -> Self {
        let mut world = Self {
            ingest: Ingest::new(Settings::default()),
            fold: Fold::new(Grammar::default()),
            second: second.then(|| Fold::new(Grammar::default())),
            config: config.clone(),
            models: Models::default(),
            offset: 0,
            engine: None,
            decided: Vec::new(),
            counted: Vec::new(),
            newest_ms: START_MS,
        };
        world.append(Body::Config(config).into(), time(START_MS), &mut |_, _| {});
        world
    }

    /// The same with rules that decide of the first fold, and what is said before anything happens.
    pub(super) fn with_rules(config: FoldConfig, mut engine: Engine, said: Vec<Body>) -> Self {
        let mut world = Self::new(config, false);
        said.into_iter().for_each(|body| world.append(body.into(), time(START_MS), &mut |_, _| {}));
        let drafts = engine.begin(&world.fold);
        world.engine = Some(engine);
        drafts.into_iter().for_each(|draft| world.append(draft, time(START_MS), &mut |_, _| {}));
        world
    }

    /// What the rules decided since they were last asked.
    pub(super) fn decided(&mut self) -> Vec<Decided> {
        std::mem::take(&mut self.decided)
    }

    /// What was published of cohorts.
    pub(super) fn counted(&self) -> &[Cohort] {
        &self.counted
    }

    /// Of a subject as it is now.
    pub(super) fn derived(&self, subject: &str, name: &str) -> Option<Derived> {
        let derived = self.fold.subject(subject)?.derived_by(&self.models);
        derived.into_iter().find(|derived| derived.name == name)
    }

    /// Time goes on: what becomes due on the way becomes due when it does.
    pub(super) fn pass(&mut self, to_ms: i64) {
        for _ in 0..TICKS_MAX {
            let engine = self.engine.as_ref().and_then(Engine::deadline);
            let due_ms = self.fold.deadline().into_iter().chain(engine).min();
            let Some(due_ms) = due_ms.filter(|due_ms| *due_ms <= time(to_ms).mono_ms) else { return };
            let at_ms = START_MS.saturating_add_unsigned(due_ms).saturating_sub_unsigned(UP_MS);
            let at_ms = at_ms.max(self.fold.clock().wall_ms);
            self.append(Body::Tick.into(), time(at_ms), &mut |_, _| {});
        }
    }

    /// Something is done that no device does.
    pub(super) fn enter(&mut self, body: Body, at_ms: i64) {
        self.pass(at_ms);
        self.append(body.into(), time(at_ms), &mut |_, _| {});
    }

    /// A client that is no device of the simulator says something at a Unix time.
    pub(super) fn say(&mut self, device: &str, payload: &str, at_ms: i64) -> Result<(), Failure> {
        let frame = Delivery::Frame(payload.to_owned().into());
        self.take(device, &Step { at_ms, delivered: vec![frame], truths: Vec::new() }, |_, _| {})
    }

    /// Lets the second fold begin anew, with the configuration and nothing else.
    pub(super) fn begin_second_anew(&mut self) {
        let mut fold = Fold::new(Grammar::default());
        fold.apply(&self.record(Body::Config(self.config.clone()).into(), GatewayTime::default()));
        self.second = Some(fold);
    }

    /// Takes what a step delivered; `look` sees each subject that a frame changed, in the first fold and (true) in the
    /// second.
    pub(super) fn take(&mut self, id: &str, step: &Step, mut look: impl FnMut(&Look<'_>, bool)) -> Result<(), Failure> {
        let now = time(step.at_ms);
        for delivery in &step.delivered {
            let publish = publish(id, delivery, now);
            if let Some(body) = self.ingest.connect(&publish) {
                self.append(body.into(), now, &mut look);
            }
            match self.ingest.admit(&publish) {
                Admission::Store(body) => self.append(body.into(), now, &mut look),
                Admission::Duplicate => {}
                Admission::Refuse(reason) | Admission::Unfit(reason, _) => {
                    return Err(format!("{id} was refused with reason {reason:#04x}").into());
                }
            }
            for draft in self.ingest.owed(now) {
                self.append(draft, now, &mut look);
            }
        }
        Ok(())
    }

    fn append(&mut self, draft: Draft, stamp: GatewayTime, look: &mut dyn FnMut(&Look<'_>, bool)) {
        self.offset += 1;
        let record = self.record(draft, stamp);
        if matches!(record.body, Body::Act(_) | Body::Config(_) | Body::Reply(_) | Body::Retained(_) | Body::Tick) {
            self.newest_ms = stamp.wall_ms;
        }
        self.ingest.apply(&record);
        for (second, fold) in [Some(&mut self.fold), self.second.as_mut()].into_iter().enumerate() {
            let Some(touched) = fold.map(|fold| fold.apply(&record)) else { continue };
            let Some(readings) = touched.readings() else { continue };
            if second == 0 {
                let newest =
                    readings.series.iter().filter_map(|series| series.points.last()).map(|point| point.event_ms);
                self.newest_ms = newest.max().unwrap_or(self.newest_ms);
            }
            let points = readings.series.iter().filter_map(|series| series.points.last()).map(|point| point.event_ms);
            let newest_ms = points.chain(readings.events.iter().map(|event| event.event_ms)).max();
            for subject in touched.subjects() {
                let newest_ms = newest_ms.unwrap_or(stamp.wall_ms);
                look(&Look { subject, newest_ms, values: subject.derived_by(&self.models) }, second == 1);
            }
        }
        if let Body::Spark(spark) = &record.body {
            let (at_ms, told_ms) = (self.newest_ms, stamp.wall_ms);
            self.decided.push(Decided { at_ms, told_ms, offset: record.offset, spark: spark.clone() });
        }
        if let Body::Cohort(cohort) = &record.body {
            self.counted.push(cohort.clone());
        }
        // What follows from a record is in the log at once.
        let drafts = self.engine.as_mut().map_or(Vec::new(), |engine| engine.follow(&record, &self.fold));
        drafts.into_iter().for_each(|draft| self.append(draft, stamp, look));
    }

    fn record(&self, draft: Draft, stamp: GatewayTime) -> Record {
        let offset = Offset(self.offset);
        Record { offset, epoch: StartEpoch(1), stamp, cause: draft.cause, key: KeyId(0), body: draft.body }
    }
}

fn publish(id: &str, delivery: &Delivery, arrival: GatewayTime) -> Publish {
    let (channel, level, payload) = match delivery {
        Delivery::Birth(payload) => (Channel::Birth, "birth", payload),
        Delivery::Frame(payload) => (Channel::Telemetry, "t", payload),
    };
    let topic = Name::from(format!("halo/v1/d/{id}/{level}"));
    let (device, publisher) = (Name::from(id), Name::from(id));
    Publish { device, topic, publisher, channel, payload: payload.clone(), qos: 1, arrival, session: SESSION }
}

pub(super) fn time(wall_ms: i64) -> GatewayTime {
    GatewayTime { wall_ms, mono_ms: UP_MS.saturating_add_signed(wall_ms - START_MS) }
}
