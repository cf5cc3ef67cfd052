//! A pacemaker and the heart it watches: sinus rhythm with respiratory variability, paced when the heart is late, and
//! episodes of bradycardia (the pacing fails to capture), tachycardia and irregular rhythm, pauses, premature beats.
//!
//! The battery is near its end and runs down about a thousand times faster than a real one, so that a simulated day
//! shows it.

use std::collections::VecDeque;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::{Moment, Sensors, noise, once_in};

/// The longest interval the device allows, ms: 60 a minute.
const LOWER_RATE_MS: f64 = 1_000.0;
/// Seconds of sinus rhythm between two episodes, pauses and premature beats.
const SECONDS_BETWEEN_EPISODES: f64 = 420.0;
const SECONDS_BETWEEN_PAUSES: f64 = 600.0;
const SECONDS_BETWEEN_PREMATURE: f64 = 45.0;
/// Beats over which rate and share of pacing are shown.
const SHOWN_BEATS: usize = 60;
/// Voltage lost per second, and below which the device asks to be replaced.
const DRAIN: f64 = 1e-3 / 300.0;
const REPLACE_AT: f64 = 2.6;
/// Shortest and longest interval of a beat, ms.
pub(super) const INTERVAL_MS: (f64, f64) = (280.0, 4_000.0);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rhythm {
    Sinus,
    Bradycardia,
    Tachycardia,
    Irregular,
}

impl Rhythm {
    fn name(self) -> &'static str {
        match self {
            Self::Sinus => "rhythm_normal",
            Self::Bradycardia => "bradycardia",
            Self::Tachycardia => "tachycardia",
            Self::Irregular => "irregular_rhythm",
        }
    }
}

/// A seeded pacemaker.
pub(crate) struct Pacemaker {
    random: ChaCha8Rng,
    model: Option<String>,
    rhythm: Rhythm,
    /// Seconds of the episode left, when it began, and its beats.
    left: u32,
    since_ms: u64,
    beats: u32,
    /// The heart's own interval at rest, ms; how far breathing moves it, and breaths a second.
    own_ms: f64,
    breath_share: f64,
    breathing: f64,
    episode_ms: f64,
    next_beat_ms: f64,
    last: Option<(f64, bool)>,
    /// The next interval is a premature beat's compensation.
    compensate: Option<f64>,
    premature: bool,
    pause: bool,
    shown: VecDeque<(f64, bool)>,
    impedance: f64,
    voltage: f64,
    low_told: bool,
}

impl Pacemaker {
    pub(crate) fn new(mut random: ChaCha8Rng, start_ms: u64) -> Self {
        let voltage = random.random_range(2.61..2.78);
        Self {
            model: Some(format!("HP-{}", random.random_range(100..999))),
            rhythm: Rhythm::Sinus,
            left: 0,
            since_ms: start_ms,
            beats: 0,
            own_ms: random.random_range(820.0..1_060.0),
            breath_share: random.random_range(0.02..0.06),
            breathing: random.random_range(0.2..0.3),
            episode_ms: 0.0,
            next_beat_ms: start_ms as f64 + random.random_range(0.0..900.0),
            last: None,
            compensate: None,
            premature: false,
            pause: false,
            shown: VecDeque::new(),
            impedance: random.random_range(440.0..620.0),
            voltage,
            low_told: false,
            random,
        }
    }

    fn change_rhythm(&mut self, at_ms: u64, moment: &mut Moment) {
        if self.rhythm != Rhythm::Sinus {
            self.left = self.left.saturating_sub(1);
            if self.left == 0 {
                let facts = json!({"what": self.rhythm.name(), "from_ms": self.since_ms, "to_ms": at_ms,
                                   "beats": self.beats, "rate": (60_000.0 / self.episode_ms).round()});
                moment.tell(at_ms, "arrhythmia", facts);
                moment.happens(at_ms, "rhythm_normal", 0, 60_000.0 / self.own_ms);
                self.rhythm = Rhythm::Sinus;
            }
            return;
        }
        if once_in(&mut self.random, SECONDS_BETWEEN_EPISODES) {
            let (rhythm, episode_ms) = match self.random.random_range(0..3) {
                0 => (Rhythm::Bradycardia, self.random.random_range(1_250.0..1_600.0)),
                1 => (Rhythm::Tachycardia, self.random.random_range(330.0..430.0)),
                _ => (Rhythm::Irregular, self.random.random_range(560.0..760.0)),
            };
            (self.rhythm, self.episode_ms, self.since_ms, self.beats) = (rhythm, episode_ms, at_ms, 0);
            self.left = self.random.random_range(20..120);
            moment.happens(at_ms, rhythm.name(), 2, 60_000.0 / episode_ms);
        } else {
            self.pause |= once_in(&mut self.random, SECONDS_BETWEEN_PAUSES);
            self.premature |= once_in(&mut self.random, SECONDS_BETWEEN_PREMATURE);
        }
    }

    /// The interval to the next beat, whole ms, and whether the device made that beat.
    fn interval_after(&mut self, at_ms: u64, moment: &mut Moment) -> (f64, bool) {
        let (interval, paced) = match self.rhythm {
            Rhythm::Sinus => self.sinus(at_ms, moment),
            Rhythm::Bradycardia => (self.episode_ms * (1.0 + 0.02 * noise(&mut self.random)), false),
            Rhythm::Tachycardia => (self.episode_ms * (1.0 + 0.01 * noise(&mut self.random)), false),
            // Neighbouring intervals have nothing to do with each other.
            Rhythm::Irregular => (self.episode_ms * (1.0 + 0.24 * noise(&mut self.random)), false),
        };
        self.beats += 1;
        (interval.round().clamp(INTERVAL_MS.0, INTERVAL_MS.1), paced)
    }

    fn sinus(&mut self, at_ms: u64, moment: &mut Moment) -> (f64, bool) {
        if let Some(compensation) = self.compensate.take() {
            return (compensation, false);
        }
        let breath = (at_ms as f64 / 1_000.0 * self.breathing * std::f64::consts::TAU).sin();
        let own = self.own_ms * (1.0 + self.breath_share * breath + 0.012 * noise(&mut self.random));
        if std::mem::take(&mut self.premature) {
            let early = own * self.random.random_range(0.55..0.72);
            self.compensate = Some((2.0 * own - early).min(LOWER_RATE_MS * 1.6));
            moment.tell(at_ms, "premature_beat", json!({"interval": early.round()}));
            return (early, false);
        }
        if std::mem::take(&mut self.pause) {
            let pause = self.random.random_range(2_100.0..3_600.0_f64).round();
            moment.happens(at_ms, "pause", 3, pause);
            moment.tell(at_ms, "pause", json!({"interval": pause}));
            return (pause, false);
        }
        if own > LOWER_RATE_MS { (LOWER_RATE_MS, true) } else { (own, false) }
    }

    fn beat_until(&mut self, end_ms: u64, moment: &mut Moment) {
        while self.next_beat_ms < end_ms as f64 {
            let at_ms = self.next_beat_ms as u64;
            if let Some((interval, paced)) = self.last {
                moment.rows.push((0, at_ms, vec![interval, f64::from(u8::from(paced))]));
                self.shown.push_back((interval, paced));
                if self.shown.len() > SHOWN_BEATS {
                    self.shown.pop_front();
                }
            }
            let (interval, paced) = self.interval_after(at_ms, moment);
            self.last = Some((interval, paced));
            self.next_beat_ms = at_ms as f64 + interval;
        }
    }

    fn read(&mut self, moment: &mut Moment) {
        let recent: Vec<f64> = self.shown.iter().rev().take(8).map(|(interval, _)| *interval).collect();
        let mean = recent.iter().sum::<f64>() / recent.len() as f64;
        moment.read("heart_rate", 60_000.0 / mean);
        let paced = self.shown.iter().filter(|(_, paced)| *paced).count();
        moment.read("paced_share", 100.0 * paced as f64 / self.shown.len() as f64);
        moment.read("lead_impedance", self.impedance);
        moment.read("battery_voltage", self.voltage);
    }
}

impl Sensors for Pacemaker {
    fn second(&mut self, at_ms: u64, moment: &mut Moment) {
        if let Some(model) = self.model.take() {
            moment.texts.push(("model", model));
        }
        self.change_rhythm(at_ms, moment);
        self.beat_until(at_ms + 1_000, moment);
        self.impedance = (self.impedance + 0.15 * noise(&mut self.random)).clamp(300.0, 900.0);
        self.voltage = (self.voltage - DRAIN).max(2.1);
        if self.voltage < REPLACE_AT && !self.low_told {
            self.low_told = true;
            moment.happens(at_ms, "battery_low", 2, self.voltage * 1_000.0);
            moment.tell(at_ms, "battery_low", json!({"volts": super::car::round(self.voltage, 3)}));
        }
        self.read(moment);
    }
}
