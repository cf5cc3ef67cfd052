//! Figures of statsmodels.

use super::super::model::{Course, Rates};
use super::support::column;
use crate::halo::derive::real_data::text as data;

const TRAINED: usize = 120;

/// Largest distance to a column of the reference, over 24 months ahead.
fn distance(rates: Rates, trend: f64, name: &str) -> Option<f64> {
    let series = column(&data("forecast", "airline-passengers.csv")?, "passengers");
    let expected = column(&data("forecast", "expected/airline_forecasts.csv")?, name);
    assert_eq!((series.len(), expected.len()), (144, 24));
    let mut course = Course { level: series[0], trend, deviation: 0.0 };
    for value in &series[..TRAINED] {
        course.update(&rates, *value, u16::MAX);
    }
    let off = expected.iter().zip(1..).map(|(expected, steps)| (course.ahead(&rates, steps) - expected).abs());
    Some(off.fold(0.0, f64::max))
}

#[test]
fn exponential_smoothing_with_fixed_parameters_equals_statsmodels() {
    let rates = Rates { method: "ses", alpha: 0.3, beta: 0.0, phi: 0.0, rho: 0.0 };
    let Some(off) = distance(rates, 0.0, "ses_a0.3_fixed") else { return };
    println!("SES, alpha 0.3: off by at most {off:.1e} of figures with five decimals");
    assert!(off <= 5.1e-6, "{off}");
}

#[test]
fn holt_with_fixed_parameters_equals_statsmodels() {
    let rates = Rates { method: "holt", alpha: 0.3, beta: 0.1, phi: 1.0, rho: 0.0 };
    let Some(off) = distance(rates, 6.0, "holt_a0.3_b0.1_fixed") else { return };
    println!("Holt, alpha 0.3, beta 0.1: off by at most {off:.1e} of figures with five decimals");
    assert!(off <= 5.1e-6, "{off}");
}
