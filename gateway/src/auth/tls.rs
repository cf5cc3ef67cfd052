//! The TLS listener's certificate and key: TLS 1.2 and 1.3, ring's cipher suites, no client certificates, no early data.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::config::Tls;

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One of the files.
    #[error("gateway.tls: {path}: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The files are no pair.
    #[error("gateway.tls: {cert} and {key} do not make a server: {error}")]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls said.
        error: rustls::Error,
    },
}

/// Reads certificate and key.
///
/// # Errors
/// [`TlsError`], naming the file.
pub fn load(config: &Tls) -> Result<Arc<ServerConfig>, TlsError> {
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&config.cert).and_then(|certificates| certificates.collect());
    let chain = chain.map_err(|error| file(&config.cert, &error, "certificate"))?;
    if chain.is_empty() {
        return Err(file(&config.cert, &PemError::NoItemsFound, "certificate"));
    }
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(|error| file(&config.key, &error, "private key"))?;
    let pair = |error| TlsError::Pair { cert: config.cert.clone(), key: config.key.clone(), error };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(pair)?;
    builder.with_no_client_auth().with_single_cert(chain, key).map(Arc::new).map_err(pair)
}

fn file(path: &Path, error: &PemError, what: &str) -> TlsError {
    let problem = match error {
        PemError::Io(error) => error.to_string(),
        PemError::NoItemsFound => format!("holds no {what} in PEM form"),
        other => other.to_string(),
    };
    TlsError::File { path: path.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_empty_or_foreign_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let config = Tls { address: "127.0.0.1:0".parse().unwrap(), cert: cert.clone(), key: key.clone() };
        let refusal = || load(&config).unwrap_err().to_string();
        assert!(refusal().contains("cert.pem: No such file"), "{}", refusal());
        std::fs::write(&cert, "").unwrap();
        assert!(refusal().contains("cert.pem: holds no certificate"), "{}", refusal());
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, "").unwrap();
        assert!(refusal().contains("key.pem: holds no private key"), "{}", refusal());
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&key, other.signing_key.serialize_pem()).unwrap();
        assert!(refusal().contains("do not make a server"), "{}", refusal());
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        assert!(load(&config).is_ok());
    }
}
