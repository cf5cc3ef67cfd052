//! What a rule's paths say of two halos and an offer, read from the fold when an expression asks and never before.

use std::cell::{OnceCell, RefCell};

use halo_proto::registry;
use jiff::Timestamp;
use jiff::tz::Offset as ZoneOffset;

use super::cel::{Facts, Fields, Rows, Value};
use super::central::Central;
use super::facts::newest;
use super::members::Members;
use super::path::{ARRIVES, Ahead, OfDerived, OfSignal, Part, Path, Side};
use crate::halo::{
    Crossing, Derived, DerivedValue, EventSeen, Happening, Models, Side as Beyond, Signal, Sparked, Stats, Subject,
    Tally, derived_kind,
};
use crate::ingest::offers::{Cell, Row, Table};
use crate::ingest::people::{Related, TIME_ZONE};
use crate::ingest::zones;
use crate::record::Name;

/// One halo, and what was computed of it because somebody asked.
pub(super) struct Halo<'a> {
    pub(super) subject: &'a Subject,
    models: &'a Models,
    derived: OnceCell<Vec<Derived>>,
    derived_by: OnceCell<Vec<Derived>>,
    events: OnceCell<Vec<Event<'a>>>,
    devices: OnceCell<Vec<Shown<'a>>>,
    relations: OnceCell<Vec<&'a Related>>,
}

impl<'a> Halo<'a> {
    pub(super) fn new(subject: &'a Subject, models: &'a Models) -> Self {
        let (derived, derived_by, events) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { subject, models, derived, derived_by, events, devices: OnceCell::new(), relations: OnceCell::new() }
    }

    fn derived(&self, name: &str) -> Option<&Derived> {
        // Models that were brought take time, and are asked only where a rule names what they tell.
        let all = match derived_kind(name) {
            Some(_) => self.derived.get_or_init(|| self.subject.derived_here(self.models)),
            None => self.derived_by.get_or_init(|| self.subject.derived_by(self.models)),
        };
        all.iter().find(|derived| *derived.name == *name)
    }

    /// When the newest event was, and who told of it.
    pub(super) fn newest_event(&self) -> Option<(i64, &Name)> {
        self.events().last().map(|event| (event.at_ms(), event.device()))
    }

    fn events(&self) -> &Vec<Event<'a>> {
        self.events.get_or_init(|| {
            let told = self.subject.events().map(Event::Told);
            let mut events: Vec<_> = told.chain(self.subject.happened().map(Event::Derived)).collect();
            events.sort_by_key(Event::at_ms);
            events
        })
    }

    fn devices(&self) -> &Vec<Shown<'a>> {
        self.devices.get_or_init(|| self.subject.devices().iter().map(Shown).collect())
    }

    fn relations(&self) -> &Vec<&'a Related> {
        self.relations.get_or_init(|| self.subject.ties().into_iter().flat_map(|ties| ties.relations()).collect())
    }
}

/// What one evaluation is about.
pub(super) struct View<'v, 'h> {
    pub(super) paths: &'v [Path],
    pub(super) a: &'v Halo<'h>,
    pub(super) b: Option<&'v Halo<'h>>,
    pub(super) row: Option<&'v Row>,
    pub(super) table: Option<&'v Table>,
    pub(super) members: &'v Members,
    pub(super) central: &'v Central,
    pub(super) tally: &'v RefCell<Tally>,
    /// Unix milliseconds of the fold's clock.
    pub(super) now_ms: i64,
    /// Of all looks ahead only this one is known.
    pub(super) alone: Option<Ahead<'v>>,
}

impl Facts for View<'_, '_> {
    fn get(&self, slot: u16) -> Option<Value<'_>> {
        let path = self.paths.get(usize::from(slot))?;
        if self.alone.is_some_and(|alone| path.ahead().is_some_and(|ahead| ahead != alone)) {
            return None;
        }
        match path {
            Path::Now => Some(Value::Time(self.now_ms)),
            Path::Offer => self.row.map(|row| Value::Record(row)),
            Path::Offers => self.table.map(|table| Value::Rows(table)),
            Path::Of(side, part) => self.part(self.halo(*side)?, part),
        }
    }
}

impl<'v, 'h> View<'v, 'h> {
    pub(super) fn halo(&self, side: Side) -> Option<&'v Halo<'h>> {
        match side {
            Side::A => Some(self.a),
            Side::B => self.b,
        }
    }

    fn part(&self, halo: &'v Halo<'h>, part: &Part) -> Option<Value<'v>> {
        let subject = halo.subject;
        Some(match part {
            Part::Subject => Value::text(subject.name()),
            Part::Kind => Value::text(kind(subject)),
            Part::Time => Value::Time(subject.changed_ms()),
            Part::Signal(name, of) => return self.signal(subject, name, *of),
            Part::Derived(name, of) => return derived(halo.derived(name)?, *of),
            Part::Place(what) => return place(subject, what),
            Part::Trip(what) => return trip(subject, what),
            Part::Events => Value::Rows(halo.events()),
            Part::Words(key) => Value::text(&subject.texts().iter().find(|text| text.key == *key)?.value),
            Part::Devices => Value::Rows(halo.devices()),
            Part::Quality(what) => Value::Int(i64::try_from(counted(subject, what)).unwrap_or(i64::MAX)),
            Part::Setting(name) => Value::text(subject.ties()?.settings().get(&**name)?),
            Part::Relations => Value::Rows(halo.relations()),
            Part::Local(what) => Value::Int(local(subject, self.now_ms, what)?),
            Part::Spark(rule, what) => return spark(subject, rule, what),
            Part::Members(of) => Value::Double(self.members.figure(subject.name(), of)?),
            Part::Central("rank") => Value::Int(self.central.rank(subject.name())?.into()),
            Part::Central(_) => Value::Double(self.central.share(subject.name())?),
        })
    }

    fn signal<'s>(&self, subject: &'s Subject, name: &str, of: OfSignal) -> Option<Value<'s>> {
        let signal = subject.signal(name)?;
        let latest = signal.latest();
        Some(match of {
            OfSignal::Value => Value::Double(latest?.value()),
            OfSignal::Unit => Value::text(signal.unit()),
            OfSignal::Time => Value::Time(latest?.event_ms),
            OfSignal::Device => Value::text(&latest?.device),
            OfSignal::Quality => Value::text(signal.quality().as_str()),
            OfSignal::Stat(window, what) => {
                let mut tally = self.tally.borrow_mut();
                let (_, stats) = signal.stats(&mut tally).find(|(name, _)| *name == window)?;
                Value::Double(stat(&stats, what)?)
            }
            OfSignal::Trend(what) => Value::Double(match what {
                "ewma" => signal.smoothed()?,
                "per_hour" => signal.rate()?.per_hour,
                "low" => signal.rate()?.interval?.0,
                _ => signal.rate()?.interval?.1,
            }),
            OfSignal::Forecast(horizon, what) => {
                let forecast = signal.forecaster()?.forecasts().find(|forecast| forecast.name == horizon)?;
                match what {
                    "value" => Value::Double(forecast.value),
                    "low" => Value::Double(forecast.low),
                    "high" => Value::Double(forecast.high),
                    "skill" => Value::Double(forecast.skill),
                    _ => Value::Time(forecast.time_ms),
                }
            }
            OfSignal::Reaches(end, what) => {
                let crossing = reaches(signal, end)?;
                Value::Time(match what {
                    "time" => crossing.at_ms,
                    "earliest" => crossing.earliest_ms,
                    _ => crossing.latest_ms?,
                })
            }
        })
    }

    /// The looks ahead among these slots, each with how far ahead of the newest reading of its signal what it foresees
    /// lies, ms; the nearest first.
    pub(super) fn leads(&self, slots: impl Iterator<Item = u16>) -> Vec<(Ahead<'v>, i64)> {
        let mut leads: Vec<(Ahead<'v>, i64)> = Vec::new();
        for ahead in slots.filter_map(|slot| self.paths.get(usize::from(slot))?.ahead()) {
            if let Some(lead_ms) = self.lead_ms(ahead).filter(|_| leads.iter().all(|(known, _)| *known != ahead)) {
                leads.push((ahead, lead_ms));
            }
        }
        leads.sort_by_key(|(_, lead_ms)| *lead_ms);
        leads
    }

    /// Counted from the reading and not from the clock on the wall: a buffer drained late is no later warning.
    fn lead_ms(&self, (side, name, what): Ahead<'_>) -> Option<i64> {
        let halo = self.halo(side)?;
        if what == ARRIVES {
            let DerivedValue::Number(at_ms) = halo.derived(name)?.value else { return None };
            return Some((at_ms as i64).saturating_sub(newest(halo.subject)?.event_ms).max(0));
        }
        let signal = halo.subject.signal(name)?;
        let mut forecasts = signal.forecaster()?.forecasts();
        let foreseen_ms = match what {
            "max" | "min" => reaches(signal, what)?.at_ms,
            _ => forecasts.find(|forecast| forecast.name == what)?.time_ms,
        };
        Some(foreseen_ms.saturating_sub(signal.latest()?.event_ms).max(0))
    }
}

fn kind(subject: &Subject) -> &'static str {
    match subject.kind() {
        crate::record::SubjectKind::Person => "person",
        crate::record::SubjectKind::Machine => "machine",
        crate::record::SubjectKind::Thing => "thing",
        crate::record::SubjectKind::Organisation => "organisation",
    }
}

/// When the forecast path comes to an end of the signal's plausible range.
fn reaches(signal: &Signal, end: &str) -> Option<Crossing> {
    let known = registry::signal_named(signal.name()).filter(|known| *known.unit == **signal.unit())?;
    let (raw, side) = match end {
        "max" => (known.limits.max?, Beyond::Above),
        _ => (known.limits.min?, Beyond::Below),
    };
    let limit = raw as f64 * f64::from(known.num) / f64::from(known.den.max(1));
    signal.forecaster()?.crossing(limit, side)
}

fn stat(stats: &Stats, what: &str) -> Option<f64> {
    Some(match what {
        "n" => f64::from(stats.n),
        "min" => stats.min,
        "max" => stats.max,
        "mean" => stats.mean,
        "sd" => stats.sd?,
        "p50" => stats.p50,
        _ => stats.p95,
    })
}

fn derived(derived: &Derived, of: OfDerived) -> Option<Value<'_>> {
    Some(match of {
        OfDerived::Value => match &derived.value {
            DerivedValue::Number(number) => Value::Double(*number),
            DerivedValue::Text(text) => Value::text(text),
            DerivedValue::List(names) => Value::list(names.iter().map(|name| Value::text(name))),
            DerivedValue::Names(names) => Value::list(names.iter().map(|name| Value::text(name))),
            DerivedValue::Numbers(numbers) => Value::list(numbers.iter().map(|number| Value::Double(*number))),
        },
        OfDerived::Low => Value::Double(derived.low?),
        OfDerived::High => Value::Double(derived.high?),
        OfDerived::Confidence => Value::Double(derived.confidence?),
    })
}

fn place<'s>(subject: &'s Subject, what: &str) -> Option<Value<'s>> {
    let whereabouts = subject.whereabouts()?;
    let spot = whereabouts.spot()?;
    let innermost = || whereabouts.inside().first().copied();
    Some(match what {
        "zone" => Value::text(&innermost()?.zone),
        "kind" => Value::text(innermost()?.kind.as_deref()?),
        "since" => Value::Time(innermost()?.from_ms),
        "lat" => Value::Double(spot.position?.latitude()),
        "lon" => Value::Double(spot.position?.longitude()),
        "time" => Value::Time(spot.at_ms),
        _ => Value::text(&spot.device),
    })
}

fn trip<'s>(subject: &'s Subject, what: &str) -> Option<Value<'s>> {
    let (device, trip) = subject.trip()?;
    Some(match what {
        "device" => Value::text(device),
        "from" => Value::Time(trip.from_ms),
        "to" => Value::Time(trip.to_ms),
        "distance_m" => Value::Double(trip.distance_m),
        "duration_s" => Value::Double(trip.duration_ms() as f64 / 1000.0),
        _ => Value::Double(trip.idle_ms as f64 / 1000.0),
    })
}

fn counted(subject: &Subject, what: &str) -> u64 {
    let counts = subject.counts();
    match what {
        "accepted" => counts.accepted,
        "gaps" => counts.gaps,
        "missing" => counts.missing,
        "duplicates" => counts.duplicates,
        "late" => counts.late,
        "conflicts" => counts.conflicts,
        "quarantined" => counts.quarantined,
        _ => counts.suspect,
    }
}

/// Local time of a subject: hour 0 to 23, minute 0 to 59, weekday 1 (Monday) to 7.
pub(super) fn local(subject: &Subject, now_ms: i64, what: &str) -> Option<i64> {
    let zone = subject.ties().and_then(|ties| ties.settings().get(TIME_ZONE));
    local_of(zone.map(String::as_str), now_ms, what)
}

/// The same of a time zone; UTC without one.
pub(super) fn local_of(zone: Option<&str>, now_ms: i64, what: &str) -> Option<i64> {
    let shift_ms = zone.map_or(0, |zone| zones::offset_ms(zone, now_ms));
    let local = Timestamp::from_millisecond(now_ms.checked_add(shift_ms)?).ok()?;
    let local = ZoneOffset::UTC.to_datetime(local);
    Some(match what {
        "hour" => local.hour().into(),
        "minute" => local.minute().into(),
        _ => local.weekday().to_monday_one_offset().into(),
    })
}

/// The newest of a rule.
pub(super) fn last_spark<'s>(subject: &'s Subject, rule: &Name) -> Option<&'s Sparked> {
    subject.sparks()?.iter().rev().find(|spark| spark.rule == *rule)
}

fn spark<'s>(subject: &'s Subject, rule: &Name, what: &str) -> Option<Value<'s>> {
    let last = last_spark(subject, rule);
    Some(match what {
        "active" => Value::Bool(last.is_some_and(|spark| spark.is_open())),
        "since" => Value::Time(last?.since_ms),
        _ => Value::text(last?.answered.as_ref()?.1.answer.as_str()),
    })
}

/// What a device told or what was derived.
enum Event<'a> {
    Told(&'a EventSeen),
    Derived(&'a Happening),
}

impl Event<'_> {
    fn at_ms(&self) -> i64 {
        match self {
            Self::Told(event) => event.event_ms,
            Self::Derived(event) => event.event_ms,
        }
    }

    fn device(&self) -> &Name {
        match self {
            Self::Told(event) => &event.device,
            Self::Derived(event) => &event.device,
        }
    }
}

impl Fields for Event<'_> {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        Some(match (self, name) {
            (_, "time") => Value::Time(self.at_ms()),
            (Self::Told(event), "device") => Value::text(&event.device),
            (Self::Told(event), "name") => Value::text(event.known()?.name),
            (Self::Told(event), "code") => Value::Int(event.code.into()),
            (Self::Told(event), "severity") => Value::Int(event.severity.into()),
            (Self::Told(event), "value") => {
                let (num, den) = event.known().map_or((1, 1), |known| (known.num, known.den));
                Value::Double(event.value as f64 * f64::from(num) / f64::from(den.max(1)))
            }
            (Self::Derived(event), "device") => Value::text(&event.device),
            (Self::Derived(event), "name") => Value::text(event.name()),
            (Self::Derived(event), "zone") => Value::text(event.zone()?),
            (Self::Derived(event), "detail") => Value::text(event.detail()?),
            (Self::Derived(event), "value") => Value::Double(event.value()?.0),
            _ => return None,
        })
    }
}

impl Rows for Vec<Event<'_>> {
    fn len(&self) -> usize {
        self.len()
    }

    fn row(&self, at: usize) -> Option<&dyn Fields> {
        self.get(at).map(|event| event as &dyn Fields)
    }
}

/// A device of the subject.
struct Shown<'a>(&'a crate::halo::Device);

impl Fields for Shown<'_> {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        Some(match name {
            "device" => Value::text(self.0.name()),
            "state" => Value::text(self.0.state().as_str()),
            "last_seen" => Value::Time(self.0.last_seen_ms()?),
            "battery_pct" => Value::Double(self.0.battery_pct()?),
            _ => return None,
        })
    }
}

impl Rows for Vec<Shown<'_>> {
    fn len(&self) -> usize {
        self.len()
    }

    fn row(&self, at: usize) -> Option<&dyn Fields> {
        self.get(at).map(|device| device as &dyn Fields)
    }
}

impl Fields for &Related {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        Some(match name {
            "of" => Value::text(&self.of),
            "subject" => Value::text(&self.subject),
            "kind" => Value::text(&self.kind),
            _ => return None,
        })
    }
}

impl Rows for Vec<&Related> {
    fn len(&self) -> usize {
        self.len()
    }

    fn row(&self, at: usize) -> Option<&dyn Fields> {
        self.get(at).map(|related| related as &dyn Fields)
    }
}

impl Fields for Row {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        if name == "key" {
            return Some(Value::text(self.key()));
        }
        Some(match self.cell(name)? {
            Cell::Text(text) => Value::text(text),
            Cell::Number(number) => Value::Double(*number),
            Cell::Bool(is) => Value::Bool(*is),
        })
    }
}

impl Rows for Table {
    fn len(&self) -> usize {
        self.len()
    }

    fn row(&self, at: usize) -> Option<&dyn Fields> {
        self.row(at).map(|row| row as &dyn Fields)
    }
}
