//! Judges a gateway from outside; depends on nothing of it.
//!
//! **In**: the sender's ledger ([`Ledger`]), what the gateway's own `log dump --json` says ([`Log`]), and what each
//! upstream received ([`Received`]); all JSON lines. **Out**: a [`Report`]: for each rule how much was looked at and what
//! broke it. **Assumed**: nothing about the gateway; identities (device, boot, sequence) and CRC-32C are the sender's.
//!
//! The rules:
//!
//! | rule | says |
//! |---|---|
//! | `acknowledged-is-stored` | every acknowledged frame is in the log with its bytes, or is listed as dropped, or every upstream has it and the log begins later |
//! | `stored-once` | no identity is in the log twice |
//! | `every-frame-has-one-fate` | of each upstream: a stored frame its cursor has passed was received, set aside or listed as dropped |
//! | `account-adds-up` | the figures in the cursor are those of the frames it has passed |
//! | `received-was-stored` | nothing arrives that the log does not have |
//! | `one-content-per-mid` | messages with one id are the same message |
//! | `one-mid-per-frame` | a frame does not arrive under two ids |
//! | `order` | of one device on one lane, what arrives for the first time is never older than what came before |
//! | `bad-is-set-aside` | frames the sender had spoiled are never forwarded as readings |

mod input;
mod report;
mod rules;

pub use input::{Frame, Identity, InputError, Ledger, Log, Passed, Received, Sent};
pub use report::{Fate, Report, Rule};
pub use rules::check;

#[cfg(test)]
mod tests;
