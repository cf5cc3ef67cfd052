//! A wristband on a person's wrist: what its sensors would read, second by second of the device's own time.
//!
//! An activity state machine drives everything else: the heart follows its target with a first-order lag (fast up, slow
//! down), beats follow the heart with respiratory sinus arrhythmia and noise, steps follow the cadence, skin temperature
//! and battery drift. Sometimes the band loses skin contact: heart rate and oxygen are then absent and no beat is seen.
//! One random stream gives one life, whatever the frames' period; no clock is read here.
//!
//! The constants are plausible for a healthy adult; none is fitted to a recording.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::{Moment, Sensors, once_in};

/// What the person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    Sleep,
    Sit,
    Walk,
    Run,
}

impl Activity {
    fn name(self) -> &'static str {
        match self {
            Self::Sleep => "sleep",
            Self::Sit => "sit",
            Self::Walk => "walk",
            Self::Run => "run",
        }
    }
}

/// One heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beat {
    /// When it came, ms of device time.
    pub(crate) at_ms: u64,
    /// Time since the beat before; `None` for the first one after a loss of contact.
    pub(crate) interval_ms: Option<u16>,
}

/// All readings of one second; NaN = no reading.
#[derive(Clone, Debug)]
pub(crate) struct Second {
    /// Start of the second, ms of device time.
    pub(crate) at_ms: u64,
    /// Beats per minute.
    pub(crate) heart_rate: f64,
    /// Beats within this second, in order.
    pub(crate) beats: Vec<Beat>,
    /// Steps since the band was first worn.
    pub(crate) steps: f64,
    /// Skin temperature, °C.
    pub(crate) skin_temperature: f64,
    /// Blood oxygen saturation, %.
    pub(crate) oxygen: f64,
    /// Charge left, %.
    pub(crate) battery: f64,
}

/// What distinguishes one wearer and one band from the next.
#[derive(Clone, Debug)]
struct Wearer {
    resting_rate: f64,
    walking_cadence: f64,
    running_cadence: f64,
    /// Share by which breathing lengthens and shortens an interval at rest.
    sinus_arrhythmia: f64,
    /// Breaths per second.
    breathing: f64,
    /// Battery lost per second, %.
    drain: f64,
}

/// A seeded wristband; [`Wristband::second`] steps it.
#[derive(Clone, Debug)]
pub(crate) struct Wristband {
    random: ChaCha8Rng,
    wearer: Wearer,
    now_ms: u64,
    activity: Activity,
    activity_left_s: u32,
    /// What was done from when on, until it is told.
    told: Option<(Activity, u64)>,
    /// Since when the heart is fast, and for how many seconds clearly so.
    fast: Option<(u64, u32)>,
    /// Since when no pulse is seen.
    off_since: Option<u64>,
    /// Seconds of lost contact left; 0 = on the skin.
    off_skin_s: u32,
    /// Whether the band is put into a drawer at times, and lies there now.
    drawers: bool,
    in_drawer: bool,
    /// The heart's true rate, /min, and the one that was told last.
    heart: f64,
    heart_told: Option<f64>,
    next_beat_ms: f64,
    last_interval_ms: Option<u16>,
    steps: f64,
    skin: f64,
    battery: f64,
}

/// Seconds in which the heart closes 63 % of the way to a higher target, and to a lower one.
const HEART_RISE_S: f64 = 18.0;
const HEART_FALL_S: f64 = 40.0;
/// The same for the skin under the band.
const SKIN_LAG_S: f64 = 600.0;
/// Standard deviation of an optical heart rate reading, /min, and of an interval, as a share.
const RATE_NOISE: f64 = 0.6;
const INTERVAL_NOISE: f64 = 0.012;
/// Rate from which a heart counts as near 100 a minute or above, and as clearly above it.
const FAST_FROM: f64 = 97.0;
const FAST_CLEARLY: f64 = 103.0;
/// A change of the true rate that is told, /min.
const PULSE_CHANGE: f64 = 2.0;
/// Contact is lost about once in this many seconds of wear.
const SECONDS_BETWEEN_LOSSES: u32 = 900;
/// A band that is put into a drawer at times is worn for so long, on average, and lies there for so many seconds.
const SECONDS_BETWEEN_DRAWERS: f64 = 3.0 * 86_400.0;
const DRAWER_S: std::ops::Range<u32> = 86_400..3 * 86_400;

impl Wristband {
    /// Worn from `start_ms` of device time on.
    pub(crate) fn new(mut random: ChaCha8Rng, start_ms: u64) -> Self {
        let wearer = Wearer {
            resting_rate: random.random_range(50.0..70.0),
            walking_cadence: random.random_range(98.0..122.0),
            running_cadence: random.random_range(152.0..176.0),
            sinus_arrhythmia: random.random_range(0.02..0.07),
            breathing: random.random_range(0.2..0.3),
            drain: 100.0 / (86_400.0 * random.random_range(4.0..8.0)),
        };
        let activity = [Activity::Sleep, Activity::Sit, Activity::Sit, Activity::Walk, Activity::Run]
            [random.random_range(0..5_usize)];
        let mut band = Self {
            now_ms: start_ms,
            activity,
            activity_left_s: random.random_range(20..300),
            told: None,
            fast: None,
            off_since: None,
            off_skin_s: 0,
            drawers: false,
            in_drawer: false,
            heart: 0.0,
            heart_told: None,
            next_beat_ms: start_ms as f64 + random.random_range(0.0..900.0),
            last_interval_ms: None,
            steps: random.random_range(0_u32..6_000).into(),
            skin: random.random_range(31.5..34.0),
            battery: random.random_range(35.0..100.0),
            wearer,
            random,
        };
        band.heart = band.target_rate();
        band
    }

    /// The same with a drawer it is put into at times.
    pub(crate) fn with_drawers(random: ChaCha8Rng, start_ms: u64) -> Self {
        Self { drawers: true, ..Self::new(random, start_ms) }
    }

    /// The same on somebody who sits; what they do is for [`Self::goes_on`] to say.
    pub(super) fn sitting(random: ChaCha8Rng, start_ms: u64) -> Self {
        let mut band = Self { activity: Activity::Sit, ..Self::new(random, start_ms) };
        band.heart = band.target_rate();
        band
    }

    /// The wearer does this in the next second.
    pub(super) fn goes_on(&mut self, activity: Activity) {
        (self.activity, self.activity_left_s) = (activity, 1);
    }

    /// It sees no pulse for so long.
    pub(super) fn off_the_skin_for(&mut self, seconds: u32) {
        self.off_skin_s = seconds;
    }

    /// The readings of the next second.
    pub(crate) fn second(&mut self) -> Second {
        self.choose_activity();
        self.lose_or_regain_contact();
        self.follow_activity();
        let on_skin = self.off_skin_s == 0;
        let second = Second {
            at_ms: self.now_ms,
            beats: self.beats_until(self.now_ms + 1_000, on_skin),
            heart_rate: if on_skin { self.heart + RATE_NOISE * self.noise() } else { f64::NAN },
            steps: self.steps.floor(),
            skin_temperature: self.skin + 0.02 * self.noise(),
            oxygen: self.oxygen(on_skin),
            battery: self.battery,
        };
        self.now_ms += 1_000;
        second
    }

    /// What the wearer does now.
    #[cfg(test)]
    fn activity(&self) -> Activity {
        self.activity
    }

    fn choose_activity(&mut self) {
        if self.activity_left_s > 0 {
            self.activity_left_s -= 1;
            return;
        }
        let draw: f64 = self.random.random();
        self.activity = match self.activity {
            Activity::Sleep => Activity::Sit,
            Activity::Sit if draw < 0.15 => Activity::Sleep,
            Activity::Sit => Activity::Walk,
            Activity::Walk if draw < 0.35 => Activity::Run,
            Activity::Walk => Activity::Sit,
            Activity::Run => Activity::Walk,
        };
        self.activity_left_s = match self.activity {
            Activity::Sleep => self.random.random_range(1_800..7_200),
            Activity::Sit => self.random.random_range(120..1_200),
            Activity::Walk => self.random.random_range(60..600),
            Activity::Run => self.random.random_range(60..900),
        };
    }

    fn lose_or_regain_contact(&mut self) {
        if self.off_skin_s > 0 {
            self.off_skin_s -= 1;
            self.in_drawer &= self.off_skin_s > 0;
        } else if self.drawers && once_in(&mut self.random, SECONDS_BETWEEN_DRAWERS) {
            self.off_skin_s = self.random.random_range(DRAWER_S);
            self.in_drawer = true;
        } else if self.random.random_range(0..SECONDS_BETWEEN_LOSSES) == 0 {
            self.off_skin_s = self.random.random_range(3..12);
        }
    }

    fn follow_activity(&mut self) {
        let target = self.target_rate();
        let lag_s = if target > self.heart { HEART_RISE_S } else { HEART_FALL_S };
        self.heart += (target - self.heart) / lag_s + 0.25 * self.noise();
        self.heart = self.heart.clamp(38.0, 195.0);
        let cadence = match self.activity {
            _ if self.in_drawer => 0.0,
            Activity::Sleep | Activity::Sit => 0.0,
            Activity::Walk => self.wearer.walking_cadence,
            Activity::Run => self.wearer.running_cadence,
        };
        self.steps += (cadence / 60.0 * (1.0 + 0.03 * self.noise())).max(0.0);
        let skin_target = match self.activity {
            Activity::Sleep => 34.6,
            Activity::Sit => 33.2,
            Activity::Walk => 32.4,
            Activity::Run => 31.6,
        };
        self.skin += (skin_target - self.skin) / SKIN_LAG_S;
        self.battery = (self.battery - self.wearer.drain).max(0.0);
    }

    fn target_rate(&self) -> f64 {
        let resting = self.wearer.resting_rate;
        match self.activity {
            Activity::Sleep => resting - 4.0,
            Activity::Sit => resting + 8.0,
            Activity::Walk => resting + 38.0,
            Activity::Run => resting + 88.0,
        }
    }

    /// The true rate whenever it has become another; spells of a fast heart and of a band off the skin, as they end.
    fn tell_heart(&mut self, at_ms: u64, moment: &mut Moment) {
        if self.heart_told.is_none_or(|told| (self.heart - told).abs() >= PULSE_CHANGE) {
            self.heart_told = Some(self.heart);
            moment.tell(at_ms, "pulse", json!({"rate": super::car::round(self.heart, 2)}));
        }
        if self.heart > FAST_FROM {
            let (_, clearly_s) = self.fast.get_or_insert((at_ms, 0));
            *clearly_s += u32::from(self.heart > FAST_CLEARLY);
        } else if let Some((from_ms, above_s)) = self.fast.take() {
            moment.tell(at_ms, "fast_heart", json!({"from_ms": from_ms, "to_ms": at_ms, "above_s": above_s}));
        }
        if self.off_skin_s > 0 {
            self.off_since.get_or_insert(at_ms);
        } else if let Some(from_ms) = self.off_since.take() {
            moment.tell(at_ms, "off_skin", json!({"from_ms": from_ms, "to_ms": at_ms}));
        }
    }

    /// Lets the heart beat on; a band off the skin sees nothing, and the interval across the gap is unknown.
    fn beats_until(&mut self, end_ms: u64, on_skin: bool) -> Vec<Beat> {
        let mut beats = Vec::new();
        while self.next_beat_ms < end_ms as f64 {
            let at_ms = self.next_beat_ms as u64;
            if on_skin {
                beats.push(Beat { at_ms, interval_ms: self.last_interval_ms });
            }
            let interval_ms = self.interval_after(at_ms);
            self.next_beat_ms = at_ms as f64 + f64::from(interval_ms);
            self.last_interval_ms = on_skin.then_some(interval_ms);
        }
        beats
    }

    /// Whole milliseconds, so that a beat's time is exactly the one before plus its interval.
    fn interval_after(&mut self, at_ms: u64) -> u16 {
        let mean_ms = 60_000.0 / self.heart;
        // A quicker heart has less variability: breathing moves it fully at rest and a tenth of that at 160 /min.
        let tone = ((160.0 - self.heart) / 90.0).clamp(0.1, 1.0);
        let breath = (at_ms as f64 / 1_000.0 * self.wearer.breathing * std::f64::consts::TAU).sin();
        let share = 1.0 + tone * (self.wearer.sinus_arrhythmia * breath + INTERVAL_NOISE * self.noise());
        (mean_ms * share).round().clamp(250.0, 2_500.0) as u16
    }

    fn oxygen(&mut self, on_skin: bool) -> f64 {
        let reading = 97.3 + 0.7 * self.noise();
        // Arm swing hides the pulse's red and infrared share more often than not.
        let hidden = self.activity == Activity::Run && self.random.random_bool(0.6);
        if on_skin && !hidden { reading.clamp(90.0, 100.0) } else { f64::NAN }
    }

    fn noise(&mut self) -> f64 {
        super::noise(&mut self.random)
    }
}

impl Sensors for Wristband {
    fn second(&mut self, at_ms: u64, moment: &mut Moment) {
        let was_in_drawer = self.in_drawer;
        let second = Self::second(self);
        debug_assert_eq!(second.at_ms, at_ms);
        if self.in_drawer && !was_in_drawer {
            let to_ms = at_ms + 1_000 * u64::from(self.off_skin_s);
            moment.tell(at_ms, "drawer", json!({"from_ms": at_ms, "to_ms": to_ms}));
        }
        match self.told {
            Some((activity, _)) if activity == self.activity => {}
            before => {
                if let Some((activity, from_ms)) = before {
                    let facts = json!({"what": activity.name(), "from_ms": from_ms, "to_ms": at_ms});
                    moment.tell(at_ms, "activity", facts);
                }
                self.told = Some((self.activity, at_ms));
            }
        }
        self.tell_heart(at_ms, moment);
        if (at_ms / 1_000).is_multiple_of(super::STEPS_TOLD_S) {
            moment.tell(at_ms, "steps", json!({"total": second.steps}));
        }
        moment.read("heart_rate", second.heart_rate);
        moment.read("steps", second.steps);
        moment.read("skin_temperature", second.skin_temperature);
        moment.read("spo2", second.oxygen);
        moment.read("battery", second.battery);
        for beat in second.beats {
            if let Some(interval) = beat.interval_ms {
                moment.rows.push((1, beat.at_ms, vec![f64::from(interval)]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn band(seed: u64, start_ms: u64) -> Wristband {
        Wristband::new(ChaCha8Rng::seed_from_u64(seed), start_ms)
    }

    fn hours(seed: u64, hours: usize) -> Vec<Second> {
        let mut band = band(seed, 5_000);
        (0..hours * 3_600).map(|_| band.second()).collect()
    }

    #[test]
    fn one_seed_gives_one_life_and_another_seed_another() {
        let tell = |seed| format!("{:?}", hours(seed, 1));
        assert_eq!(tell(42), tell(42));
        assert_ne!(tell(42), tell(43));
    }

    #[test]
    fn a_beat_comes_exactly_one_interval_after_the_one_before() {
        for seed in 0..8 {
            let mut before: Option<Beat> = None;
            for beat in hours(seed, 2).iter().flat_map(|second| &second.beats) {
                if let (Some(interval), Some(before)) = (beat.interval_ms, before) {
                    assert_eq!(beat.at_ms, before.at_ms + u64::from(interval), "seed {seed}");
                }
                before = Some(*beat);
            }
        }
    }

    #[test]
    fn heart_rate_and_intervals_tell_the_same_rate_in_every_minute() {
        for seed in 0..8 {
            for (minute, seconds) in hours(seed, 2).chunks(60).enumerate() {
                let intervals: Vec<f64> =
                    seconds.iter().flat_map(|s| &s.beats).filter_map(|b| b.interval_ms.map(f64::from)).collect();
                let rates: Vec<f64> = seconds.iter().map(|s| s.heart_rate).filter(|rate| rate.is_finite()).collect();
                if rates.len() < 60 {
                    continue;
                }
                let by_interval = 60_000.0 * intervals.len() as f64 / intervals.iter().sum::<f64>();
                let by_sensor = rates.iter().sum::<f64>() / rates.len() as f64;
                assert!(
                    (by_interval / by_sensor - 1.0).abs() < 0.03,
                    "seed {seed} minute {minute}: {by_interval} {by_sensor}"
                );
            }
        }
    }

    #[test]
    fn the_heart_climbs_while_running_and_steps_follow_the_cadence() {
        let mut band = (0..).map(|seed| band(seed, 0)).find(|band| band.activity() == Activity::Sit).unwrap();
        (band.activity, band.activity_left_s) = (Activity::Run, 180);
        let start = band.second();
        let run: Vec<Second> = (0..179).map(|_| band.second()).collect();
        let end = run.last().unwrap();
        assert!(band.heart > band.wearer.resting_rate + 75.0, "heart {}", band.heart);
        let cadence = (end.steps - start.steps) / 179.0 * 60.0;
        assert!((cadence / band.wearer.running_cadence - 1.0).abs() < 0.02, "cadence {cadence}");
    }

    #[test]
    fn a_band_off_the_skin_reads_neither_heart_nor_beats_and_never_invents_the_interval_across() {
        let seconds = hours(3, 4);
        let off: Vec<usize> = (0..seconds.len()).filter(|i| seconds[*i].heart_rate.is_nan()).collect();
        assert!(!off.is_empty());
        for at in &off {
            assert!(seconds[*at].beats.is_empty() && seconds[*at].oxygen.is_nan());
            let back = seconds[at + 1..].iter().flat_map(|second| &second.beats).next();
            assert!(back.is_none_or(|beat| beat.interval_ms.is_none()));
        }
    }

    #[test]
    fn readings_stay_within_what_a_living_person_shows() {
        for second in (0..16).flat_map(|seed| hours(seed, 1)) {
            assert!(second.heart_rate.is_nan() || (35.0..=200.0).contains(&second.heart_rate));
            assert!((25.0..=40.0).contains(&second.skin_temperature));
            assert!(second.oxygen.is_nan() || (90.0..=100.0).contains(&second.oxygen));
            assert!((0.0..=100.0).contains(&second.battery));
        }
    }
}
