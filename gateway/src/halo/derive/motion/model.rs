//! Which activity a window shows: multinomial logistic regression on three standardised features, as constants.
//!
//! Trained by `train::train` on the 40 cases of BasicMotions_TRAIN (UEA archive; a smart watch on four students, 10 Hz,
//! accelerometer only), which a test runs again. The probabilities are calibrated by the penalty alone, chosen by
//! leave-one-out log loss on the training cases.
//!
//! The data state no unit. Their still cases have a mean near zero and their runs 15 m/s², so they are taken as m/s²
//! with gravity removed.

use super::bouts::Activity;
use super::features::Features;

/// Classes, in the order of the rows.
pub(super) const CLASSES: [Activity; 4] = [Activity::Still, Activity::Walking, Activity::Running, Activity::Playing];

/// Standardisation, the range of the training cases, and one row per class: weight of each feature, then the constant.
///
/// What is outside the range counts as its end: beyond it a straight line knows nothing, and a band on a table would walk.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Model {
    pub(super) mean: [f64; 3],
    pub(super) sd: [f64; 3],
    pub(super) low: [f64; 3],
    pub(super) high: [f64; 3],
    pub(super) rows: [[f64; 4]; 4],
}

/// The trained one.
pub(super) const MODEL: Model = Model {
    mean: [1.591_969_783_360_1, 2.386_237_937_565_9, 0.873_084_380_297_7],
    sd: [1.133_954_974_823_2, 0.881_103_708_206_2, 0.171_110_031_778_7],
    low: [-0.687_189_010_428, 1.501_820_834_857, 0.613_687_002_476],
    high: [2.876_585_099_589, 5.505_211_695_294, 1.223_680_090_603],
    rows: [
        [-6.433_385_822_326, 2.417_380_524_415, 0.367_137_822_349, 0.232_995_166_768],
        [1.711_110_654_537, -1.297_632_610_269, -4.282_395_953_061, -0.254_566_441_668],
        [2.810_973_805_878, -4.469_400_174_521, 1.746_243_158_942, -1.014_185_445_754],
        [1.911_301_361_911, 3.349_652_260_376, 2.169_014_971_771, 1.035_756_720_654],
    ],
};

impl Model {
    /// Probability of each class.
    pub(super) fn probabilities(&self, inputs: [f64; 3]) -> [f64; 4] {
        let mut standard = [1.0; 4];
        let ranges = self.low.into_iter().zip(self.high);
        let known = inputs.into_iter().zip(ranges).map(|(input, (low, high))| input.max(low).min(high));
        for ((to, input), (mean, sd)) in standard.iter_mut().zip(known).zip(self.mean.iter().zip(self.sd)) {
            *to = (input - mean) / sd;
        }
        let scores = self.rows.map(|row| row.iter().zip(standard).map(|(weight, input)| weight * input).sum::<f64>());
        let largest = scores.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let shares = scores.map(|score| libm::exp(score - largest));
        let sum: f64 = shares.iter().sum();
        shares.map(|share| share / sum)
    }

    /// The likeliest class and how likely it is.
    pub(super) fn class(&self, features: &Features) -> (Activity, f64) {
        let probabilities = self.probabilities(features.inputs());
        let first = (Activity::Still, 0.0);
        let likelier = |best: (Activity, f64), next: (Activity, f64)| if next.1 > best.1 { next } else { best };
        CLASSES.into_iter().zip(probabilities).fold(first, likelier)
    }
}
