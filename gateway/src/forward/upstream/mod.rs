//! Brokers far away: each with its own cursor into the log, its own lanes and its own troubles.

use serde::{Deserialize, Serialize};

/// One broker far away.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names its cursor, also in `status` and in complaints; `[A-Za-z0-9._-]{1,64}`. A new name is a new cursor.
    pub name: String,
    /// `mqtt://host:port` or `mqtts://host:port`.
    pub url: String,
}
