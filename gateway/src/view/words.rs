//! Figures as people read them, in little room.

/// UCUM as it is written by hand.
pub(crate) fn unit(ucum: &str) -> &str {
    match ucum {
        "Cel" => "°C",
        "[degR]" => "°R",
        "[g]" => "g",
        "[psi]" => "psi",
        "[ft_i]" => "ft",
        "Ohm" => "Ω",
        "deg" => "°",
        "1" => "",
        annotated if annotated.starts_with('{') => "",
        plain => plain,
    }
}

/// Four figures or so: `72`, `8.44`, `-12.3`, `9046`.
pub(crate) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        magnitude if magnitude >= 100.0 || value.fract() == 0.0 => 0,
        magnitude if magnitude >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

/// A value with its unit: `72 /min`, `97 %`, `48.19°`.
pub(crate) fn measured(value: f64, ucum: &str) -> String {
    match unit(ucum) {
        "" => number(value),
        "°" => format!("{value:.4}°"),
        unit => format!("{} {unit}", number(value)),
    }
}

/// `9.1`, `12`, `1.2k`, `34k`: per second, or of anything.
pub(crate) fn rate(per_s: f64) -> String {
    match per_s {
        few if few < 99.95 => format!("{few:.1}"),
        some if some < 9_999.5 => format!("{some:.0}"),
        many if many < 999_500.0 => format!("{:.0}k", many / 1_000.0),
        most => format!("{:.1}M", most / 1_000_000.0),
    }
}

/// `12 345`: in groups of three, with a thin figure's space.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// `0.4 s`, `12 s`, `3 min`, `2 h`, `4 d`.
pub(crate) fn age(ms: u64) -> String {
    match ms {
        0..9_950 => format!("{:.1} s", ms as f64 / 1_000.0),
        9_950..60_000 => format!("{} s", (ms + 500) / 1_000),
        60_000..3_600_000 => format!("{} min", ms / 60_000),
        3_600_000..86_400_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} d", ms / 86_400_000),
    }
}

/// `1:05`, `2:03:44`, `3 d 4 h`.
pub(crate) fn clock(ms: u64) -> String {
    let s = ms / 1_000;
    match s {
        0..3_600 => format!("{}:{:02}", s / 60, s % 60),
        3_600..86_400 => format!("{}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60),
        _ => crate::units::render_duration(std::time::Duration::from_secs(s)),
    }
}

/// The last `width` values as blocks, the least and the greatest of them as the scale.
pub(crate) fn spark(values: impl DoubleEndedIterator<Item = f64>, width: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let mut last: Vec<f64> = values.rev().take(width).collect();
    last.reverse();
    let (min, max) =
        last.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), it| (min.min(*it), max.max(*it)));
    let block = |value: f64| {
        let place = if max > min { (value - min) / (max - min) * 7.0 } else { 2.0 };
        // From 0 to 7 by its making; NaN becomes 0.
        BLOCKS.get(place.round() as usize).copied().unwrap_or('▁')
    };
    last.into_iter().map(block).collect()
}

/// What a device wrote, without what would move the cursor.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '·' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_fit_in_little_room() {
        let values =
            [(72.0, "/min"), (-12.34, "Cel"), (9_046.4, "/min"), (48.123_456, "deg"), (8.4415, "1"), (3.0, "{taps}")];
        let shown = values.map(|(value, unit)| measured(value, unit));
        assert_eq!(shown, ["72 /min", "-12.3 °C", "9046 /min", "48.1235°", "8.44", "3"]);
        assert_eq!([0.0, 99.9, 123.4, 12_345.0, 2_000_000.0].map(rate), ["0.0", "99.9", "123", "12k", "2.0M"]);
        assert_eq!([7, 1_234, 1_234_567].map(count), ["7", "1 234", "1 234 567"]);
        assert_eq!(
            [400, 9_949, 12_000, 61_000, 7_200_000, 172_800_000].map(age),
            ["0.4 s", "9.9 s", "12 s", "1 min", "2 h", "2 d"]
        );
        assert_eq!([5_000, 65_000, 7_424_000].map(clock), ["0:05", "1:05", "2:03:44"]);
    }

    #[test]
    fn a_sparkline_spans_its_least_and_greatest_value() {
        assert_eq!(spark([5.0, 1.0, 8.0].into_iter(), 2), "▁█");
        assert_eq!(spark([4.0, 4.0].into_iter(), 8), "▃▃", "a constant is not at its least");
        assert_eq!(spark([f64::NAN].into_iter(), 8).chars().count(), 1);
    }

    #[test]
    fn nothing_from_outside_moves_the_cursor() {
        assert_eq!(printable("a\x1b[2Jb\n"), "a·[2Jb·");
    }
}
