//! The language of rules: expressions of [CEL](https://cel.dev) over facts that a host knows by number.
//!
//! **In**: a text and a [`Schema`], which says what the names in it mean. **Out**: a [`Program`], checked to the last
//! operand before it runs for the first time, or a [`CelError`] with line, column and caret. A [`Template`] is a text
//! with expressions in braces.
//!
//! ```text
//! text ─parse─▶ tree ─check (Schema)─▶ Program ─run (Facts, budget)─▶ value · not known · Failure
//! ```
//!
//! A path such as `a.derived["engine.rul"].low` is given to the schema as a whole, once; it answers with a *slot*, a
//! number, and at run time the [`Facts`] are asked for the slot alone: no name is looked up for what the schema knows.
//!
//! **What is not known** (a signal nobody told of yet) makes a result not known, `Ok(None)`, except where `&&`, `||`,
//! `?:`, `has()`, `all()` and `exists()` are decided without it: `unknown || true` is true. Failures are absorbed alike,
//! as CEL says; a spent budget never is.
//!
//! **Failure model.** No text makes [`Program::compile`] panic or take more than its bounds ([`TEXT_BYTES_MAX`],
//! [`NESTING_MAX`], [`DEPTH_MAX`]), and no facts make [`Program::run`] do so: steps are counted (every node, every
//! element of a loop, every 64 bytes or elements copied or compared), made texts have [`MADE_TEXT_BYTES_MAX`] at most.
//! A checked program fails with a wrong type only where a value of [`Type::Dyn`] is involved, or where the facts are
//! not of the type that the schema promised. The same facts give the same result on every machine.
//!
//! **Differences from CEL.** One liberty: a constant whole number beside a double is taken as a double (`speed > 120`),
//! and a value of unknown type (dyn) mixes with both in arithmetic too. `5u` is an int. A duration as text is `1h 30m`.
//! Added: `abs`, `min`, `max`, `distance_m`. Left out, and refused at load: regular expressions, maps, structs, bytes,
//! null, the parts of a time (`getHours()`).
//!
//! Only `parse` knows the crate `cel`, and uses it for its grammar alone: that crate has neither a static check nor a
//! budget, and wants its variables copied into a context for each evaluation.

mod build;
mod check;
mod code;
mod error;
mod functions;
mod lists;
mod logic;
mod parse;
mod paths;
mod run;
mod schema;
mod show;
mod source;
mod syntax;
mod template;
#[cfg(test)]
mod tests;
mod types;
mod value;

pub use code::Program;
pub use error::{CelError, Failure, Place, Reason};
pub use schema::{Resolved, Schema, Step, Unknown};
pub(super) use show::show;
pub use template::{RENDERED_BYTES_MAX, Rendered, Template};
pub use types::{Kind, Type};
pub use value::{Facts, Fields, Rows, Value};

/// Longest text of an expression or a template.
pub const TEXT_BYTES_MAX: usize = 4_096;
/// Deepest nesting of brackets, calls and conditionals: what the parser's stack is bounded by.
pub const NESTING_MAX: u16 = 32;
/// Deepest tree, in nodes from its root to a leaf: what the stack of check and run is bounded by. `1 + 1 + …` of a
/// hundred terms is as deep as that; chains of `&&` and `||` are balanced and stay flat.
pub const DEPTH_MAX: usize = 100;
/// Longest text that an expression makes (`+`, `string()`).
pub const MADE_TEXT_BYTES_MAX: usize = 4_096;
/// Steps that one evaluation may take where nothing else is said; a comparison of a signal takes three.
pub const BUDGET: u32 = 10_000;
