//! What is estimated besides the trees: the weights that fuse the sensors, and the table of intervals.

use super::model::Knot;

/// Forecasts held out: flights of one unit are not independent, so each counts by its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct HeldOut {
    pub(super) unit: u32,
    pub(super) forecast: f64,
    /// True remaining life, not capped.
    pub(super) truth: f64,
}

/// Parts that the forecasts are cut into, each with as many.
const PARTS: usize = 12;

/// Weights w that minimise |Xw − y|² + ridge |w|², rows of X and y being about their means; by Cholesky's method.
pub(super) fn ridge(rows: &[Vec<f64>], labels: &[f64], ridge: f64) -> Vec<f64> {
    let columns = rows.first().map_or(0, Vec::len);
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / rows.len().max(1) as f64;
    let means: Vec<f64> =
        (0..columns).map(|at| mean(&mut rows.iter().map(|row| row.get(at).copied().unwrap_or(0.0)))).collect();
    let label_mean = mean(&mut labels.iter().copied());
    // The normal equations, each row with its right side at the end.
    let mut system = vec![vec![0.0; columns + 1]; columns];
    for (row, label) in rows.iter().zip(labels) {
        let mut apart: Vec<f64> = row.iter().zip(&means).map(|(value, mean)| value - mean).collect();
        apart.push(label - label_mean);
        for (equation, value) in system.iter_mut().zip(&apart) {
            for (sum, other) in equation.iter_mut().zip(&apart) {
                *sum += value * other;
            }
        }
    }
    for (at, equation) in system.iter_mut().enumerate() {
        if let Some(diagonal) = equation.get_mut(at) {
            *diagonal += ridge;
        }
    }
    solve(system)
}

/// Gauss's elimination; the matrix is positive definite, so that no pivot is sought.
fn solve(mut system: Vec<Vec<f64>>) -> Vec<f64> {
    let size = system.len();
    for at in 0..size {
        let Some((pivot, below)) = system.get_mut(at..).and_then(|rest| rest.split_first_mut()) else { break };
        let head = pivot.get(at).copied().unwrap_or(1.0);
        for equation in below {
            let factor = equation.get(at).map_or(0.0, |first| first / head);
            for (value, from) in equation.iter_mut().zip(pivot.iter()).skip(at) {
                *value -= factor * from;
            }
        }
    }
    let mut solution = vec![0.0; size];
    for (at, equation) in system.iter().enumerate().rev() {
        let known: f64 = equation.iter().zip(&solution).skip(at + 1).map(|(factor, value)| factor * value).sum();
        let right = equation.get(size).copied().unwrap_or(0.0) - known;
        if let Some(place) = solution.get_mut(at) {
            *place = equation.get(at).map_or(0.0, |head| right / head);
        }
    }
    solution
}

/// How far truths were from forecasts held out, by the size of the forecast: split conformal prediction with the units as
/// what is exchanged (Lei et al. 2018; the level is raised by one unit in n + 1).
pub(super) fn knots(mut held_out: Vec<HeldOut>, coverage: f64) -> Vec<Knot> {
    held_out.sort_by(|one, other| one.forecast.total_cmp(&other.forecast));
    let part = held_out.len().div_ceil(PARTS).max(1);
    held_out.chunks(part).map(|part| knot(part, (1.0 - coverage) / 2.0)).collect()
}

fn knot(part: &[HeldOut], tail: f64) -> Knot {
    let mut per_unit = std::collections::BTreeMap::new();
    for one in part {
        *per_unit.entry(one.unit).or_insert(0_u32) += 1;
    }
    let weight = |unit: &u32| per_unit.get(unit).map_or(0.0, |n| 1.0 / f64::from(*n));
    let mut apart: Vec<(f64, f64)> = part.iter().map(|one| (one.truth - one.forecast, weight(&one.unit))).collect();
    apart.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let units = per_unit.len() as f64;
    let beyond = (tail * (units + 1.0) - 1.0).max(0.0);
    Knot {
        at: part.iter().map(|one| one.forecast).sum::<f64>() / part.len().max(1) as f64,
        under: leaves_out(apart.iter(), beyond),
        over: leaves_out(apart.iter().rev(), beyond),
    }
}

/// The first value with at most `beyond` weight before it.
fn leaves_out<'a>(apart: impl Iterator<Item = &'a (f64, f64)>, beyond: f64) -> f64 {
    let mut before = 0.0;
    let mut found = 0.0;
    for (value, weight) in apart {
        found = *value;
        before += weight;
        if before > beyond {
            break;
        }
    }
    found
}
