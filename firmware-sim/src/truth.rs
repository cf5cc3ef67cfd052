//! What was true behind the readings: trips, taps, episodes, boots and clocks, as JSON lines beside the ledger.
//!
//! ```text
//! {"truth":"trip","device":"car-01","kind":"car-dongle","boot":1,"uptime_ms":912345,"at_ms":1795301163123,"from_ms":…}
//! ```
//!
//! Every line has `truth` (what), `device`, `kind`, `boot` and `uptime_ms` (the device's own clock, as in its frames) and
//! `at_ms` (true Unix time in ms: the clock of the machine that simulates). `from_ms` and `to_ms` are true Unix time too.
//!
//! | truth | of | facts |
//! |---|---|---|
//! | `boot` | every kind | `counter` (whether boots are counted), `offset_ms` (true Unix time minus uptime), `claimed_offset_ms` (what the births say; null = nothing), `drift_ppm` |
//! | `dead_zone` | every kind | `from_ms`, `to_ms`: no network |
//! | `activity` | wristband | `what` (sleep, sit, walk, run), `from_ms`, `to_ms` |
//! | `trip` | car-dongle | `from_ms`, `to_ms`, `driver`, `distance_m`, `fuel_l`, `idle_s`, `speed_max_kmh`, `harsh_brakes`, `harsh_accelerations` |
//! | `harsh_brake`, `harsh_acceleration` | car-dongle | `driver`, `mps2` |
//! | `dtc` | car-dongle | `code`, `set` |
//! | `engine` | turbofan | `serial`, `cycle`, `remaining` (cycles), `health` (1 new, 0 failed); every 10 cycles and at failure |
//! | `leg` | parcel-tracker | `shipment`, `from`, `to`, `from_ms`, `to_ms`, `distance_m` (great circle) |
//! | `stop` | parcel-tracker | `place`, `from_ms`, `to_ms` |
//! | `excursion` | parcel-tracker | `from_ms`, `to_ms`, `peak_cel`: the goods were outside 2 to 8 °C |
//! | `shock` | parcel-tracker | `g`, `place` |
//! | `delivered` | parcel-tracker | `shipment`, `place` |
//! | `tap` | park-band | `reader`, `place` (gate, queue, ride, restaurant), `land`, `party`, `waited_s` (at rides) |
//! | `arrhythmia` | pacemaker | `what` (bradycardia, tachycardia, irregular_rhythm), `from_ms`, `to_ms`, `beats`, `rate` |
//! | `pause`, `premature_beat` | pacemaker | `interval` (ms) |
//! | `battery_low` | pacemaker | `volts` |
//!
//! What is under way when a run ends (a trip, an episode) is not told. Truths may lie in the future of a dead zone's
//! frames: they are told when they happen, not when they are delivered.

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::lines::LineFile;

/// Times among the facts.
const TIMES: [&str; 2] = ["from_ms", "to_ms"];

/// The file of truths of a fleet; without one, nothing is kept.
#[derive(Debug)]
pub(crate) struct TruthFile(Option<Mutex<LineFile>>);

/// A truth of one device, ready to be written.
pub(crate) struct Truth<'a> {
    pub(crate) what: &'a str,
    pub(crate) device: &'a str,
    pub(crate) kind: Option<&'a str>,
    pub(crate) boot: u32,
    pub(crate) uptime_ms: u64,
    pub(crate) at_ms: i64,
    pub(crate) facts: &'a Value,
}

impl TruthFile {
    pub(crate) fn create(path: Option<&Path>) -> io::Result<Self> {
        Ok(Self(path.map(LineFile::create).transpose()?.map(Mutex::new)))
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Writes a line; `unix_ms` turns a device time among the facts into true time.
    pub(crate) fn tell(&self, truth: &Truth<'_>, unix_ms: impl Fn(u64) -> i64) {
        let Some(file) = &self.0 else { return };
        let Truth { what, device, kind, boot, uptime_ms, at_ms, facts } = truth;
        let mut line = json!({"truth": what, "device": device, "kind": kind, "boot": boot,
                              "uptime_ms": uptime_ms, "at_ms": at_ms});
        if let (Some(line), Some(facts)) = (line.as_object_mut(), facts.as_object()) {
            for (name, fact) in facts {
                let time = fact.as_u64().filter(|_| TIMES.contains(&name.as_str()));
                line.insert(name.clone(), time.map_or_else(|| fact.clone(), |ms| unix_ms(ms).into()));
            }
        }
        file.lock().unwrap_or_else(PoisonError::into_inner).push(&line);
    }
}
