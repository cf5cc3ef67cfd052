//! The real binary, as its users run it.

mod admin;
mod backup;
mod cohorts;
mod damage;
#[cfg(debug_assertions)]
mod deadly;
mod demo;
mod engines;
mod harness;
mod history;
mod kill;
mod offers;
mod output;
mod people;
mod plain;
mod refusals;
mod retention;
mod source;
mod sparks;
mod state;
mod zones;
