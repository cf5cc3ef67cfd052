//! 1. Publishes become records.
//!
//! **In:** one [`Publish`] at a time (a device, a channel, bytes, an arrival) and every [`Record`](crate::record::Record)
//! of the log. **Out:** the body to append, or "stored already", or a refusal; decisions that records have made due.
//!
//! **Order of calls.** The owner of the log does, for each publish: [`Ingest::connect`], append and apply its body if
//! there is one, [`Ingest::admit`], append the body and [`Ingest::apply`] its record; then, before a group is committed,
//! [`Ingest::owed`], append and apply each. At start: [`Ingest::load`] the checkpoint, apply every record after it, and
//! go on; what `owed` returns then are only decisions whose causes are in the log without them.
//!
//! **Invariant.** The replayed state is a function of the records applied: the same from the first record, or from any
//! checkpoint and the rest. `admit` decides and changes nothing of it; `apply` changes it and decides nothing. No I/O,
//! no clock; time comes with publishes and records.
//!
//! **Bytes from outside** are stored whatever they say. A payload that cannot be understood is a frame record like any
//! other and makes a quarantine due; nothing a device sends makes ingest panic or grow without bound: 8 boots, 256
//! ranges, 4,096 checksums, 4,096 plain points and 8 schemas a device, and a limit on devices.
//!
//! **Failure.** There is no undo. After a failed commit the state has run ahead of the log: the owner takes
//! [`Ingest::into_live`], rebuilds from the checkpoint and the durable log, and [`Ingest::resume`]s.
//!
//! **Duplicates.** A native frame is known by (device, boot, sequence) and its bytes. A plain payload is known when all
//! of its points (device, signal, time, value) are; one with a single new point is stored whole. A plain payload
//! without a time of its own has no identity: sent twice, or sent again by MQTT after a lost acknowledgement, it is two
//! readings. Send `time` where that matters.
//!
//! **What becomes of a frame** that cannot be understood: it stands in the [`quarantine`] until a birth or an
//! administrator has it read again, or until it is given up; the [`losses`] say what was given up, and what never came.
//! [`FrameAccount`] adds it up: a stored frame is read, or quarantined, expired or discarded, and may be dropped.
//!
//! [`readings`] is what later stages read a stored frame with; [`sequence`], [`assign`] and [`schemas`] are shared with
//! the fold.

mod decimal;
pub mod sequence;
mod duplicates;
mod clocks;
pub mod zones;
pub mod quiet;
pub mod people;
pub mod assign;
mod plain;
mod senml;
mod native;
pub mod keys;
pub mod schemas;
pub mod own;
pub mod readings;
pub mod locate;
pub mod offers;
mod checkpoint;
mod facts;
mod device;
pub mod quarantine;
pub mod losses;
mod owed;
mod live;
pub mod answers;
mod publish;
mod machine;
pub mod policy;

pub use checkpoint::{LoadError, Row};
pub use live::Live;
pub use machine::{FrameAccount, Ingest, Known};
pub use publish::{Admission, Channel, Publish, Settings};
