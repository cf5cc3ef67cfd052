//! Lines for whoever reads this process's output, if anybody still does.

use std::fmt::Display;
use std::io::{Write, stdout};

/// Prints a line; `false` once nobody reads any more, as behind `| head`, which is no failure of ours.
pub(crate) fn say(line: impl Display) -> bool {
    writeln!(stdout(), "{line}").and_then(|()| stdout().flush()).is_ok()
}
