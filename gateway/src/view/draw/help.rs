//! What the keys and the figures mean, over everything else.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

use super::HEAD;
use crate::view::model::Model;

const TEXT: &[&str] = &[
    "↑ ↓ j k        select a row         PgUp PgDn Home End   further",
    "tab ← →        the other list       enter                the halo in full",
    "p space        hold the picture     esc                  back",
    "q Ctrl-C       quit                 ?                    this",
    "",
    "lost       acknowledged to a device and not stored: must be 0",
    "in flight  sent, not yet acknowledged; peak: the most there ever were",
    "behind     records durable and not yet folded into halos",
    "A dot that moves is something that was passed on: • one, ● several, █ ten and more.",
];

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model) {
    let area = frame.area();
    let text: Vec<Line<'_>> =
        TEXT.iter().copied().chain(model.about.notes.iter().map(String::as_str)).map(Line::from).collect();
    let widest = text.iter().map(Line::width).max().and_then(|width| u16::try_from(width).ok()).unwrap_or(u16::MAX);
    let width = widest.saturating_add(4).min(area.width);
    let paragraph = Paragraph::new(text).wrap(Wrap { trim: false });
    let needed = paragraph_rows(&model.about.notes, width.saturating_sub(2));
    let height = needed.saturating_add(2).min(area.height);
    let room = Rect { x: (area.width - width) / 2, y: (area.height - height) / 2, width, height };
    frame.render_widget(Clear, room);
    frame.render_widget(paragraph.block(Block::bordered().border_style(HEAD).title(" help: any key closes it ")), room);
}

/// Rows of the text once its lines are broken, roughly: by characters, not by words.
fn paragraph_rows(notes: &[String], width: u16) -> u16 {
    let texts = TEXT.iter().copied().chain(notes.iter().map(String::as_str));
    let rows = texts.map(|text| text.chars().count().div_ceil(usize::from(width.max(1))).max(1)).sum::<usize>();
    u16::try_from(rows).unwrap_or(u16::MAX)
}
