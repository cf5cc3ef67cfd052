//! A disk whose power can be cut, in user space: what was not flushed is gone, as behind a drive's volatile cache.
//!
//! ```text
//! program ─▶ ext4 or xfs ─▶ loop device ─▶ nbdfuse ─▶ nbdkit: write-back cache (volatile) ─▶ file (the medium)
//!                                                       kill -9 is the power cut ▲
//! ```
//!
//! **In**: which file system, and which [`Fault`] the disk may be told to have. **Out**: a mounted folder. **Invariant**:
//! after [`Disk::cut_power`] and [`Disk::power_up`] the folder holds what the medium had got by completed flushes, and
//! of a flush that was under way any part; nothing else of the stack survives. **Failure model**: needs root, `/dev/fuse`
//! and loop devices, see [`is_possible_or_skip`]; every wait has an end; everything is taken down on drop, and what a
//! killed test run has left behind is taken down by the next [`Disk`].
//!
//! Several disks may live side by side.

mod disk;
mod stack;
mod stale;

pub use disk::{Disk, Fault, FileSystem, Setup, is_possible_or_skip};
