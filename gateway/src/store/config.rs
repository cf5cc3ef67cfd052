//! The store's part of the configuration.

use std::sync::Arc;

use serde::Deserialize;

use super::Options;
use crate::metrics::Metrics;

/// Folder of the log within the data folder.
pub const LOG_FOLDER: &str = "log";

/// Smallest room a segment may have: below it a full group would not fit.
pub const SEGMENT_BYTES_MIN: u64 = 16 << 10;

/// How the log is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Room per segment file, bytes, allocated in advance; smaller ones make retention finer. Default 16,777,216;
    /// at least 16,384.
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
