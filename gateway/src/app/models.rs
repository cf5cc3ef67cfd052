//! The models that the configuration names, read once at the start.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use halo_proto::registry;

use crate::config::{Halo, ModelFiles, OnnxModel};
use crate::halo::{Input, ModelError, Models, derived_kind};
use crate::ingest::own::is_signal_name;

/// Largest file looked at; what a model may have is less.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Most models of one's own; each has a thread.
const ONNX_MAX: usize = 16;
/// Most numbers one takes.
const INPUTS_MAX: usize = 256;
/// Longest time of one inference: the river waits for it, of each subject.
const LIMIT_MAX: Duration = Duration::from_millis(100);
/// The same where nothing waits.
#[cfg(feature = "onnx")]
const SHOW_MAX: Duration = Duration::from_secs(5);
/// Longest unit, bytes, as of signals.
const UNIT_BYTES_MAX: usize = 32;

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
    /// An entry of `halo.models.onnx` asks for what cannot be.
    #[error("halo.models.onnx[{index}].{key}: {problem}")]
    Entry {
        /// Which.
        index: usize,
        /// Of the entry.
        key: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A file of `halo.models.onnx` is of no use.
    #[error("halo.models.onnx[{index}].file: {}: {problem}", path.display())]
    Onnx {
        /// Which.
        index: usize,
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        problem: String,
    },
    /// This build has no runtime for them.
    #[error(
        "halo.models.onnx: this build reads no ONNX models: `cargo build --release --features onnx` makes one that does"
    )]
    NotBuilt,
}

/// Those of this build, but for the files given.
///
/// # Errors
/// [`ModelsError`], naming key, file and place: a gateway with half a model does not start.
pub(crate) fn read(files: &ModelFiles) -> Result<Models, ModelsError> {
    let models = brought(Models::default(), &files.onnx)?;
    let Some(path) = &files.turbofan else { return Ok(models) };
    let key = "turbofan";
    let bytes = model_bytes(path).map_err(|source| ModelsError::Unreadable { key, path: path.clone(), source })?;
    models.with_turbofan(&bytes).map_err(|source| ModelsError::Refused { key, path: path.clone(), source })
}

/// With the entries of `halo.models.onnx`, which are looked at before their files are.
fn brought(models: Models, entries: &[OnnxModel]) -> Result<Models, ModelsError> {
    if entries.is_empty() {
        return Ok(models);
    }
    if entries.len() > ONNX_MAX {
        let problem = format!("there are {}, at most {ONNX_MAX} are run", entries.len());
        return Err(ModelsError::Entry { index: ONNX_MAX, key: "name", problem });
    }
    let inputs: Result<Vec<_>, _> = (0..).zip(entries).map(|(index, entry)| checked(index, entry, entries)).collect();
    built(models, entries, inputs?)
}

/// What an entry takes, if all it asks for can be.
fn checked(index: usize, entry: &OnnxModel, entries: &[OnnxModel]) -> Result<Vec<Input>, ModelsError> {
    let OnnxModel { name, unit, inputs, limit, .. } = entry;
    let refused = |key, problem: String| Err(ModelsError::Entry { index, key, problem });
    if !is_signal_name(name) {
        return refused("name", format!("{name:?} is not of the form [A-Za-z0-9._-]{{1,64}}"));
    }
    if derived_kind(name).is_some() {
        return refused("name", format!("{name:?} is derived by this gateway itself; give it another name"));
    }
    if entries.iter().take(index).any(|before| before.name == *name) {
        return refused("name", format!("{name:?} is another's already"));
    }
    if unit.len() > UNIT_BYTES_MAX || !unit.bytes().all(|byte| byte.is_ascii_graphic()) {
        return refused("unit", format!("{unit:?} is no unit of at most {UNIT_BYTES_MAX} printable characters"));
    }
    if limit.is_zero() || *limit > LIMIT_MAX {
        return refused("limit", format!("{limit:?} is out of range, wanted more than none and at most {LIMIT_MAX:?}"));
    }
    if inputs.is_empty() || inputs.len() > INPUTS_MAX {
        return refused("inputs", format!("has {} paths, wanted 1 to {INPUTS_MAX}", inputs.len()));
    }
    let read = inputs.iter().map(|path| path.parse::<Input>()).collect::<Result<_, _>>();
    read.or_else(|problem| refused("inputs", problem))
}

#[cfg(feature = "onnx")]
fn built(models: Models, entries: &[OnnxModel], inputs: Vec<Vec<Input>>) -> Result<Models, ModelsError> {
    use super::onnx::Model;
    use crate::halo::Brought;

    let mut all = Vec::with_capacity(entries.len());
    for ((index, entry), inputs) in entries.iter().enumerate().zip(inputs) {
        let path = &entry.file;
        let refused = |problem: String| ModelsError::Onnx { index, path: path.clone(), problem };
        let bytes = onnx_bytes(path).map_err(refused)?;
        let model = Model::load(bytes, inputs.len(), entry.output, entry.limit);
        let model = model.map_err(|error| refused(error.to_string()))?;
        all.push(Brought::new(entry.name.clone(), entry.unit.clone(), inputs, Box::new(model)));
    }
    Ok(models.with_brought(all))
}

#[cfg(not(feature = "onnx"))]
fn built(_: Models, _: &[OnnxModel], _: Vec<Vec<Input>>) -> Result<Models, ModelsError> {
    Err(ModelsError::NotBuilt)
}

/// What an ONNX file says of itself, and how long an inference takes; none where it does not say how many numbers it takes.
#[cfg(feature = "onnx")]
pub(crate) fn onnx_facts(path: &Path) -> Result<(super::onnx::Facts, Option<Result<Duration, String>>), String> {
    use super::onnx::{Facts, Model};

    let bytes = onnx_bytes(path)?;
    let facts = Facts::read(&bytes).map_err(|error| error.to_string())?;
    let model = facts.numbers().map(|inputs| Model::load(bytes, inputs, 0, SHOW_MAX));
    let took = model.map(|model| model.map(|it| it.took()).map_err(|error| error.to_string()));
    Ok((facts, took))
}

#[cfg(feature = "onnx")]
fn onnx_bytes(path: &Path) -> Result<Vec<u8>, String> {
    use super::onnx::FILE_BYTES_MAX;

    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("has more than the {} MB that are read", FILE_BYTES_MAX >> 20));
    }
    Ok(bytes)
}

/// Inputs of models that nobody is known to tell: devices may send signals that no configuration knows.
pub(super) fn warnings(halo: &Halo) -> Vec<String> {
    let mut warnings = Vec::new();
    for (index, entry) in halo.models.onnx.iter().enumerate() {
        let unknown = |input: &Input| match (input.signal(), input.derived()) {
            (Some(name), _) => registry::signal_named(name).is_none() && halo.signals.iter().all(|it| it.name != *name),
            (_, Some(name)) => {
                derived_kind(name).is_none() && halo.models.onnx.iter().take(index).all(|it| it.name != *name)
            }
            _ => false,
        };
        for path in entry.inputs.iter().filter(|path| path.parse().is_ok_and(|input| unknown(&input))) {
            warnings.push(format!(
                "halo.models.onnx[{index}]: nothing is known of {path}: {} is told only of subjects that have it",
                entry.name
            ));
        }
    }
    warnings
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
        let error = read(&ModelFiles { turbofan: Some(path.clone()), ..ModelFiles::default() })
            .expect_err("no model")
            .to_string();
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
        let error =
            read(&ModelFiles { turbofan: Some(path), ..ModelFiles::default() }).expect_err("not there").to_string();
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

    fn entry(name: &str, inputs: &[&str]) -> OnnxModel {
        let inputs = inputs.iter().map(|path| (*path).to_owned()).collect();
        let (file, limit) = ("/nowhere/at/all.onnx".into(), Duration::from_millis(10));
        OnnxModel { name: name.to_owned(), file, unit: String::new(), inputs, output: 0, limit }
    }

    fn refused_entry(entry: OnnxModel) -> String {
        let files = ModelFiles { onnx: vec![self::entry("first", &["signals.a.value"]), entry], turbofan: None };
        read(&files).expect_err("refused").to_string()
    }

    #[test]
    fn an_entry_that_asks_for_what_cannot_be_is_refused_by_its_key_before_its_file_is_looked_at() {
        let path = "signals.a.value";
        let good = || entry("engine.wear", &[path]);
        let far = OnnxModel { limit: Duration::from_secs(2), ..good() };
        let refusals = [
            (entry("engine.rul", &[path]), "name: \"engine.rul\" is derived by this gateway itself"),
            (entry("first", &[path]), "name: \"first\" is another's already"),
            (entry("a b", &[path]), "name: \"a b\" is not of the form"),
            (entry("x", &["signals.a"]), "inputs: \"signals.a\" is no number of a halo; those are signals.NAME.value"),
            (entry("x", &[]), "inputs: has 0 paths, wanted 1 to 256"),
            (entry("x", &[path; 257]), "inputs: has 257 paths"),
            (OnnxModel { unit: "a b".to_owned(), ..good() }, "unit: \"a b\" is no unit"),
            (OnnxModel { limit: Duration::ZERO, ..good() }, "limit: 0ns is out of range"),
            (far, "limit: 2s is out of range, wanted more than none and at most 100ms"),
        ];
        for (entry, reason) in refusals {
            let error = refused_entry(entry);
            assert!(error.starts_with(&format!("halo.models.onnx[1].{reason}")), "{error}");
        }
        let many = (0..17).map(|n| entry(&format!("m{n}"), &[path])).collect();
        let error = read(&ModelFiles { onnx: many, turbofan: None }).expect_err("refused").to_string();
        assert_eq!(error, "halo.models.onnx[16].name: there are 17, at most 16 are run");
    }

    #[test]
    fn a_build_without_the_runtime_says_so_and_one_with_it_names_the_file() {
        let error = refused_entry(entry("engine.wear", &["signals.a.value"]));
        if cfg!(feature = "onnx") {
            assert!(error.starts_with("halo.models.onnx[0].file: /nowhere/at/all.onnx: "), "{error}");
        } else {
            assert!(error.contains("this build reads no ONNX models") && error.contains("--features onnx"), "{error}");
        }
    }

    #[test]
    fn inputs_that_nobody_is_known_to_tell_are_worth_a_word() {
        let mut halo = Halo::default();
        halo.signals.push(crate::ingest::own::OwnSignal { name: "tyre".to_owned(), ..Default::default() });
        let known = ["signals.heart_rate.value", "signals.tyre.value", "derived.engine.rul.low", "derived.first.value"];
        let unknown = ["signals.nobody.value", "derived.second.value"];
        halo.models.onnx = vec![entry("first", &known[..3]), entry("second", &[&known[..], &unknown[..]].concat())];
        let told = warnings(&halo);
        assert_eq!(told.len(), 2, "{told:?}");
        for (told, path) in told.iter().zip(unknown) {
            let wanted = format!("halo.models.onnx[1]: nothing is known of {path}: second is told only of subjects");
            assert!(told.starts_with(&wanted), "{told}");
        }
    }

    #[test]
    fn a_rule_may_name_what_a_model_tells_and_nothing_near_it() {
        let checked = |name: &str| {
            let text = format!(
                "[[halo.models.onnx]]\nname = 'engine.wear'\nfile = 'a.onnx'\ninputs = ['signals.egt.value']\n\
                 [[rule]]\nname = 'worn'\nwhen = 'a.derived[\"{name}\"].value > 1.0'\n"
            );
            let config: crate::config::Config = toml::from_str(&text).expect("a configuration");
            config.validate().map_err(|error| error.to_string())
        };
        assert_eq!(checked("engine.wear"), Ok(()));
        let error = checked("engine.wears").expect_err("no such signal");
        assert!(error.contains("did you mean \"engine.wear\"?"), "{error}");
    }
}
