//! What is drawn, and the numbers and times along its edges.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A mean this many usual distances away from the one before is not joined to it.
const GAP: i64 = 4;
const DAY_MS: i64 = 86_400_000;

/// A signal to be drawn.
pub(in crate::cli) struct Picture {
    /// What it is of.
    pub(in crate::cli) title: String,
    /// UCUM; may be empty.
    pub(in crate::cli) unit: String,
    /// Unix milliseconds of the left and of the right edge.
    pub(in crate::cli) from_ms: i64,
    pub(in crate::cli) until_ms: i64,
    /// Middle of each step in Unix milliseconds; least, mean, greatest; ascending.
    pub(in crate::cli) points: Vec<(i64, [f64; 3])>,
}

/// A number or a time on an axis: where, as a share of the axis, and its label.
pub(super) struct Tick {
    pub(super) share: f64,
    pub(super) label: String,
}

impl Picture {
    /// The lowest and the highest value shown: all of them, with a little room around a flat line.
    pub(super) fn range(&self) -> (f64, f64) {
        let lows = self.points.iter().map(|(_, [low, ..])| *low);
        let highs = self.points.iter().map(|(_, [.., high])| *high);
        let (low, high) = (lows.fold(f64::INFINITY, f64::min), highs.fold(f64::NEG_INFINITY, f64::max));
        if low > high {
            return (0.0, 1.0);
        }
        let room = if high > low { 0.0 } else { low.abs().max(1.0) * 0.05 };
        (low - room, high + room)
    }

    /// Where a time lies between the edges.
    pub(super) fn share_of_time(&self, at_ms: i64) -> f64 {
        let span = self.until_ms.saturating_sub(self.from_ms).max(1);
        at_ms.saturating_sub(self.from_ms) as f64 / span as f64
    }

    /// Neighbours that belong together, as stretches of points.
    pub(super) fn stretches(&self) -> Vec<&[(i64, [f64; 3])]> {
        let mut apart: Vec<i64> = self.points.windows(2).map(distance).collect();
        apart.sort_unstable();
        let usual = apart.get(apart.len() / 2).copied().unwrap_or(1);
        self.points.chunk_by(|(a, _), (b, _)| b - a <= usual.saturating_mul(GAP)).collect()
    }

    /// Round numbers up the side, about `wanted` of them.
    pub(super) fn numbers(&self, wanted: usize) -> Vec<Tick> {
        let (low, high) = self.range();
        let step = round_step((high - low) / wanted.max(1) as f64);
        let decimals = if step >= 1.0 { 0 } else { (-step.log10()).ceil() as usize };
        let first = (low / step).ceil() as i64;
        let last = (high / step).floor() as i64;
        let tick = |n: i64| {
            let value = n as f64 * step;
            Tick { share: (value - low) / (high - low), label: format!("{value:.decimals$}") }
        };
        (first..=last).map(tick).collect()
    }

    /// Times along the bottom, in UTC, evenly spread: round ones would say less where the span is not.
    pub(super) fn times(&self, wanted: usize) -> Vec<Tick> {
        let span = self.until_ms.saturating_sub(self.from_ms);
        let form = match span {
            ..=120_000 => "%H:%M:%S",
            120_001..=DAY_MS => "%H:%M",
            _ => "%m-%d %H:%M",
        };
        let wanted = i64::try_from(wanted.max(2)).unwrap_or(2);
        let tick = |n: i64| {
            let at = self.from_ms.saturating_add((i128::from(span) * i128::from(n) / i128::from(wanted - 1)) as i64);
            let time = Timestamp::from_millisecond(at).unwrap_or_default().to_zoned(TimeZone::UTC);
            Tick { share: n as f64 / (wanted - 1) as f64, label: time.strftime(form).to_string() }
        };
        (0..wanted).map(tick).collect()
    }
}

fn distance(pair: &[(i64, [f64; 3])]) -> i64 {
    match pair {
        [(a, _), (b, _)] => b - a,
        _ => 1,
    }
}

/// 1, 2 or 5 times a power of ten, not smaller.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(f64::MIN_POSITIVE).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|it| it * power).find(|step| *step >= least * 0.999);
    step.unwrap_or(power * 10.0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A wave of an hour with a gap in it.
    pub(in super::super) fn wave() -> Picture {
        let points = (0..360).filter(|n| !(100..150).contains(n)).map(|n| {
            let value = 70.0 + 20.0 * (f64::from(n) / 40.0).sin();
            (i64::from(n) * 10_000, [value - 1.0, value, value + 1.0])
        });
        Picture {
            title: "heart_rate of anna".into(),
            unit: "/min".into(),
            from_ms: 0,
            until_ms: 3_600_000,
            points: points.collect(),
        }
    }

    #[test]
    fn numbers_are_round_and_lie_within_the_picture() {
        let ticks = wave().numbers(4);
        let labels: Vec<&str> = ticks.iter().map(|tick| &*tick.label).collect();
        assert_eq!(labels, ["60", "80"]);
        assert!(ticks.iter().all(|tick| (0.0..=1.0).contains(&tick.share)));
        let flat = Picture { points: vec![(0, [36.6; 3]), (10, [36.6; 3])], ..wave() };
        assert!(flat.numbers(4).len() >= 2, "a flat line has numbers beside it");
        assert_eq!(Picture { points: Vec::new(), ..wave() }.range(), (0.0, 1.0));
    }

    #[test]
    fn times_go_from_edge_to_edge() {
        let labels: Vec<String> = wave().times(3).into_iter().map(|tick| tick.label).collect();
        assert_eq!(labels, ["00:00", "00:30", "01:00"]);
    }

    #[test]
    fn a_gap_breaks_the_line() {
        let wave = wave();
        let stretches = wave.stretches();
        assert_eq!(stretches.iter().map(|it| it.len()).collect::<Vec<_>>(), [100, 210]);
    }
}
