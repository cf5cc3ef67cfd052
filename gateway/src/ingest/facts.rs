//! What a frame record says by itself: everything ingest learns from a frame, read from its bytes alone.

use halo_proto::frame::Header;
use halo_proto::schema::Survey;

use super::clocks::Sighting;
use super::duplicates::point_hash;
use super::native;
use super::readings::{Readings, Unreadable, survey};
use super::schemas::Schemas;
use crate::record::{Frame, Identity, Offset};

/// Drawn from a frame by [`Facts::of`]; depends on the record and the schemas before it, never on its clock or subject.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) readable: Result<(), Unreadable>,
    /// Of a native frame whose header is sound.
    pub(super) header: Option<Header>,
    pub(super) crc: u32,
    /// When its first reading was taken, device time (plain payloads: Unix), milliseconds.
    pub(super) first_ms: i64,
    /// When its last reading was taken; never before the frame was begun.
    last_ms: i64,
    sync: Option<i64>,
    /// Identities of a plain payload's points, if all of them have one.
    pub(super) points: Vec<u64>,
    /// Whether a plain payload carries its own time.
    pub(super) timed: bool,
}

impl Facts {
    /// Reads the frame record at `at` into `readings` and keeps what ingest needs of it.
    pub(super) fn of(frame: &Frame, at: Offset, schemas: &Schemas, readings: &mut Readings) -> Self {
        let header = frame.format.is_native().then(|| native::header(&frame.payload)).flatten();
        Self::of_known((header, crc32c::crc32c(&frame.payload)), frame, at, schemas, readings)
    }

    /// The same where header and checksum were looked at before.
    pub(super) fn of_known(
        (header, crc): (Option<Header>, u32),
        frame: &Frame,
        at: Offset,
        schemas: &Schemas,
        readings: &mut Readings,
    ) -> Self {
        let surveyed = survey(frame, at, schemas, readings);
        let begun_ms = header.map_or(frame.arrival.wall_ms, |header| i64::try_from(header.t0_ms).unwrap_or(i64::MAX));
        let mut facts = Self {
            readable: Ok(()),
            header,
            crc,
            first_ms: begun_ms,
            last_ms: begun_ms,
            sync: None,
            points: Vec::new(),
            timed: false,
        };
        match surveyed {
            Ok(Some(survey)) => facts.take_survey(&survey),
            Ok(None) => facts.take(readings),
            Err(unreadable) => facts.readable = Err(unreadable),
        }
        facts
    }

    fn take_survey(&mut self, survey: &Survey) {
        self.first_ms = survey.first_ms.unwrap_or(self.first_ms);
        self.last_ms = survey.last_ms.map_or(self.last_ms, |last| last.max(self.last_ms));
        self.sync = survey.sync.map(|sync| sync.unix_minus_uptime_ms);
    }

    fn take(&mut self, readings: &Readings) {
        let firsts = readings.series.iter().filter_map(|series| series.points.first());
        self.first_ms = firsts.map(|point| point.device_ms).min().unwrap_or(self.first_ms);
        if readings.timed {
            self.timed = true;
            self.points = point_hashes(readings);
        }
    }

    /// The frame's identity.
    pub(super) fn identity(&self) -> Option<Identity> {
        self.header.as_ref().map(native::identity)
    }

    /// What a native frame tells of its device's clock; nothing when its readings cannot be dated.
    pub(super) fn sighting(&self, frame: &Frame) -> Option<(u32, Sighting)> {
        let boot = self.header?.boot;
        let sighting = Sighting { device_ms: self.last_ms, arrival: frame.arrival, sync: self.sync };
        self.readable.is_ok().then_some((boot, sighting))
    }
}

fn point_hashes(readings: &Readings) -> Vec<u64> {
    let series = readings.series.iter().flat_map(|series| {
        let hash = |raw: i64, ms: i64| {
            // 72.5 in tenths and 72.50 in hundredths are one value.
            let (mut raw, mut den) = (raw, series.signal.den);
            while den.is_multiple_of(10) && raw % 10 == 0 {
                (raw, den) = (raw / 10, den / 10);
            }
            let value = [raw.to_le_bytes(), u64::from(den).to_le_bytes()].concat();
            point_hash(&series.signal.name, ms, &value)
        };
        series.points.iter().map(move |point| hash(point.raw, point.event_ms))
    });
    let texts = readings.texts.iter().map(|text| point_hash(&text.key, text.event_ms, text.value.as_bytes()));
    series.chain(texts).collect()
}
