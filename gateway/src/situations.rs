//! Situations worth telling of: rules, zones, offers and settings that belong together, each with a simulated fleet in
//! which it happens. What is in a file of `gateway/situations/` is what anybody can run by hand; nothing here adds to it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::admin::Command;
use crate::config::{Config, ConfigError};

mod staged;
mod table;
#[cfg(test)]
mod tests;

pub use staged::{Names, Staged};
use table::SITUATIONS;

/// One situation.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// What to type.
    pub name: &'static str,
    /// What happens, in a sentence.
    pub says: &'static str,
    /// Its configuration, TOML.
    pub config: &'static str,
    /// Commands of `halo-gateway` that make it ready, one a line.
    pub setup: &'static str,
    /// Files that configuration and commands name: zones, tables of offers.
    pub files: &'static [(&'static str, &'static str)],
    /// Who takes part; none where the simulator has no such device.
    pub fleet: Option<Cast>,
}

/// A scenario of the simulator, as far as it is played.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// The simulator's name for it.
    pub scenario: &'static str,
    /// How many devices.
    pub devices: u32,
    /// Device time, seconds.
    pub lasting_s: u64,
    /// Times faster than real time.
    pub compression: u32,
}

/// Something that is said to the gateway while a situation is played.
#[derive(Debug)]
pub struct Later {
    /// So long after its devices have begun.
    pub after: Duration,
    /// As it would be typed after `halo-gateway`.
    pub line: String,
    /// The same.
    pub command: Command,
}

/// Why a situation is not ready.
#[derive(Debug, thiserror::Error)]
pub enum SituationError {
    /// Its files could not be written.
    #[error("{path}: {source}")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not one that this build takes.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A line of its commands.
    #[error("{situation}.setup: {line:?} is no command that is known here")]
    Setup {
        /// Of which situation.
        situation: &'static str,
        /// The line.
        line: String,
    },
}

/// All of them, the most telling first.
pub fn all() -> &'static [Situation] {
    &SITUATIONS
}

/// The one of that name.
pub fn named(name: &str) -> Option<&'static Situation> {
    SITUATIONS.iter().find(|situation| situation.name == name)
}

impl Situation {
    /// Writes its files into a folder and loads its configuration from there.
    ///
    /// # Errors
    /// [`SituationError`].
    pub fn load(&self, folder: &Path) -> Result<Config, SituationError> {
        load(&[self], folder)
    }

    /// What is to be said to a running gateway to make it ready.
    ///
    /// # Errors
    /// [`SituationError::Setup`].
    pub fn commands(&self) -> Result<Vec<Command>, SituationError> {
        Staged::from(self).commands()
    }

    /// What is to be said while it is played, each line after so long: its file `NAME.later`, if it has one.
    ///
    /// # Errors
    /// [`SituationError::Setup`].
    pub fn later(&self) -> Result<Vec<Later>, SituationError> {
        Staged::from(self).later()
    }
}

/// Several in one configuration: rules, assignments and the rest stand side by side, zones in one file.
///
/// # Errors
/// [`SituationError`].
pub fn load(situations: &[&Situation], folder: &Path) -> Result<Config, SituationError> {
    load_staged(&situations.iter().map(|situation| Staged::from(*situation)).collect::<Vec<_>>(), folder)
}

/// The same, with devices by the names they have here.
///
/// # Errors
/// [`SituationError`].
pub fn load_staged(all: &[Staged<'_>], folder: &Path) -> Result<Config, SituationError> {
    let (mut whole, mut zones) = (toml::Table::new(), Vec::new());
    for staged in all {
        let situation = staged.situation();
        let part: toml::Table = toml::from_str(&staged.text(situation.config)).map_err(|error| {
            ConfigError::Syntax { origin: format!("{}.toml", situation.name), message: error.to_string() }
        })?;
        merge(&mut whole, part);
        let maps = situation.files.iter().filter(|(name, _)| name.ends_with(".geojson"));
        for zone in maps.flat_map(|(_, text)| features(text)) {
            if !zones.contains(&zone) {
                zones.push(zone);
            }
        }
        situation.files.iter().try_for_each(|(name, text)| write(folder, name, &staged.text(text)).map(drop))?;
    }
    let mut sets = Vec::new();
    if !zones.is_empty() {
        let map = json!({"type": "FeatureCollection", "features": zones});
        let path = write(folder, "zones.geojson", &map.to_string())?;
        sets.push(format!("halo.zones.file={}", toml::Value::String(path.display().to_string())));
    }
    let file = write(folder, "situation.toml", &whole.to_string())?;
    Ok(Config::load(Some(&file), [], &sets)?)
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, SituationError> {
    let path = folder.join(name);
    match fs::write(&path, text) {
        Ok(()) => Ok(path),
        Err(source) => Err(SituationError::Unwritable { path, source }),
    }
}

fn features(map: &str) -> Vec<Value> {
    let map: Value = serde_json::from_str(map).unwrap_or_default();
    map["features"].as_array().cloned().unwrap_or_default()
}

/// Sections are merged, lists joined without repeating what is there; of anything else the last counts.
fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(section)), toml::Value::Table(more)) => merge(section, more),
            (Some(toml::Value::Array(list)), toml::Value::Array(more)) => {
                let new: Vec<_> = more.into_iter().filter(|entry| !list.contains(entry)).collect();
                list.extend(new);
            }
            (_, value) => drop(into.insert(key, value)),
        }
    }
}
