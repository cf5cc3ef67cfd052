//! `halo/1`: one subject, as its retained topic shows it. `gateway/schema/halo-1.schema.json` describes every field.

use bytes::Bytes;
use halo_proto::registry::{self, Nature};
use serde::Serialize;

use super::context_json::{HappenedJson, PlaceJson, TripJson};
use super::json::{Number, Scaled, Table, Time, document};
use super::members_json::{Members, MembersJson};
use super::offers_json::OfferJson;
use super::spark_json::SparkedJson;
use super::ties_json::{OtherJson, RelationJson, aliases, settings};
use crate::halo::{
    Counts, Crossing, Derived, DerivedValue, Device, EventSeen, Fold, Forecast, Forecaster, Models, Side, Signal,
    Stats, Subject, Tally, TextSeen,
};
use crate::record::{ClockSource, Name, SubjectKind};

/// Renders a subject's halo; `models` tell what the state of an engine means, `tally` is scratch memory, reused.
pub fn render(subject: &Subject, models: &Models, tally: &mut Tally) -> Bytes {
    render_with(subject, None, models, tally)
}

/// As [`render`]; of an organisation with what is known of its members.
pub fn render_in(fold: &Fold, subject: &Subject, models: &Models, tally: &mut Tally) -> Bytes {
    render_with(subject, Members::of(fold, subject, models), models, tally)
}

fn render_with(subject: &Subject, members: Option<Members>, models: &Models, tally: &mut Tally) -> Bytes {
    let derived = subject.derived_by(models);
    let ties = subject.ties();
    let signals = subject.signals().iter().map(|signal| {
        let others = OtherJson::all(subject.others(signal.name()), signal.latest());
        (&**signal.name(), SignalJson { others, ..SignalJson::new(signal, tally) })
    });
    document(&HaloJson {
        schema: "halo/1",
        subject: subject.name(),
        kind: subject.kind(),
        revision: subject.revision(),
        time: Time(subject.changed_ms()),
        signals: Table(signals.collect()),
        derived: Table(derived.iter().map(|derived| (&*derived.name, DerivedJson::new(derived))).collect()),
        context: ContextJson {
            place: PlaceJson::of(subject),
            trip: TripJson::of(subject),
            events: events(subject),
            texts: Table(subject.texts().iter().map(|text| (&*text.key, TextJson::new(text))).collect()),
        },
        presence: Table(subject.devices().iter().map(|device| (&**device.name(), PresenceJson::new(device))).collect()),
        quality: QualityJson::new(subject.counts()),
        merged_into: ties.and_then(|ties| ties.merged_into()).map(|name| &**name),
        aliases: aliases(ties),
        relations: RelationJson::all(ties),
        settings: settings(ties),
        sparks: SparkedJson::all(subject.sparks()),
        offers: OfferJson::all(subject),
        members: members.as_ref().map(MembersJson::new),
    })
}

/// By the models of this build.
#[cfg(test)]
pub(crate) fn halo_json(subject: &Subject, tally: &mut Tally) -> Bytes {
    render(subject, &Models::default(), tally)
}

/// One derived value, as the halo has it.
pub(crate) fn derived_json(derived: &Derived) -> serde_json::Value {
    serde_json::json!(DerivedJson::new(derived))
}

#[derive(Serialize)]
struct HaloJson<'a> {
    schema: &'static str,
    subject: &'a str,
    kind: SubjectKind,
    revision: u64,
    time: Time,
    signals: Table<'a, SignalJson<'a>>,
    derived: Table<'a, DerivedJson<'a>>,
    context: ContextJson<'a>,
    presence: Table<'a, PresenceJson>,
    quality: QualityJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_into: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aliases: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relations: Option<Vec<RelationJson<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<Table<'a, &'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sparks: Option<Vec<SparkedJson<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offers: Option<Table<'a, OfferJson<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<MembersJson<'a>>,
}

#[derive(Serialize)]
struct SignalJson<'a> {
    value: Option<Scaled>,
    unit: &'a str,
    time: Option<Time>,
    device: Option<&'a str>,
    quality: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    loinc: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vss: Option<&'static str>,
    stats: Table<'static, StatsJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trend: Option<TrendJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forecast: Option<Table<'static, ForecastJson>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reaches: Option<Table<'static, CrossingJson>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    others: Option<Vec<OtherJson<'a>>>,
}

impl<'a> SignalJson<'a> {
    fn new(signal: &'a Signal, tally: &mut Tally) -> Self {
        let latest = signal.latest();
        let known = registry::signal_named(signal.name()).filter(|known| *known.unit == **signal.unit());
        let forecasts = signal.forecaster().map(|forecaster| {
            Table(forecaster.forecasts().map(|forecast| (forecast.name, ForecastJson::new(&forecast))).collect())
        });
        let forecasts = forecasts.filter(|Table(forecasts)| !forecasts.is_empty());
        let reaches = signal.forecaster().zip(known).filter(|_| forecasts.is_some());
        let reaches = reaches.map(|(forecaster, known)| reaches_limits(forecaster, known));
        Self {
            value: latest.map(|latest| Scaled { raw: latest.raw, num: latest.num, den: latest.den }),
            unit: signal.unit(),
            time: latest.map(|latest| Time(latest.event_ms)),
            device: latest.map(|latest| &*latest.device),
            quality: signal.quality().as_str(),
            loinc: known.and_then(|known| known.loinc),
            vss: known.and_then(|known| known.vss),
            stats: Table(signal.stats(tally).map(|(window, stats)| (window, StatsJson::new(&stats))).collect()),
            trend: TrendJson::new(signal, known.map_or(Nature::Level, |known| known.nature)),
            forecast: forecasts,
            reaches: reaches.filter(|Table(reaches)| !reaches.is_empty()),
            others: None,
        }
    }
}

#[derive(Serialize)]
struct TrendJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    ewma: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    per_hour: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    low: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    high: Option<Number>,
}

impl TrendJson {
    /// A counter has no mean worth knowing, and what goes up and down from moment to moment no rate.
    fn new(signal: &Signal, nature: Nature) -> Option<Self> {
        let ewma = signal.smoothed().filter(|_| matches!(nature, Nature::Level | Nature::Momentary));
        let rate = if matches!(nature, Nature::Level | Nature::Counter) { signal.rate() } else { None };
        let (low, high) = rate.and_then(|rate| rate.interval).unzip();
        let [ewma, per_hour, low, high] =
            [ewma, rate.map(|rate| rate.per_hour), low, high].map(|number| number.map(Number));
        (ewma.is_some() || per_hour.is_some()).then_some(Self { ewma, per_hour, low, high })
    }
}

/// When the forecast path comes to an end of the signal's plausible range, as a battery does.
fn reaches_limits(forecaster: &Forecaster, known: &registry::Signal) -> Table<'static, CrossingJson> {
    let ends = [("max", known.limits.max, Side::Above), ("min", known.limits.min, Side::Below)];
    let reached = ends.into_iter().filter_map(|(end, raw, side)| {
        let limit = Scaled { raw: raw?, num: known.num, den: known.den };
        let crossing = forecaster.crossing(limit.get(), side)?;
        Some((end, CrossingJson::new(limit, &crossing)))
    });
    Table(reached.collect())
}

#[derive(Serialize)]
struct ForecastJson {
    horizon_s: u32,
    time: Time,
    value: Number,
    low: Number,
    high: Number,
    coverage: Number,
    method: &'static str,
    skill: Number,
}

impl ForecastJson {
    fn new(forecast: &Forecast) -> Self {
        let Forecast { horizon_s, time_ms, value, low, high, coverage, method, skill, .. } = *forecast;
        let near = |number| Number(rounded(number, (high - low) / 1_000.0));
        Self {
            horizon_s,
            time: Time(time_ms),
            value: near(value),
            low: near(low),
            high: near(high),
            coverage: Number(coverage),
            method,
            skill: Number(rounded(skill, 0.001)),
        }
    }
}

/// To as few decimals as keep it within `by`.
fn rounded(number: f64, by: f64) -> f64 {
    let mut scale = 1.0;
    for _ in 0..12 {
        if by * scale >= 1.0 {
            return (number * scale).round() / scale;
        }
        scale *= 10.0;
    }
    number
}

#[derive(Serialize)]
struct CrossingJson {
    limit: Scaled,
    time: Time,
    earliest: Time,
    latest: Option<Time>,
}

impl CrossingJson {
    fn new(limit: Scaled, crossing: &Crossing) -> Self {
        let Crossing { at_ms, earliest_ms, latest_ms } = *crossing;
        Self { limit, time: Time(at_ms), earliest: Time(earliest_ms), latest: latest_ms.map(Time) }
    }
}

#[derive(Serialize)]
struct StatsJson {
    n: u32,
    min: Number,
    max: Number,
    mean: Number,
    sd: Option<Number>,
    p50: Number,
    p95: Number,
}

impl StatsJson {
    fn new(stats: &Stats) -> Self {
        Self {
            n: stats.n,
            min: Number(stats.min),
            max: Number(stats.max),
            mean: Number(stats.mean),
            sd: stats.sd.map(Number),
            p50: Number(stats.p50),
            p95: Number(stats.p95),
        }
    }
}

#[derive(Serialize)]
pub(super) struct DerivedJson<'a> {
    value: ValueJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    low: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    high: Option<Number>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ValueJson<'a> {
    Number(Number),
    Text(&'a str),
    List(&'a [&'static str]),
    Names(&'a [Name]),
    Numbers(Vec<Number>),
}

impl<'a> DerivedJson<'a> {
    pub(super) fn new(derived: &'a Derived) -> Self {
        let Derived { window_s, confidence, low, high, .. } = *derived;
        let value = match &derived.value {
            DerivedValue::Number(number) => ValueJson::Number(Number(*number)),
            DerivedValue::Text(text) => ValueJson::Text(text),
            DerivedValue::List(names) => ValueJson::List(names),
            DerivedValue::Names(names) => ValueJson::Names(names),
            DerivedValue::Numbers(numbers) => ValueJson::Numbers(numbers.iter().copied().map(Number).collect()),
        };
        let unit = Some(&*derived.unit).filter(|unit| !unit.is_empty());
        let [confidence, low, high] = [confidence, low, high].map(|number| number.map(Number));
        Self { value, unit, window_s, confidence, low, high }
    }
}

#[derive(Serialize)]
struct ContextJson<'a> {
    place: Option<PlaceJson<'a>>,
    trip: Option<TripJson<'a>>,
    events: Vec<AnyEventJson<'a>>,
    texts: Table<'a, TextJson<'a>>,
}

/// What devices told and what was derived, in order of time.
fn events(subject: &Subject) -> Vec<AnyEventJson<'_>> {
    let told = subject.events().map(|event| (event.event_ms, AnyEventJson::Told(EventJson::new(event))));
    let derived = subject.happened().map(|it| (it.event_ms, AnyEventJson::Derived(HappenedJson::new(it))));
    let mut events: Vec<_> = told.chain(derived).collect();
    events.sort_by_key(|(event_ms, _)| *event_ms);
    events.into_iter().map(|(_, event)| event).collect()
}

#[derive(Serialize)]
#[serde(untagged)]
enum AnyEventJson<'a> {
    Told(EventJson<'a>),
    Derived(HappenedJson<'a>),
}

#[derive(Serialize)]
struct EventJson<'a> {
    time: Time,
    device: &'a str,
    code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    severity: u8,
    value: Scaled,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
}

impl<'a> EventJson<'a> {
    fn new(event: &'a EventSeen) -> Self {
        let known = event.known();
        let (num, den) = known.map_or((1, 1), |known| (known.num, known.den));
        Self {
            time: Time(event.event_ms),
            device: &event.device,
            code: event.code,
            name: known.map(|known| known.name),
            severity: event.severity,
            value: Scaled { raw: event.value, num, den },
            unit: known.map(|known| known.unit),
        }
    }
}

#[derive(Serialize)]
struct TextJson<'a> {
    value: &'a str,
    time: Time,
    device: &'a str,
}

impl<'a> TextJson<'a> {
    fn new(text: &'a TextSeen) -> Self {
        Self { value: &text.value, time: Time(text.event_ms), device: &text.device }
    }
}

#[derive(Serialize)]
struct PresenceJson {
    state: &'static str,
    last_seen: Option<Time>,
    battery_pct: Option<Number>,
    clock_offset_ms: Option<i64>,
    clock: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind_before: Option<String>,
}

impl PresenceJson {
    fn new(device: &Device) -> Self {
        let (kind, kind_before) = device.kinds().map(|(kind, before)| (kind.to_string(), before.to_string())).unzip();
        Self {
            kind,
            kind_before,
            state: device.state().as_str(),
            last_seen: device.last_seen_ms().map(Time),
            battery_pct: device.battery_pct().map(Number),
            clock_offset_ms: device.clock_offset_ms(),
            clock: device.clock().map(clock),
        }
    }
}

#[derive(Serialize)]
struct QualityJson {
    accepted: u64,
    gaps: u64,
    missing: u64,
    duplicates: u64,
    late: u64,
    conflicts: u64,
    quarantined: u64,
    suspect: u64,
}

impl QualityJson {
    fn new(counts: &Counts) -> Self {
        let Counts { accepted, gaps, missing, duplicates, late, conflicts, quarantined, suspect } = *counts;
        Self { accepted, gaps, missing, duplicates, late, conflicts, quarantined, suspect }
    }
}

/// As every document writes it.
pub(super) fn clock(source: ClockSource) -> &'static str {
    match source {
        ClockSource::Synced => "synced",
        ClockSource::Estimated => "estimated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_signal_says_no_more_than_it_knows() {
        let text = |derived: &Derived| String::from_utf8(document(&DerivedJson::new(derived)).to_vec()).unwrap();
        let mut derived =
            Derived { window_s: Some(300), ..Derived::plain("hrv.rmssd", DerivedValue::Number(60.5), "ms") };
        assert_eq!(text(&derived), r#"{"value":60.5,"unit":"ms","window_s":300}"#);
        derived = Derived { low: Some(55.0), high: Some(66.5), confidence: Some(0.9), ..derived };
        let interval = r#"{"value":60.5,"unit":"ms","window_s":300,"confidence":0.9,"low":55,"high":66.5}"#;
        assert_eq!(text(&derived), interval);
        let (value, unit) = (DerivedValue::Text("walking"), "".into());
        let state = Derived { value, unit, window_s: None, low: None, high: None, ..derived };
        assert_eq!(text(&state), r#"{"value":"walking","confidence":0.9}"#);
    }
}
