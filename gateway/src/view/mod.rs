//! What a person sees of a running gateway on a terminal: `demo` and `top` show the same.
//!
//! In: counts of one moment ([`Sample`]), halos, births and readings as an integrator gets them, keys. Out: a picture of
//! the terminal's size, whatever that is.
//!
//! * [`Model`] knows what was observed and what the user chose; it reads no clock and does no I/O.
//! * [`draw`](draw::draw) makes a picture of a model; the same model and size, the same picture.
//! * [`Screen`] is the terminal and the only file that names its library: it is put back as it was when the screen is
//!   dropped, also by a panic. While it is up, log lines are held back and said afterwards.
//!
//! Everything kept is bounded: subjects, devices, history, log lines. What comes from outside is shown, never trusted:
//! a payload that is not a halo changes nothing.

mod words;
mod figures;
mod flow;
mod subject;
mod model;
mod draw;
mod screen;

pub(crate) use figures::{Disk, Fleet, Sample, Upstream};
pub(crate) use model::{About, Model, Observed, Wish};
pub(crate) use screen::{Input, Screen, can_show};

#[cfg(test)]
mod tests;
