//! What can be told of a start without starting: who may connect, and what is odd about the configuration.

use std::path::Path;
use std::sync::Arc;

use super::{StartError, models};
use crate::config::Config;
use crate::forward::upstream;
use crate::halo::Models;
use crate::store::LOG_FOLDER;
use crate::{auth, broker};

/// Who may connect, the certificate, and the models: everything that `check` can tell of a start without starting.
///
/// # Errors
/// [`StartError`]: `run` would refuse it too.
pub fn admission(config: &Config) -> Result<(auth::Accounts, Option<Arc<rustls::ServerConfig>>, Models), StartError> {
    upstream::check(&config.upstream)?;
    config.check_no_loop()?;
    config.ingest.read_keys()?;
    let models = models::read(&config.halo.models)?;
    let accounts = auth::read(&config.accounts_file())?;
    let tls = config.gateway.tls.as_ref();
    if accounts.is_empty() {
        for address in std::iter::once(config.gateway.mqtt).chain(tls.map(|tls| tls.address)) {
            let unreachable = |wrong| StartError::NoAccounts { wrong, place: place(config), port: address.port() };
            broker::check_loopback(address).map_err(unreachable)?;
        }
    }
    Ok((accounts, tls.map(auth::load_tls).transpose()?, models))
}

/// The flags with which a command finds the accounts of this configuration, as they are typed.
fn place(config: &Config) -> String {
    let (folder, accounts) = (&config.gateway.data_dir, config.auth.accounts.as_deref());
    let file = accounts.map_or_else(String::new, |file| format!(" --accounts {}", typed(file)));
    let is_new = !folder.join(LOG_FOLDER).is_dir() && !folder.join(auth::ACCOUNTS_FILE).exists();
    format!("--data-dir {}{file}{}", typed(folder), if is_new { " --create" } else { "" })
}

/// A path as a shell takes it.
fn typed(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@,:".contains(&byte);
    let plain = !text.is_empty() && text.bytes().all(is_plain);
    if plain { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
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
    warnings.extend(models::warnings(&config.halo));
    if config.auth.required && accounts.is_empty() {
        warnings.push("auth.required is set and there are no accounts: nobody can connect".to_owned());
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_needs_accounts_is_told_a_command_that_can_be_typed_as_it_stands() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut config = Config::default();
        config.gateway.mqtt = ([0, 0, 0, 0], 1883).into();
        config.gateway.data_dir = folder.path().join("anna's data");
        let told = |config: &Config| admission(config).expect_err("refused").to_string();
        let shown = format!("'{}/anna'\\''s data' --create`", folder.path().display());
        let error = told(&config);
        assert!(error.starts_with("listening on 0.0.0.0:1883 needs authentication"), "{error}");
        assert!(error.contains(&format!("passwd USER --data-dir {shown}")), "{error}");
        assert!(error.contains(&format!("device token DEVICE --data-dir {shown}")), "{error}");
        assert!(error.ends_with("or listen on 127.0.0.1:1883"), "{error}");
        std::fs::create_dir_all(config.gateway.data_dir.join(LOG_FOLDER)).expect("made");
        config.auth.accounts = Some("/etc/halo/accounts".into());
        let error = told(&config);
        assert!(error.contains("s data' --accounts /etc/halo/accounts`"), "{error}");
    }
}
