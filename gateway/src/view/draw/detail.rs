//! One halo in full: signals, events, texts, presence, quality.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph};
use serde_json::Value;

use super::{DIM, HEAD, WARN};
use crate::view::model::Model;
use crate::view::subject::unix_ms;
use crate::view::words::{age, measured, number, printable};

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, room: Rect, from: usize) {
    let Some((name, subject)) = model.selected_subject() else { return };
    let halo = &subject.halo;
    let lines = lines(halo, model.scene().figures.now().map_or(0, |now| now.wall_ms));
    // The rule takes a row; the last lines stay on the screen however far somebody scrolls.
    let rows = usize::from(room.height.saturating_sub(1));
    let from = from.min(lines.len().saturating_sub(rows));
    let more = lines.len().saturating_sub(from + rows);
    let more = if more > 0 { format!("· {more} more lines ") } else { String::new() };
    let kind = halo["kind"].as_str().unwrap_or("thing");
    let title = Span::styled(format!(" {} ({kind}) revision {} {more}", printable(name), halo["revision"]), HEAD);
    let block = Block::new().borders(Borders::TOP).border_style(DIM).title(title);
    let shown: Vec<Line<'static>> = lines.into_iter().skip(from).collect();
    frame.render_widget(Paragraph::new(shown).block(block), room);
}

/// Rows it takes to show all of it.
pub(super) fn rows(model: &Model) -> u16 {
    let lines = model.selected_subject().map_or(0, |(_, subject)| 1 + lines(&subject.halo, 0).len());
    u16::try_from(lines).unwrap_or(u16::MAX)
}

fn lines(halo: &Value, now_ms: i64) -> Vec<Line<'static>> {
    let ago = |time: &Value| {
        let ms = time.as_str().and_then(unix_ms).map(|at| u64::try_from(now_ms.saturating_sub(at)).unwrap_or(0));
        ms.map_or_else(|| "-".to_owned(), |ms| format!("{} ago", age(ms)))
    };
    let mut lines = vec![head("SIGNAL", "NOW", "LEAST–GREATEST, MEAN (1 MIN)", "TAKEN")];
    let signals = halo["signals"].as_object().into_iter().flatten();
    lines.extend(signals.map(|(name, signal)| {
        let unit = signal["unit"].as_str().unwrap_or_default();
        let value = signal["value"].as_f64().map_or_else(|| "-".to_owned(), |value| measured(value, unit));
        let minute = &signal["stats"]["1m"];
        let range = match (minute["min"].as_f64(), minute["max"].as_f64(), minute["mean"].as_f64()) {
            (Some(min), Some(max), Some(mean)) => format!("{}–{}, {}", number(min), number(max), number(mean)),
            _ => "-".to_owned(),
        };
        let style = if signal["quality"] == "good" { Style::new() } else { WARN };
        row(&printable(name), &value, &range, &ago(&signal["time"]), style)
    }));
    let texts = halo["context"]["texts"].as_object().into_iter().flatten();
    lines.extend(texts.map(|(key, text)| {
        let value = printable(text["value"].as_str().unwrap_or_default());
        row(&printable(key), &value, "", &ago(&text["time"]), Style::new())
    }));
    let events = halo["context"]["events"].as_array().into_iter().flatten().rev();
    lines.extend(events.map(|event| {
        let name = event["name"].as_str().map_or_else(|| format!("event {}", event["code"]), |it| it.replace('_', " "));
        let value = event["value"].as_f64().unwrap_or_default();
        let value = measured(value, event["unit"].as_str().unwrap_or("1"));
        let severity = event["severity"].as_u64().filter(|it| *it > 0).map(|it| format!("severity {it}"));
        row(&format!("! {name}"), &value, &severity.unwrap_or_default(), &ago(&event["time"]), WARN)
    }));
    let presence = halo["presence"].as_object().into_iter().flatten();
    lines.extend(presence.map(|(device, it)| {
        let offset = it["clock_offset_ms"].as_i64().map_or_else(String::new, |ms| format!("clock off by {ms} ms"));
        let state = it["state"].as_str().unwrap_or_default();
        row(&format!("by {}", printable(device)), state, &offset, &ago(&it["last_seen"]), DIM)
    }));
    lines.push(Line::styled(quality(&halo["quality"]), DIM));
    lines
}

fn head(name: &str, value: &str, range: &str, time: &str) -> Line<'static> {
    row(name, value, range, time, DIM)
}

fn row(name: &str, value: &str, range: &str, time: &str, style: Style) -> Line<'static> {
    let cut = |text: &str, width: usize| text.chars().take(width).collect::<String>();
    let (name, value, range) = (cut(name, 21), cut(value, 16), cut(range, 28));
    Line::styled(format!("{name:<22}{value:<17}{range:<29}{time}"), style)
}

/// The counts that the halo keeps, in its own words; of what can go wrong, what did.
fn quality(quality: &Value) -> String {
    let counts = quality.as_object().into_iter().flatten();
    counts
        .filter(|(name, n)| *name == "accepted" || **n != 0)
        .map(|(name, n)| format!("{name} {n}"))
        .collect::<Vec<_>>()
        .join("  ")
}
