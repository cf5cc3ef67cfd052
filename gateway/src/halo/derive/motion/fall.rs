//! Falls of a wearer: little force, an impact, and then stillness in another posture.
//!
//! ```text
//! upright ──light_ms of less than light_g──> light ──impact_g, within_ms later at most──> struck
//! struck ──still for still_s, turned by turn_deg, with a pulse──> lying (told: fell) ──moves for up_s──> up (told: moved)
//! struck ──not still 6 s later; or still, and hardly turned──> upright
//! ```
//!
//! These are the phases by which published detectors go (beginning, impact, posture after it: Kangas et al. 2008,
//! doi:10.1016/j.gaitpost.2008.01.003). Force is the length of what is read, gravity included: a device that has taken
//! gravity away shows no falls. All that is kept is a few slow means: a reading costs the same whatever came before it.
//!
//! * A device that ever told a pulse has to tell one while it lies: a band that slipped off and was dropped reads like a
//!   fall, and nobody is in it. One that never told a pulse is believed.
//! * Who is on their feet again before `still_s` is not told of, nor who slides down slowly, nor who struggles for longer
//!   than those 6 s. Who drops onto a sofa as hard as others fall is taken for one.
//! * Readings more than 250 ms apart do not show how a force came about: slower devices have no falls.

use serde::{Deserialize, Serialize};

use super::events::MotionEvent;
use super::settings::FallSettings;

/// Readings further apart than this are not of one movement, ms.
const APART_MS: i64 = 250;
/// Readings missing for longer than this, and a fall that was not told yet is not looked for any more, ms.
const LOST_MS: i64 = 2_000;
/// A force that was little is over when it has not been for longer than this, ms.
const LIGHT_GAP_MS: i64 = 120;
/// Little force for longer than this is no fall of a person: gravity is missing altogether, ms.
const LIGHT_MS_MAX: u16 = 1_000;
/// Impacts so close are of one fall: knees, then hands, ms.
const STRUCK_MS: i64 = 2_000;
/// Whoever has not come to rest so long after an impact goes about, ms.
const SETTLE_MS: i64 = 6_000;
/// Whoever has been still for so long has come to rest: that posture counts, whatever arms do later, ms.
const REST_MS: i64 = 2_000;
/// Time constants: of the posture, of what movement is measured against, and of how much of it there is, ms.
const POSTURE_MS: f32 = 2_000.0;
const QUICK_MS: f32 = 250.0;
const MOVES_MS: f32 = 1_000.0;
/// A posture is known by gravity: less of it is none, g.
const GRAVITY_LEAST: f32 = 0.5;

type G = [f32; 3];

/// What is known of one wearer's falls: 88 bytes; 48 more while one is looked into, and from the first one on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Falls {
    last_ms: Option<i64>,
    posture: G,
    quick: G,
    /// Mean distance from `quick`, g.
    moves: f32,
    light: Light,
    struck: Option<Box<Struck>>,
    /// The last one told.
    pub(super) last: Option<Box<Fall>>,
}

/// A time of little force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Light {
    ms: u16,
    to_ms: i64,
    /// The posture before it.
    before: G,
}

/// An impact after it, of which nobody knows yet what it was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Struck {
    at_ms: i64,
    peak_g: f32,
    before: G,
    still_from_ms: Option<i64>,
    turned: bool,
}

/// A fall.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Fall {
    /// Of the impact.
    pub(super) at_ms: i64,
    /// The most that was read of it.
    impact_g: f32,
    still_from_ms: i64,
    still_to_ms: i64,
    moves_from_ms: Option<i64>,
    /// Whether the wearer has moved again.
    pub(super) up: bool,
}

impl Fall {
    /// The most that was read of the impact, g, in hundredths.
    pub(super) fn impact_g(&self) -> f64 {
        (f64::from(self.impact_g) * 100.0).round() / 100.0
    }

    /// Nothing was read for a while: nobody knows of that time whether the wearer lay still.
    fn unseen(&mut self, ms: i64) {
        if !self.up {
            self.still_from_ms = self.still_from_ms.saturating_add(ms);
            self.moves_from_ms = None;
        }
    }

    /// For how long the wearer has been seen to lie still, or was.
    pub(super) fn still_s(&self) -> f64 {
        self.still_to_ms.saturating_sub(self.still_from_ms) as f64 / 1000.0
    }
}

impl Falls {
    /// Takes a reading, g, in order of time; a pulse was last told at `pulse_ms`.
    pub(super) fn push(
        &mut self,
        at_ms: i64,
        g: [f64; 3],
        pulse_ms: Option<i64>,
        settings: &FallSettings,
    ) -> Option<MotionEvent> {
        let since_ms = self.last_ms.map_or(i64::MAX, |last_ms| at_ms.saturating_sub(last_ms));
        self.last_ms = Some(at_ms);
        let g = g.map(|axis| axis as f32);
        if since_ms > APART_MS {
            (self.posture, self.quick, self.moves, self.light) = (g, g, 0.0, Light::default());
            self.struck.take_if(|_| since_ms > LOST_MS);
            self.last.iter_mut().for_each(|fall| fall.unseen(since_ms));
        }
        // What lay between readings that are not of one movement was not seen: neither force nor stillness.
        let since_ms = if since_ms > APART_MS { 0.0 } else { since_ms as f32 };
        self.moves = toward(self.moves, norm(minus(g, self.quick)), since_ms / (MOVES_MS + since_ms));
        self.quick = mean(self.quick, g, since_ms / (QUICK_MS + since_ms));
        self.strike(at_ms, g, since_ms, settings);
        let moved = self.lie(at_ms, settings);
        self.judge(at_ms, pulse_ms, settings).or(moved)
    }

    /// Little force, and what stops it.
    fn strike(&mut self, at_ms: i64, g: G, since_ms: f32, settings: &FallSettings) {
        let force = norm(g);
        if f64::from(force) < settings.light_g {
            if self.light.ms == 0 || at_ms.saturating_sub(self.light.to_ms) > LIGHT_GAP_MS {
                self.light = Light { before: self.posture, ..Light::default() };
            }
            (self.light.ms, self.light.to_ms) = (self.light.ms.saturating_add(since_ms as u16), at_ms);
            return;
        }
        self.posture = mean(self.posture, g, since_ms / (POSTURE_MS + since_ms));
        if let Some(struck) = self.struck.as_mut().filter(|it| at_ms.saturating_sub(it.at_ms) <= STRUCK_MS) {
            struck.peak_g = struck.peak_g.max(force);
            return;
        }
        let fell = u32::from(self.light.ms) >= settings.light_ms && self.light.ms <= LIGHT_MS_MAX;
        let in_time = at_ms.saturating_sub(self.light.to_ms) <= i64::from(settings.within_ms);
        if fell && in_time && f64::from(force) >= settings.impact_g {
            let before = std::mem::take(&mut self.light).before;
            let struck = Struck { at_ms, peak_g: force, before, still_from_ms: None, turned: false };
            self.struck = Some(Box::new(struck));
        }
    }

    /// After an impact: whether somebody lies there.
    fn judge(&mut self, at_ms: i64, pulse_ms: Option<i64>, settings: &FallSettings) -> Option<MotionEvent> {
        let struck = self.struck.as_mut()?;
        let is_still = f64::from(self.moves) <= settings.still_g;
        let late = at_ms.saturating_sub(struck.at_ms) > SETTLE_MS;
        let Some(still_from_ms) = struck.still_from_ms.filter(|_| is_still) else {
            (struck.still_from_ms, struck.turned) = (is_still.then_some(at_ms), false);
            self.struck.take_if(|_| late);
            return None;
        };
        let still_ms = at_ms.saturating_sub(still_from_ms);
        if !struck.turned && still_ms >= REST_MS {
            struck.turned = is_turned(struck.before, self.quick, settings.turn_deg);
            self.struck.take_if(|struck| !struck.turned);
            return None;
        }
        if still_ms < i64::from(settings.still_s) * 1000 {
            return None;
        }
        if pulse_ms.is_some_and(|pulse_ms| pulse_ms < still_from_ms) {
            return None;
        }
        let (still_to_ms, at_ms, impact_g) = (at_ms, struck.at_ms, struck.peak_g);
        self.struck = None;
        let fall = Fall { at_ms, impact_g, still_from_ms, still_to_ms, moves_from_ms: None, up: false };
        self.last = Some(Box::new(fall));
        Some(MotionEvent::Fell { at_ms, impact_g: fall.impact_g() })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.struck.as_ref().map_or(0, |_| size_of::<Struck>()) + self.last.as_ref().map_or(0, |_| size_of::<Fall>())
    }

    /// After a fall: how long, and whether the wearer moves again.
    fn lie(&mut self, at_ms: i64, settings: &FallSettings) -> Option<MotionEvent> {
        let fall = self.last.as_mut().filter(|fall| !fall.up)?;
        if f64::from(self.moves) <= settings.still_g {
            (fall.still_to_ms, fall.moves_from_ms) = (at_ms, None);
            return None;
        }
        let from_ms = *fall.moves_from_ms.get_or_insert(at_ms);
        fall.up = at_ms.saturating_sub(from_ms) >= i64::from(settings.up_s) * 1000;
        fall.up.then(|| MotionEvent::MovedAgain { at_ms: from_ms, still_s: fall.still_s() })
    }
}

/// Whether two postures are so far apart; not if one of them is none.
fn is_turned(before: G, after: G, turn_deg: f64) -> bool {
    let (one, other) = (norm(before), norm(after));
    let along: f32 = before.iter().zip(after).map(|(one, other)| one * other).sum();
    let known = one >= GRAVITY_LEAST && other >= GRAVITY_LEAST;
    known && f64::from(along) <= f64::from(one * other) * libm::cos(turn_deg.to_radians())
}

fn toward(old: f32, new: f32, share: f32) -> f32 {
    old + (new - old) * share
}

fn mean([a, b, c]: G, [x, y, z]: G, share: f32) -> G {
    [toward(a, x, share), toward(b, y, share), toward(c, z, share)]
}

fn minus([a, b, c]: G, [x, y, z]: G) -> G {
    [a - x, b - y, c - z]
}

fn norm([x, y, z]: G) -> f32 {
    (x * x + y * y + z * z).sqrt()
}
