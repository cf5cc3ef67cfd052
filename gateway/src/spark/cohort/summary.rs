//! Statistics over values, and what shows that one of them changed.

use crate::record::Summary;

/// Over at least one finite value.
pub(super) fn summary(values: &[f64]) -> Summary {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = sorted.len() as f64;
    // In order of size, so that the sum is the same whoever has which value.
    let mean = sorted.iter().map(|value| value / n).sum::<f64>();
    let squares: f64 = sorted.iter().map(|value| (value - mean).powi(2)).sum();
    let sd = if sorted.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 };
    let [p25, p50, p75] = [0.25, 0.5, 0.75].map(|share| quantile(&sorted, share));
    Summary { n: sorted.len() as u64, mean, sd, p25, p50, p75 }
}

/// Between the two values around it, by distance (Hyndman and Fan, 1996: number 7).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * sorted.len().saturating_sub(1) as f64;
    let at = |place: f64| sorted.get(place as usize).copied().unwrap_or_default();
    let (below, above) = (at(place.floor()), at(place.ceil()));
    below + (above - below) * place.fract()
}

/// Two bytes of a value: other bytes, another value. One change in 65,536 is missed, and then less is told, not more.
pub(super) fn print(value: f64) -> u16 {
    let crc = crc32c::crc32c(&value.to_bits().to_le_bytes());
    (crc ^ (crc >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_textbook() {
        let values: Vec<f64> = [7, 15, 36, 39, 40, 41].map(f64::from).into();
        let told = summary(&values);
        assert_eq!((told.n, told.p25, told.p50, told.p75), (6, 20.25, 37.5, 39.75));
        assert!((told.mean - 178.0 / 6.0).abs() < 1e-12 && (told.sd - 14.773_850_8).abs() < 1e-6, "{told:?}");
        let reversed: Vec<f64> = values.into_iter().rev().collect();
        assert_eq!(summary(&reversed), told);
        assert_eq!(summary(&[5.0; 12]), Summary { n: 12, mean: 5.0, sd: 0.0, p25: 5.0, p50: 5.0, p75: 5.0 });
        assert!(summary(&[f64::MAX, f64::MAX]).mean.is_finite());
    }

    #[test]
    fn another_value_has_another_print() {
        let prints: std::collections::BTreeSet<u16> = (0..1_000).map(|value| print(f64::from(value))).collect();
        assert!(prints.len() > 980, "{}", prints.len());
    }
}
