//! A signal over time as a picture: on a terminal, or as a file. In: steps, and what they are. Out: text, or SVG.
//! Each column shows the range from the least to the greatest of its readings; a line joins the means, and breaks where
//! readings are missing for long.

mod axes;
mod braille;
mod svg;

pub(super) use axes::Picture;

/// Columns of a terminal when nobody says how many it has.
const WIDTH: u16 = 80;

/// Columns of the terminal this process writes to.
pub(super) fn terminal_width() -> u16 {
    rustix::termios::tcgetwinsize(std::io::stdout()).map_or(WIDTH, |size| size.ws_col).clamp(40, 400)
}
