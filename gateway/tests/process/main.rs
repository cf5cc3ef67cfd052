//! The real binary, as its users run it.

mod harness;
mod kill;
mod plain;
mod refusals;
