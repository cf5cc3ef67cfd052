//! An exponentially weighted mean of readings, by increments.

use serde::{Deserialize, Serialize};

/// Weights (1 − α)^k over the readings there are, divided by their sum (pandas: `adjust=True`); bounded, written and
/// read back as it is, and the same bits for the same readings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ewma {
    value: f64,
    /// Sum of the weights; 0 before the first reading.
    weight: f64,
}

impl Ewma {
    /// Of no readings yet.
    pub(crate) const EMPTY: Self = Self { value: 0.0, weight: 0.0 };

    /// Takes a finite reading in; `alpha` in (0, 1] is the caller's, the same each time.
    pub(crate) fn add(&mut self, alpha: f64, value: f64) {
        self.weight = self.weight * (1.0 - alpha) + 1.0;
        self.value += (value - self.value) / self.weight;
    }

    /// None before the first reading.
    pub(crate) fn value(&self) -> Option<f64> {
        (self.weight > 0.0).then_some(self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::real_data::{rows, text};
    use super::*;

    #[test]
    fn the_mean_of_a_real_engine_is_that_of_pandas() {
        let Some(csv) = text("turbofan/expected", "fd001_unit1_rolling.csv") else { return };
        let (mut compared, mut worst) = (0, 0.0_f64);
        for sensor in ["s2", "s4", "s11", "s12"] {
            let mut ewma = Ewma::EMPTY;
            for row in rows(&csv) {
                ewma.add(0.1, row[sensor].parse().unwrap());
                let wanted: f64 = row[&*format!("{sensor}_ewma_a0.1_adjT")].parse().unwrap();
                worst = worst.max((ewma.value().unwrap() / wanted - 1.0).abs());
                compared += 1;
            }
        }
        println!("weighted means: {compared} compared with pandas, worst relative error {worst:.1e}");
        assert!(compared > 700 && worst <= 1e-6);
    }

    #[test]
    fn nothing_is_known_before_the_first_reading_and_that_is_the_mean_then() {
        let mut ewma = Ewma::EMPTY;
        assert_eq!(ewma.value(), None);
        ewma.add(0.1, 7.0);
        assert_eq!(ewma.value(), Some(7.0));
    }
}
