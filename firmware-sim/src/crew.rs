//! From a fleet's configuration to its devices: names, clocks, boots and sources, all from the one seed.

use std::collections::HashSet;
use std::time::Duration;

use halo_proto::topic::{self, Grammar, Topic};
use rand::Rng;

use crate::clock::Uptime;
use crate::config::{Cast, FleetConfig, FleetError, Speed};
use crate::device::{Device, Pace, Source, Sync, Topics};
use crate::framing::Framer;
use crate::kind::Kind;
use crate::random::{Purpose, stream};
use crate::rows::Cutter;
use crate::series::Series;
use crate::wristband_rows::WristbandRows;

/// Boot counters are below this; above it lie random boots (WIRE.md, corrections).
const BOOT_LIMIT: u32 = 1 << 27;
/// Uptime at which simulated devices start: between an hour and thirty days.
const UPTIME_MS: std::ops::Range<u64> = 3_600_000..30 * 86_400_000;
/// Drift of simulated crystals, parts per million.
const DRIFT_PPM: std::ops::RangeInclusive<i64> = -60..=60;
/// Share of simulated devices that have synchronised their clock.
const SYNCED_SHARE: f64 = 0.75;
/// How far a synchronised clock is off, ms, and how far it says it may be.
const SYNC_ERROR_MS: std::ops::RangeInclusive<i64> = -20..=20;
const SYNC_UNCERTAINTY_MS: u32 = 50;
/// Longest window: packet ids are 16 bits, and the client uses two for each place.
const WINDOW_MAX: usize = 16_000;

/// All devices of a fleet, or what is wrong with its configuration.
pub(crate) fn muster(config: &FleetConfig) -> Result<Vec<Device>, FleetError> {
    let grammar = check(config)?;
    let devices = match &config.cast {
        Cast::Simulated { kind, devices, prefix, frames } => {
            let name = Name { prefix: prefix.as_deref().unwrap_or(kind.prefix()), devices: *devices };
            (0..*devices).map(|index| simulated(config, &grammar, *kind, &name, index, *frames)).collect()
        }
        Cast::Recorded(series) => series.iter().map(|series| recorded(config, &grammar, series)).collect::<Vec<_>>(),
    };
    if devices.is_empty() {
        return Err(wrong("there is no device to run".to_owned()));
    }
    let mut seen = HashSet::new();
    for device in &devices {
        if !topic::id_is_valid(&device.id) {
            return Err(wrong(format!("device name is {:?}, wanted 1 to 64 of A-Z a-z 0-9 . _ -", device.id)));
        }
        if !seen.insert(device.id.clone()) {
            return Err(wrong(format!("two devices are named {}", device.id)));
        }
    }
    Ok(devices)
}

fn check(config: &FleetConfig) -> Result<Grammar, FleetError> {
    let grammar = Grammar::new(&config.root).map_err(|error| wrong(format!("root {:?}: {error}", config.root)))?;
    if config.boot >= BOOT_LIMIT {
        return Err(wrong(format!("boot is {}, wanted below {BOOT_LIMIT}", config.boot)));
    }
    if !(1..=WINDOW_MAX).contains(&config.window) {
        return Err(wrong(format!("window is {}, wanted 1 to {WINDOW_MAX}", config.window)));
    }
    if config.period < Duration::from_millis(1) {
        return Err(wrong("period is below 1 ms".to_owned()));
    }
    if let Speed::Times(factor) = config.speed
        && !(factor.is_finite() && factor > 0.0)
    {
        return Err(wrong(format!("speed is {factor}, wanted a positive number")));
    }
    if let Cast::Simulated { frames, .. } = &config.cast {
        if !config.period.as_millis().is_multiple_of(1_000) {
            return Err(wrong(format!("period is {:?}, simulated devices want whole seconds", config.period)));
        }
        if config.speed != Speed::Live && frames.is_none() {
            return Err(wrong("a speed other than 1 needs a number of frames: the recording has to end".to_owned()));
        }
    }
    Ok(grammar)
}

fn wrong(what: String) -> FleetError {
    FleetError::Config(what)
}

struct Name<'a> {
    prefix: &'a str,
    devices: u32,
}

impl Name<'_> {
    /// Counted from 1, padded so that names sort.
    fn of(&self, index: u32) -> String {
        let width = self.devices.to_string().len().max(2);
        format!("{}-{:0width$}", self.prefix, index + 1)
    }
}

fn simulated(
    config: &FleetConfig,
    grammar: &Grammar,
    kind: Kind,
    name: &Name<'_>,
    index: u32,
    frames: Option<u64>,
) -> Device {
    let mut random_clock = stream(config.seed, index as usize, Purpose::Clock);
    let start_ms = random_clock.random_range(UPTIME_MS);
    let drift_ppm = random_clock.random_range(DRIFT_PPM);
    // Live devices do not all send at the same moment: each began its first frame a part of a period ago.
    let phase_ms = (millis(config.period) as f64 * random_clock.random::<f64>()) as u64;
    let error_ms = random_clock.random_range(SYNC_ERROR_MS);
    let sync = random_clock.random_bool(SYNCED_SHARE).then_some(Sync { error_ms, uncertainty_ms: SYNC_UNCERTAINTY_MS });
    let recorded_ms = frames.unwrap_or(0).saturating_mul(millis(config.period));
    let pace = pace(config);
    let now_ms = start_ms.saturating_add(if pace == Pace::Live { phase_ms } else { recorded_ms });
    let source = match kind {
        Kind::Wristband => {
            let body = stream(config.seed, index as usize, Purpose::Body);
            Source::Wristband(Box::new(WristbandRows::new(body, kind.schema(), start_ms, millis(config.period))))
        }
    };
    let id = name.of(index);
    Device {
        topics: topics(grammar, &id),
        id: id.into(),
        framer: Framer::new(kind.schema(), config.boot),
        source,
        uptime: Uptime::new(i64::try_from(now_ms).unwrap_or(i64::MAX), drift_ppm),
        sync,
        pace,
        frames_left: frames,
    }
}

fn recorded(config: &FleetConfig, grammar: &Grammar, series: &Series) -> Device {
    let pace = pace(config);
    let first_ms = series.rows.first().map_or(0, |row| row.at_ms);
    let last_ms = series.rows.last().map_or(0, |row| row.at_ms);
    let spans = (last_ms - first_ms) / millis(config.period) + 1;
    let now_ms = if pace == Pace::Live { first_ms } else { first_ms + spans * millis(config.period) };
    Device {
        topics: topics(grammar, &series.device),
        id: series.device.as_str().into(),
        framer: Framer::new(series.schema, config.boot),
        source: Source::Recorded(Cutter::new(series.rows.clone(), millis(config.period))),
        uptime: Uptime::new(i64::try_from(now_ms).unwrap_or(i64::MAX), 0),
        sync: Some(Sync { error_ms: 0, uncertainty_ms: SYNC_UNCERTAINTY_MS }),
        pace,
        frames_left: None,
    }
}

fn pace(config: &FleetConfig) -> Pace {
    match config.speed {
        Speed::Live => Pace::Live,
        Speed::Times(factor) => Pace::Recorded { interval: config.period.div_f64(factor) },
        Speed::Max => Pace::Recorded { interval: Duration::ZERO },
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn topics(grammar: &Grammar, device: &str) -> Topics {
    Topics {
        birth: grammar.display(Topic::Birth { device }).to_string(),
        telemetry: grammar.display(Topic::Telemetry { device }).to_string(),
        state: grammar.display(Topic::State { device }).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use halo_proto::birth::{Birth, Head};
    use halo_proto::frame::peek_header;

    use super::*;

    const NOW_MS: i64 = 1_795_000_000_000;

    fn devices(speed: Speed, frames: Option<u64>) -> Vec<Device> {
        let cast = Cast::Simulated { kind: Kind::Wristband, devices: 100, prefix: None, frames };
        let period = Duration::from_secs(10);
        muster(&FleetConfig { cast, speed, period, ..FleetConfig::new("x".parse().unwrap(), 0) }).unwrap()
    }

    fn with_birth<T>(device: &Device, elapsed: Duration, look: impl FnOnce(Head<'_>) -> T) -> T {
        let birth = device.birth(elapsed, NOW_MS + elapsed.as_millis() as i64);
        look(Birth::new_checked(&birth).unwrap().head())
    }

    #[test]
    fn a_live_device_sends_its_first_frame_within_a_period_and_when_its_own_clock_says_so() {
        let mut dues = Vec::new();
        for mut device in devices(Speed::Live, None) {
            let due = device.next_due().unwrap();
            assert!(due <= Duration::from_millis(10_001), "{due:?}");
            let t0_ms = peek_header(&device.produce().unwrap().unwrap().payload).unwrap().t0_ms;
            let uptime_ms = with_birth(&device, due, |head| head.t0_ms);
            assert_eq!(uptime_ms, t0_ms + 10_000, "the frame is over when it is sent");
            dues.push(due);
        }
        dues.sort_unstable();
        assert!(
            dues[10] < Duration::from_secs(3) && dues[89] > Duration::from_secs(7),
            "the fleet does not send in step"
        );
    }

    #[test]
    fn a_recording_ends_when_the_device_connects_and_has_its_frames_before() {
        for mut device in devices(Speed::Max, Some(360)) {
            let mut last_ms = 0;
            while let Some(parcel) = device.produce() {
                last_ms = peek_header(&parcel.unwrap().payload).unwrap().t0_ms;
            }
            assert_eq!(with_birth(&device, Duration::ZERO, |head| head.t0_ms), last_ms + 10_000);
            assert_eq!(device.framer.next_seq(), 360);
        }
    }

    #[test]
    fn most_devices_know_the_time_nearly_and_some_not_at_all() {
        let hour = Duration::from_secs(3_600);
        let errors: Vec<i64> = devices(Speed::Live, None)
            .iter()
            .filter_map(|device| {
                with_birth(device, hour, |head| {
                    let unix_ms = head.t0_ms as i64 + head.sync?.unix_minus_uptime_ms;
                    Some(unix_ms - NOW_MS - hour.as_millis() as i64)
                })
            })
            .collect();
        assert!((50..100).contains(&errors.len()), "{} of 100 are synchronised", errors.len());
        assert!(errors.iter().all(|error| SYNC_ERROR_MS.contains(error)) && errors.iter().any(|error| *error != 0));
    }

    #[test]
    fn crystals_differ_from_real_time_and_from_each_other() {
        let hour = Duration::from_secs(3_600);
        let gains: HashSet<i64> = devices(Speed::Live, None)
            .iter()
            .map(|device| device.uptime.at(hour) as i64 - device.uptime.at(Duration::ZERO) as i64 - 3_600_000)
            .collect();
        assert!(gains.len() > 30 && gains.iter().all(|gain| gain.abs() <= 216), "{gains:?}");
    }
}
