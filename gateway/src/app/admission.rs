//! What can be told of a start without starting: who may connect, and what is odd about the configuration.

use std::sync::Arc;

use super::StartError;
use crate::config::Config;
use crate::forward::upstream;
use crate::{auth, broker};

/// Who may connect, and the certificate: everything that `check` can tell of a start without starting.
///
/// # Errors
/// [`StartError`]: `run` would refuse it too.
pub fn admission(config: &Config) -> Result<(auth::Accounts, Option<Arc<rustls::ServerConfig>>), StartError> {
    upstream::check(&config.upstream)?;
    config.check_no_loop()?;
    config.ingest.read_keys()?;
    let accounts = auth::read(&config.accounts_file())?;
    let tls = config.gateway.tls.as_ref();
    if accounts.is_empty() {
        broker::check_loopback(config.gateway.mqtt)?;
        tls.map_or(Ok(()), |tls| broker::check_loopback(tls.address))?;
    }
    Ok((accounts, tls.map(auth::load_tls).transpose()?))
}

/// What is allowed and yet worth a word to whoever configured it.
pub fn warnings(config: &Config, accounts: &auth::Accounts) -> Vec<String> {
    let mut warnings = Vec::new();
    if !config.gateway.mqtt.ip().is_loopback() {
        let address = config.gateway.mqtt;
        warnings.push(format!(
            "gateway.mqtt = {address}: passwords and tokens travel in clear there; offer [gateway.tls] and keep gateway.mqtt on loopback"
        ));
    }
    warnings.extend(config.disk.warning(config.quarantine.max, config.store.segment_bytes));
    if config.auth.required && accounts.is_empty() {
        warnings.push("auth.required is set and there are no accounts: nobody can connect".to_owned());
    }
    warnings
}
