//! What a spark was decided by: values, and the records they rest on.

use super::cel::{Facts, Fields, Value, show};
use super::path::{Part, Path};
use super::view::{Halo, View, last_spark};
use crate::halo::{Latest, Subject};
use crate::record::{Fact, FactValue, Offset};

/// Most facts that a spark tells, and most characters of one.
const FACTS_MAX: usize = 32;
const FACT_CHARS_MAX: usize = 256;

impl<'v> View<'v, '_> {
    /// What a rule was decided by, of the slots it reads; `cause` made it due.
    pub(super) fn facts(&self, slots: impl Iterator<Item = u16>, cause: Offset) -> Vec<Fact> {
        slots.filter_map(|slot| self.fact(slot, cause)).take(FACTS_MAX).collect()
    }

    /// The cells of the offer a rule was decided by; `published` wrote the table.
    pub(super) fn cells(&self, columns: impl IntoIterator<Item = &'v str>, published: Offset) -> Vec<Fact> {
        let fact = |column: &str| {
            let (path, value) = (format!("offer.{column}"), fact_value(self.row?.field(column)?)?);
            Some(Fact { path, value, time_ms: None, device: None, offset: published })
        };
        columns.into_iter().filter_map(fact).take(FACTS_MAX).collect()
    }

    fn fact(&self, slot: u16, cause: Offset) -> Option<Fact> {
        let path = self.paths.get(usize::from(slot))?;
        let value = fact_value(self.get(slot)?)?;
        let Path::Of(side, part) = path else { return None };
        let halo = self.halo(*side)?;
        let (time_ms, device) = match part {
            Part::Signal(name, _) => {
                let latest = halo.subject.signal(name)?.latest()?;
                (Some(latest.event_ms), Some(latest.device.clone()))
            }
            Part::Events => halo.newest_event().map(|(at_ms, device)| (at_ms, device.clone())).unzip(),
            _ => (None, None),
        };
        let offset = self.rests_on(halo, part).unwrap_or(cause);
        Some(Fact { path: path.to_string(), value, time_ms, device, offset })
    }

    /// The newest record that has a share in a part of a halo; none where it is not known.
    fn rests_on(&self, halo: &Halo<'_>, part: &Part) -> Option<Offset> {
        let subject = halo.subject;
        let said = || subject.ties().map(|ties| ties.since());
        match part {
            Part::Signal(name, _) => Some(subject.signal(name)?.latest()?.offset),
            Part::Setting(_) | Part::Relations | Part::Subject | Part::Kind | Part::Local(_) => said(),
            Part::Spark(rule, _) => Some(last_spark(subject, rule)?.mark.offset),
            Part::Members(_) => self.members.as_of(subject.name()),
            Part::Central(_) => self.central.as_of(),
            _ => newest(subject).map(|latest| latest.offset),
        }
    }
}

/// Of a list its values, of a list of records how many there are.
fn fact_value(value: Value<'_>) -> Option<FactValue> {
    Some(match value {
        Value::Bool(is) => FactValue::Bool(is),
        Value::Int(number) => FactValue::Number(number as f64),
        Value::Double(number) => FactValue::Number(number),
        Value::Text(text) => FactValue::Text(text.chars().take(FACT_CHARS_MAX).collect()),
        Value::Time(at) => FactValue::Time(at),
        Value::Span(ms) => FactValue::Span(ms),
        Value::Rows(rows) => FactValue::Number(rows.len() as f64),
        Value::List(values) => {
            let words: Vec<_> = values.iter().filter_map(|value| show(value).ok()).collect();
            FactValue::Text(words.join(", ").chars().take(FACT_CHARS_MAX).collect())
        }
        Value::Record(_) => return None,
    })
}

/// The reading of a subject that was stored last: what is derived of it rests on nothing later.
pub(super) fn newest(subject: &Subject) -> Option<&Latest> {
    subject.signals().iter().filter_map(|signal| signal.latest()).max_by_key(|latest| latest.offset)
}
