//! `welcome/1`: what a device is told that came in the place of another: whose it is now, that subject's settings, and
//! what is known of it. `gateway/schema/welcome-1.schema.json` describes every field.

use bytes::Bytes;
use serde::Serialize;

use super::halo_json::DerivedJson;
use super::json::{Scaled, Table, Time, document};
use super::ties_json::settings;
use crate::halo::{Models, Signal, Subject};
use crate::ingest::people::Replaced;
use crate::record::{Name, SubjectKind};

/// Renders what `device` is told of the subject it feeds; `models` tell what the state of an engine means.
pub(super) fn welcome_json(device: &Name, replaced: &Replaced, subject: &Subject, models: &Models) -> Bytes {
    let derived = subject.derived_by(models);
    let signals = subject.signals().iter();
    document(&WelcomeJson {
        schema: "welcome/1",
        device,
        replaces: &replaced.old,
        since: Time(replaced.at_ms),
        subject: subject.name(),
        kind: subject.kind(),
        time: Time(subject.changed_ms()),
        settings: settings(subject.ties()).unwrap_or(Table(Vec::new())),
        signals: Table(signals.filter_map(|signal| Some((&**signal.name(), LastJson::new(signal)?))).collect()),
        derived: Table(derived.iter().map(|derived| (&*derived.name, DerivedJson::new(derived))).collect()),
    })
}

#[derive(Serialize)]
struct WelcomeJson<'a> {
    schema: &'static str,
    device: &'a str,
    replaces: &'a str,
    since: Time,
    subject: &'a str,
    kind: SubjectKind,
    time: Time,
    settings: Table<'a, &'a str>,
    signals: Table<'a, LastJson<'a>>,
    derived: Table<'a, DerivedJson<'a>>,
}

/// The last good reading of a signal.
#[derive(Serialize)]
struct LastJson<'a> {
    value: Scaled,
    unit: &'a str,
    time: Time,
    device: &'a str,
}

impl<'a> LastJson<'a> {
    fn new(signal: &'a Signal) -> Option<Self> {
        let latest = signal.latest()?;
        let value = Scaled { raw: latest.raw, num: latest.num, den: latest.den };
        Some(Self { value, unit: signal.unit(), time: Time(latest.event_ms), device: &latest.device })
    }
}
