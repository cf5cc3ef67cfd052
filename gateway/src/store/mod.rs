//! 2. Records become durable: one append-only log of segment files, and a disposable state engine beside it.
//!
//! **In**: drafts, one at a time ([`Log::push`]). **Out**: offsets once they are durable ([`Log::commit`], or
//! [`Log::begin_commit`] and [`Log::end_commit`] where the next group gathers meanwhile), records in offset order to any
//! number of readers ([`Reader::next`]).
//!
//! **Invariant**: when `commit` or `end_commit` has returned an offset, every record up to it is on the medium, names of files included,
//! and every later reader sees it byte for byte, at that offset, until retention removes it. What was cut never returns.
//!
//! **Failure model**: power cuts at any moment, also during recovery; torn and reordered writes within what was not
//! synced; failing calls, after which a sync is never repeated; flipped bits and lost pages, which cost the records
//! they touch and are reported ([`Finding`]). See [`fs`] for what is assumed of the medium, [`format`] for the bytes.
//!
//! **Who calls**: one owner thread has the [`Log`], one [`retention`] thread takes segments away from its beginning, once
//! the log itself carries what they held; readers belong to whoever pulls and jump over what is gone. `store` does not
//! know what a record means.

#![deny(clippy::unwrap_used, clippy::indexing_slicing)]

pub mod format;
pub mod fs;
pub mod state;
pub mod identity;
pub mod disk;
pub mod gate;
pub mod checkpoint;
pub mod replaying;
pub mod head;
pub mod inlet;
pub mod owner;
pub mod backup;
pub mod retention;
mod carry;
mod chain;
mod config;
mod damages;
mod codec;
mod durable;
mod error;
mod folder;
mod footer;
mod pins;
mod preparer;
mod log;
mod reader;
mod recover;
pub mod repair;
mod removed;
mod salt;
mod scan;
pub mod seek;
mod segment;
mod spare;
mod verify;
mod walk;

pub use config::{Config, ENVELOPE_BYTES_MAX, LOG_FOLDER, SEGMENT_BYTES_MAX};
pub use damages::Damages;
pub use durable::Durable;
pub use error::{Damage, Finding, StoreError};
pub use footer::{Footer, FrameRange, Place, Summary, tag};
pub use fs::{Disk, Fs, FsFile};
pub use log::{Log, Options};
pub use pins::{PinGuard, Pins};
pub use reader::{Batch, Reader};
pub use recover::Recovered;
pub use verify::{Dumped, Progress, Verified, dump, verify};

#[cfg(test)]
mod tests;
