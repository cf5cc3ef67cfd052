//! The file of accounts: read whole and checked whole, written whole and synced before it replaces the old one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::accounts::Accounts;

/// Largest file taken: 100,000 devices need about 12 MB.
const BYTES_MAX: u64 = 64 << 20;

/// Why a file of accounts was not taken, or not written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Others may read or write it.
    #[error("accounts {path}: others may read or write it (mode {mode:04o}): chmod 600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Something in it is wrong; `message` names line and column.
    #[error("accounts {path}: {message}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// The system says so.
    #[error("accounts {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Reads the accounts; a file that is not there holds none.
///
/// # Errors
/// [`FileError`] by variant.
pub fn read(path: &Path) -> Result<Accounts, FileError> {
    let failed = |source| FileError::Io { path: path.to_owned(), source };
    let mut file = match File::open(path) {
        Ok(file) => file,
        // A folder that is no folder is for whoever makes it to complain about.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Accounts::default());
        }
        Err(error) => return Err(failed(error)),
    };
    let (mode, len) = file.metadata().map(|metadata| (metadata.mode() & 0o7777, metadata.len())).map_err(failed)?;
    if mode & 0o077 != 0 {
        return Err(FileError::Open { path: path.to_owned(), mode });
    }
    let content = |message: String| FileError::Content { path: path.to_owned(), message };
    if len > BYTES_MAX {
        return Err(content(format!("it has {len} bytes, limit is {BYTES_MAX}")));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    let accounts: Accounts = toml::from_str(&text).map_err(|error| content(without_secrets(&error, &text)))?;
    accounts.check().map_err(content)?;
    Ok(accounts)
}

/// Place and words of the parser, without the line itself: it may hold a secret.
fn without_secrets(error: &toml::de::Error, text: &str) -> String {
    let at = error.span().map_or(0, |span| span.start).min(text.len());
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
    format!("line {line}, column {column}: {}", error.message())
}

/// Replaces the file: written beside it for the owner's eyes only, synced, renamed, the folder synced.
///
/// # Errors
/// [`FileError::Io`]: the old file stands.
pub fn write(path: &Path, accounts: &Accounts) -> Result<(), FileError> {
    let failed = |source| FileError::Io { path: path.to_owned(), source };
    let text = toml::to_string(accounts)
        .map_err(|error| FileError::Content { path: path.to_owned(), message: error.to_string() })?;
    let unfinished = path.with_extension("toml.new");
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).map_err(failed)?;
    let heading =
        "# Written by halo-gateway (passwd, user, role, device token); changes by hand count from the next start.\n";
    file.write_all(heading.as_bytes()).and_then(|()| file.write_all(text.as_bytes())).map_err(failed)?;
    file.sync_all().and_then(|()| std::fs::rename(&unfinished, path)).map_err(failed)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::{hash_password, new_token};
    use super::*;
    use crate::auth::Token;

    fn refusal(text: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read_again_and_only_the_owner_may_look() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts.toml");
        let mut accounts: Accounts = toml::from_str("[role.reader]\nsubscribe = ['halo/v1/#']\n").unwrap();
        accounts
            .device
            .insert("w-1".to_owned().try_into().unwrap(), Token { token_sha256: new_token().unwrap().digest });
        write(&path, &accounts).unwrap();
        write(&path, &accounts).unwrap();
        assert_eq!(read(&path).unwrap(), accounts);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("mode 0644") && error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_bad_line_is_named_with_line_and_column_and_its_secret_is_not_repeated() {
        let hash = String::from(hash_password("password1").unwrap());
        let bad = [
            ("[user.anna]\npassword = \"\"\n", "line 2, column 12", "argon2id"),
            ("[user.anna]\npassword = \"hunter22\"\n", "line 2, column 12", "argon2id"),
            ("[user.anna]\npassword = \"$argon2id$v=19\"\n", "line 2, column 12", "argon2id"),
            ("[user.anna]\n", "line 1", "password"),
            ("[user.\"a/b\"]\npassword = \"x\"\n", "line 1", "is no name"),
            ("[user.\"#\"]\npassword = \"x\"\n", "line 1", "is no name"),
            ("[device.w-1]\ntoken_sha256 = \"\"\n", "line 2, column 16", "64 hexadecimal"),
            ("[device.w-1]\ntoken_sha256 = \"zz\"\n", "line 2", "64 hexadecimal"),
            ("[role.r]\npublish = [\"a#\"]\n", "line 2", "not a topic filter"),
            ("[role.r]\ndevices = [\"\"]\n", "line 2", "beginning of a device id"),
            ("[users.anna]\n", "line 1, column 2", "users"),
            ("[user.anna\n", "line 1", ""),
        ];
        for (text, place, words) in bad {
            let error = refusal(text);
            assert!(error.contains(place) && error.contains(words), "{text:?} gave {error}");
            assert!(!error.contains("hunter22"), "{error}");
        }
        let role = refusal(&format!("[user.anna]\npassword = \"{hash}\"\nroles = [\"chief\"]\n"));
        assert!(role.contains("\"chief\", which does not exist"), "{role}");
        let digest = "0".repeat(64);
        let twice = refusal(&format!("[user.w]\npassword = \"{hash}\"\n[device.w]\ntoken_sha256 = \"{digest}\"\n"));
        assert!(twice.contains("is a user and a device"), "{twice}");
    }

    #[test]
    fn no_file_is_no_accounts() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(&folder.path().join("none.toml")).unwrap().is_empty());
    }
}
