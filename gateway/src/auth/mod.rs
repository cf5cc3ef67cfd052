//! Who somebody is and what they may do: deny by default, decided from the authenticated name and nothing else.

use std::path::PathBuf;

use serde::Deserialize;

/// Who may connect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// File of accounts, written by `halo-gateway passwd` and `device token`. Default: `accounts.toml` in the data folder.
    pub accounts: Option<PathBuf>,
}
