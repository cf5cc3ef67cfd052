//! Falls made by hand, what is taken for one, and what the fold does with odd readings.

use super::settings::FallSettings;
use super::*;
use crate::halo::derive::value::{Derived, Value};

const START_MS: i64 = 1_700_000_000_000;
/// Postures: an arm that hangs, and one that lies.
const HANGS: [f64; 3] = [0.0, 0.0, 1.0];
const LIES: [f64; 3] = [0.9, 0.3, 0.3];

/// Somebody with a band.
struct Wearer {
    motion: Motion,
    at_ms: i64,
    /// Between two readings.
    step_ms: i64,
    /// Whether the band sees a pulse.
    worn: bool,
    /// Falls, and ends of them, that were told, each with the time of the reading that told it.
    told: Vec<(i64, MotionEvent)>,
}

impl Wearer {
    fn with(fall: FallSettings) -> Self {
        let motion = Motion::new(&MotionSettings { fall, ..MotionSettings::default() });
        Self { motion, at_ms: START_MS, step_ms: 40, worn: true, told: Vec::new() }
    }

    fn new() -> Self {
        Self::with(FallSettings::default())
    }

    fn reads(&mut self, g: [f64; 3]) {
        let mut events = Vec::new();
        self.motion.acceleration(self.at_ms, g, &mut events);
        if self.worn && self.at_ms.rem_euclid(1000) < self.step_ms {
            self.motion.pulse(self.at_ms, &mut events);
        }
        let of_falls = |event: &MotionEvent| matches!(event, MotionEvent::Fell { .. } | MotionEvent::MovedAgain { .. });
        self.told.extend(events.into_iter().filter(of_falls).map(|event| (self.at_ms, event)));
        self.at_ms += self.step_ms;
    }

    /// So much force along a posture for so long.
    fn holds(&mut self, ms: i64, posture: [f64; 3], force: f64) -> &mut Self {
        (0..ms / self.step_ms).for_each(|_| self.reads(posture.map(|axis| axis * force)));
        self
    }

    /// Arms that go to and fro.
    fn moves(&mut self, ms: i64) -> &mut Self {
        for n in 0..ms / self.step_ms {
            let swing = if (n * self.step_ms / 250) % 2 == 0 { 0.5 } else { -0.5 };
            self.reads([swing, 0.0, 1.0]);
        }
        self
    }

    /// Stands, falls and lies for so long.
    fn falls(&mut self, lies_ms: i64) -> &mut Self {
        self.holds(5_000, HANGS, 1.0).holds(400, HANGS, 0.3).holds(80, LIES, 3.5).holds(lies_ms, LIES, 1.0)
    }

    fn fell(&self) -> usize {
        self.told.iter().filter(|(_, event)| matches!(event, MotionEvent::Fell { .. })).count()
    }

    fn value(&self, name: &str) -> Option<Value> {
        let mut told: Vec<Derived> = Vec::new();
        self.motion.values(&mut told);
        told.into_iter().find(|one| one.name == name).map(|one| one.value)
    }
}

#[test]
fn a_fall_is_told_when_its_wearer_has_lain_still_for_ten_seconds_and_only_then() {
    let mut wearer = Wearer::new();
    let impact_ms = START_MS + 5_400;
    wearer.falls(9_900);
    assert_eq!((wearer.told.len(), wearer.value("fall")), (0, None));
    wearer.holds(5_000, LIES, 1.0);
    let [(told_ms, MotionEvent::Fell { at_ms, impact_g })] = wearer.told[..] else { panic!("{:?}", wearer.told) };
    assert!((10_000..13_000).contains(&(told_ms - impact_ms)), "{} ms after the impact", told_ms - impact_ms);
    assert_eq!(at_ms, impact_ms);
    assert!((impact_g - 3.48).abs() < 0.01, "{impact_g}");
    assert_eq!(wearer.value("fall"), Some(Value::Number(impact_ms as f64)));
    assert_eq!(wearer.value("fall.impact"), Some(Value::Number(impact_g)));
    assert_eq!(wearer.value("fall.state"), Some(Value::Text("lying")));
}

#[test]
fn a_fall_is_told_once_and_so_is_that_its_wearer_moves_again() {
    let mut wearer = Wearer::new();
    wearer.falls(60_000).moves(400).holds(20_000, LIES, 1.0);
    assert_eq!((wearer.told.len(), wearer.value("fall.state")), (1, Some(Value::Text("lying"))), "a twitch");
    let moves_ms = wearer.at_ms;
    wearer.moves(10_000).holds(30_000, LIES, 1.0);
    let [_, (told_ms, MotionEvent::MovedAgain { at_ms, still_s })] = wearer.told[..] else {
        panic!("{:?}", wearer.told)
    };
    assert!((0..1_000).contains(&(at_ms - moves_ms)) && (3_000..4_000).contains(&(told_ms - moves_ms)));
    assert!((75.0..81.0).contains(&still_s), "{still_s}");
    assert_eq!(wearer.value("fall.still"), Some(Value::Number(still_s)));
    assert_eq!(wearer.value("fall.state"), Some(Value::Text("up")));
}

#[test]
fn sitting_down_hard_is_no_fall() {
    let mut wearer = Wearer::new();
    wearer.holds(5_000, HANGS, 1.0).holds(280, HANGS, 0.7).holds(80, LIES, 3.0).holds(30_000, LIES, 1.0);
    assert_eq!(wearer.told, []);
}

#[test]
fn a_sofa_stops_a_fall_too_softly_for_one() {
    let mut wearer = Wearer::new();
    wearer.holds(5_000, HANGS, 1.0).holds(280, HANGS, 0.45).holds(160, LIES, 1.8).holds(30_000, LIES, 1.0);
    assert_eq!(wearer.told, []);
}

#[test]
fn a_knock_that_nothing_light_goes_before_is_no_fall() {
    let mut wearer = Wearer::new();
    wearer.holds(5_000, HANGS, 1.0).holds(80, LIES, 5.0).holds(30_000, LIES, 1.0);
    assert_eq!(wearer.told, []);
}

#[test]
fn claps_with_swings_of_a_tenth_of_a_second_between_are_no_fall() {
    let mut wearer = Wearer::new();
    wearer.holds(5_000, HANGS, 1.0);
    for _ in 0..8 {
        wearer.holds(80, HANGS, 0.4).holds(40, HANGS, 4.0).holds(160, HANGS, 1.0);
    }
    wearer.holds(30_000, LIES, 1.0);
    assert_eq!(wearer.told, []);
}

#[test]
fn an_impact_long_after_a_light_moment_is_no_fall() {
    let light_and_later = |ms| {
        let mut wearer = Wearer::new();
        wearer.holds(5_000, HANGS, 1.0).holds(400, HANGS, 0.3).holds(ms, HANGS, 1.0).holds(80, LIES, 3.5);
        wearer.holds(30_000, LIES, 1.0).fell()
    };
    assert_eq!((light_and_later(800), light_and_later(1_200)), (1, 0));
}

#[test]
fn little_force_for_longer_than_a_second_is_no_fall_of_a_person() {
    let falls_for = |ms| {
        let mut wearer = Wearer::new();
        wearer.holds(5_000, HANGS, 1.0).holds(ms, HANGS, 0.3).holds(80, LIES, 3.5).holds(30_000, LIES, 1.0).fell()
    };
    assert_eq!((falls_for(960), falls_for(1_400)), (1, 0));
}

#[test]
fn where_arms_go_once_the_wearer_is_at_rest_does_not_make_a_fall_of_a_jump() {
    let mut wearer = Wearer::new();
    wearer.holds(5_000, HANGS, 1.0).holds(320, HANGS, 0.2).holds(80, HANGS, 4.0).holds(6_000, HANGS, 1.0);
    // Slower than what counts as movement.
    for n in 0..100 {
        let (sin, cos) = (f64::from(n) * 0.01).sin_cos();
        wearer.holds(40, [sin, 0.0, cos], 1.0);
    }
    wearer.holds(30_000, [1.0_f64.sin(), 0.0, 1.0_f64.cos()], 1.0);
    assert_eq!(wearer.told, []);
}

#[test]
fn who_jumps_and_stands_as_before_has_not_fallen() {
    let mut wearer = Wearer::new();
    wearer.holds(5_000, HANGS, 1.0).holds(320, HANGS, 0.2).holds(80, HANGS, 4.0).holds(30_000, HANGS, 1.0);
    assert_eq!(wearer.told, []);
}

#[test]
fn who_stumbles_and_walks_on_has_not_fallen_wherever_they_rest_later() {
    let mut wearer = Wearer::new();
    wearer.holds(5_000, HANGS, 1.0).holds(240, HANGS, 0.4).holds(80, LIES, 3.0).moves(12_000);
    wearer.holds(60_000, LIES, 1.0);
    assert_eq!(wearer.told, []);
}

#[test]
fn who_is_up_again_within_seconds_is_not_told_of() {
    let mut wearer = Wearer::new();
    wearer.falls(6_000).moves(20_000).holds(30_000, HANGS, 1.0);
    assert_eq!(wearer.told, []);
}

#[test]
fn who_moves_a_little_after_the_impact_is_told_of_when_they_have_come_to_rest() {
    let mut wearer = Wearer::new();
    wearer.falls(0).moves(3_000).holds(20_000, LIES, 1.0);
    assert_eq!(wearer.fell(), 1);
}

#[test]
fn a_second_blow_of_the_same_fall_is_no_fall_of_its_own() {
    let mut wearer = Wearer::new();
    wearer.holds(5_000, HANGS, 1.0).holds(400, HANGS, 0.3).holds(80, HANGS, 2.5).holds(240, HANGS, 0.4);
    wearer.holds(80, LIES, 4.5).holds(30_000, LIES, 1.0);
    let [(_, MotionEvent::Fell { at_ms, impact_g })] = wearer.told[..] else { panic!("{:?}", wearer.told) };
    assert_eq!(at_ms, START_MS + 5_400);
    assert!((impact_g - 4.48).abs() < 0.01, "the harder of the two: {impact_g}");
}

/// A band that drops to the floor reads like a wearer who does. What tells them apart is the pulse.
#[test]
fn a_band_that_is_dropped_is_no_fall_until_a_pulse_is_seen_and_one_that_never_saw_a_pulse_is_believed() {
    let dropped = |saw_pulse: bool| {
        let mut band = Wearer::new();
        band.worn = saw_pulse;
        band.holds(10_000, HANGS, 1.0).worn = false;
        band.falls(120_000);
        band
    };
    assert_eq!((dropped(true).fell(), dropped(false).fell()), (0, 1));
    let mut picked_up = dropped(true);
    picked_up.moves(3_000).worn = true;
    picked_up.holds(60_000, HANGS, 1.0);
    assert_eq!(picked_up.fell(), 0, "picked up and worn again");
    let mut lost_contact = dropped(true);
    lost_contact.worn = true;
    assert_eq!(lost_contact.holds(2_000, LIES, 1.0).fell(), 1, "the pulse is back, and still nobody moves");
}

#[test]
fn falls_are_told_at_ten_readings_a_second_and_at_a_hundred_and_not_at_three() {
    let fell = |step_ms| {
        let mut wearer = Wearer { step_ms, ..Wearer::new() };
        wearer.holds(5_000, HANGS, 1.0).holds(400, HANGS, 0.3).holds(step_ms.max(80), LIES, 3.5);
        wearer.holds(20_000, LIES, 1.0).fell()
    };
    assert_eq!([10, 20, 40, 100, 300].map(fell), [1, 1, 1, 1, 0]);
}

#[test]
fn a_fall_survives_a_gap_of_two_seconds_while_its_wearer_lies_and_no_longer_one() {
    let with_gap = |after_ms, gap_ms| {
        let mut wearer = Wearer::new();
        wearer.falls(after_ms).at_ms += gap_ms;
        wearer.holds(30_000, LIES, 1.0).fell()
    };
    assert_eq!((with_gap(4_000, 1_900), with_gap(4_000, 2_100)), (1, 0));
    let mut amid = Wearer::new();
    amid.holds(5_000, HANGS, 1.0).holds(400, HANGS, 0.3).at_ms += 400;
    assert_eq!(amid.holds(80, LIES, 3.5).holds(30_000, LIES, 1.0).fell(), 0, "how it came to the impact is not known");
}

#[test]
fn nobody_is_told_to_have_lain_still_for_a_time_that_was_not_seen() {
    let mut wearer = Wearer::new();
    wearer.falls(15_000);
    let Some(Value::Number(still_s)) = wearer.value("fall.still") else { panic!("a fall") };
    wearer.at_ms += 3_600_000;
    wearer.holds(2_000, LIES, 1.0);
    let Some(Value::Number(later_s)) = wearer.value("fall.still") else { panic!("a fall") };
    assert!((later_s - still_s - 2.0).abs() < 0.1, "an hour passed between {still_s} and {later_s} s");
    wearer.moves(10_000);
    assert_eq!(wearer.value("fall.state"), Some(Value::Text("up")));
}

#[test]
fn one_reading_after_a_gap_is_no_time_of_little_force() {
    let mut wearer = Wearer::new();
    wearer.holds(5_000, HANGS, 1.0);
    wearer.at_ms += 1_000;
    wearer.holds(40, HANGS, 0.55).holds(80, LIES, 3.5).holds(20_000, LIES, 1.0);
    assert_eq!(wearer.fell(), 0, "{:?}", wearer.told);
}

#[test]
fn readings_that_come_late_change_nothing() {
    let (mut wearer, mut other) = (Wearer::new(), Wearer::new());
    wearer.falls(5_000);
    other.falls(5_000);
    let at_ms = std::mem::replace(&mut other.at_ms, START_MS);
    other.moves(4_000);
    other.at_ms = at_ms;
    wearer.holds(20_000, LIES, 1.0);
    other.holds(20_000, LIES, 1.0);
    assert_eq!((wearer.fell(), &wearer.told, wearer.value("fall.still")), (1, &other.told, other.value("fall.still")));
}

#[test]
fn a_device_that_takes_gravity_away_has_no_falls() {
    let mut device = Wearer::new();
    for _ in 0..20 {
        device.holds(600, HANGS, 0.02).holds(80, LIES, 3.0).holds(15_000, LIES, 0.02);
    }
    assert_eq!(device.told, []);
}

#[test]
fn thresholds_are_those_of_the_settings() {
    let usual = FallSettings::default;
    let fell = |settings: FallSettings| Wearer::with(settings).falls(20_000).fell();
    assert_eq!(fell(usual()), 1);
    let others = [
        FallSettings { light_g: 0.25, ..usual() },
        FallSettings { light_ms: 500, ..usual() },
        FallSettings { impact_g: 3.6, ..usual() },
        FallSettings { turn_deg: 120.0, ..usual() },
        FallSettings { still_s: 30, ..usual() },
    ];
    assert_eq!(others.map(fell), [0; 5]);
    let mut awake = Wearer::with(FallSettings { up_s: 30, ..usual() });
    assert_eq!(awake.falls(20_000).moves(20_000).told.len(), 1);
}

#[test]
fn written_down_and_read_again_at_any_reading_it_tells_the_same() {
    let play = |cut: i64| {
        let mut wearer = Wearer::new();
        let mut told = Vec::new();
        let mut step = |wearer: &mut Wearer, n: i64| {
            if n == cut {
                let bytes = postcard::to_stdvec(&wearer.motion).unwrap();
                wearer.motion = postcard::from_bytes(&bytes).unwrap();
            }
            let g = match n {
                ..50 => HANGS,
                50..60 => HANGS.map(|axis| axis * 0.3),
                60..62 => LIES.map(|axis| axis * 3.5),
                62..400 => LIES,
                _ => [f64::from(n as i32 % 7 - 3) / 3.0, 0.0, 1.0],
            };
            wearer.reads(g);
            told.push(format!("{:?}", wearer.told.len()));
        };
        (0..600).for_each(|n| step(&mut wearer, n));
        (wearer.told, told, postcard::to_stdvec(&wearer.motion).unwrap())
    };
    let unbroken = play(-1);
    assert_eq!(unbroken.0.len(), 2, "{:?}", unbroken.0);
    for cut in (0..600).step_by(7).chain(55..65) {
        assert_eq!(play(cut), unbroken, "written down at reading {cut}");
    }
}

/// What a device without falls to tell of pays for them.
#[test]
fn the_state_of_falls_is_of_a_fixed_size() {
    let mut wearer = Wearer::new();
    wearer.holds(5_000, HANGS, 1.0);
    let mut most = 0;
    for _ in 0..20 {
        wearer.falls(60_000).moves(10_000);
        most = most.max(wearer.motion.memory_bytes());
    }
    println!("movement with axes: {most} bytes in memory, of which falls {}", size_of::<super::fall::Falls>() + 2 * 48);
    assert!(size_of::<super::fall::Falls>() == 88 && most <= 2 * 1024, "{most}");
}
