//! TLS as a client: what whoever connects out proves, and whom it believes. The only place that reads certificates for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// Where Linux systems keep the authorities they trust, the first that exists: Debian and Alpine, Red Hat, SUSE.
const SYSTEM_BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

/// Why there is no TLS configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or is no PEM.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: pem::Error,
    },
    /// A file that should hold certificates holds none.
    #[error("{path} holds no certificate")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A certificate without its key, or a key without its certificate.
    #[error("a client certificate needs both cert and key")]
    Half,
    /// No authority was named, and the system names none.
    #[error("no ca is configured, and this system keeps none at {}", SYSTEM_BUNDLES.join(", "))]
    NoAuthorities,
    /// The certificate and the key do not go together, or are of a kind that is not understood.
    #[error("client certificate and key: {0}")]
    Certificate(rustls::Error),
    /// An authority is not understood, or the protocol versions are not to be had.
    #[error("certificate authorities: {0}")]
    Authority(rustls::Error),
}

/// Believes servers vouched for by an authority of `ca` (a PEM file; `None`: the system's), and presents `cert` with
/// `key` (PEM files, both or neither). TLS 1.2 and 1.3, by ring.
///
/// # Errors
/// [`TlsError`], naming the file.
pub fn client_config(
    ca: Option<&Path>,
    cert: Option<&Path>,
    key: Option<&Path>,
) -> Result<Arc<ClientConfig>, TlsError> {
    // Named, because two providers in one build leave rustls without a default one.
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Authority)?;
    let builder = builder.with_root_certificates(authorities(ca)?);
    let config = match (cert, key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert), Some(key)) => {
            let of_file = |error| TlsError::File { path: key.to_owned(), error };
            let key = PrivateKeyDer::from_pem_file(key).map_err(of_file)?;
            builder.with_client_auth_cert(certificates(cert)?, key).map_err(TlsError::Certificate)?
        }
        _ => return Err(TlsError::Half),
    };
    Ok(Arc::new(config))
}

fn authorities(ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(TlsError::Authority)?;
        }
        return Ok(roots);
    }
    let bundle = SYSTEM_BUNDLES.iter().map(Path::new).find(|path| path.exists()).ok_or(TlsError::NoAuthorities)?;
    // Bundles hold the odd authority that is not understood; the others count.
    roots.add_parsable_certificates(certificates(bundle)?);
    if roots.is_empty() { Err(TlsError::NoAuthorities) } else { Ok(roots) }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let of_file = |error| TlsError::File { path: path.to_owned(), error };
    let found = CertificateDer::pem_file_iter(path).map_err(of_file)?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(of_file)?;
    if found.is_empty() { Err(TlsError::NoCertificate { path: path.to_owned() }) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn a_client_is_configured_from_pem_files_and_what_is_wrong_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let cert = written(folder.path(), "cert.pem", &made.cert.pem());
        let key = written(folder.path(), "key.pem", &made.signing_key.serialize_pem());
        let config = client_config(Some(&cert), Some(&cert), Some(&key)).unwrap();
        assert!(config.client_auth_cert_resolver.has_certs());

        let said = |ca: &Path, key: Option<&Path>| client_config(Some(ca), Some(&cert), key).unwrap_err().to_string();
        assert!(said(&folder.path().join("none.pem"), Some(&key)).contains("none.pem"));
        assert!(said(&key, Some(&key)).contains("key.pem holds no certificate"));
        assert!(said(&cert, Some(&cert)).contains("cert.pem"));
        assert_eq!(said(&cert, None), "a client certificate needs both cert and key");
    }
}
