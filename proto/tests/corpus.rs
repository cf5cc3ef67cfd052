//! The fuzz target's corpus, run as a plain test.

mod common;

use std::fs;
use std::path::Path;

#[test]
fn every_kept_input_ends_well() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/payload");
    let mut inputs = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        common::arbitrary_bytes(&bytes);
        inputs += 1;
    }
    assert!(inputs >= 20, "{inputs} inputs");
}
