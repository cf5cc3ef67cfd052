//! From a fleet's configuration to its devices: names, clocks, boots and sources, all from the one seed.

use std::collections::HashSet;
use std::time::Duration;

use halo_proto::topic::{self, Grammar, Topic};
use rand::Rng;

use crate::clock::Uptime;
use crate::config::{Cast, Crew, FleetConfig, FleetError, Speed};
use crate::device::{Device, Pace, Progress, Source, Sync, Topics};
use crate::faults::{Dice, Faults};
use crate::framing::Framer;
use crate::random::{Purpose, stream};
use crate::rows::Cutter;
use crate::sampler::Sampler;
use crate::series::Series;

/// Boot counters are below this; above it lie random boots (WIRE.md, corrections).
const BOOT_LIMIT: u32 = 1 << 27;
/// Uptime at which simulated devices start: between an hour and thirty days.
const UPTIME_MS: std::ops::Range<u64> = 3_600_000..30 * 86_400_000;
/// Usual drift of simulated crystals either way, parts per million.
const DRIFT_PPM: i64 = 60;
/// Share of simulated devices that have synchronised their clock.
const SYNCED_SHARE: f64 = 0.75;
/// How far a synchronised clock is off, ms, and how far it says it may be.
const SYNC_ERROR_MS: std::ops::RangeInclusive<i64> = -20..=20;
const SYNC_UNCERTAINTY_MS: u32 = 50;
/// Longest window: packet ids are 16 bits, and the client uses two for each of a frame's two places.
const WINDOW_MAX: usize = 16_000;

/// All devices of a fleet, or what is wrong with its configuration.
pub(crate) fn muster(config: &FleetConfig) -> Result<Vec<Device>, FleetError> {
    let grammar = check(config)?;
    let devices = match &config.cast {
        Cast::Simulated { kind, devices, prefix, frames } => {
            let crew = Crew::new(*kind, *devices);
            let prefix = prefix.as_deref().unwrap_or(kind.prefix());
            simulated(config, &grammar, &crew, prefix, *devices, End::Periods(*frames))
        }
        Cast::Crews { crews, lasting } => {
            let of_crew =
                |crew| simulated(config, &grammar, crew, crew.kind.prefix(), last(crews, crew), End::After(*lasting));
            crews.iter().flat_map(of_crew).collect()
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
    let crews = if let Cast::Crews { crews, .. } = &config.cast { crews.as_slice() } else { &[] };
    for faults in crews.iter().filter_map(|crew| crew.faults).chain([config.faults]) {
        faults.check().map_err(wrong)?;
    }
    if let Speed::Times(factor) = config.speed
        && !(factor.is_finite() && factor > 0.0)
    {
        return Err(wrong(format!("speed is {factor}, wanted a positive number")));
    }
    let ends = match &config.cast {
        Cast::Simulated { frames, .. } => Some(frames.is_some()),
        Cast::Crews { lasting, .. } => Some(lasting.is_some()),
        Cast::Recorded(_) => None,
    };
    if let Some(ends) = ends {
        if !config.period.as_millis().is_multiple_of(1_000) {
            return Err(wrong(format!("period is {:?}, simulated devices want whole seconds", config.period)));
        }
        if config.speed != Speed::Live && !ends {
            let what = "a speed other than 1 needs a number of frames or a length: the recording has to end";
            return Err(wrong(what.to_owned()));
        }
    }
    Ok(grammar)
}

fn wrong(what: String) -> FleetError {
    FleetError::Config(what)
}

/// When simulated devices leave.
#[derive(Clone, Copy)]
enum End {
    Periods(Option<u64>),
    After(Option<Duration>),
}

/// The number of the last device of a crew's kind: one width for all crews of a kind, so that their names sort together.
fn last(crews: &[Crew], crew: &Crew) -> u32 {
    let like = crews.iter().filter(|other| other.kind == crew.kind);
    like.map(|other| other.first + other.devices).max().unwrap_or(0)
}

/// The name of a device by its number, from 0.
fn naming(prefix: &str, last: u32) -> impl Fn(u32) -> String + '_ {
    let width = last.to_string().len().max(2);
    move |number| format!("{prefix}-{:0width$}", number + 1)
}

/// What the devices of a fleet of crews will be named, crew by crew; nothing of another fleet.
pub fn names(config: &FleetConfig) -> Vec<String> {
    let Cast::Crews { crews, .. } = &config.cast else { return Vec::new() };
    let of_crew = |crew: &Crew| {
        let name = naming(crew.kind.prefix(), last(crews, crew));
        (crew.first..crew.first + crew.devices).map(|number| name(number + config.shift)).collect::<Vec<_>>()
    };
    crews.iter().flat_map(of_crew).collect()
}

/// The devices of a crew, their names counted from 1 and padded for `last` of them, so that names sort.
fn simulated(config: &FleetConfig, grammar: &Grammar, crew: &Crew, prefix: &str, last: u32, end: End) -> Vec<Device> {
    let name = naming(prefix, last);
    (crew.first..crew.first + crew.devices)
        .map(|number| {
            let device = one(config, grammar, crew, &name(number), number, end);
            if config.shift == 0 { device } else { device.named(grammar, &name(number + config.shift)) }
        })
        .collect()
}

impl Device {
    /// The same life under another name.
    fn named(self, grammar: &Grammar, id: &str) -> Self {
        Self { topics: topics(grammar, id), id: id.into(), ..self }
    }
}

fn one(config: &FleetConfig, grammar: &Grammar, crew: &Crew, id: &str, number: u32, end: End) -> Device {
    let faults = crew.faults.unwrap_or(config.faults);
    let kind = crew.kind;
    let period_ms = millis(config.period.max(kind.period_min()));
    let periods = match end {
        End::Periods(periods) => periods,
        End::After(lasting) => lasting.map(|lasting| millis(lasting).div_ceil(period_ms)),
    };
    let mut random_clock = stream(config.seed, id, Purpose::Clock);
    let start_ms = random_clock.random_range(UPTIME_MS);
    let drift_max = if faults.drift_ppm > 0.0 { faults.drift_ppm as i64 } else { DRIFT_PPM };
    let drift_ppm = random_clock.random_range(-drift_max..=drift_max);
    // Live devices do not all send at the same moment: each began its first frame a part of a period ago.
    let phase_ms = (period_ms as f64 * random_clock.random::<f64>()) as u64;
    let mut error_ms = random_clock.random_range(SYNC_ERROR_MS);
    let synced = random_clock.random_bool(SYNCED_SHARE) || kind.knows_the_time();
    let pace = pace(config, period_ms);
    let recorded_ms = periods.unwrap_or(0).saturating_mul(period_ms);
    let now_ms = start_ms.saturating_add(if pace == Pace::Live { phase_ms } else { recorded_ms });
    let mut dice = dice(config, faults, id, start_ms);
    // A clock that was set wrong is told as if it were right.
    let wrong_by_ms = dice.wrong_by_ms();
    error_ms += wrong_by_ms.unwrap_or(0);
    let sync = (synced || wrong_by_ms.is_some()).then_some(Sync { error_ms, uncertainty_ms: SYNC_UNCERTAINTY_MS });
    let boot = dice.first_boot(config.boot);
    let framer = match dice.late_birth() {
        Some(_) => Framer::unregistered(kind.schema(), boot),
        None => Framer::new(kind.schema(), boot),
    };
    let sensors = kind.sensors_with(crew.twist, config.seed, id, number, start_ms);
    Device {
        topics: topics(grammar, id),
        id: id.into(),
        kind: Some(kind),
        framer,
        source: Source::Simulated(Box::new(Sampler::new(sensors, kind.schema(), start_ms, period_ms))),
        uptime: Uptime::new(i64::try_from(now_ms).unwrap_or(i64::MAX), drift_ppm),
        sync,
        pace,
        periods_left: periods,
        dice,
        so_far: Progress::default(),
    }
}

fn dice(config: &FleetConfig, faults: Faults, id: &str, start_ms: u64) -> Dice {
    let of = |purpose| stream(config.seed, id, purpose);
    Dice::new(faults, of(Purpose::Faults), of(Purpose::Link), start_ms)
}

fn recorded(config: &FleetConfig, grammar: &Grammar, series: &Series) -> Device {
    let pace = pace(config, millis(config.period));
    let first_ms = series.rows.first().map_or(0, |row| row.at_ms);
    let last_ms = series.rows.last().map_or(0, |row| row.at_ms);
    let spans = (last_ms - first_ms) / millis(config.period) + 1;
    let now_ms = if pace == Pace::Live { first_ms } else { first_ms + spans * millis(config.period) };
    Device {
        topics: topics(grammar, &series.device),
        id: series.device.as_str().into(),
        kind: None,
        framer: Framer::new(series.schema, config.boot),
        source: Source::Recorded(Cutter::new(series.rows.clone(), millis(config.period))),
        uptime: Uptime::new(i64::try_from(now_ms).unwrap_or(i64::MAX), 0),
        sync: Some(Sync { error_ms: 0, uncertainty_ms: SYNC_UNCERTAINTY_MS }),
        pace,
        periods_left: None,
        dice: dice(config, config.faults, &series.device, first_ms),
        so_far: Progress::default(),
    }
}

fn pace(config: &FleetConfig, period_ms: u64) -> Pace {
    match config.speed {
        Speed::Live => Pace::Live,
        Speed::Times(factor) => Pace::Recorded { interval: Duration::from_millis(period_ms).div_f64(factor) },
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
        let cast = Cast::Simulated { kind: crate::kind::Kind::Wristband, devices: 100, prefix: None, frames };
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
            let parcel = device.produce().unwrap().unwrap().parcel.unwrap();
            let t0_ms = peek_header(&parcel.payload).unwrap().t0_ms;
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
            while let Some(product) = device.produce() {
                last_ms = peek_header(&product.unwrap().parcel.unwrap().payload).unwrap().t0_ms;
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
