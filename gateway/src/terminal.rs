//! Lines for whoever reads this process's output, if anybody still does. Everything that goes to stdout goes through
//! here, so that a write that failed is told at the end of every command.

use std::collections::VecDeque;
use std::fmt::Display;
#[cfg(feature = "view")]
use std::io::IsTerminal;
use std::io::{self, Write, stderr, stdout};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Log lines held back at most; the oldest go first.
const HELD_MAX: usize = 200;

/// What is held back while a picture stands on the terminal.
static HELD: Mutex<Option<Held>> = Mutex::new(None);

#[derive(Default)]
struct Held {
    lines: VecDeque<String>,
    gone: u64,
}

/// The first write to stdout that failed.
static UNWRITTEN: OnceLock<io::Error> = OnceLock::new();

/// Prints a line; `false` once it cannot be written, as behind `| head`: then nothing more need be said.
pub(crate) fn say(line: impl Display) -> bool {
    // In one piece: of two programs that write to one file each line stays whole.
    let mut out = Out;
    out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// Stdout, for what is more than lines.
pub(crate) struct Out;

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        noted(stdout().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        noted(stdout().flush())
    }
}

/// Remembers why a write to stdout failed that others made.
pub(crate) fn noted<T>(written: io::Result<T>) -> io::Result<T> {
    written.inspect_err(|error| {
        if error.kind() != io::ErrorKind::Interrupted {
            // A copy: whoever writes stops by the error itself.
            let copy = error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error);
            UNWRITTEN.get_or_init(|| copy);
        }
    })
}

/// Why not everything that was said to stdout is there, if it is not. That nobody reads any more is no failure of ours.
pub(crate) fn unwritten() -> Option<&'static io::Error> {
    UNWRITTEN.get().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
}

/// Says something to whoever watches; if nobody does, there is nobody to tell.
pub(crate) fn complain(line: impl Display) {
    drop(stderr().write_all(format!("{line}\n").as_bytes()));
}

/// As [`complain`], without ending the line: a question, or how far something is that takes long.
pub(crate) fn prompt(text: impl Display) {
    drop(stderr().write_all(text.to_string().as_bytes()));
}

/// Log lines: to stderr, or held back while a picture stands on that terminal.
pub(crate) struct Logs;

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !say_later(String::from_utf8_lossy(bytes).trim_end()) {
            stderr().write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        stderr().flush()
    }
}

/// Holds log lines back until it is dropped; then they are said.
#[cfg(feature = "view")]
pub(crate) struct HeldLogs(());

/// Holds log lines back, if they would go to a terminal.
#[cfg(feature = "view")]
pub(crate) fn hold_logs() -> HeldLogs {
    if stderr().is_terminal() {
        held().get_or_insert_default();
    }
    HeldLogs(())
}

/// Holds a line back; `false` when lines are not held back now.
pub(crate) fn say_later(line: &str) -> bool {
    let mut held = held();
    let Some(held) = held.as_mut() else { return false };
    if held.lines.len() == HELD_MAX {
        held.lines.pop_front();
        held.gone += 1;
    }
    held.lines.push_back(line.to_owned());
    true
}

/// The newest line held back, without colours.
#[cfg(feature = "view")]
pub(crate) fn last_held() -> Option<String> {
    held().as_ref().and_then(|held| held.lines.back()).map(|line| plain(line))
}

#[cfg(feature = "view")]
impl Drop for HeldLogs {
    fn drop(&mut self) {
        let Some(Held { lines, gone }) = held().take() else { return };
        let before = (gone > 0).then(|| format!("({gone} earlier log lines are gone)"));
        before.into_iter().chain(lines).for_each(complain);
    }
}

fn held() -> MutexGuard<'static, Option<Held>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Without the escape sequences of colours.
#[cfg(feature = "view")]
fn plain(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    parts.for_each(|part| plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest)));
    plain
}

#[cfg(all(test, feature = "view"))]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_without_its_colours() {
        assert_eq!(plain("\x1b[33mWARN\x1b[0m \x1b[2mhalo\x1b[0m: x=1"), "WARN halo: x=1");
    }

    #[test]
    fn held_lines_are_bounded_and_the_newest_is_known() {
        *held() = Some(Held::default());
        (0..HELD_MAX + 5).for_each(|n| assert!(say_later(&n.to_string())));
        assert_eq!(last_held(), Some((HELD_MAX + 4).to_string()));
        let kept = held().take().expect("lines are held back");
        assert_eq!((kept.lines.len(), kept.gone), (HELD_MAX, 5));
        assert!(!say_later("not any more"));
    }
}
