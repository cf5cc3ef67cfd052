//! How `mqtts` is trusted: the authorities of one file, or those of this program's users' choice; optionally a certificate
//! of our own. rustls with the ring provider, named explicitly: nothing here depends on a process-wide default.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::config::Config;

/// Reads the files of a configuration, at every connect: a renewed certificate is in use from the next one on.
///
/// # Errors
/// Which file, and what is wrong with it.
pub(super) fn client_config(config: &Config) -> Result<Arc<ClientConfig>, String> {
    let ca = config.ca.as_deref().ok_or("ca is missing: mqtts trusts the authorities of this file and no others")?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca", ca)? {
        roots.add(certificate).map_err(|error| format!("ca {}: {error}", ca.display()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("tls: {error}"))?
        .with_root_certificates(roots);
    let built = match (&config.cert, &config.key) {
        (Some(cert), Some(file)) => {
            let key = PrivateKeyDer::from_pem_file(file).map_err(|error| format!("key {}: {error}", file.display()))?;
            builder
                .with_client_auth_cert(certificates("cert", cert)?, key)
                .map_err(|error| format!("cert {}: {error}", cert.display()))?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(built))
}

fn certificates(what: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{what} {}: {error}", file.display());
    let read = CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))?;
    let all = read.collect::<Result<Vec<_>, _>>().map_err(|error| wrong(&error))?;
    if all.is_empty() { Err(wrong(&"holds no certificate")) } else { Ok(all) }
}
