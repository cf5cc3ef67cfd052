//! Who may connect, and how it is protected.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Who may connect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// File of accounts, written by `halo-gateway passwd` and `device token`. Default: `accounts.toml` in the data folder.
    pub accounts: Option<PathBuf>,
    /// Nobody is anonymous, on loopback neither. Default false: on loopback who gives no password is let in, though never
    /// for a device or under a name or client id that has an account.
    pub required: bool,
}

/// `[gateway.tls]`: a second MQTT listener, under TLS 1.2 or 1.3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Its address; port 8883 is customary.
    pub address: SocketAddr,
    /// PEM file of the certificate, followed by the chain up to a root that clients know.
    pub cert: PathBuf,
    /// PEM file of its private key.
    pub key: PathBuf,
}
