//! The store's part of the configuration.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Options;
use crate::metrics::Metrics;
use crate::units;

/// Folder of the log within the data folder.
pub const LOG_FOLDER: &str = "log";

/// Largest room a segment may have: a whole one is read to find its end after a crash.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// What a record needs beside a packet's bytes: headers, names and their definitions.
pub const ENVELOPE_BYTES_MAX: u64 = 8 << 10;

/// How the log is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Room per segment file, allocated in advance; smaller ones make retention finer. Default 16 MiB; at least twice
    /// `broker.packet_bytes_max` and 16 KB, at most 1 GiB.
    #[serde(deserialize_with = "units::size")]
    pub segment_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { segment_bytes: Options::default().segment_bytes }
    }
}

impl Config {
    /// What the log is opened with.
    pub fn options(&self, metrics: Arc<Metrics>) -> Options {
        Options { segment_bytes: self.segment_bytes, metrics, ..Options::default() }
    }
}
