//! What can be seen without running anything: help and usage.

use clap::{Command, CommandFactory, Parser};

use super::{Cli, usage};

/// Columns of a terminal that is still common.
const COLUMNS: usize = 80;

fn walk(command: &Command, look: &mut impl FnMut(&Command)) {
    look(command);
    command.get_subcommands().for_each(|command| walk(command, look));
}

#[test]
fn help_below_the_options_fits_a_narrow_terminal_and_is_wrapped_by_nobody_but_the_terminal() {
    let mut footers = 0;
    walk(&Cli::command(), &mut |command| {
        let Some(footer) = command.get_after_help().map(ToString::to_string) else { return };
        footers += 1;
        for line in footer.lines() {
            assert!(line.chars().count() < COLUMNS, "{}: {line}", command.get_name());
        }
        // A sentence that goes on in the next line would be broken twice where there is less room.
        let lines: Vec<&str> = footer.lines().collect();
        for pair in lines.windows(2) {
            let ends = |line: &str| line.is_empty() || line.starts_with(' ') || line.ends_with(['.', ':']);
            assert!(ends(pair[0]) || pair[1].is_empty(), "{}: {pair:?}", command.get_name());
        }
    });
    assert!(footers >= 10, "{footers}");
}

#[test]
fn every_command_says_what_it_is_for() {
    walk(&Cli::command(), &mut |command| {
        assert!(command.get_about().is_some(), "{}", command.get_name());
        assert!(command.get_arguments().all(|it| it.get_help().is_some()), "{}", command.get_name());
    });
}

/// `quarantine discard --data-dir x` was told to type `--data-dir <DIR>`, as if it were required.
#[test]
fn usage_below_an_error_shows_no_flag_as_required_that_is_not() {
    let told = |line: &str| {
        let failed = Cli::try_parse_from(line.split(' ')).err().expect("a wrong command line");
        usage::plain(failed).to_string()
    };
    let discard = told("halo-gateway quarantine discard --data-dir x");
    let usage = "Usage: halo-gateway quarantine discard [OPTIONS] <FRAME|--device <DEVICE>|--all>";
    assert!(discard.contains(usage), "{discard}");
    let token = told("halo-gateway device token --data-dir x --json");
    assert!(token.contains("Usage: halo-gateway device token [OPTIONS] <DEVICE>"), "{token}");
    let restore = told("halo-gateway restore --json");
    assert!(restore.contains("Usage: halo-gateway restore [OPTIONS] --data-dir <NEW> <DIR>"), "{restore}");
    assert!(told("halo-gateway fly").contains("Usage: halo-gateway [OPTIONS] <COMMAND>"));
}
