//! 1. Publishes become records.

mod decimal;
pub mod sequence;
mod duplicates;
mod clocks;
pub mod assign;
mod plain;
mod senml;
mod native;
pub mod schemas;
pub mod readings;
