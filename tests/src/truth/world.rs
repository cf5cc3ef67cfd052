//! One device, the machine that takes its publishes, and the fold of what comes of them.

use firmware_sim::{Delivery, Step, Stepped};
use halo_gateway::halo::{Derived, DerivedValue, Fold, Models, Subject};
use halo_gateway::ingest::{Admission, Channel, Ingest, Publish, Settings};
use halo_gateway::record::{Body, Draft, FoldConfig, GatewayTime, KeyId, Name, Offset, Record, StartEpoch};
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

/// See the module's text.
pub(super) struct World {
    ingest: Ingest,
    fold: Fold,
    /// Follows the same log, and begins anew when it is told to.
    second: Option<Fold>,
    config: FoldConfig,
    models: Models,
    offset: u64,
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
        };
        world.append(Body::Config(config).into(), time(START_MS), &mut |_, _| {});
        world
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
                Admission::Refuse(reason) => return Err(format!("{id} was refused with reason {reason:#04x}").into()),
            }
            for draft in self.ingest.owed(now) {
                self.append(draft, now, &mut look);
            }
        }
        Ok(())
    }

    fn append(&mut self, draft: Draft, stamp: GatewayTime, look: &mut impl FnMut(&Look<'_>, bool)) {
        self.offset += 1;
        let record = self.record(draft, stamp);
        self.ingest.apply(&record);
        for (second, fold) in [Some(&mut self.fold), self.second.as_mut()].into_iter().enumerate() {
            let Some(touched) = fold.map(|fold| fold.apply(&record)) else { continue };
            let Some(readings) = touched.readings() else { continue };
            let points = readings.series.iter().filter_map(|series| series.points.last()).map(|point| point.event_ms);
            let newest_ms = points.chain(readings.events.iter().map(|event| event.event_ms)).max();
            for subject in touched.subjects() {
                let newest_ms = newest_ms.unwrap_or(stamp.wall_ms);
                look(&Look { subject, newest_ms, values: subject.derived_by(&self.models) }, second == 1);
            }
        }
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

fn time(wall_ms: i64) -> GatewayTime {
    GatewayTime { wall_ms, mono_ms: UP_MS.saturating_add_signed(wall_ms - START_MS) }
}
