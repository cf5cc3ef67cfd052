//! The picture in characters: two by four dots in each.

use std::fmt::Write as _;

use super::axes::Picture;

/// Rows of characters.
const ROWS: usize = 14;
/// Columns for the numbers beside it.
const MARGIN: usize = 9;
/// Columns of characters a time needs below it.
const TIME_COLUMNS: usize = 16;
/// The bits of a braille character, by column and row of dots.
const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// Dots that are on.
struct Canvas {
    columns: usize,
    cells: Vec<u8>,
}

impl Canvas {
    /// Puts a dot; x from the left, y from the top, in dots.
    fn dot(&mut self, x: usize, y: usize) {
        let bit = DOTS.get(x % 2).and_then(|rows| rows.get(y % 4)).copied().unwrap_or_default();
        if x / 2 < self.columns
            && let Some(cell) = self.cells.get_mut(y / 4 * self.columns + x / 2)
        {
            *cell |= bit;
        }
    }

    /// Joins two dots.
    fn line(&mut self, (x0, y0): (usize, usize), (x1, y1): (usize, usize)) {
        let steps = x1.abs_diff(x0).max(y1.abs_diff(y0)).max(1);
        let between = |from: usize, to: usize, n: usize| {
            let (from, to) = (from as f64, to as f64);
            (from + (to - from) * n as f64 / steps as f64).round() as usize
        };
        (0..=steps).for_each(|n| self.dot(between(x0, x1, n), between(y0, y1, n)));
    }
}

impl Picture {
    /// Lines of at most `width` characters.
    pub(in crate::cli) fn lines(&self, width: u16) -> String {
        let columns = usize::from(width).saturating_sub(MARGIN + 2).max(10);
        let mut canvas = Canvas { columns, cells: vec![0; columns * ROWS] };
        self.draw(&mut canvas);
        let labels = self.numbers(ROWS / 3);
        let label_at = |row: usize| {
            let is_here = |share: f64| ((1.0 - share) * (ROWS * 4 - 1) as f64).round() as usize / 4 == row;
            labels.iter().find(|tick| is_here(tick.share)).map_or("", |tick| &tick.label)
        };
        let mut text = format!(
            "{}{}\n",
            self.title,
            if self.unit.is_empty() { String::new() } else { format!(", {}", self.unit) }
        );
        for (row, cells) in canvas.cells.chunks(columns).enumerate() {
            let label = label_at(row);
            let edge = if label.is_empty() { '│' } else { '┤' };
            let dots: String = cells.iter().map(|bits| braille(*bits)).collect();
            // Writing to a string cannot fail.
            writeln!(text, "{label:>MARGIN$}{edge}{}", dots.trim_end()).ok();
        }
        writeln!(text, "{:>MARGIN$}└{}", "", "─".repeat(columns)).ok();
        text.push_str(&self.below(columns));
        text
    }

    fn draw(&self, canvas: &mut Canvas) {
        let (low, high) = self.range();
        let (width, height) = (canvas.columns * 2 - 1, ROWS * 4 - 1);
        let x = |at: i64| (self.share_of_time(at).clamp(0.0, 1.0) * width as f64).round() as usize;
        let y = |value: f64| ((high - value) / (high - low) * height as f64).round() as usize;
        for stretch in self.stretches() {
            for (at, [least, _, greatest]) in stretch {
                canvas.line((x(*at), y(*greatest)), (x(*at), y(*least)));
            }
            for pair in stretch.windows(2) {
                if let [(a, [_, from, _]), (b, [_, to, _])] = pair {
                    canvas.line((x(*a), y(*from)), (x(*b), y(*to)));
                }
            }
        }
    }

    /// The times below the picture.
    fn below(&self, columns: usize) -> String {
        let ticks = self.times((columns / TIME_COLUMNS).clamp(2, 7));
        let mut line = vec![' '; MARGIN + 1 + columns];
        for tick in &ticks {
            let middle = (tick.share * (columns - 1) as f64).round() as usize;
            let room = columns.saturating_sub(tick.label.chars().count());
            let from = MARGIN + 1 + middle.saturating_sub(tick.label.chars().count() / 2).min(room);
            line.iter_mut().skip(from).zip(tick.label.chars()).for_each(|(place, digit)| *place = digit);
        }
        format!("{} UTC\n", line.into_iter().collect::<String>().trim_end())
    }
}

fn braille(bits: u8) -> char {
    if bits == 0 { ' ' } else { char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' ') }
}

#[cfg(test)]
mod tests {
    use super::super::axes::tests::wave;
    use super::*;

    #[test]
    fn the_picture_fits_the_terminal_and_has_numbers_times_and_a_gap() {
        for width in [40, 80, 133] {
            let text = wave().lines(width);
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(width) + 4), "{text}");
            assert!(
                text.starts_with("heart_rate of anna, /min\n") && text.contains("80┤") && text.contains("60┤"),
                "{text}"
            );
            assert!(text.contains("00:00") && text.trim_end().ends_with("01:00 UTC"), "{text}");
        }
        let text = wave().lines(80);
        let column = |at: usize| {
            text.lines().skip(1).take(ROWS).any(|line| line.chars().nth(MARGIN + 1 + at).is_some_and(|c| c != ' '))
        };
        assert!(column(10) && !column(24) && column(40), "{text}");
    }

    #[test]
    fn the_highest_value_is_at_the_top_and_the_lowest_at_the_bottom() {
        let ramp = |n: i64| (n * 1_000, [n as f64; 3]);
        let picture = Picture { points: (0..100).map(ramp).collect(), until_ms: 100_000, ..wave() };
        let text = picture.lines(80);
        let rows: Vec<Vec<char>> =
            text.lines().skip(1).take(ROWS).map(|line| line.chars().skip(MARGIN + 1).collect()).collect();
        let first = |row: &[char]| row.iter().position(|c| *c != ' ');
        assert_eq!(first(&rows[ROWS - 1]), Some(0), "{text}");
        assert!(first(&rows[0]) > first(&rows[ROWS / 2]), "{text}");
    }
}
