//! What a long run leaves behind: figures, seeds, the machine it ran on and the commit, as one JSON document.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use crate::Failure;

/// The machine, without its name.
pub fn machine() -> Value {
    let line = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let found = text.lines().find(|line| line.starts_with(key)).and_then(|line| line.split_once(':'));
        found.map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "cpu": line("/proc/cpuinfo", "model name"),
        "memory": line("/proc/meminfo", "MemTotal"),
        "kernel": kernel.trim().split('-').next(),
    })
}

/// The commit of the working folder, with a mark when there are changes; as it was when first asked for, because a
/// long run outlives commits.
pub fn commit() -> &'static str {
    static COMMIT: OnceLock<String> = OnceLock::new();
    COMMIT.get_or_init(look_up_commit)
}

fn look_up_commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| !changes.is_empty());
    if changed { format!("{commit} with changes") } else { commit }
}

/// Writes `fields`, the machine and the commit to `file` when one is wanted, and returns the document.
///
/// # Errors
/// The file cannot be written.
pub fn write(file: Option<&Path>, fields: Map<String, Value>) -> Result<Value, Failure> {
    let mut document = fields;
    document.insert("machine".to_owned(), machine());
    document.insert("commit".to_owned(), json!(commit()));
    let document = Value::Object(document);
    if let Some(file) = file {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, format!("{document:#}\n"))?;
    }
    Ok(document)
}
