//! The real cases, gait made by hand, and what the fold does with bands that behave oddly.

use std::f64::consts::TAU;

use proptest::prelude::*;

use super::super::real_data;
use super::super::value::{Derived, Value};
use super::bouts::Activity;
use super::events::MotionEvent;
use super::features::Features;
use super::grid::Grid;
use super::model::MODEL;
use super::train::{Case, log_loss, train};
use super::*;

const START_MS: i64 = 1_700_000_000_000;
const GRAVITY: f64 = 9.806_65;

/// Acceleration along three axes, m/s², of 10 s at 10 Hz, and what was done.
type Recorded = (Vec<[f64; 3]>, Activity);

/// Cases of one part of BasicMotions; `None`, loudly, when this machine does not have them.
fn cases(part: &str) -> Option<Vec<Recorded>> {
    let text = real_data::text("wristband", &format!("BasicMotions_{part}.ts"))?;
    Some(text.lines().skip_while(|line| *line != "@data").skip(1).filter(|line| !line.is_empty()).map(case).collect())
}

fn case(line: &str) -> Recorded {
    let parts: Vec<&str> = line.trim().split(':').collect();
    let axis = |n: usize| parts[n].split(',').map(|value| value.parse().unwrap()).collect::<Vec<f64>>();
    let (x, y, z) = (axis(0), axis(1), axis(2));
    let activity = match parts[6] {
        "Standing" => Activity::Still,
        "Walking" => Activity::Walking,
        "Running" => Activity::Running,
        "Badminton" => Activity::Playing,
        other => panic!("unknown label {other}"),
    };
    ((0..x.len()).map(|n| [x[n], y[n], z[n]]).collect(), activity)
}

/// Features of a recorded window, through the grid as in use.
fn features(recorded: &Recorded) -> Features {
    let mut grid = Grid::default();
    for (n, triple) in recorded.0.iter().enumerate() {
        grid.push(START_MS + n as i64 * 100, *triple);
    }
    // The last place is finished by the reading after it.
    grid.push(START_MS + 10_000, [0.0; 3]);
    Features::of(grid.window().unwrap())
}

fn inputs(recorded: &[Recorded]) -> Vec<Case> {
    recorded.iter().map(|case| (features(case).inputs(), case.1)).collect()
}

#[test]
fn the_constants_are_what_training_on_the_training_cases_gives() {
    let Some(recorded) = cases("TRAIN") else { return };
    let cases = inputs(&recorded);
    let (model, penalty, loss) = train(&cases);
    println!("penalty {penalty}, leave-one-out log loss {loss:.4}\n{model:#?}");
    let flat = |model: &super::model::Model| {
        [model.mean.as_slice(), &model.sd, &model.low, &model.high, &model.rows.concat()].concat()
    };
    for (got, shipped) in flat(&model).into_iter().zip(flat(&MODEL)) {
        assert!((got - shipped).abs() <= 1e-9, "{got} {shipped}");
    }
}

#[test]
fn activities_of_the_test_cases_are_told_and_the_confidence_is_honest() {
    let Some(recorded) = cases("TEST") else { return };
    let mut right = 0;
    let (mut sure, mut brier) = (0.0, 0.0);
    for case in &recorded {
        let features = features(case);
        let (activity, probability) = MODEL.class(&features);
        right += usize::from(activity == case.1);
        sure += probability;
        let classes = super::model::CLASSES.into_iter().zip(MODEL.probabilities(features.inputs()));
        brier += classes.map(|(class, p)| (p - f64::from(u8::from(class == case.1))).powi(2)).sum::<f64>();
        if activity != case.1 {
            println!("{:?} taken for {activity:?} at {probability:.2}: {features:?}", case.1);
        }
    }
    let n = recorded.len() as f64;
    let (accuracy, sure) = (right as f64 / n, sure / n);
    let loss = log_loss(&MODEL, &inputs(&recorded));
    println!("{right} of {n} right, mean confidence {sure:.3}, log loss {loss:.4}, Brier {:.4}", brier / n);
    assert!(accuracy >= 0.95);
    assert!((sure - accuracy).abs() <= 0.05, "confidence {sure}, accuracy {accuracy}");
    assert!(brier / n <= 0.08);
}

#[test]
fn features_are_the_same_however_the_band_is_turned_and_with_gravity() {
    let Some(recorded) = cases("TEST") else { return };
    for case in &recorded {
        let plain = features(case);
        let turned: Vec<[f64; 3]> =
            case.0.iter().map(|[x, y, z]| [-z, 0.6 * x - 0.8 * y, 0.8 * x + 0.6 * y + GRAVITY]).collect();
        let turned = features(&(turned, case.1));
        for (one, other) in plain.inputs().into_iter().zip(turned.inputs()) {
            assert!((one - other).abs() < 0.03, "{plain:?} {turned:?}");
        }
        assert_eq!(MODEL.class(&plain).0, MODEL.class(&turned).0);
    }
}

/// A walk or run as a band feels it: gravity, two strokes a stride, and noise.
struct Stride {
    per_min: f64,
    strength: f64,
}

impl Stride {
    fn at(&self, t_s: f64, noise: &mut Noise) -> [f64; 3] {
        let phase = TAU * self.per_min / 60.0 * t_s;
        let heel = phase.sin() + 0.3 * (2.0 * phase).sin();
        let swing = (phase / 2.0).sin();
        [
            0.3 * self.strength * swing / GRAVITY,
            0.2 * self.strength * heel / GRAVITY,
            1.0 + self.strength * heel / GRAVITY,
        ]
        .map(|axis| axis + 0.03 * noise.even())
    }
}

struct Noise(u64);

impl Noise {
    /// Even between −1 and 1.
    fn even(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

fn value(motion: &Motion, name: &str) -> Option<Value> {
    let mut told = Vec::new();
    motion.values(&mut told);
    told.into_iter().find(|one| one.name == name).map(|one| one.value)
}

fn number(motion: &Motion, name: &str) -> Option<f64> {
    match value(motion, name)? {
        Value::Number(number) => Some(number),
        other => panic!("{name} is {other:?}"),
    }
}

fn text(motion: &Motion, name: &str) -> Option<&'static str> {
    match value(motion, name)? {
        Value::Text(text) => Some(text),
        other => panic!("{name} is {other:?}"),
    }
}

/// Each reading alone, and what it began or ended.
impl Motion {
    fn moves(&mut self, at_ms: i64, g: [f64; 3]) -> Vec<MotionEvent> {
        let mut events = Vec::new();
        self.acceleration(at_ms, g, &mut events);
        events
    }

    fn counts(&mut self, at_ms: i64, total: f64) -> Vec<MotionEvent> {
        let mut events = Vec::new();
        self.steps(at_ms, total, &mut events);
        events
    }

    fn beats(&mut self, at_ms: i64) -> Vec<MotionEvent> {
        let mut events = Vec::new();
        self.pulse(at_ms, &mut events);
        events
    }
}

#[test]
fn steps_of_made_gait_are_counted_within_three_in_a_hundred_at_any_rate() {
    for (hz, per_min, strength) in
        [(25, 80.0, 2.0), (25, 110.0, 3.0), (25, 170.0, 9.0), (10, 95.0, 2.5), (10, 115.0, 3.0), (10, 150.0, 8.0)]
    {
        let (mut motion, mut noise) = (Motion::new(&MotionSettings::default()), Noise(42));
        let stride = Stride { per_min, strength };
        for n in 0..120 * hz {
            motion.moves(START_MS + n * 1000 / hz, stride.at(n as f64 / hz as f64, &mut noise));
        }
        let (steps, cadence) = (number(&motion, "steps.today").unwrap(), number(&motion, "cadence").unwrap());
        println!("{per_min} steps/min at {hz} Hz for 2 min: {steps} steps, cadence {cadence:.1}");
        assert!((steps / (2.0 * per_min) - 1.0).abs() <= 0.03, "{steps}");
        assert!((cadence / per_min - 1.0).abs() <= 0.05, "{cadence}");
    }
}

#[test]
fn a_gesture_and_a_lying_band_are_no_steps() {
    let (mut motion, mut noise) = (Motion::new(&MotionSettings::default()), Noise(3));
    for n in 0..600 * 25 {
        let t_s = n as f64 / 25.0;
        let wave = if t_s % 60.0 < 2.0 { (TAU * 1.5 * t_s).sin() } else { 0.0 };
        motion.moves(START_MS + n * 40, [0.8 * wave, 0.0, 1.0].map(|axis| axis + 0.004 * noise.even()));
    }
    assert_eq!((number(&motion, "steps.today"), number(&motion, "cadence")), (Some(0.0), None));
    assert_eq!(text(&motion, "activity"), Some("still"));
}

/// No reference counts these steps, and the recordings have lost gravity, without which a stride's two halves look
/// alike: the figures are printed, and only that movement on foot has steps and standing has hardly any is asserted.
#[test]
fn recorded_walks_and_runs_have_steps_and_standing_has_hardly_any() {
    for part in ["TRAIN", "TEST"] {
        let Some(recorded) = cases(part) else { return };
        let per_min = super::model::CLASSES.map(|activity| {
            let mean = |gravity: f64| {
                let of = recorded.iter().filter(|case| case.1 == activity);
                let steps: Vec<f64> = of.map(|case| steps_of(case, gravity)).collect();
                6.0 * steps.iter().sum::<f64>() / steps.len() as f64
            };
            let (plain, with_gravity) = (mean(0.0), mean(GRAVITY));
            println!("{part} {activity:?}: {plain:.0} steps/min on average, {with_gravity:.0} with gravity put back");
            plain
        });
        assert!(per_min[0] <= 10.0 && per_min[1] >= 40.0 && per_min[2] >= 40.0, "{per_min:?}");
    }
}

/// Steps counted in one recorded case, with gravity added along its second axis.
fn steps_of(recorded: &Recorded, gravity: f64) -> f64 {
    let mut motion = Motion::new(&MotionSettings::default());
    for (n, [x, y, z]) in recorded.0.iter().enumerate() {
        motion.moves(START_MS + n as i64 * 100, [*x, y + gravity, *z].map(|axis| axis / GRAVITY));
    }
    motion.moves(START_MS + 10_000, [0.0; 3]);
    number(&motion, "steps.today").unwrap()
}

/// Feeds one kind of recorded case again and again.
fn act(motion: &mut Motion, at_ms: &mut i64, recorded: &Recorded, seconds: i64) -> Vec<MotionEvent> {
    let mut events = Vec::new();
    for n in 0..seconds * 10 {
        let triple = recorded.0[n as usize % recorded.0.len()];
        events.extend(motion.moves(*at_ms, triple.map(|axis| axis / GRAVITY)));
        *at_ms += 100;
    }
    events
}

#[test]
fn bouts_begin_after_half_a_minute_and_survive_a_short_stop() {
    let Some(recorded) = cases("TRAIN") else { return };
    let of = |activity: Activity| recorded.iter().find(|case| case.1 == activity).unwrap();
    let (mut motion, mut at_ms) = (Motion::new(&MotionSettings::default()), START_MS);
    let mut events = act(&mut motion, &mut at_ms, of(Activity::Still), 60);
    assert_eq!(events.drain(..).filter(|event| !matches!(event, MotionEvent::PutOn { .. })).count(), 0);
    events.extend(act(&mut motion, &mut at_ms, of(Activity::Walking), 20));
    events.extend(act(&mut motion, &mut at_ms, of(Activity::Still), 40));
    assert_eq!(events, [], "twenty seconds are no bout");
    let from = at_ms;
    events.extend(act(&mut motion, &mut at_ms, of(Activity::Running), 120));
    assert_eq!(text(&motion, "activity.bout"), Some("running"));
    events.extend(act(&mut motion, &mut at_ms, of(Activity::Walking), 15));
    events.extend(act(&mut motion, &mut at_ms, of(Activity::Running), 60));
    let to = at_ms;
    events.extend(act(&mut motion, &mut at_ms, of(Activity::Still), 60));
    let near = |one: i64, other: i64| (0..=10_000).contains(&(one - other));
    assert!(
        matches!(events.as_slice(), [
        MotionEvent::BoutStarted { activity: Activity::Running, from_ms },
        MotionEvent::BoutEnded { activity: Activity::Running, from_ms: again, to_ms }]
        if near(*from_ms, from) && from_ms == again && near(*to_ms, to)),
        "{events:?}"
    );
    act(&mut motion, &mut at_ms, of(Activity::Walking), 60);
    at_ms += 3_600_000;
    let events = act(&mut motion, &mut at_ms, of(Activity::Still), 1);
    assert!(
        matches!(
            events.as_slice(),
            [MotionEvent::BoutEnded { activity: Activity::Walking, .. }, MotionEvent::TakenOff { .. }, ..]
        ),
        "{events:?}"
    );
}

#[test]
fn a_band_that_lies_still_without_a_pulse_is_not_worn() {
    let (mut motion, mut noise) = (Motion::new(&MotionSettings::default()), Noise(9));
    let mut lie = |motion: &mut Motion, from_s: i64, to_s: i64, pulse: bool| {
        let mut events = Vec::new();
        for tenth in from_s * 10..to_s * 10 {
            let at_ms = START_MS + tenth * 100;
            events.extend(motion.moves(at_ms, [0.0, 0.0, 1.0].map(|axis| axis + 0.004 * noise.even())));
            if pulse && tenth % 10 == 0 {
                events.extend(motion.beats(at_ms));
            }
        }
        events
    };
    assert_eq!(lie(&mut motion, 0, 60, false), []);
    assert_eq!(text(&motion, "wear"), None);
    assert_eq!(lie(&mut motion, 60, 1860, true), [MotionEvent::PutOn { at_ms: START_MS + 60_000 }]);
    assert_eq!(number(&motion, "wear.today"), Some(1799.0));
    assert_eq!(lie(&mut motion, 1860, 2400, false), []);
    assert_eq!(lie(&mut motion, 2400, 2500, false), [MotionEvent::TakenOff { at_ms: START_MS + 1_859_000 }]);
    assert_eq!((text(&motion, "wear"), number(&motion, "wear.today")), (Some("off"), Some(1799.0)));
}

#[test]
fn days_of_use_are_remembered_for_two_months() {
    let mut motion = Motion::new(&MotionSettings::default());
    let midnight = START_MS / 86_400_000 * 86_400_000;
    let mut wear = |day: i64, minutes: i64| {
        (0..=minutes).for_each(|minute| drop(motion.beats(midnight + day * 86_400_000 + 40_000_000 + minute * 60_000)));
        let days = |name: &str| number(&motion, name).unwrap();
        (days("wear.days"), days("wear.days.60d"), number(&motion, "wear.streak").unwrap())
    };
    assert_eq!(wear(0, 9), (0.0, 0.0, 0.0));
    for day in 1..=10 {
        wear(day, 20);
    }
    assert_eq!(wear(12, 5), (10.0, 10.0, 0.0));
    assert_eq!(wear(12, 30), (11.0, 11.0, 1.0));
    assert_eq!(wear(40, 30), (2.0, 12.0, 1.0));
    assert_eq!(wear(75, 30), (1.0, 2.0, 1.0));
    assert_eq!(wear(500, 30), (1.0, 1.0, 1.0));
}

#[test]
fn a_day_in_a_drawer_is_one_without_use_as_soon_as_it_is_over_and_not_when_the_band_is_worn_again() {
    let mut motion = Motion::new(&MotionSettings::default());
    let midnight = START_MS / 86_400_000 * 86_400_000;
    for minute in (0..3 * 1_440).filter(|minute| minute % 1_440 < 20) {
        motion.beats(midnight + minute * 60_000);
    }
    let streak = |motion: &Motion| (number(motion, "wear.streak"), number(motion, "wear.days"));
    assert_eq!(streak(&motion), (Some(3.0), Some(3.0)));
    // It counts on, and no step comes.
    motion.counts(midnight + 3 * 86_400_000 + 1_000, 500.0);
    assert_eq!(streak(&motion), (Some(3.0), Some(3.0)), "the day is not over");
    motion.counts(midnight + 4 * 86_400_000 + 1_000, 500.0);
    assert_eq!((streak(&motion), number(&motion, "wear.today")), ((Some(0.0), Some(3.0)), Some(0.0)));
    motion.counts(midnight + 33 * 86_400_000, 500.0);
    assert_eq!(streak(&motion), (Some(0.0), Some(0.0)), "a month is gone");
}

#[test]
fn a_step_counter_alone_tells_steps_cadence_and_three_activities() {
    let (mut motion, mut at_ms, mut total) = (Motion::new(&MotionSettings::default()), START_MS, 4_321.0);
    let mut walk = |motion: &mut Motion, per_min: f64, readings: usize, every_s: i64| {
        for _ in 0..readings {
            at_ms += every_s * 1000;
            total += per_min * every_s as f64 / 60.0;
            motion.counts(at_ms, total);
        }
        (text(motion, "activity"), number(motion, "cadence"))
    };
    assert_eq!(walk(&mut motion, 0.0, 10, 10), (Some("still"), Some(0.0)));
    assert_eq!(walk(&mut motion, 108.0, 12, 10), (Some("walking"), Some(108.0)));
    assert_eq!(walk(&mut motion, 168.0, 12, 10), (Some("running"), Some(168.0)));
    assert_eq!(walk(&mut motion, 102.0, 3, 60), (Some("walking"), Some(102.0)));
    let steps = 2.0 * 108.0 + 2.0 * 168.0 + 3.0 * 102.0;
    assert_eq!(number(&motion, "steps.today"), Some(steps));
    // The counter is replaced by another one, far ahead, then by a new one.
    motion.counts(at_ms + 10_000, 90_000.0);
    motion.counts(at_ms + 20_000, 3.0);
    motion.counts(at_ms + 30_000, 8.0);
    assert_eq!(number(&motion, "steps.today"), Some(steps + 5.0));
    motion.counts(at_ms + 86_400_000, 8.0);
    assert_eq!(number(&motion, "steps.today"), Some(0.0));
}

#[test]
fn a_band_dated_2106_is_itself_again_once_the_clock_is_right_and_days_kept_back_change_nothing() {
    let mut motion = Motion::new(&MotionSettings::default());
    motion.beats(4_300_000_000_000);
    motion.counts(4_300_000_000_000, 10.0);
    for n in 0..120 {
        motion.arrived(START_MS + n * 10_000);
        motion.beats(START_MS + n * 10_000);
        motion.counts(START_MS + n * 10_000, 20.0 * n as f64);
    }
    assert_eq!(number(&motion, "cadence"), Some(120.0));
    assert_eq!(number(&motion, "steps.today"), Some(2380.0));
    assert_eq!(number(&motion, "wear.today"), Some(1190.0));
    let before = motion.clone();
    for n in 0..120 {
        motion.arrived(START_MS + 1_200_000);
        motion.beats(START_MS - 200_000_000 + n * 10_000);
        motion.counts(START_MS - 200_000_000 + n * 10_000, n as f64);
    }
    assert_eq!(motion, before);
}

#[test]
fn a_sensor_that_shows_no_noise_at_all_is_surely_still() {
    let mut motion = Motion::new(&MotionSettings::default());
    for n in 0..300 {
        motion.moves(START_MS + n * 40, [0.0, 0.0, 1.0]);
    }
    let mut told = Vec::new();
    motion.values(&mut told);
    let activity = told.iter().find(|one| one.name == "activity").unwrap();
    assert_eq!(activity.value, Value::Text("still"));
    assert!(activity.confidence.is_some_and(|sure| sure > 0.95));
}

#[test]
fn when_the_axes_fall_silent_the_step_counter_speaks() {
    let (mut motion, mut noise) = (Motion::new(&MotionSettings::default()), Noise(5));
    for n in 0..250 {
        motion.moves(START_MS + n * 40, [0.0, 0.0, 1.0].map(|axis| axis + 0.004 * noise.even()));
    }
    motion.moves(START_MS + 12_000, [0.0, 0.0, 1.0]);
    for n in 0..14 {
        motion.counts(START_MS + n * 10_000, 18.0 * n as f64);
    }
    assert_eq!((text(&motion, "activity"), number(&motion, "activity.intensity")), (Some("walking"), None));
}

fn odd() -> impl Strategy<Value = Vec<(i64, [f64; 3], u8)>> {
    let step = prop_oneof![8 => 0i64..200, 1 => -90_000_000i64..90_000_000, 1 => any::<i64>()];
    let axis = || prop_oneof![9 => -3.0..3.0f64, 1 => any::<f64>()];
    prop::collection::vec((step, [axis(), axis(), axis()], 0u8..8), 1..600)
}

/// Most bytes a band's movement ever holds.
const BYTES_MAX: usize = 2 * 1024;

fn feed(motion: &mut Motion, at_ms: i64, axes: [f64; 3], what: u8) -> Vec<MotionEvent> {
    motion.arrived(at_ms.saturating_add(i64::from(what) * 100_000));
    match what {
        0 => motion.counts(at_ms, axes[0] * 1000.0),
        1 => motion.beats(at_ms),
        _ => motion.moves(at_ms, axes),
    }
}

proptest! {
    #[test]
    fn whatever_comes_it_goes_on_as_if_it_had_never_been_written(odd in odd(), cut in 0usize..600) {
        let mut motion = Motion::new(&MotionSettings::default());
        let mut at_ms = START_MS;
        let mut read_back = None;
        for (n, (step, axes, what)) in odd.into_iter().enumerate() {
            if n == cut {
                let bytes = postcard::to_stdvec(&motion).unwrap();
                read_back = Some(postcard::from_bytes::<Motion>(&bytes).unwrap());
            }
            at_ms = at_ms.saturating_add(step);
            let events = feed(&mut motion, at_ms, axes, what);
            if let Some(other) = &mut read_back {
                prop_assert_eq!(feed(other, at_ms, axes, what), events);
            }
            let mut told = Vec::new();
            motion.values(&mut told);
            let finite = |one: &Derived| !matches!(one.value, Value::Number(value) if !value.is_finite());
            prop_assert!(told.iter().all(finite), "{:?}", told);
            prop_assert!(motion.memory_bytes() <= BYTES_MAX, "{}", motion.memory_bytes());
        }
        if let Some(other) = read_back {
            prop_assert_eq!(other, motion);
        }
    }

    #[test]
    fn pulses_held_back_tell_what_each_of_them_would(odd in odd(), dense in 0..4_usize, frame in 1..40_usize) {
        let settings = MotionSettings { off_s: 60, day_of_use_s: 30, ..MotionSettings::default() };
        let (mut one_by_one, mut held, mut pulses) = (Motion::new(&settings), Motion::new(&settings), Pulses::default());
        let (mut at_ms, mut told, mut expected) = (START_MS, Vec::new(), Vec::new());
        for (n, (step, axes, what)) in odd.into_iter().enumerate() {
            // Days have begun, the band was off and bouts are over between frames and within them.
            at_ms = at_ms.saturating_add(if n % 4 < dense { step.rem_euclid(1_500) } else { step });
            if what % 3 == 0 || n % 4 < dense {
                one_by_one.pulse(at_ms, &mut expected);
                pulses.take(&mut held, at_ms, &mut told);
            } else {
                expected.extend(feed(&mut one_by_one, at_ms, axes, what));
                pulses.give(&mut held, &mut told);
                told.extend(feed(&mut held, at_ms, axes, what));
            }
            if n % frame == 0 {
                pulses.give(&mut held, &mut told);
                prop_assert_eq!(&held, &one_by_one);
            }
        }
        prop_assert_eq!(told, expected);
    }
}
