//! Where clients and administrators come in.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::StartError;
use crate::admin::{self, Desk, Door};
use crate::broker::{self, BindError, Broker};
use crate::config::Config;

/// Listeners that are bound, and nobody served yet.
pub(super) struct Listeners {
    pub(super) address: SocketAddr,
    pub(super) tls_address: Option<SocketAddr>,
    plain: TcpListener,
    secured: Option<(TcpListener, Arc<rustls::ServerConfig>)>,
}

impl Listeners {
    pub(super) fn bind(config: &Config, tls: Option<Arc<rustls::ServerConfig>>) -> Result<Self, StartError> {
        let plain = broker::bind(config.gateway.mqtt)?;
        let address = plain.local_addr().map_err(|error| BindError::Io { addr: config.gateway.mqtt, error })?;
        let secured = match (&config.gateway.tls, tls) {
            (Some(tls), Some(server)) => Some((broker::bind(tls.address)?, server)),
            _ => None,
        };
        let tls_address = secured.as_ref().and_then(|(listener, _)| listener.local_addr().ok());
        Ok(Self { address, tls_address, plain, secured })
    }

    /// As URLs.
    pub(super) fn urls(&self) -> Vec<String> {
        let tls = self.tls_address.map(|address| format!("mqtts://{address}"));
        std::iter::once(format!("mqtt://{}", self.address)).chain(tls).collect()
    }

    /// Serves clients on `tracker` until `stop`.
    pub(super) fn serve(self, broker: Broker, tracker: &TaskTracker, stop: &CancellationToken) {
        if let Some((listener, server)) = self.secured {
            let serving = broker.clone().serve_tls(listener, server, tracker.clone(), stop.clone());
            drop(tracker.spawn(serving));
        }
        drop(tracker.spawn(broker.serve(self.plain, tracker.clone(), stop.clone())));
    }
}

/// Serves administration on `tracker` until `stop`. Devices matter more than their administration: without it the
/// gateway runs all the same.
pub(super) fn open_door(folder: &Path, tools: admin::Tools, tracker: &TaskTracker, stop: &CancellationToken) {
    match Door::open(folder) {
        Ok(door) => drop(tracker.spawn(door.serve(Arc::new(Desk::new(tools)), tracker.clone(), stop.clone()))),
        Err(error) => warn!(%error, "nobody can administer this gateway while it runs"),
    }
}
