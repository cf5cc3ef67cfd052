//! When a limit will be reached.

use super::STEP_MS;

/// From which side a limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The value rises to it.
    Above,
    /// The value falls to it.
    Below,
}

/// The published path reaches a limit; times in Unix ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// When the path itself reaches it, by straight lines between steps of the first hour and hours after it.
    pub at_ms: i64,
    /// When the end of the interval that is nearer to the limit reaches it.
    pub earliest_ms: i64,
    /// When the farther end does; none when it does not as far as forecasts are published.
    pub latest_ms: Option<i64>,
}

/// Follows a path of steps ahead and (value, low, high) there, from `now` at `from_ms`.
pub(super) fn find(
    limit: f64,
    side: Side,
    now: f64,
    from_ms: i64,
    path: impl Iterator<Item = (u16, [f64; 3])>,
) -> Option<Crossing> {
    // Mirrored, so that the limit is always reached from below.
    let sign = if side == Side::Above { 1.0 } else { -1.0 };
    let limit = limit * sign;
    let mut before = [now * sign; 3];
    if limit.is_nan() || now * sign >= limit {
        return None;
    }
    let mut reached = [None; 3];
    let mut start_ms = from_ms;
    for (steps, [value, low, high]) in path {
        let end_ms = from_ms.saturating_add(i64::from(steps) * STEP_MS);
        let here = if sign > 0.0 { [value, low, high] } else { [-value, -high, -low] };
        for ((reached, from), to) in reached.iter_mut().zip(before).zip(here) {
            if reached.is_none() && to >= limit {
                let share = if to > from { ((limit - from) / (to - from)).clamp(0.0, 1.0) } else { 0.0 };
                *reached = Some(start_ms.saturating_add((share * (end_ms - start_ms) as f64) as i64));
            }
        }
        before = here;
        start_ms = end_ms;
    }
    let [value, late, early] = reached;
    Some(Crossing { at_ms: value?, earliest_ms: early.or(value)?, latest_ms: late })
}
