//! The state engine is a choice: changed in place, measured, and refused by name where the build lacks it.

use std::path::Path;

use halo_gateway::store::state::Engine;
use serde_json::Value;

use crate::harness::{complaint, run};
use crate::state::{halo_after_a_start, record};

/// Whether the binary under test was built with sled: this package's tests and its binary share their features.
fn has_sled() -> bool {
    Engine::Sled.is_built()
}

fn migrate(data: &Path, to: &str) -> std::process::Output {
    run(&["state", "migrate", "--to", to, "--data-dir", &data.display().to_string()])
}

#[test]
fn checkpoints_go_over_to_sled_and_back_and_halos_stay() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    record(folder.path(), "my-watch", 60..90);
    let moved = migrate(folder.path(), "sled");
    if !has_sled() {
        assert!(complaint(&moved).contains("--features sled"), "{}", complaint(&moved));
        assert!(Engine::Redb.path(folder.path()).exists());
        return;
    }
    assert!(moved.status.success(), "{}", complaint(&moved));
    let said = String::from_utf8_lossy(&moved.stdout).into_owned();
    assert!(said.contains("checksum") && said.contains("engine = \"sled\""), "{said}");
    assert!(!Engine::Redb.path(folder.path()).exists() && Engine::Sled.path(folder.path()).exists());
    assert_eq!(halo_after_a_start(folder.path(), "my-watch", &["state.engine=sled"]), (30, 89));
    let back = ["state", "migrate", "--to", "redb", "--json", "--data-dir", &folder.path().display().to_string()];
    let back: Value = serde_json::from_slice(&run(&back).stdout).expect("JSON");
    assert!(back["engine"] == "redb" && back["rows"]["halo"].as_u64() >= Some(1), "{back}");
    assert_eq!(back["checksum"].as_str().map(str::len), Some(8), "{back}");
    assert!(!Engine::Sled.path(folder.path()).exists());
    assert_eq!(halo_after_a_start(folder.path(), "my-watch", &[]), (30, 89));
}

#[test]
fn an_engine_the_build_lacks_is_refused_by_check() {
    let checked = run(&["check", "--set", "state.engine=sled"]);
    assert_eq!(checked.status.success(), has_sled(), "{}", complaint(&checked));
    assert!(has_sled() || complaint(&checked).contains("state.engine"), "{}", complaint(&checked));
    assert!(!run(&["check", "--set", "state.engine=rocksdb"]).status.success());
}

#[test]
fn nothing_to_migrate_is_said_and_no_folder_is_made() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let refused = migrate(&data, "redb");
    assert!(!refused.status.success() && complaint(&refused).contains("holds no log"), "{}", complaint(&refused));
    assert!(!data.exists());
}

/// It was said to lack sled, and to be told to take redb, which is what had been asked for.
#[test]
fn a_build_without_sled_says_of_what_it_cannot_read_whose_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    record(folder.path(), "my-watch", 60..62);
    let said = complaint(&migrate(folder.path(), "redb"));
    assert!(said.contains("state.sled is not there: nothing to migrate"), "{said}");
    if has_sled() {
        return;
    }
    std::fs::create_dir(Engine::Sled.path(folder.path())).expect("made");
    let said = complaint(&migrate(folder.path(), "redb"));
    assert!(
        said.contains("state.sled is the state engine sled's, which this halo-gateway was built without"),
        "{said}"
    );
    assert!(!said.contains("take \"redb\"") && Engine::Sled.path(folder.path()).exists(), "{said}");
}

#[test]
fn the_comparison_prints_machine_settings_and_figures() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().display().to_string();
    let arguments = ["state", "compare", "--rows", "300", "--runs", "1", "--dir", &dir];
    let table = run(&arguments);
    assert!(table.status.success(), "{}", complaint(&table));
    // It damages files on purpose, and redb panics on them.
    assert!(!complaint(&table).contains("panicked at"), "{}", complaint(&table));
    let text = String::from_utf8_lossy(&table.stdout).into_owned();
    for wanted in ["cores, Linux", "300 rows of 1000 bytes, 500 a commit", "| rebuild after damage, ms |"] {
        assert!(text.contains(wanted), "{text} lacks {wanted:?}");
    }
    let json = run(&[&arguments[..], &["--json"]].concat());
    let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["engines"][0]["engine"], "redb");
    assert!(json["engines"][0]["bytes"].as_u64() > Some(300_000), "{json}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 0, "nothing is left behind");
}
