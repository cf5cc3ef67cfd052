//! 1. Publishes become records.

mod decimal;
mod plain;
mod senml;
pub mod schemas;
pub mod readings;
