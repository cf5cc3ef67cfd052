//! Situations worth telling of: rules, zones, offers and settings that belong together, each with a simulated fleet in
//! which it happens. What is in a file of `gateway/situations/` is what anybody can run by hand; nothing here adds to it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::admin::Command;
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::record::SubjectKind;
use crate::units::parse_duration;
use crate::units::when;

mod table;
#[cfg(test)]
mod tests;

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
        let lines = self.setup.lines().filter(|line| !line.trim().is_empty());
        let command = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let known = self.command(&words);
            known.ok_or_else(|| SituationError::Setup { situation: self.name, line: line.to_owned() })
        };
        lines.map(command).collect()
    }

    /// What is to be said while it is played, each line after so long: its file `NAME.later`, if it has one.
    ///
    /// # Errors
    /// [`SituationError::Setup`].
    pub fn later(&self) -> Result<Vec<Later>, SituationError> {
        let lines = self.files.iter().filter(|(name, _)| name.ends_with(".later")).flat_map(|(_, text)| text.lines());
        let moment = |line: &str| {
            let (after, rest) = line.split_once(' ')?;
            let command = self.command(&rest.split_whitespace().collect::<Vec<_>>())?;
            Some(Later { after: parse_duration(after).ok()?, line: rest.to_owned(), command })
        };
        let known = |line: &str| {
            moment(line).ok_or_else(|| SituationError::Setup { situation: self.name, line: line.to_owned() })
        };
        lines.filter(|line| !line.trim().is_empty()).map(known).collect()
    }

    fn command(&self, words: &[&str]) -> Option<Command> {
        Some(match words {
            ["device", "assign", device, subject, "--kind", kind, "--from", from, "--until", until] => {
                let (from_ms, until_ms) = (Some(time(from)?), Some(time(until)?));
                let (device, subject) = ((*device).to_owned(), (*subject).to_owned());
                Command::Assign { device, subject, kind: kind_of(kind)?, from_ms, until_ms }
            }
            ["device", "replace", old, new] => {
                Command::Replace { old: (*old).to_owned(), new: (*new).to_owned(), at_ms: None }
            }
            ["subject", "merge", from, into] => Command::Merge { from: (*from).to_owned(), into: (*into).to_owned() },
            ["offers", "load", organisation, table, file] => {
                let (_, payload) = self.files.iter().find(|(name, _)| name == file)?;
                let (organisation, table) = ((*organisation).to_owned(), (*table).to_owned());
                Command::LoadOffers { organisation, table, payload: (*payload).to_owned() }
            }
            ["subject", "relate", of, subject, "--kind", kind] => {
                let [of, subject, kind] = [of, subject, kind].map(|word| (*word).to_owned());
                Command::Relate { of, subject, kind, from_ms: None, until_ms: None }
            }
            ["subject", "set", subject, "--kind", kind, settings @ ..] => set(subject, Some(kind_of(kind)?), settings)?,
            ["subject", "set", subject, settings @ ..] => set(subject, None, settings)?,
            _ => return None,
        })
    }
}

fn set(subject: &str, kind: Option<SubjectKind>, settings: &[&str]) -> Option<Command> {
    let pair = |setting: &&str| setting.split_once('=').map(|(name, value)| (name.to_owned(), Some(value.to_owned())));
    let settings = settings.iter().map(pair).collect::<Option<_>>()?;
    Some(Command::Set { subject: subject.to_owned(), kind, settings })
}

/// Unix milliseconds, of a time as it is typed: `now-16h`, `now+1h`.
fn time(word: &str) -> Option<i64> {
    Some(when::parse(word).ok()?.at(Clock::system().now().wall_ms))
}

fn kind_of(word: &str) -> Option<SubjectKind> {
    serde_json::from_value(json!(word)).ok()
}

/// Several in one configuration: rules, assignments and the rest stand side by side, zones in one file.
///
/// # Errors
/// [`SituationError`].
pub fn load(situations: &[&Situation], folder: &Path) -> Result<Config, SituationError> {
    let (mut whole, mut zones) = (toml::Table::new(), Vec::new());
    for situation in situations {
        let part: toml::Table = toml::from_str(situation.config).map_err(|error| ConfigError::Syntax {
            origin: format!("{}.toml", situation.name),
            message: error.to_string(),
        })?;
        merge(&mut whole, part);
        let maps = situation.files.iter().filter(|(name, _)| name.ends_with(".geojson"));
        for zone in maps.flat_map(|(_, text)| features(text)) {
            if !zones.contains(&zone) {
                zones.push(zone);
            }
        }
        situation.files.iter().try_for_each(|(name, text)| write(folder, name, text).map(drop))?;
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
