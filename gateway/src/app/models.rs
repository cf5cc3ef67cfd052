//! The models that the configuration names, read once at the start.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::config::ModelFiles;
use crate::halo::{ModelError, Models};

/// Largest file looked at; what a model may have is less.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Why a configured model is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// It cannot be read.
    #[error("halo.models.{key}: {}: {source}", path.display())]
    Unreadable {
        /// Of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no model.
    #[error("halo.models.{key}: {}: {source}", path.display())]
    Refused {
        /// Of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        source: ModelError,
    },
}

/// Those of this build, but for the files given.
///
/// # Errors
/// [`ModelsError`], naming key, file and place: a gateway with half a model does not start.
pub(super) fn read(files: &ModelFiles) -> Result<Models, ModelsError> {
    let models = Models::default();
    let Some(path) = &files.turbofan else { return Ok(models) };
    let key = "turbofan";
    let bytes = model_bytes(path).map_err(|source| ModelsError::Unreadable { key, path: path.clone(), source })?;
    models.with_turbofan(&bytes).map_err(|source| ModelsError::Refused { key, path: path.clone(), source })
}

/// A file's bytes, no more than it takes to see that it is too long.
pub(crate) fn model_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &[u8] = include_bytes!("../../models/turbofan-fd001.model");

    fn refused(name: &str, bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        let error = read(&ModelFiles { turbofan: Some(path.clone()) }).expect_err("no model").to_string();
        let told = error.strip_prefix(&format!("halo.models.turbofan: {}: ", path.display()));
        told.unwrap_or_else(|| panic!("{error} does not name the key and the file")).to_owned()
    }

    #[test]
    fn a_model_that_is_none_is_refused_by_key_file_and_reason() {
        assert_eq!(refused("a", b"[halo]"), "file does not begin as a model does");
        assert_eq!(refused("b", &SHIPPED[..30]), "model file ends after 30 bytes, its header alone has 50");
        let cut = refused("c", &SHIPPED[..SHIPPED.len() - 1]);
        assert!(cut.starts_with("model file has a body of "), "{cut}");
        let mut newer = SHIPPED.to_vec();
        newer[12] = 9;
        assert!(refused("d", &newer).starts_with("model file has format 9, this build reads "));
        let mut flipped = SHIPPED.to_vec();
        flipped[1_000] ^= 1;
        assert_eq!(refused("e", &flipped), "model file is damaged: its checksum does not match");
        let large = refused("f", &[SHIPPED, &vec![0; 2 << 20]].concat());
        assert!(large.ends_with("bytes, at most 1048576 are read"), "{large}");
    }

    #[test]
    fn a_file_that_is_not_there_is_told_and_none_is_the_model_of_this_build() {
        let path = PathBuf::from("/nowhere/at/all.model");
        let error = read(&ModelFiles { turbofan: Some(path) }).expect_err("not there").to_string();
        assert!(error.starts_with("halo.models.turbofan: /nowhere/at/all.model: "), "{error}");
        read(&ModelFiles::default()).expect("that of this build");
    }

    #[test]
    fn what_run_would_refuse_check_refuses() {
        let mut config = crate::config::Config::default();
        config.halo.models.turbofan = Some("/nowhere/at/all.model".into());
        let error = crate::app::admission(&config).expect_err("not there").to_string();
        assert!(error.starts_with("halo.models.turbofan: /nowhere/at/all.model: "), "{error}");
    }
}
