//! A frame that was begun by one holder of its device and ended by the next: to each the readings of their time.

use super::holders::Holders;
use crate::ingest::readings::{Readings, Series};
use crate::record::{Frame, Name};

/// The parts of a frame by whose they are, in order of time; none when all of it is of the subject it was recorded for,
/// as nearly always.
pub(super) fn parts(holders: &Holders, frame: &Frame, readings: &Readings) -> Option<Vec<(Name, Readings)>> {
    if !holders.has_turns(&frame.device) {
        return None;
    }
    let (first_ms, last_ms) = span_ms(readings)?;
    let turns: Vec<i64> = holders.turns_of(&frame.device).filter(|at| first_ms < *at && *at <= last_ms).collect();
    let mut owned: Vec<(Name, i64)> = vec![(frame.subject.clone(), i64::MIN)];
    for at in turns {
        let holder = holders.holder(&frame.device, at).unwrap_or(&frame.device);
        if owned.last().is_some_and(|(before, _)| before != holder) {
            owned.push((holder.clone(), at));
        }
    }
    if owned.len() < 2 {
        return None;
    }
    let ends = owned.iter().skip(1).map(|(_, from_ms)| *from_ms).chain([i64::MAX]).collect::<Vec<_>>();
    Some(
        owned
            .into_iter()
            .zip(ends)
            .map(|((name, from_ms), until_ms)| (name, part(readings, from_ms, until_ms)))
            .collect(),
    )
}

/// First and last time of anything it says.
fn span_ms(readings: &Readings) -> Option<(i64, i64)> {
    let series = readings.series.iter().flat_map(|series| [series.points.first(), series.points.last()]);
    let times = series.flatten().map(|point| point.event_ms);
    let times = times.chain(readings.events.iter().map(|event| event.event_ms));
    let times = times.chain(readings.texts.iter().map(|text| text.event_ms));
    times.fold(None, |span, at| {
        let (first, last) = span.unwrap_or((at, at));
        Some((at.min(first), at.max(last)))
    })
}

/// What it says of one stretch of time, the end exclusive.
fn part(readings: &Readings, from_ms: i64, until_ms: i64) -> Readings {
    let is_in = |at: i64| from_ms <= at && at < until_ms;
    let series = readings.series.iter().map(|series| {
        let points = series.points.iter().filter(|point| is_in(point.event_ms)).copied().collect();
        Series { signal: series.signal.clone(), points }
    });
    let mut part = Readings::default();
    part.series.extend(series.filter(|series| !series.points.is_empty()));
    part.events.extend(readings.events.iter().filter(|event| is_in(event.event_ms)).cloned());
    part.texts.extend(readings.texts.iter().filter(|text| is_in(text.event_ms)).cloned());
    (part.timed, part.kind) = (readings.timed, readings.kind);
    part
}
