//! `backup.json`: what a backup holds.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ACCOUNTS_FILE, About, REMOVED_NAME, SKIPPED_FILE};
use crate::record::Offset;
use crate::store::identity::IDENTITY_FILE;
use crate::store::{LOG_FOLDER, segment};

/// Its name in the folder of the backup.
pub const MANIFEST: &str = "backup.json";
/// The format this program writes, and the newest it reads.
pub(super) const FORMAT: u32 = 1;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// The gateway's id.
    pub gateway: String,
    /// The version of the program that wrote it.
    pub version: String,
    /// The text of the identity file, in case that is damaged.
    pub identities: String,
    /// The last record.
    pub durable: u64,
    /// When (RFC 3339).
    pub time: String,
    /// Every file but this one.
    pub files: Vec<Entry>,
}

/// One file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its path below the folder of the backup.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// The CRC-32C of its bytes.
    pub crc32c: u32,
}

impl Manifest {
    pub(super) fn new(about: &About, durable: Offset, files: Vec<Entry>) -> Self {
        let time = Timestamp::from_millisecond(about.time.wall_ms);
        Self {
            format: FORMAT,
            gateway: about.gateway.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            identities: about.identities.text(),
            durable: durable.0,
            time: time.map_or_else(|_| "unknown".to_owned(), |time| format!("{time:.3}")),
            files,
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("text and numbers can be written")
    }

    /// Reads one; what is wrong with it, if it is none.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| format!("{MANIFEST}: {error}"))?;
        if manifest.format > FORMAT {
            let found = manifest.format;
            return Err(format!("{MANIFEST} has format {found}, this program reads up to {FORMAT}: use a newer one"));
        }
        match manifest.files.iter().find(|file| !is_name_of_ours(&file.name)) {
            Some(file) => Err(format!("{MANIFEST} names {:?}, which no backup holds", file.name)),
            None => Ok(manifest),
        }
    }
}

/// A name from a file must not lead out of the folder.
fn is_name_of_ours(name: &str) -> bool {
    let is_segment = |rest: &str| rest.strip_prefix('/').and_then(segment::number).is_some();
    [IDENTITY_FILE, ACCOUNTS_FILE, REMOVED_NAME, SKIPPED_FILE].contains(&name)
        || name.strip_prefix(LOG_FOLDER).is_some_and(is_segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_of_the_folder_are_refused() {
        for name in ["../identity", "/etc/passwd", "log/../../x", "log/1.seg", "log", "", "log0000000000000001.seg"] {
            assert!(!is_name_of_ours(name), "{name}");
        }
        assert!(is_name_of_ours("log/0000000000000001.seg") && is_name_of_ours("identity"));
    }
}
