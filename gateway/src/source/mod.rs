//! Another front: telemetry from an existing broker, acknowledged to it only after it is durable.

use serde::{Deserialize, Serialize};

/// One existing broker to read from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names it in the log, in `status` and in complaints; `[A-Za-z0-9._-]{1,64}`.
    pub name: String,
    /// `mqtt://host:port` or `mqtts://host:port`.
    pub url: String,
}
