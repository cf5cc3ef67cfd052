//! One recurrence for all methods: additive, damped Holt–Winters with a decaying deviation.
//!
//! ```text
//! e = y − (l + φ b + s[t])      l ← l + φ b + α e      b ← φ b + α β e
//! forecast(k) = l + (φ + … + φ^k) b + s[t + k] + ρ^k d,     d = y − (l + s[t])
//! ```
//! Hyndman et al., "Forecasting with Exponential Smoothing" (2008), in error-correction form with β as statsmodels counts
//! it; candidates of one signal share its season s. The last term is the first-order correction of J. W. Taylor,
//! "Short-term electricity demand forecasting using double seasonal exponential smoothing" (2003): what is off its usual
//! value comes back at the rate ρ. α = 1 is last value; β = ρ = 0 is simple exponential smoothing; ρ = 0 is damped Holt.

use serde::{Deserialize, Serialize};

/// Parameters of one candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rates {
    pub(super) method: &'static str,
    pub(super) alpha: f64,
    pub(super) beta: f64,
    pub(super) phi: f64,
    pub(super) rho: f64,
}

const fn rates(method: &'static str, [alpha, beta, phi, rho]: [f64; 4]) -> Rates {
    Rates { method, alpha, beta, phi, rho }
}

/// Candidates without a season, but for last value: that is the one every other has to beat, and has no state.
pub(super) const PLAIN: [Rates; 5] = [
    rates("ses", [0.4, 0.0, 0.0, 0.0]),
    rates("ses", [0.05, 0.0, 0.0, 0.0]),
    rates("holt", [0.6, 0.5, 0.8, 0.0]),
    rates("holt", [0.1, 0.05, 1.0, 0.0]),
    rates("reversion", [0.02, 0.0, 0.0, 0.95]),
];

/// The plain candidate whose level is nearest to the mean.
pub(super) const SLOW: usize = 1;

/// Further candidates of a signal with a season, but for the one that repeats the last period: every other has to beat
/// that one too.
pub(super) const SEASONAL: [Rates; 3] = [
    rates("holt_winters", [0.1, 0.05, 0.98, 0.0]),
    rates("holt_winters", [0.02, 0.0, 0.0, 0.8]),
    rates("holt_winters", [0.02, 0.0, 0.0, 0.98]),
];
/// The seasonal candidate from whose level the season is measured.
pub(super) const STEADY: usize = 1;

/// Where one candidate stands, after the season was taken off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Model {
    level: f32,
    trend: f32,
    deviation: f32,
}

/// The same, as it is computed with.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Course {
    pub(super) level: f64,
    pub(super) trend: f64,
    pub(super) deviation: f64,
}

impl Model {
    pub(super) fn get(self) -> Course {
        let Self { level, trend, deviation } = self;
        Course { level: f64::from(level), trend: f64::from(trend), deviation: f64::from(deviation) }
    }

    pub(super) fn set(&mut self, course: Course) {
        let Course { level, trend, deviation } = course;
        *self = Self { level: level as f32, trend: trend as f32, deviation: deviation as f32 };
    }
}

impl Course {
    /// Takes the value of the next step. A young level (of fewer than 1/α values) is the mean of its values.
    pub(super) fn update(&mut self, rates: &Rates, value: f64, seen: u16) {
        if seen == 0 {
            *self = Self { level: value, trend: 0.0, deviation: 0.0 };
        }
        let alpha = rates.alpha.max(1.0 / (f64::from(seen) + 1.0));
        let carried = rates.phi * self.trend;
        let error = value - (self.level + carried);
        self.level += carried + alpha * error;
        self.trend = carried + alpha * rates.beta * error;
        self.deviation = value - self.level;
    }

    /// Lets a step without a value pass.
    pub(super) fn pass(&mut self, rates: &Rates) {
        self.trend *= rates.phi;
        self.level += self.trend;
        self.deviation *= rates.rho;
    }

    /// What it expects `steps` ahead.
    pub(super) fn ahead(&self, rates: &Rates, steps: u16) -> f64 {
        self.level + damped_sum(rates.phi, steps) * self.trend + power(rates.rho, steps) * self.deviation
    }
}

/// φ + φ² + … + φ^k.
fn damped_sum(phi: f64, steps: u16) -> f64 {
    if phi >= 1.0 { f64::from(steps) } else { phi * (1.0 - power(phi, steps)) / (1.0 - phi) }
}

/// By multiplications alone, hence the same bits on every machine.
fn power(base: f64, mut exponent: u16) -> f64 {
    let (mut square, mut result) = (base, 1.0);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result *= square;
        }
        square *= square;
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_and_sums_are_what_the_formula_says() {
        for (base, exponent) in [(0.9, 0_u16), (0.9, 1), (0.98, 144), (0.0, 3), (1.0, 7)] {
            assert!((power(base, exponent) - base.powi(i32::from(exponent))).abs() < 1e-12);
            let sum: f64 = (1..=i32::from(exponent)).map(|k| base.powi(k)).sum();
            assert!((damped_sum(base, exponent) - sum).abs() < 1e-9, "{base} {exponent}");
        }
    }
}
