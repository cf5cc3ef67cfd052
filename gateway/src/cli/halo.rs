//! `halo`: the halo of a subject, now or as it was.

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::Failure;
use super::admin::show;
use super::client::Target;
use super::past::{By, Root};
use crate::admin::Command;
use crate::clock::Clock;
use crate::forward::halo_json::render_in;
use crate::forward::json::Time;
use crate::halo::{Models, Tally};
use crate::history::{Folded, Past};
use crate::store::fs::Disk;
use crate::terminal::{complain, prompt};
use crate::units::when::{self, When};

/// Bytes of log from which on folding says how far it is.
const LONG: u64 = 64 << 20;

/// Whose, and when.
#[derive(Args)]
pub(super) struct Halo {
    /// The subject's id.
    subject: String,
    /// As it was then [default: as the running gateway has it, or as of the end of the log].
    #[arg(long, value_name = "TIME", value_parser = when::parse, allow_hyphen_values = true)]
    at: Option<When>,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    root: Root,
    #[command(flatten)]
    target: Target,
}

pub(super) fn run(halo: &Halo) -> Result<ExitCode, Failure> {
    let Halo { subject, at, by, root, target } = halo;
    if at.is_none()
        && let Some(rows) = target.try_ask(Command::Subject { subject: subject.clone() })?
    {
        show(&rows, target.json);
        return Ok(ExitCode::SUCCESS);
    }
    let (past, models) = (root.open(target)?, by.models()?);
    let until_ms = at.map_or(i64::MAX, |at| at.at(Clock::system().now().wall_ms));
    let folded = folded(&past, until_ms)?;
    let Some(halo) = rendered(&folded, subject, &models)? else {
        let when = at.map_or_else(String::new, |_| format!(" at {}", Time(until_ms)));
        return Err(format!("nothing was known of {subject}{when}").into());
    };
    show(&[halo], target.json);
    Ok(ExitCode::SUCCESS)
}

/// Folds the log, says on a terminal how far it is, and on stderr what it began with.
pub(super) fn folded(past: &Past<Disk>, until_ms: i64) -> Result<Folded, Failure> {
    let shows = io::stderr().is_terminal();
    let folded = past.folded(until_ms, |done, total| {
        if shows && total >= LONG {
            prompt(format_args!("\rfolding: {} of {} MB", done >> 20, total >> 20));
        }
        ControlFlow::Continue(())
    });
    if shows {
        prompt(format_args!("\r{:40}\r", ""));
    }
    let folded = folded?;
    if let Some(begins) = folded.begins_without {
        complain(format_args!(
            "the log begins at offset {begins} and carries nothing of the time before: counts begin there too"
        ));
    }
    Ok(folded)
}

/// A subject's halo as it would be published.
pub(super) fn rendered(folded: &Folded, subject: &str, models: &Models) -> Result<Option<Value>, Failure> {
    let halo =
        folded.fold.subject(subject).map(|subject| render_in(&folded.fold, subject, models, &mut Tally::default()));
    Ok(halo.map(|bytes| serde_json::from_slice(&bytes)).transpose()?)
}
