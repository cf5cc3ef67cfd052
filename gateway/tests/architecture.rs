//! The folder list is the picture of the flow: a module may use those listed above it in `lib.rs`, never those below.

use std::fs;
use std::path::{Path, PathBuf};

fn modules_in_flow_order() -> Vec<String> {
    let lib = fs::read_to_string(source("lib.rs")).expect("lib.rs is readable");
    lib.lines()
        .filter_map(|line| line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod ")))
        .map(|rest| rest.trim_end_matches(';').to_owned())
        .collect()
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(name)
}

fn files_of(module: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![source(module)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    files.extend(Some(source(&format!("{module}.rs"))).filter(|file| file.exists()));
    files
}

/// Tests may look anywhere.
fn is_test(file: &Path) -> bool {
    let inside = file.strip_prefix(source("")).unwrap_or(file);
    inside.ends_with("tests.rs") || inside.components().any(|part| part.as_os_str() == "tests")
}

/// The code of a file without its comments, its blanks and its test module: tests may look anywhere.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("a source file is readable");
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<String>().replace(' ', "")
}

fn uses(code: &str, module: &str) -> bool {
    let direct = format!("crate::{module}");
    let named = |at: usize| !code[at + direct.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let grouped = code.split("crate::{").skip(1).filter_map(|rest| rest.split(';').next());
    code.match_indices(&direct).any(|(at, _)| named(at))
        || grouped.into_iter().any(|list| list.split([',', '{', '}', ':']).any(|word| word == module))
}

#[test]
fn a_module_uses_only_the_modules_above_it() {
    let order = modules_in_flow_order();
    assert!(order.len() >= 8, "lib.rs lists its modules, found {order:?}");
    let mut offences = Vec::new();
    for (place, module) in order.iter().enumerate() {
        for file in files_of(module).iter().filter(|file| !is_test(file)) {
            let code = code(file);
            let below = order[place + 1..].iter().filter(|below| uses(&code, below));
            offences.extend(below.map(|below| format!("{} uses `{below}`, which is below `{module}`", file.display())));
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn only_the_demo_names_the_simulator() {
    for module in modules_in_flow_order().iter().filter(|module| *module != "demo") {
        for file in files_of(module).iter().filter(|file| !is_test(file)) {
            assert!(!code(file).contains("firmware_sim"), "{} names the simulator crate", file.display());
        }
    }
}

#[test]
fn the_rule_sees_plain_and_grouped_imports() {
    assert!(uses("usecrate::halo::Fold;", "halo"));
    assert!(uses("usecrate::{record::Record,halo::Fold};", "halo"));
    assert!(!uses("usecrate::halogen::Lamp;", "halo"));
    assert!(!uses("usecrate::record::Record;", "halo"));
}
