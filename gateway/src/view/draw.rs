//! A picture of a model, for whatever room there is: first the counts, then the flow, then rows.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::model::{Model, Pane};
use super::words;

mod detail;
mod help;
mod panes;
mod river;

/// From this width on, both panes stand side by side.
const WIDE: u16 = 110;
/// From this many rows for the panes on, the selected halo is shown below them.
const TALL: u16 = 24;

pub(super) const DIM: Style = Style::new().fg(Color::DarkGray);
pub(super) const HEAD: Style = Style::new().fg(Color::Cyan);
pub(super) const GOOD: Style = Style::new().fg(Color::Green);
pub(super) const WARN: Style = Style::new().fg(Color::Yellow);
pub(super) const BAD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
pub(super) const CHOSEN: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Draws the whole screen.
pub(crate) fn draw(frame: &mut Frame<'_>, model: &Model) {
    let mut room = Room(frame.area());
    let width = room.0.width;
    frame.render_widget(title(model, width), room.top(1));
    let foot = if room.0.height >= 3 { room.bottom(1) } else { Rect::ZERO };
    frame.render_widget(footer(model, width), foot);
    let rows = river::rows(room.0);
    river::draw(frame, model, room.top(rows));
    frame.render_widget(counts(model, width), room.top(1));
    let body = room.0;
    match model.open {
        Some(from) => detail::draw(frame, model, body, from),
        None if width >= WIDE => wide(frame, model, &mut room),
        None => panes::draw(frame, model, model.pane, body),
    }
    if model.help {
        help::draw(frame, model);
    }
}

fn wide(frame: &mut Frame<'_>, model: &Model, room: &mut Room) {
    if room.0.height >= TALL {
        let needed = detail::rows(model);
        detail::draw(frame, model, room.bottom(needed.min(room.0.height / 2 - 1)), 0);
    }
    let left = room.left(room.0.width / 2);
    panes::draw(frame, model, Pane::Devices, left);
    panes::draw(frame, model, Pane::Halos, room.0);
}

/// What is left of the screen.
struct Room(Rect);

impl Room {
    fn top(&mut self, rows: u16) -> Rect {
        let rows = rows.min(self.0.height);
        let taken = Rect { height: rows, ..self.0 };
        self.0 = Rect { y: self.0.y + rows, height: self.0.height - rows, ..self.0 };
        taken
    }

    fn bottom(&mut self, rows: u16) -> Rect {
        let rows = rows.min(self.0.height);
        self.0.height -= rows;
        Rect { y: self.0.y + self.0.height, height: rows, ..self.0 }
    }

    fn left(&mut self, columns: u16) -> Rect {
        let columns = columns.min(self.0.width);
        let taken = Rect { width: columns, ..self.0 };
        self.0 = Rect { x: self.0.x + columns, width: self.0.width - columns, ..self.0 };
        taken
    }
}

/// As many of the parts as fit, the first ones first.
fn fit(parts: Vec<Span<'static>>, between: &'static str, width: u16) -> Line<'static> {
    let mut line = Line::default();
    for part in parts.into_iter().filter(|part| !part.content.is_empty()) {
        let needed = part.width() + if line.spans.is_empty() { 0 } else { between.chars().count() };
        // The first is cut rather than left out.
        if !line.spans.is_empty() && line.width() + needed > usize::from(width) {
            break;
        }
        if !line.spans.is_empty() {
            line.push_span(Span::styled(between, DIM));
        }
        line.push_span(part);
    }
    line
}

fn title(model: &Model, width: u16) -> Line<'static> {
    let about = &model.about;
    let mut parts = vec![Span::styled(about.title.clone(), Style::new().add_modifier(Modifier::BOLD))];
    if model.is_paused() {
        parts.push(Span::styled("paused", CHOSEN));
    }
    let scene = model.scene();
    let style = if scene.state == "ready" { GOOD } else { BAD };
    parts.push(Span::styled(scene.state.clone(), style));
    parts.push(Span::raw(about.address.clone()));
    let Some(now) = scene.figures.now() else { return fit(parts, "  ", width) };
    parts.push(Span::raw(format!("up {}", words::clock(now.uptime_ms))));
    if let Some(ends) = about.ends_mono_ms {
        parts.push(Span::raw(format!("ends in {}", words::clock(ends.saturating_sub(now.mono_ms)))));
    }
    fit(parts, "  ", width)
}

/// What happened so far. Lost comes first: it is what everything else is for.
fn counts(model: &Model, width: u16) -> Line<'static> {
    let Some(now) = model.scene().figures.now() else { return Line::styled("waiting for the first figures", DIM) };
    let part = |what: &str, n: u64, style: Style| Span::styled(format!("{what} {}", words::count(n)), style);
    let alarm = |n: u64| if n == 0 { Style::new() } else { WARN };
    let mut parts = Vec::new();
    if let (Some(fleet), Some(lost)) = (now.fleet, now.lost()) {
        parts.push(part("lost", lost, if lost == 0 { GOOD.add_modifier(Modifier::BOLD) } else { BAD }));
        parts.push(part("acked", fleet.acked, Style::new()));
        parts.push(part("sent", fleet.sent, Style::new()));
        parts.push(part("of these again", fleet.resent, Style::new()));
    }
    parts.push(part("stored", now.frames, Style::new()));
    parts.push(part("repeats known", now.duplicates, Style::new()));
    parts.push(part("refused", now.refused, alarm(now.refused)));
    parts.push(part("quarantined", now.quarantined, alarm(now.quarantined)));
    fit(parts, " │ ", width)
}

/// What is wrong, else the newest log line, else what keys there are.
fn footer(model: &Model, width: u16) -> Line<'static> {
    let scene = model.scene();
    if let Some(reason) = scene.reasons.first() {
        return Line::styled(format!("! {}", words::printable(reason)), BAD);
    }
    if let Some(notice) = scene.notice() {
        return Line::styled(words::printable(notice), WARN);
    }
    let keys: &[(&str, &str)] = match model.open {
        Some(_) => &[("q", "back"), ("↑↓", "scroll"), ("p", "pause"), ("?", "help")],
        None => {
            &[("q", "quit"), ("?", "help"), ("↑↓", "select"), ("enter", "open"), ("tab", "other list"), ("p", "pause")]
        }
    };
    fit(keys.iter().map(|(key, what)| Span::styled(format!("{key} {what}"), DIM)).collect(), "   ", width)
}
