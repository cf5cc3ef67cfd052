//! The wire format.
#![no_std]
#![deny(clippy::unwrap_used, clippy::indexing_slicing)]
