//! Reads the records of a few devices out of a log that may be long, by the footers of its sealed segments.
//!
//! **In**: a data folder's log and what is [`Wanted`]: names of devices or topics, a subject, a span of time.
//! **Out**: every record the log has of them, in offset order, with the place it stands at ([`Found`]).
//!
//! **Invariant**: nothing that is wanted is passed over. A segment is left unread only when its footer says that it has
//! none of the names, or that all of it was written outside the span; one whose footer is missing, damaged or of an
//! earlier version is walked through from its first record, and so is the one being written.
//!
//! **Failure model**: the folder may be in use: nothing is written, segments may be sealed or removed meanwhile, and what
//! is seen of the last one is what was whole when the search began. A record that cannot be read is a finding.

mod archive;
mod contents;
mod records;

pub use archive::{Archive, Found, Sought, Wanted};

#[cfg(test)]
mod tests;
