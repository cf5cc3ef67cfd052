//! How the constants of the model came about; run again by a test.

use super::bouts::Activity;
use super::model::{CLASSES, Model};

/// Penalties tried, smallest first: weight of the squared weights beside the mean log loss.
const PENALTIES: [f64; 3] = [0.0003, 0.001, 0.003];
const ROUNDS: usize = 1000;
const PACE: f64 = 1.0;

/// A case: what the model is linear in, and what it was.
pub(super) type Case = ([f64; 3], Activity);

/// Chooses the penalty by leave-one-out log loss, then fits all cases with it. Returns penalty and loss too.
///
/// The largest penalty whose loss is within one standard error of the smallest is taken (Breiman et al. 1984): the cases
/// can be separated, so that the smallest loss has the smallest penalty and knows no doubt.
pub(super) fn train(cases: &[Case]) -> (Model, f64, f64) {
    let n = cases.len() as f64;
    let left_out = |penalty: f64| -> (f64, f64) {
        let without = |out: usize| cases.iter().enumerate().filter(|(n, _)| *n != out).map(|(_, case)| *case).collect();
        let loss = |out: usize| -> f64 {
            let rest: Vec<Case> = without(out);
            log_loss(&fit(&rest, penalty), &cases[out..=out])
        };
        let losses: Vec<f64> = (0..cases.len()).map(loss).collect();
        let mean = losses.iter().sum::<f64>() / n;
        let squares = losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>();
        (mean, (squares / (n - 1.0) / n).sqrt())
    };
    let losses = PENALTIES.map(left_out);
    let (smallest, error) = losses.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    let near = |(_, (loss, _)): &(f64, (f64, f64))| *loss <= smallest + error;
    let (penalty, (loss, _)) = PENALTIES.into_iter().zip(losses).rfind(near).unwrap();
    (fit(cases, penalty), penalty, loss)
}

/// Gradient descent from zero on the mean log loss and the penalty, constants not penalised.
fn fit(cases: &[Case], penalty: f64) -> Model {
    let n = cases.len() as f64;
    let mut model = Model { mean: [0.0; 3], sd: [1.0; 3], low: [0.0; 3], high: [0.0; 3], rows: [[0.0; 4]; 4] };
    for axis in 0..3 {
        model.mean[axis] = cases.iter().map(|(inputs, _)| inputs[axis]).sum::<f64>() / n;
        let squares = cases.iter().map(|(inputs, _)| (inputs[axis] - model.mean[axis]).powi(2)).sum::<f64>();
        model.sd[axis] = (squares / n).sqrt();
        model.low[axis] = cases.iter().map(|(inputs, _)| inputs[axis]).fold(f64::INFINITY, f64::min);
        model.high[axis] = cases.iter().map(|(inputs, _)| inputs[axis]).fold(f64::NEG_INFINITY, f64::max);
    }
    for _ in 0..ROUNDS {
        let mut slope = model.rows.map(|row| [penalty * row[0], penalty * row[1], penalty * row[2], 0.0]);
        for (inputs, activity) in cases {
            let probabilities = model.probabilities(*inputs);
            for (class, slope) in slope.iter_mut().enumerate() {
                let error = probabilities[class] - f64::from(u8::from(CLASSES[class] == *activity));
                for axis in 0..3 {
                    slope[axis] += error * (inputs[axis] - model.mean[axis]) / model.sd[axis] / n;
                }
                slope[3] += error / n;
            }
        }
        for (row, slope) in model.rows.iter_mut().zip(slope) {
            row.iter_mut().zip(slope).for_each(|(weight, slope)| *weight -= PACE * slope);
        }
    }
    model
}

/// Mean of −ln(probability of what it was).
pub(super) fn log_loss(model: &Model, cases: &[Case]) -> f64 {
    let of = |(inputs, activity): &Case| {
        let class = CLASSES.iter().position(|class| class == activity).unwrap();
        -libm::log(model.probabilities(*inputs)[class])
    };
    cases.iter().map(of).sum::<f64>() / cases.len() as f64
}
