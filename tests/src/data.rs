//! Real series with independently computed expectations; they are not part of the project.

use std::path::{Path, PathBuf};

/// A file or folder of the data: below `$HALO_DATA`, else below `../shared/data` beside the repository.
pub fn find(relative: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let root = std::env::var_os("HALO_DATA").map_or_else(beside, PathBuf::from);
    Some(root.join(relative)).filter(|path| path.exists())
}

/// The same, or a loud skip.
pub fn find_or_skip(relative: &str) -> Option<PathBuf> {
    let found = find(relative);
    if found.is_none() {
        crate::skip(&format!("real data {relative} is neither below $HALO_DATA nor in ../shared/data"));
    }
    found
}
