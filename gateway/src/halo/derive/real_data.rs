//! Recorded data, which lies beside the project and never in it.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// A file of recorded data; none, loudly, where this machine does not have it.
pub(in crate::halo) fn text(folder: &str, file: &str) -> Option<String> {
    let root = std::env::var_os("HALO_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")), PathBuf::from);
    let path = root.join(folder).join(file);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{}: {error}", path.display());
            eprintln!("SKIP: {}: {error}; set HALO_DATA", path.display());
            None
        }
    }
}

/// The rows of a table by the names of its columns.
pub(super) fn rows(csv: &str) -> Vec<BTreeMap<&str, &str>> {
    let mut lines = csv.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').map(str::trim).collect();
    lines.map(|line| names.iter().copied().zip(line.split(',').map(str::trim)).collect()).collect()
}
