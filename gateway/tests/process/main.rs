//! The real binary, as its users run it.

mod demo;
mod harness;
mod kill;
mod plain;
mod refusals;
mod source;
mod state;
