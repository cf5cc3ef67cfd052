//! One trip, and what it is worth.

use serde::{Deserialize, Serialize};

use super::settings::ScoreSettings;
use super::slope::Manoeuvre;

/// What is known of one trip, finished or not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trip {
    /// When the engine was started, Unix ms.
    pub(crate) from_ms: i64,
    /// When the engine ran last, Unix ms.
    pub(crate) to_ms: i64,
    /// By speed over time; gaps by the odometer, where there is one.
    pub(crate) distance_m: f64,
    /// Engine running, car standing.
    pub(crate) idle_ms: i64,
    /// By fuel rate, else by air flow; none when neither was read.
    pub(crate) fuel_l: Option<f64>,
    /// km/h.
    pub(crate) speed_max: f64,
    /// Harsh brakes.
    pub(crate) braking: u32,
    /// Harsh accelerations.
    pub(crate) acceleration: u32,
    /// Harsh turns.
    pub(crate) cornering: u32,
}

/// A score and what was deducted for what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Score {
    /// 0 to 100.
    pub(crate) value: f64,
    /// Points deducted, by name, the most first.
    pub(crate) deductions: [(&'static str, f64); 4],
}

impl Score {
    /// What cost at least a point, the most first.
    pub(crate) fn reasons(&self) -> Vec<&'static str> {
        self.deductions.iter().filter(|(_, points)| *points >= 1.0).map(|(name, _)| *name).collect()
    }
}

impl Trip {
    pub(super) fn new(from_ms: i64) -> Self {
        Self {
            from_ms,
            to_ms: from_ms,
            distance_m: 0.0,
            idle_ms: 0,
            fuel_l: None,
            speed_max: 0.0,
            braking: 0,
            acceleration: 0,
            cornering: 0,
        }
    }

    /// Whether the car has moved.
    pub(crate) fn moved(&self) -> bool {
        self.distance_m > 0.0
    }

    /// Milliseconds from start to end.
    pub(crate) fn duration_ms(&self) -> i64 {
        self.to_ms.saturating_sub(self.from_ms)
    }

    /// The score, by the formula of [`ScoreSettings`]; none for a trip too short to judge.
    pub(crate) fn score(&self, by: &ScoreSettings) -> Option<Score> {
        let km = self.distance_m / 1000.0;
        if km < by.least_km.max(f64::MIN_POSITIVE) {
            return None;
        }
        let per_100_km = 100.0 / km.max(by.floor_km);
        let idled = self.idle_ms as f64 / self.duration_ms().max(1) as f64;
        let points = |points: f64, cap: f64| points.clamp(0.0, cap);
        let mut deductions = [
            ("braking", points(by.braking_points * f64::from(self.braking) * per_100_km, 40.0)),
            ("acceleration", points(by.acceleration_points * f64::from(self.acceleration) * per_100_km, 20.0)),
            ("cornering", points(by.cornering_points * f64::from(self.cornering) * per_100_km, 20.0)),
            ("idling", points(by.idling_points * (idled - by.idling_free), 20.0)),
        ];
        deductions.sort_by(|a, b| b.1.total_cmp(&a.1));
        let value = (100.0 - deductions.iter().map(|(_, points)| points).sum::<f64>()).clamp(0.0, 100.0);
        Some(Score { value, deductions })
    }

    pub(super) fn count(&mut self, what: Manoeuvre) {
        let count = match what {
            Manoeuvre::Braking => &mut self.braking,
            Manoeuvre::Acceleration => &mut self.acceleration,
            Manoeuvre::Cornering => &mut self.cornering,
        };
        *count = count.saturating_add(1);
    }
}
