//! `cohorts`: figures over many, and why there are no newer ones.

use std::process::ExitCode;

use clap::Subcommand;

use super::Failure;
use super::client::Target;
use super::table;
use crate::admin::Command;

/// What to do with cohorts.
#[derive(Subcommand)]
pub(super) enum Cohorts {
    /// The cohorts of a running gateway: what is published of each, and what holds back anything newer.
    List(Target),
}

pub(super) fn run(command: Cohorts) -> Result<ExitCode, Failure> {
    let Cohorts::List(target) = command;
    let fields = ["cohort", "state", "n", "time", "pending", "reason"];
    table::print(&target.ask(Command::Cohorts)?, target.json, &fields, "there are no cohorts");
    Ok(ExitCode::SUCCESS)
}
