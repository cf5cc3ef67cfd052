//! Where a signal is going: its smoothed value and its rate of change.
//!
//! The smoothed value is the exponentially weighted mean over readings, s ← s + α (x − s), that begins at the first one
//! (pandas' `ewm(adjust=False)`). The rate is the median of the slopes between all pairs of points (P. K. Sen, "Estimates
//! of the regression coefficient based on Kendall's tau", 1968), which up to a quarter of wild points do not move; its
//! interval is Sen's. Points are the means of the minutes that the window of a quarter of an hour has anyway, so that the
//! rate needs no state; it is computed when somebody asks.

/// Weight of the newest reading in the smoothed value.
const ALPHA: f64 = 0.1;
/// Most readings smoothed at once.
const RUN_MAX: usize = 16;
/// What a reading still weighs after so many others.
const LEFT: [f64; RUN_MAX + 1] = left();
/// Most points of a rate: the minutes of the window, and the one that the minute before now is cut into.
pub(super) const POINTS_MAX: usize = 17;
/// Points without which there is no rate, and without which it has no interval.
const POINTS_MIN: usize = 3;
const POINTS_OF_INTERVAL_MIN: usize = 8;
const SLOPES_MAX: usize = POINTS_MAX * (POINTS_MAX - 1) / 2;
/// Standard normal quantile of 95 %: the interval is one of 90 %.
const NORMAL_95: f64 = 1.644_853_626_951_472_7;
const HOUR_MS: f64 = 3_600_000.0;

/// Rate of change over a quarter of an hour, in the signal's unit per hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// The median slope.
    pub per_hour: f64,
    /// Ends of its 90 % interval; none of fewer than eight minutes.
    pub interval: Option<(f64, f64)>,
}

/// The smoothed value after some more readings, in order; `before` is none before the first one.
pub(super) fn smoothed(before: Option<f64>, values: &[f64]) -> Option<f64> {
    let mut smoothed = before.or(values.first().copied())?;
    for values in values.chunks(RUN_MAX) {
        let fresh: f64 = LEFT.iter().zip(values.iter().rev()).map(|(left, value)| left * value).sum();
        smoothed = smoothed * LEFT.get(values.len()).copied().unwrap_or_default() + ALPHA * fresh;
    }
    Some(smoothed)
}

/// The rate through (time in ms, value); none of fewer than three points.
pub(super) fn rate(points: &[(f64, f64)]) -> Option<Rate> {
    if points.len() < POINTS_MIN {
        return None;
    }
    let mut slopes = [0.0; SLOPES_MAX];
    let mut known = 0;
    for (at, (x, y)) in points.iter().enumerate() {
        for (later_x, later_y) in points.iter().skip(at + 1).filter(|(later_x, _)| later_x > x) {
            if let Some(slope) = slopes.get_mut(known) {
                *slope = (later_y - y) / (later_x - x);
                known += 1;
            }
        }
    }
    let slopes = slopes.get_mut(..known)?;
    let per_hour = middle(slopes)? * HOUR_MS;
    let interval = (points.len() >= POINTS_OF_INTERVAL_MIN).then(|| interval(slopes, points.len())).flatten();
    Some(Rate { per_hour, interval: interval.map(|(low, high)| (low * HOUR_MS, high * HOUR_MS)) })
}

fn middle(slopes: &mut [f64]) -> Option<f64> {
    let (half, is_odd) = (slopes.len() / 2, slopes.len() % 2 == 1);
    if slopes.is_empty() {
        return None;
    }
    let (below, middle, _) = slopes.select_nth_unstable_by(half, f64::total_cmp);
    let lower = below.iter().copied().max_by(f64::total_cmp).filter(|_| !is_odd);
    Some(lower.map_or(*middle, |lower| f64::midpoint(lower, *middle)))
}

/// Sen's interval: as many slopes off both ends as Kendall's S may be off zero by chance.
fn interval(slopes: &mut [f64], points: usize) -> Option<(f64, f64)> {
    let n = points as f64;
    let spread = NORMAL_95 * (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    let off = ((slopes.len() as f64 - spread) / 2.0).floor().max(0.0) as usize;
    let last = slopes.len().checked_sub(off + 1)?;
    let mut ranked = |rank: usize| Some(*slopes.get_mut(..)?.select_nth_unstable_by(rank, f64::total_cmp).1);
    Some((ranked(off)?, ranked(last)?))
}

const fn left() -> [f64; RUN_MAX + 1] {
    let mut left = [1.0; RUN_MAX + 1];
    let mut at = 1;
    while at < left.len() {
        left[at] = left[at - 1] * (1.0 - ALPHA);
        at += 1;
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_smooth_as_single_readings_do() {
        let values: Vec<f64> = (0..100).map(|at| f64::from(at * 37 % 101)).collect();
        let (mut single, mut runs) = (values[0], None);
        values.iter().for_each(|value| single += ALPHA * (value - single));
        for run in values.chunks(23) {
            runs = smoothed(runs, run);
        }
        assert!((runs.expect("a value") - single).abs() < 1e-12, "{runs:?} {single}");
        assert_eq!((smoothed(None, &[]), smoothed(None, &[7.0]).map(f64::round)), (None, Some(7.0)));
    }

    #[test]
    fn the_rate_of_a_line_is_exact_and_wild_points_do_not_move_it() {
        let line = |minute: u8| (f64::from(minute) * 60_000.0, 20.0 + f64::from(minute) / 10.0);
        let mut points: Vec<_> = (0..15).map(line).collect();
        let rate = |points: &[(f64, f64)]| super::rate(points).expect("a rate");
        assert!((rate(&points).per_hour - 6.0).abs() < 1e-9);
        for wild in [3, 9, 14] {
            points[wild].1 = 1_000.0;
        }
        let moved = rate(&points);
        assert!((moved.per_hour - 6.0).abs() < 0.1, "{moved:?}");
        assert!(moved.interval.is_some_and(|(low, high)| low <= 6.0 && 6.0 <= high), "{moved:?}");
        assert_eq!((super::rate(&points[..2]), rate(&points[..7]).interval), (None, None));
        assert_eq!(super::rate(&[(0.0, 1.0); 5]), None);
    }
}
