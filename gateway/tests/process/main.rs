//! The real binary, as its users run it.

#[cfg(debug_assertions)]
mod deadly;
mod demo;
mod harness;
mod kill;
mod plain;
mod refusals;
mod state;
