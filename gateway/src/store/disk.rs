//! How much disk the gateway takes, and what it does before that is too much.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units;

/// Bounds of the data folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The data folder never takes more than this. Default 10 GB; at least eight segments.
    #[serde(deserialize_with = "units::size")]
    pub max: u64,
    /// What stays free of the volume, whatever `max` allows. Default 256 MB.
    #[serde(deserialize_with = "units::size")]
    pub reserve: u64,
    /// How long what every upstream has confirmed is kept for looking back, room permitting. Default 7 days (`168h`).
    #[serde(deserialize_with = "units::duration")]
    pub keep: Duration,
    /// Devices (by how their ids begin) whose unforwarded frames may be dropped, oldest first, before new ones are
    /// refused. Default none: new frames are refused, devices keep them.
    pub drop_oldest: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max: 10_000_000_000,
            reserve: 256_000_000,
            keep: Duration::from_secs(7 * 86_400),
            drop_oldest: Vec::new(),
        }
    }
}
