//! The usage line below an error. The library shows what was given beside what is required, so that a flag which was typed
//! needlessly, or stands in the environment, looks as if it had to be.

use clap::error::{ContextKind, ContextValue};
use clap::{Command, CommandFactory};

use super::Cli;

/// The error with the usage of its command as `--help` shows it.
pub(super) fn plain(mut told: clap::Error) -> clap::Error {
    let shown = match told.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(shown)) => shown.to_string(),
        _ => return told,
    };
    let mut root = Cli::command();
    root.build();
    let usage = named(&mut root, &shown).render_usage();
    told.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
    told
}

/// The innermost command that a usage line names: `Usage: halo-gateway device show …`.
fn named<'a>(root: &'a mut Command, shown: &str) -> &'a mut Command {
    let mut command = root;
    for word in shown.split_whitespace().skip(2) {
        if command.find_subcommand(word).is_none() {
            break;
        }
        command = command.find_subcommand_mut(word).expect("it was found just now");
    }
    command
}
