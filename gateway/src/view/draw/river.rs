//! The river: every stage with its figures, and between two of them what goes from one to the next.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::{BAD, DIM, GOOD, HEAD, WARN};
use crate::units::render_size;
use crate::view::figures::{Figures, Sample};
use crate::view::model::Model;
use crate::view::words::{age, count, rate};

const STAGES: [&str; 5] = ["devices", "broker", "log", "fold", "topics"];
/// Columns a stage needs for its figures.
const STAGE_MIN: u16 = 11;

/// How many rows it takes of what is there: the names and up to three rows of figures, and a blank one if there is room.
pub(super) fn rows(room: Rect) -> u16 {
    match room.height {
        _ if room.width < STAGE_MIN * 5 => 0,
        0..6 => 0,
        6..10 => 2,
        10..18 => 4,
        _ => 5,
    }
}

pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, room: Rect) {
    let scene = model.scene();
    let Some(now) = scene.figures.now().filter(|_| room.height > 0) else { return };
    let width = usize::from(room.width) / STAGES.len();
    let mut names = Line::default();
    for (at, stage) in STAGES.iter().enumerate() {
        names.push_span(Span::styled(*stage, HEAD.add_modifier(Modifier::BOLD)));
        if let Some(lane) = scene.flow.0.get(at) {
            let cells = width.saturating_sub(stage.len() + 4);
            names.push_span(Span::styled(format!(" ─{}▶ ", lane.picture(cells)), GOOD));
        }
    }
    let figures = figures(&scene.figures, now, width);
    let rows = (0..3).map(|row| {
        let cells = figures.iter().filter_map(|stage| stage.get(row));
        Line::from_iter(cells.map(|(text, style)| {
            // The longest figures may touch the next one's column; none is worth more than its own.
            let text: String = text.chars().take(width).collect();
            Span::styled(format!("{text:<width$}"), *style)
        }))
    });
    for (row, line) in std::iter::once(names).chain(rows).enumerate().take(usize::from(room.height)) {
        let y = room.y + u16::try_from(row).unwrap_or(0);
        frame.render_widget(line, Rect { y, height: 1, ..room });
    }
}

type Cell = (String, Style);

/// Three figures of each stage, the most telling first.
fn figures(figures: &Figures, now: &Sample, width: usize) -> [[Cell; 3]; 5] {
    let plain = |text: String| (text, Style::new());
    let quiet = |text: String| (text, DIM);
    let per_s = |count: fn(&Sample) -> u64| rate(figures.rate(count));
    let devices = match now.fleet {
        Some(fleet) => [
            plain(format!("{} of {} on", count(fleet.connected), count(fleet.devices))),
            quiet(format!("{} in flight", count(fleet.in_flight))),
            quiet(format!("peak {}", count(figures.in_flight_max()))),
        ],
        None => [plain(format!("{} clients", count(now.connections))), quiet(String::new()), quiet(String::new())],
    };
    let acks = match now.fleet {
        Some(_) => format!("{} acks/s", per_s(|it| it.fleet.map_or(0, |fleet| fleet.acked))),
        None => format!("{} frames/s", per_s(|it| it.frames)),
    };
    let broker = [
        plain(acks),
        quiet(format!("{} in/s", per_s(|it| it.publishes))),
        if now.refused == 0 {
            quiet("0 refused".to_owned())
        } else {
            (format!("{} refused", count(now.refused)), WARN)
        },
    ];
    let log = [
        plain(format!("{} rec/s", per_s(|it| it.records))),
        quiet(format!("{}/s", render_size(figures.rate(|it| it.bytes) as u64))),
        disk(now, width),
    ];
    let behind = now.behind();
    let fold = [
        (format!("{} behind", count(behind)), if behind > 1_000 { WARN } else { Style::new() }),
        quiet(format!("peak {}", count(figures.behind_max()))),
        quiet(format!("{} rec/s", per_s(|it| it.folded_records))),
    ];
    let topics = [
        plain(format!("{} halos/s", per_s(|it| it.halos))),
        quiet(format!("{} rdgs/s", per_s(|it| it.readings))),
        upstreams(now),
    ];
    [devices, broker, log, fold, topics]
}

/// What the folder takes, and how full that is.
fn disk(now: &Sample, width: usize) -> Cell {
    match &now.disk {
        None => (String::new(), DIM),
        Some(disk) if disk.mark == "calm" && width > 19 => {
            (format!("{} of {}", render_size(disk.used), render_size(disk.max)), DIM)
        }
        Some(disk) if disk.mark == "calm" && width < 14 => (render_size(disk.used), DIM),
        Some(disk) if disk.mark == "calm" => (format!("{} disk", render_size(disk.used)), DIM),
        Some(disk) => {
            (format!("{} {}", render_size(disk.used), disk.mark), if disk.mark == "warn" { WARN } else { BAD })
        }
    }
}

/// The worst of the brokers far away.
fn upstreams(now: &Sample) -> Cell {
    let worst = now.upstreams.iter().max_by_key(|it| (it.state != "flowing", it.lag_ms, it.pending));
    match worst {
        None => ("no upstream".to_owned(), DIM),
        Some(it) if it.state == "flowing" && it.pending == 0 => ("up: all sent".to_owned(), DIM),
        Some(it) if it.state == "flowing" => (format!("up {} late", age(it.lag_ms)), DIM),
        Some(it) => (format!("{} {}", it.name, it.state), WARN),
    }
}
