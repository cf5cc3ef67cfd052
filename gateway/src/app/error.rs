//! Why the gateway does not start.

use crate::auth;
use crate::broker::BindError;
use crate::config::ConfigError;
use crate::forward::upstream;
use crate::recovery::RecoveryError;
use crate::source::SourceError;
use crate::store::StoreError;

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The listener.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Others could reach it, and there are no accounts yet.
    #[error(
        "{wrong}: make one with `halo-gateway passwd USER {place}` or `halo-gateway device token DEVICE {place}`, or listen on 127.0.0.1:{port}"
    )]
    NoAccounts {
        /// What is asked for.
        wrong: BindError,
        /// The flags that name the place of the accounts.
        place: String,
        /// Of the listener.
        port: u16,
    },
    /// The accounts.
    #[error(transparent)]
    Accounts(#[from] auth::FileError),
    /// The devices' keys.
    #[error(transparent)]
    Keys(#[from] crate::ingest::keys::KeysError),
    /// A model that halos are rendered with.
    #[error(transparent)]
    Models(#[from] super::models::ModelsError),
    /// A rule.
    #[error(transparent)]
    Rules(#[from] crate::spark::RuleError),
    /// Cohorts of the configuration.
    #[error(transparent)]
    Cohorts(#[from] crate::spark::CohortError),
    /// Certificate and key.
    #[error(transparent)]
    Tls(#[from] auth::TlsError),
    /// The data folder.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The log, once it was open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An existing broker to read from.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// An upstream.
    #[error(transparent)]
    Upstream(#[from] upstream::StartError),
    /// A thread.
    #[error("start thread: {0}")]
    Thread(std::io::Error),
}
