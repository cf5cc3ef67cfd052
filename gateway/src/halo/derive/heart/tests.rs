//! The reference figures, and what the fold does with hearts that behave oddly.

use proptest::prelude::*;

use super::super::real_data;
use super::super::value::{Derived, Value};
use super::events::HeartEvent;
use super::irregular::matches;
use super::*;

/// Rows of a CSV file without its head.
pub(super) fn lines(csv: &str) -> impl Iterator<Item = Vec<&str>> {
    csv.lines().skip(1).map(|line| line.split(',').collect())
}

/// Milliseconds of seconds.
fn ms(seconds: &str) -> i64 {
    (seconds.parse::<f64>().unwrap() * 1000.0).round() as i64
}

/// Interval and time of each beat of a series.
pub(super) fn series(name: &str) -> Option<Vec<(f64, i64)>> {
    let csv = real_data::text("wristband/expected", &format!("series_{name}.csv"))?;
    Some(lines(&csv).map(|row| (row[1].parse().unwrap(), ms(row[2]))).collect())
}

/// What one value is, where it is known.
fn value(heart: &Heart, name: &str) -> Option<Value> {
    let mut told = Vec::new();
    heart.values(&mut told);
    told.into_iter().find(|one| one.name == name).map(|one| one.value)
}

fn number(heart: &Heart, name: &str) -> Option<f64> {
    match value(heart, name)? {
        Value::Number(number) => Some(number),
        other => panic!("{name} is {other:?}"),
    }
}

fn text(heart: &Heart, name: &str) -> Option<&'static str> {
    match value(heart, name)? {
        Value::Text(text) => Some(text),
        other => panic!("{name} is {other:?}"),
    }
}

impl Heart {
    fn rr(&mut self, at_ms: i64, rr_ms: f64) -> Vec<HeartEvent> {
        self.paced_rr(at_ms, rr_ms, false)
    }

    fn paced_rr(&mut self, at_ms: i64, rr_ms: f64, paced: bool) -> Vec<HeartEvent> {
        let mut events = Vec::new();
        self.beat(at_ms, rr_ms, paced, &mut events);
        events
    }
}

/// A small generator, so that tests need no crate for one.
struct Noise(u64);

impl Noise {
    /// Even between −1 and 1.
    fn even(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// About normal, sd 1: twelve even ones.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.even()).sum::<f64>() / 2.0
    }
}

/// Feeds intervals one after the other from 2023-11-14T22:13:20Z on.
fn beat(heart: &mut Heart, at_ms: &mut i64, intervals: impl IntoIterator<Item = f64>) -> Vec<HeartEvent> {
    let mut events = Vec::new();
    for rr_ms in intervals {
        *at_ms += rr_ms.round() as i64;
        events.extend(heart.rr(*at_ms, rr_ms));
    }
    events
}

const START_MS: i64 = 1_700_000_000_000;

#[test]
fn premature_beats_of_record_100_are_found_and_few_others() {
    let Some(csv) = real_data::text("ecg/expected", "mitdb100_rr.csv") else { return };
    let (mut premature, mut symbols) = (Vec::new(), Vec::new());
    let mut heart = Heart::new(&HeartSettings::default());
    for row in lines(&csv) {
        let at_ms = ms(row[1]);
        symbols.push((at_ms, row[3].to_owned()));
        premature.extend(heart.rr(at_ms, row[2].parse().unwrap()).into_iter().filter_map(|event| match event {
            HeartEvent::Premature { at_ms, .. } => Some(at_ms),
            _ => None,
        }));
    }
    let count = |ectopic: bool| {
        let of = |symbol: &str| (symbol == "A" || symbol == "V") == ectopic;
        symbols.iter().filter(|(at_ms, symbol)| of(symbol) && premature.contains(at_ms)).count()
    };
    println!("record 100: {} of 34 premature beats found, {} false", count(true), count(false));
    assert!(count(true) >= 32);
    assert!(count(false) <= 2);
    assert_eq!(csv.lines().count() - 1, symbols.len());
    assert_eq!(number(&heart, "heart.irregularity").map(|cosen| cosen < -1.4), Some(true));
}

/// 27.791 is the library's figure over normal intervals strung together; across a premature beat it takes a difference
/// of two beats that were not neighbours. Of true neighbours it is 27.481 (by the annotations), and that is what a
/// window here says.
#[test]
fn labels_bring_the_variability_of_record_100_from_63_to_that_of_its_normal_beats() {
    let Some(beats) = series("mitdb100_allRR") else { return };
    let mut labels = super::labels::Labels::default();
    let mut certain = Vec::new();
    for (rr_ms, at_ms) in &beats {
        let rr = super::labels::steps_of(*rr_ms).unwrap();
        let beat = super::labels::Beat { at_ms: *at_ms, rr, joined: true, label: super::labels::Label::Normal };
        labels.push(beat, false, HeartSettings::default().early_share, |beat| certain.push(beat));
    }
    labels.flush(|beat| certain.push(beat));
    assert_eq!(certain.len(), beats.len());
    let normal = |beat: &super::labels::Beat| beat.label == super::labels::Label::Normal;
    let rr = |beat: &super::labels::Beat| f64::from(beat.rr) / 8.0;
    let rmssd = |apart: Vec<f64>| (apart.iter().map(|d| d * d).sum::<f64>() / apart.len() as f64).sqrt();
    let kept: Vec<f64> = certain.iter().filter(|beat| normal(beat)).map(rr).collect();
    let strung = rmssd(kept.windows(2).map(|pair| pair[1] - pair[0]).collect());
    let both = |pair: &&[super::labels::Beat]| pair.iter().all(normal);
    let neighbours = rmssd(certain.windows(2).filter(both).map(|pair| rr(&pair[1]) - rr(&pair[0])).collect());
    println!("record 100: RMSSD {strung:.3} strung together (27.791), {neighbours:.3} of neighbours (27.481)");
    assert!((strung / 27.79114 - 1.0).abs() <= 0.002);
    assert!((neighbours / 27.480545 - 1.0).abs() <= 0.002);
}

#[test]
fn healthy_hearts_that_swing_widely_have_hardly_a_premature_beat_and_are_never_irregular() {
    for name in ["pyhrv_short", "pyhrv_long", "mitdb100_NNonly"] {
        let Some(beats) = series(name) else { return };
        let mut heart = Heart::new(&HeartSettings::default());
        let events: Vec<_> = beats.iter().flat_map(|(rr_ms, at_ms)| heart.rr(*at_ms, *rr_ms)).collect();
        let of = |kind: fn(&HeartEvent) -> bool| events.iter().filter(|event| kind(event)).count();
        let premature = of(|event| matches!(event, HeartEvent::Premature { .. }));
        println!("{name}: {premature} premature of {} beats", beats.len());
        assert!(premature * 1000 <= beats.len(), "{name}");
        assert_eq!(of(|event| matches!(event, HeartEvent::Irregular { .. } | HeartEvent::Pause { .. })), 0, "{name}");
        assert_eq!(text(&heart, "heart.rhythm"), Some("regular"));
    }
}

#[test]
fn sample_entropy_counts_as_a_reference_library_does() {
    let Some(beats) = series("pyhrv_short") else { return };
    let whole: Vec<u16> = beats.iter().map(|(rr_ms, _)| *rr_ms as u16).collect();
    // NeuroKit2 0.2.13: m = 2, r = 0.2 sd = 19.138 ms, of the whole series.
    let counted = matches(&whole, 2, 19);
    let entropy = (f64::from(counted.shorter) / f64::from(counted.longer)).ln();
    println!("sample entropy {entropy:.5} (1.71224)");
    assert!((entropy - 1.7122388).abs() < 1e-6);
}

#[test]
fn random_intervals_are_suspected_within_two_minutes_and_dismissed_as_soon() {
    for (seed, mean, sd) in [(1, 600.0, 140.0), (2, 700.0, 110.0), (3, 500.0, 60.0), (4, 850.0, 150.0)] {
        let mut noise = Noise(0x9e37_79b9_7f4a_7c15 ^ seed);
        let (mut heart, mut at_ms) = (Heart::new(&HeartSettings::default()), START_MS);
        let steady = |noise: &mut Noise| 800.0 + 15.0 * noise.normal();
        assert!(beat(&mut heart, &mut at_ms, (0..300).map(|_| steady(&mut noise))).is_empty());
        let random: Vec<f64> = (0..200).map(|_| (mean + sd * noise.normal()).max(300.0)).collect();
        let began = at_ms;
        let events = beat(&mut heart, &mut at_ms, random);
        let irregular = events.iter().find_map(|event| match event {
            HeartEvent::Irregular { at_ms } => Some(at_ms - began),
            _ => None,
        });
        println!("mean {mean} sd {sd}: suspected after {:?} ms", irregular);
        assert!(irregular.is_some_and(|after| after <= 120_000), "{mean} {sd}");
        assert_eq!(number(&heart, "hrv.rmssd.1m"), None);
        let events = beat(&mut heart, &mut at_ms, (0..200).map(|_| steady(&mut noise)));
        assert!(events.iter().any(|event| matches!(event, HeartEvent::Regular { .. })));
    }
}

#[test]
fn bigeminy_and_scattered_premature_beats_are_counted_but_not_irregular() {
    let mut noise = Noise(7);
    let (mut heart, mut at_ms) = (Heart::new(&HeartSettings::default()), START_MS);
    beat(&mut heart, &mut at_ms, (0..20).map(|_| 800.0 + 8.0 * noise.normal()));
    let pairs = (0..400).map(|n| if n % 2 == 0 { 560.0 } else { 1040.0 } + 8.0 * noise.normal());
    let events = beat(&mut heart, &mut at_ms, pairs);
    assert_eq!(events.iter().filter(|event| matches!(event, HeartEvent::Premature { .. })).count(), 200);
    assert_eq!((events.len(), text(&heart, "heart.rhythm")), (200, Some("regular")));
    assert_eq!(number(&heart, "heart.premature"), Some(200.0));
}

#[test]
fn a_premature_beat_is_told_with_the_beat_after_it_and_a_couplet_with_the_one_after_that() {
    let (mut heart, mut at_ms) = (Heart::new(&HeartSettings::default()), START_MS);
    assert!(beat(&mut heart, &mut at_ms, [800.0; 10]).is_empty());
    assert!(beat(&mut heart, &mut at_ms, [500.0]).is_empty());
    let early = at_ms;
    let told = beat(&mut heart, &mut at_ms, [1100.0]);
    assert_eq!(told, [HeartEvent::Premature { at_ms: early, rr_ms: 500.0 }]);
    assert!(beat(&mut heart, &mut at_ms, [800.0, 800.0, 450.0, 500.0]).is_empty());
    assert_eq!(beat(&mut heart, &mut at_ms, [1200.0]).len(), 2);
    // A very early beat needs no compensatory pause, one a little early is breathing without one.
    assert_eq!(beat(&mut heart, &mut at_ms, [800.0, 800.0, 560.0, 790.0]).len(), 1);
    assert!(beat(&mut heart, &mut at_ms, [800.0, 640.0, 790.0]).is_empty());
    // Twice as fast for good is a faster heart; a beat seen twice and a beat missed are neither.
    assert!(beat(&mut heart, &mut at_ms, [800.0, 1600.0, 800.0, 800.0, 380.0, 420.0, 800.0]).is_empty());
    let faster = beat(&mut heart, &mut at_ms, [400.0; 30]);
    assert!(matches!(faster.as_slice(), [HeartEvent::Tachycardia { .. }]), "{faster:?}");
}

#[test]
fn a_rate_that_halves_for_good_becomes_the_normal_one() {
    let (mut heart, mut at_ms) = (Heart::new(&HeartSettings::default()), START_MS);
    beat(&mut heart, &mut at_ms, [700.0; 60]);
    let events = beat(&mut heart, &mut at_ms, [1400.0; 80]);
    assert!(matches!(events.as_slice(), [HeartEvent::Bradycardia { .. }]), "{events:?}");
    assert_eq!((number(&heart, "hrv.sdnn.1m"), text(&heart, "heart.pace")), (Some(0.0), Some("bradycardia")));
    let events = beat(&mut heart, &mut at_ms, [1150.0; 40]);
    assert!(events.is_empty(), "52 a minute is within the hysteresis: {events:?}");
    assert!(matches!(beat(&mut heart, &mut at_ms, [900.0; 40]).as_slice(), [HeartEvent::UsualPace { .. }]));
}

#[test]
fn pauses_are_told_at_once_and_counted_for_an_hour() {
    let (mut heart, mut at_ms) = (Heart::new(&HeartSettings::default()), START_MS);
    beat(&mut heart, &mut at_ms, [800.0; 400]);
    let short = beat(&mut heart, &mut at_ms, [2000.0]);
    assert_eq!(short, [HeartEvent::Pause { at_ms, rr_ms: 2000.0, long: false }]);
    beat(&mut heart, &mut at_ms, [800.0; 10]);
    let long = beat(&mut heart, &mut at_ms, [3001.0]);
    assert_eq!(long, [HeartEvent::Pause { at_ms, rr_ms: 3001.0, long: true }]);
    beat(&mut heart, &mut at_ms, [1999.0]);
    assert_eq!(number(&heart, "heart.pauses"), Some(2.0));
    assert_eq!(number(&heart, "heart.pause"), Some(3001.0));
    beat(&mut heart, &mut at_ms, [800.0; 4500]);
    assert_eq!(number(&heart, "heart.pauses"), Some(0.0));
    assert_eq!(number(&heart, "heart.pause"), None);
}

#[test]
fn intervals_with_paced_beats_have_no_variability() {
    let (mut heart, mut at_ms) = (Heart::new(&HeartSettings::default()), START_MS);
    for n in 0..120 {
        at_ms += 900;
        heart.paced_rr(at_ms, 900.0, n % 2 == 0);
    }
    assert_eq!((number(&heart, "hrv.rmssd.1m"), number(&heart, "heart.rate.1m").map(f64::round)), (None, Some(67.0)));
    for _ in 0..120 {
        at_ms += 900;
        heart.paced_rr(at_ms, 900.0, false);
    }
    assert_eq!(number(&heart, "hrv.rmssd.1m"), Some(0.0));
}

#[test]
fn no_difference_is_taken_across_missing_beats() {
    let (mut heart, mut at_ms) = (Heart::new(&HeartSettings::default()), START_MS);
    for _ in 0..6 {
        beat(&mut heart, &mut at_ms, [800.0; 10]);
        at_ms += 1_500;
        beat(&mut heart, &mut at_ms, [900.0; 10]);
        at_ms += 1_500;
    }
    assert_eq!(number(&heart, "hrv.rmssd.1m"), Some(0.0));
    assert_eq!(number(&heart, "heart.irregularity"), None);
}

#[test]
fn the_lowest_five_minutes_of_the_day_are_the_resting_rate_and_zones_add_up() {
    let settings = HeartSettings { rate_max_per_min: 200.0, ..HeartSettings::default() };
    let mut heart = Heart::new(&settings);
    let midnight = START_MS / 86_400_000 * 86_400_000;
    for second in 0..4 * 3600 {
        let rate = match second {
            0..3600 => 70.0,
            3600..5400 => 52.0,
            5400..9000 => 110.0,
            9000..9600 => 145.0,
            _ => 66.0,
        };
        heart.rate(midnight + second * 1000, rate);
    }
    let resting = number(&heart, "heart.resting").unwrap();
    assert!((resting - 52.0).abs() <= 0.5, "{resting}");
    assert_eq!(number(&heart, "heart.zone1"), Some(3600.0));
    assert_eq!(number(&heart, "heart.zone3"), Some(600.0));
    assert_eq!(number(&heart, "heart.zone"), Some(0.0));
    heart.rate(midnight + 86_400_000, 90.0);
    assert_eq!((number(&heart, "heart.resting"), number(&heart, "heart.zone1")), (None, None));
}

#[test]
fn beats_and_rates_of_one_heart_are_not_counted_twice() {
    let settings = HeartSettings { rate_max_per_min: 100.0, ..HeartSettings::default() };
    let mut heart = Heart::new(&settings);
    for second in 0..600 {
        heart.rr(START_MS + second * 1000, 1000.0);
        heart.rate(START_MS + second * 1000, 60.0);
    }
    let seconds = number(&heart, "heart.zone2").unwrap();
    assert!((seconds - 599.0).abs() <= 2.0, "{seconds}");
}

#[test]
fn too_little_is_not_told() {
    let (mut heart, mut at_ms) = (Heart::new(&HeartSettings::default()), START_MS);
    let told = |heart: &Heart| {
        let mut told: Vec<Derived> = Vec::new();
        heart.values(&mut told);
        told.into_iter().map(|one| (one.name, one.window_s)).collect::<Vec<_>>()
    };
    let named = |name: &'static str, window_s| (name.into(), Some(window_s));
    assert!(told(&heart).is_empty());
    beat(&mut heart, &mut at_ms, [800.0; 15]);
    assert_eq!(told(&heart), [named("heart.rate.1m", 60), named("heart.rate", 300)]);
    beat(&mut heart, &mut at_ms, [800.0; 30]);
    assert!(told(&heart).contains(&named("hrv.rmssd.1m", 60)));
    assert!(!told(&heart).contains(&named("hrv.rmssd", 300)));
}

/// Most bytes a heart ever holds: windows of 300 beats a minute, an hour, every rate there is.
const BYTES_MAX: usize = 12 * 1024;

#[test]
fn the_state_at_300_a_minute_and_at_any_rate_is_within_its_bound_and_shrinks_again() {
    let (mut heart, mut at_ms) = (Heart::new(&HeartSettings::default()), START_MS);
    beat(&mut heart, &mut at_ms, [800.0; 600]);
    let resting = heart.memory_bytes();
    // Faster than any heart: 4,000 beats dated the same second, then two hours at 300 a minute.
    for _ in 0..4000 {
        heart.rr(at_ms, 200.0);
    }
    beat(&mut heart, &mut at_ms, vec![200.0; 36_000]);
    for rate in 20..=300 {
        heart.rate(at_ms, f64::from(rate));
    }
    let (most, written) = (heart.memory_bytes(), postcard::to_stdvec(&heart).unwrap().len());
    assert!(most <= BYTES_MAX);
    assert_eq!(number(&heart, "heart.rate").map(f64::round), Some(300.0));
    beat(&mut heart, &mut at_ms, [800.0; 5000]);
    println!("heart: {resting} bytes in memory at 75/min, {most} at 300/min ({written} written)");
    println!("heart: {} at 75/min again after an hour", heart.memory_bytes());
    assert!(heart.memory_bytes() <= 3500);
}

#[test]
fn a_heart_dated_2106_is_itself_again_once_the_clock_is_right_and_days_kept_back_change_nothing() {
    let mut heart = Heart::new(&HeartSettings::default());
    heart.rr(4_300_000_000_000, 800.0);
    heart.rate(4_300_000_000_000, 60.0);
    let mut at_ms = START_MS;
    for _ in 0..120 {
        at_ms += 800;
        heart.arrived(at_ms);
        heart.rr(at_ms, 800.0);
        heart.rate(at_ms, 150.0);
    }
    assert_eq!(number(&heart, "hrv.rmssd.1m"), Some(0.0));
    assert!(number(&heart, "heart.zone4").is_some_and(|seconds| seconds > 0.0));
    let before = heart.clone();
    for late in 0..1000 {
        heart.arrived(at_ms);
        heart.rr(at_ms - 3 * 86_400_000 + late * 700, 700.0);
        heart.rate(at_ms - 3 * 86_400_000 + late * 700, 90.0);
    }
    assert_eq!(heart, before);
}

/// Times of every kind, a third of them back, and intervals no heart makes.
fn odd() -> impl Strategy<Value = Vec<(i64, f64, u8)>> {
    let step = prop_oneof![6 => 300i64..1500, 1 => -90_000_000i64..90_000_000, 1 => any::<i64>()];
    let rr = prop_oneof![
        6 => 300.0..1500.0f64, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY), 1 => Just(-1e300), 1 => any::<f64>()];
    prop::collection::vec((step, rr, 0u8..4), 1..400)
}

fn feed(heart: &mut Heart, at_ms: i64, rr_ms: f64, what: u8) -> Vec<HeartEvent> {
    heart.arrived(at_ms.saturating_add(i64::from(what) * 100_000));
    match what {
        0 => {
            heart.rate(at_ms, rr_ms / 10.0);
            Vec::new()
        }
        1 => heart.paced_rr(at_ms, rr_ms, true),
        _ => heart.rr(at_ms, rr_ms),
    }
}

proptest! {
    #[test]
    fn whatever_comes_it_goes_on_as_if_it_had_never_been_written(odd in odd(), cut in 0usize..400) {
        let mut heart = Heart::new(&HeartSettings::default());
        let mut at_ms = START_MS;
        let mut read_back = None;
        for (n, (step, rr_ms, what)) in odd.into_iter().enumerate() {
            if n == cut {
                let bytes = postcard::to_stdvec(&heart).unwrap();
                read_back = Some(postcard::from_bytes::<Heart>(&bytes).unwrap());
            }
            at_ms = at_ms.saturating_add(step);
            let events = feed(&mut heart, at_ms, rr_ms, what);
            if let Some(other) = &mut read_back {
                prop_assert_eq!(feed(other, at_ms, rr_ms, what), events);
            }
            let mut told = Vec::new();
            heart.values(&mut told);
            let finite = |one: &Derived| !matches!(one.value, Value::Number(value) if !value.is_finite());
            prop_assert!(told.iter().all(finite), "{:?}", told);
            prop_assert!(heart.memory_bytes() <= BYTES_MAX);
        }
        if let Some(other) = read_back {
            prop_assert_eq!(other, heart);
        }
    }
}
