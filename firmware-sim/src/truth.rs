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
//! | `drawer` | wristband (drawers) | `from_ms`, `to_ms`: it lies in a drawer; told when it is put there |
//! | `fast_heart` | wristband | `from_ms`, `to_ms`, `above_s` (seconds of it clearly above 100 a minute): a heart near or above that |
//! | `pulse` | wristband | `rate`, without noise: at the beginning, and each time it has changed by 2 a minute |
//! | `off_skin` | wristband | `from_ms`, `to_ms`: the band saw no pulse |
//! | `steps` | wristband, park-band | `total` since the device was first worn; every minute |
//! | `fall` | care-band | `how` (hard; soft; slide: along a wall), `from_ms`, `to_ms` (moves again), `still_s` (of lying, unmoved but for a twitch), `impact_g`, `read_g` (the most the sensor read of it); `at_ms` is the impact |
//! | `departure` | car-dongle | `driver`: the engine is started, a trip begins |
//! | `trip` | car-dongle | `from_ms`, `to_ms`, `driver`, `distance_m`, `fuel_l`, `idle_s`, `speed_max_kmh`, `harsh_brakes`, `harsh_accelerations` |
//! | `harsh_brake`, `harsh_acceleration` | car-dongle | `driver`, `mps2` |
//! | `speed_change` | car-dongle | `mps2`, `before_mps2`: a second in which, or in the one before it, the speed changed by 1.5 m/s or more |
//! | `dtc` | car-dongle | `code`, `set` |
//! | `engine` | turbofan | `serial`, `cycle`, `remaining` (cycles), `health` (1 new, 0 failed); every 10 cycles and at failure |
//! | `leg` | parcel-tracker | `shipment`, `from`, `to`, `from_ms`, `to_ms`, `distance_m` (great circle) |
//! | `stop` | parcel-tracker | `place`, `from_ms`, `to_ms` |
//! | `excursion` | parcel-tracker | `from_ms`, `to_ms`, `peak_cel`: the goods were outside 2 to 8 °C; the peak is furthest from there |
//! | `nearing` | parcel-tracker | `shipment`, `place`, `latitude`, `longitude`, `from_ms`, `to_ms`, `least_m`, `last_leg`: on the road within 30 km of where the shipment is bound for; not on the last leg: passing by |
//! | `shock` | parcel-tracker | `g`, `place` |
//! | `delivered` | parcel-tracker | `shipment`, `place` |
//! | `tap` | park-band | `reader`, `place` (gate, queue, ride, restaurant), `land`, `party`, `waited_s` (at rides) |
//! | `meeting` | park-band (hosts) | `of` (party: it joined one; ride: it got into one), `with` (the party), `reader` |
//! | `role` | park-band (hosts) | `what` (host): who goes with many parties, and is the most central by that |
//! | `arrhythmia` | pacemaker | `what` (bradycardia, tachycardia, irregular_rhythm), `from_ms`, `to_ms`, `beats`, `rate` |
//! | `pause`, `premature_beat` | pacemaker | `interval` (ms) |
//! | `battery_low` | pacemaker | `volts` |
//! | `taste` | player | `likes`: the genres that are liked from now on; at the beginning, and when it changes |
//! | `opinion` | player | `topic`, `liked`: a like (true) or a skip of a genre, whatever the taste |
//! | `appointment` | phone | `from_ms`, `to_ms`: since when it is the next one, and when it is; told when it becomes the next |
//! | `rain` | weather-station | `began` (or ended), `humidity` (%, without noise), `rising_min` (how long it had been rising): each time it crosses 80 % |
//! | `damp` | weather-station | `from_ms`, `to_ms`, `peak` (%): it was 78 % or more |
//!
//! What is under way when a run ends (a trip, an episode) is not told. Truths may lie in the future of a dead zone's
//! frames: they are told when they happen, not when they are delivered.

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::device::Device;
use crate::kind::Kind;
use crate::kinds::Told;
use crate::lines::LineFile;

/// Times among the facts.
const TIMES: [&str; 2] = ["from_ms", "to_ms"];

/// The file of truths of a fleet; without one, nothing is kept.
#[derive(Debug)]
pub(crate) struct TruthFile(Option<Mutex<LineFile>>);

impl TruthFile {
    pub(crate) fn create(path: Option<&Path>) -> io::Result<Self> {
        Ok(Self(path.map(LineFile::create).transpose()?.map(Mutex::new)))
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Writes a line.
    pub(crate) fn tell(&self, line: &Value) {
        let Some(file) = &self.0 else { return };
        file.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

/// The line for what a device's sensors told, in a simulation that began at Unix time `started_ms`.
pub(crate) fn line(device: &Device, told: &Told, started_ms: i64) -> Value {
    let unix_ms = |device_ms| started_ms + device.uptime.real_ms(device_ms);
    let (at_ms, uptime_ms) = (unix_ms(told.at_ms), device.uptime_ms(told.at_ms));
    let kind = device.kind.map(Kind::name);
    let mut line = json!({"truth": told.what, "device": device.id().as_ref(), "kind": kind, "boot": device.boot(),
                          "uptime_ms": uptime_ms, "at_ms": at_ms});
    let Some(facts) = line.as_object_mut() else { return line };
    for (name, fact) in told.facts.as_object().into_iter().flatten() {
        let time = fact.as_u64().filter(|_| TIMES.contains(&name.as_str()));
        facts.insert(name.clone(), time.map_or_else(|| fact.clone(), |ms| unix_ms(ms).into()));
    }
    if told.what == "boot" {
        let offset_ms = at_ms - i64::try_from(uptime_ms).unwrap_or(i64::MAX);
        facts.insert("offset_ms".into(), offset_ms.into());
        facts.insert("claimed_offset_ms".into(), device.sync.map(|sync| offset_ms + sync.error_ms).into());
    }
    line
}
