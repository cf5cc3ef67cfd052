//! Frames that were stored and cannot be understood: kept with the reason, bounded, to be read again or given up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units;

/// What is kept of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Bytes of quarantined frames; above, the oldest leave and are listed in `losses`. Default 16 MB.
    #[serde(deserialize_with = "units::size")]
    pub max: u64,
    /// How long a frame stays. Default 30 days (`720h`).
    #[serde(deserialize_with = "units::duration")]
    pub age_max: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { max: 16_000_000, age_max: Duration::from_secs(30 * 86_400) }
    }
}
