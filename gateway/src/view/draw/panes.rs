//! Rows: the halos with their newest values, and the devices that feed them.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::Span;
use ratatui::widgets::{Block, Borders, Cell, Row, Table};

use super::{BAD, CHOSEN, DIM, GOOD, HEAD, WARN};
use crate::view::model::{Model, Pane};
use crate::view::subject::{Device, Subject};
use crate::view::words;

/// Columns of a subject's or a device's name; longer ones are cut.
const NAME: u16 = 11;
/// Columns of a value with its name and unit.
const VALUE: u16 = 17;

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, pane: Pane, room: Rect) {
    // The rule that names the pane, and the headings.
    let rows = usize::from(room.height.saturating_sub(2));
    if rows == 0 {
        return;
    }
    let (len, selected) = model.selection_in(pane);
    let chosen = (model.pane == pane).then_some(selected);
    let from = selected.saturating_sub(rows / 2).min(len.saturating_sub(rows));
    let table = match pane {
        Pane::Halos => halos(model, from, rows, chosen, room.width),
        Pane::Devices => devices(model, from, rows, chosen, room.width),
    };
    frame.render_widget(table.block(rule(model, pane, len, from + 1, (from + rows).min(len))), room);
}

fn rule(model: &Model, pane: Pane, len: usize, first: usize, last: usize) -> Block<'static> {
    let name = match pane {
        Pane::Halos => "halos",
        Pane::Devices => "devices",
    };
    let shown = if last < len || first > 1 { format!("{first}–{last} of {len}") } else { len.to_string() };
    let style = if model.pane == pane { HEAD } else { DIM };
    Block::new().borders(Borders::TOP).border_style(DIM).title(Span::styled(format!(" {name} {shown} "), style))
}

fn halos(model: &Model, from: usize, rows: usize, chosen: Option<usize>, width: u16) -> Table<'static> {
    let rest = width.saturating_sub(NAME + VALUE + 2);
    // A sparkline of half the rest, and more values in what is left.
    let spark = if rest >= 40 { rest / 2 } else { rest };
    let shown = model.scene().subjects.iter().enumerate().skip(from).take(rows);
    let also = usize::from(rest.saturating_sub(spark + 1));
    let rows = shown.map(|(at, (name, subject))| {
        let style = if chosen == Some(at) { CHOSEN } else { Style::new() };
        halo(name, subject, usize::from(spark), also).style(style)
    });
    let head = Row::new(["SUBJECT", "NOW", "LATELY", "ALSO"]).style(DIM);
    let widths = [NAME, VALUE, spark, rest.saturating_sub(spark + 1)].map(Constraint::Length);
    Table::new(rows, widths).header(head).column_spacing(1)
}

fn halo(name: &str, subject: &Subject, spark: usize, room: usize) -> Row<'static> {
    let mut telling = subject.telling.iter();
    let first = telling.next().map_or_else(|| "-".to_owned(), |shown| shown.words());
    let also = whole(telling.map(|shown| shown.words()), room);
    let quiet = if subject.state() == "online" { Style::new() } else { DIM };
    Row::new([
        Cell::new(words::printable(name)).style(quiet),
        Cell::new(first).style(quiet),
        Cell::new(words::spark(subject.history(), spark)).style(GOOD),
        Cell::new(also).style(DIM),
    ])
}

/// As many of the words as fit whole.
fn whole(words: impl Iterator<Item = String>, room: usize) -> String {
    let mut line = String::new();
    for word in words {
        let between = if line.is_empty() { "" } else { "  " };
        if line.chars().count() + between.len() + word.chars().count() > room {
            break;
        }
        line = line + between + &word;
    }
    line
}

fn devices(model: &Model, from: usize, rows: usize, chosen: Option<usize>, width: u16) -> Table<'static> {
    let scene = model.scene();
    let now_ms = scene.figures.now().map_or(0, |now| now.wall_ms);
    // What there is no room for goes from the end: the last ones first.
    let columns: Vec<(&str, u16)> =
        [("DEVICE", NAME), ("STATE", 7), ("LAST", 6), ("FRAMES", 6), ("KIND", 14), ("SUBJECT", NAME), ("BATTERY", 7)]
            .into_iter()
            .scan(0, |used, column| {
                *used += column.1 + 1;
                (*used <= width + 1).then_some(column)
            })
            .collect();
    let shown = scene.devices.iter().enumerate().skip(from).take(rows);
    let rows = shown.map(|(at, (name, it))| {
        let style = if chosen == Some(at) { CHOSEN } else { Style::new() };
        Row::new(columns.iter().map(|(column, _)| device(column, name, it, now_ms)).collect::<Vec<_>>()).style(style)
    });
    let head = Row::new(columns.iter().map(|(name, _)| *name).collect::<Vec<_>>()).style(DIM);
    Table::new(rows, columns.iter().map(|(_, width)| Constraint::Length(*width)).collect::<Vec<_>>())
        .header(head)
        .column_spacing(1)
}

fn device(column: &str, name: &str, it: &Device, now_ms: i64) -> Cell<'static> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let ago = |seen: i64| words::age(u64::try_from(now_ms.saturating_sub(seen)).unwrap_or(0));
    match column {
        "DEVICE" => Cell::new(words::printable(name)),
        "STATE" => Cell::new(it.state.clone()).style(match &*it.state {
            "online" => GOOD,
            "offline" => BAD,
            "silent" => WARN,
            _ => DIM,
        }),
        "LAST" => Cell::new(or_dash(it.seen_ms.map(ago))),
        "FRAMES" => Cell::new(or_dash(it.frames.map(words::count))),
        "KIND" => Cell::new(it.kind.map_or_else(|| "-".to_owned(), |kind| kind.replace('_', " "))),
        "SUBJECT" => Cell::new(words::printable(&it.subject)),
        _ => Cell::new(or_dash(it.battery.map(|battery| format!("{battery:.0} %")))),
    }
}
