//! A text as people see it: lines and columns, and where texts within it end.

use super::error::{CelError, Place};

/// Longest part of a line that an error shows.
const QUOTED_CHARS_MAX: usize = 120;

/// A text, and where in it an expression begins.
#[derive(Clone, Copy)]
pub(super) struct Source<'t> {
    whole: &'t str,
    start: usize,
    end: usize,
}

impl<'t> Source<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { whole: text, start: 0, end: text.len() }
    }

    /// The same text, of which only some bytes are the expression.
    pub(super) fn part(self, start: usize, end: usize) -> Self {
        Self { start, end, ..self }
    }

    /// The expression.
    pub(super) fn text(self) -> &'t str {
        self.whole.get(self.start..self.end).unwrap_or_default()
    }

    /// Line and column of a byte of the expression; of its end when beyond.
    pub(super) fn place(self, at: usize) -> Place {
        let before = self.before(at);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Place { line: narrow(line), column: narrow(column) }
    }

    /// An error at a byte of the expression.
    pub(super) fn error(self, at: usize, what: impl Into<String>) -> CelError {
        let place = self.place(at);
        let line = self.whole.lines().nth(usize::from(place.line) - 1).unwrap_or_default();
        let before = usize::from(place.column) - 1;
        let skipped =
            if line.chars().nth(QUOTED_CHARS_MAX).is_some() { before.saturating_sub(QUOTED_CHARS_MAX / 2) } else { 0 };
        let quoted = line.chars().skip(skipped).take(QUOTED_CHARS_MAX).collect();
        CelError { place, what: what.into(), quoted, under: narrow(before - skipped + 1) }
    }

    /// The byte of the expression at a line and a column, both from 1.
    pub(super) fn offset(self, line: usize, column: usize) -> usize {
        let text = self.text();
        let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let rest = text.get(start..).unwrap_or_default();
        start + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(at, _)| at)
    }

    fn before(self, at: usize) -> &'t str {
        let at = (self.start + at).min(self.end);
        let at = (0..=at).rev().find(|at| self.whole.is_char_boundary(*at)).unwrap_or_default();
        self.whole.get(..at).unwrap_or_default()
    }
}

fn narrow(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// Where a text in quotes, or a comment, that begins at a byte ends; none when none begins there.
pub(super) fn quoted_until(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    if rest.starts_with("//") {
        return Some(rest.find('\n').map_or(text.len(), |line| at + line + 1));
    }
    let quote = rest.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    let triple: String = std::iter::repeat_n(quote, 3).collect();
    let fence = if rest.starts_with(&triple) { triple } else { quote.to_string() };
    let raw = text.get(..at)?.ends_with(['r', 'R']);
    let mut inside = at + fence.len();
    while inside < text.len() {
        let rest = text.get(inside..)?;
        if rest.starts_with(&fence) {
            return Some(inside + fence.len());
        }
        let mut chars = rest.chars();
        let first = chars.next()?;
        inside += first.len_utf8();
        if first == '\\' && !raw {
            inside += chars.next().map_or(0, char::len_utf8);
        }
    }
    Some(text.len())
}

/// The brackets of a text that stand outside of quotes and comments, with their bytes.
pub(super) fn brackets(text: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            if let Some(end) = quoted_until(text, at) {
                at = end;
                continue;
            }
            let found = text.get(at..)?.chars().next()?;
            let place = at;
            at += found.len_utf8();
            if matches!(found, '(' | ')' | '[' | ']' | '{' | '}') {
                return Some((place, found));
            }
        }
    })
}
