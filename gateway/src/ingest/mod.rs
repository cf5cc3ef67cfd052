//! 1. Publishes become records.

mod decimal;
pub mod sequence;
mod duplicates;
mod clocks;
pub mod assign;
mod plain;
mod senml;
pub mod schemas;
pub mod readings;
