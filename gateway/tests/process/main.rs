//! The real binary, as its users run it.

mod admin;
mod demo;
mod harness;
mod kill;
mod plain;
mod refusals;
mod state;
