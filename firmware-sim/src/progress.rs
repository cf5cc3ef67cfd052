//! How a run is doing: one line that changes on a terminal, a line every few seconds elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use firmware_sim::{Cast, FleetConfig, FleetHandle, Speed};
use indicatif::{ProgressBar, ProgressStyle};

/// How often it changes on a terminal, and how often a line is written elsewhere.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
const LINE_INTERVAL: Duration = Duration::from_secs(5);
const TICKS_A_SECOND: u64 = 4;

/// The display; it writes to standard error.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// With the time left where the end is known.
    pub(crate) fn new(config: &FleetConfig, run_for: Option<Duration>) -> Self {
        if !io::stderr().is_terminal() {
            return Self { bar: None };
        }
        let bar = match run_for.into_iter().chain(takes(config)).min() {
            Some(length) => {
                let bar = ProgressBar::new(length.as_secs().max(1) * TICKS_A_SECOND);
                bar.with_style(style("{elapsed_precise} {bar:24} {percent:>3} %  {msg}  {eta} left"))
            }
            None => ProgressBar::new_spinner().with_style(style("{elapsed_precise} {spinner}  {msg}")),
        };
        Self { bar: Some(bar) }
    }

    /// Shows progress until dropped.
    pub(crate) async fn watch(&self, fleet: &FleetHandle) {
        let mut look = tokio::time::interval(if self.bar.is_some() { LOOK_INTERVAL } else { LINE_INTERVAL });
        let (mut acked_before, mut looks) = (0, 0);
        loop {
            let period = look.period();
            look.tick().await;
            let now = fleet.progress();
            let counts = now.counts;
            let a_second = (counts.acked - acked_before) as f64 / period.as_secs_f64();
            acked_before = counts.acked;
            looks += 1;
            let trouble = if now.connected == 0 { fleet.last_error().unwrap_or_default() } else { String::new() };
            let text = format!(
                "{}/{} connected  {} sent  {} acked  {} in flight  {} buffered  {a_second:.0}/s{}{trouble}",
                now.connected,
                counts.devices,
                counts.sent,
                counts.acked,
                now.in_flight,
                counts.unacked.saturating_sub(now.in_flight),
                if trouble.is_empty() { "" } else { "  " },
            );
            match &self.bar {
                Some(bar) => {
                    bar.set_position(looks);
                    bar.set_message(text);
                }
                // What cannot be shown is not worth ending a run for; the first look comes before anything happened.
                None if looks > 1 => drop(writeln!(io::stderr(), "firmware-sim: {text}")),
                None => {}
            }
        }
    }

    /// Clears the terminal's line.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Real time until the fleet ends by itself, if that is known beforehand.
fn takes(config: &FleetConfig) -> Option<Duration> {
    let device_time = match &config.cast {
        Cast::Crews { lasting, .. } => *lasting,
        Cast::Simulated { frames, .. } => {
            frames.map(|frames| config.period.saturating_mul(u32::try_from(frames).unwrap_or(u32::MAX)))
        }
        Cast::Recorded(_) => None,
    };
    match config.speed {
        Speed::Live => device_time,
        Speed::Times(factor) => device_time.map(|time| time.div_f64(factor)),
        Speed::Max => None,
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
