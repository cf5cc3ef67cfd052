//! What makes a situation ready, read from its files: with devices by the names they have where it is played.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Later, Situation, SituationError};
use crate::admin::Command;
use crate::clock::Clock;
use crate::record::SubjectKind;
use crate::units::parse_duration;
use crate::units::when;

/// Names of devices where a situation is played, by those that its files give them.
pub type Names = BTreeMap<String, String>;

/// A situation, and how its devices are named where it is played.
#[derive(Clone, Debug)]
pub struct Staged<'s> {
    situation: &'s Situation,
    names: Names,
}

impl<'s> From<&'s Situation> for Staged<'s> {
    fn from(situation: &'s Situation) -> Self {
        Self::new(situation, Names::new())
    }
}

impl<'s> Staged<'s> {
    /// Devices that are not among `names` keep theirs.
    pub fn new(situation: &'s Situation, names: Names) -> Self {
        Self { situation, names }
    }

    /// What is played.
    pub fn situation(&self) -> &'s Situation {
        self.situation
    }

    /// As [`Situation::commands`].
    ///
    /// # Errors
    /// [`SituationError::Setup`].
    pub fn commands(&self) -> Result<Vec<Command>, SituationError> {
        let setup = self.text(self.situation.setup);
        let lines = setup.lines().filter(|line| !line.trim().is_empty());
        lines.map(|line| self.command(line).ok_or_else(|| self.unknown(line))).collect()
    }

    /// As [`Situation::later`].
    ///
    /// # Errors
    /// [`SituationError::Setup`].
    pub fn later(&self) -> Result<Vec<Later>, SituationError> {
        let files = self.situation.files.iter().filter(|(name, _)| name.ends_with(".later"));
        let texts: Vec<String> = files.map(|(_, text)| self.text(text)).collect();
        let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| !line.trim().is_empty());
        lines.map(|line| self.moment(line).ok_or_else(|| self.unknown(line))).collect()
    }

    /// A text of its files, with devices as they are named here.
    pub(super) fn text(&self, text: &str) -> String {
        if self.names.is_empty() {
            return text.to_owned();
        }
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let mut renamed = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(from) = rest.find(is_of_name) {
            let (before, word) = rest.split_at(from);
            let (word, after) = word.split_at(word.find(|c| !is_of_name(c)).unwrap_or(word.len()));
            renamed.push_str(before);
            renamed.push_str(self.names.get(word).map_or(word, String::as_str));
            rest = after;
        }
        renamed + rest
    }

    fn unknown(&self, line: &str) -> SituationError {
        SituationError::Setup { situation: self.situation.name, line: line.to_owned() }
    }

    fn moment(&self, line: &str) -> Option<Later> {
        let (after, rest) = line.split_once(' ')?;
        let command = self.command(rest)?;
        Some(Later { after: parse_duration(after).ok()?, line: rest.to_owned(), command })
    }

    fn command(&self, line: &str) -> Option<Command> {
        Some(match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["device", "assign", device, subject, "--kind", kind, "--from", from, "--until", until] => {
                let (from_ms, until_ms) = (Some(time(from)?), Some(time(until)?));
                let (device, subject) = (device.to_owned(), subject.to_owned());
                Command::Assign { device, subject, kind: kind_of(kind)?, from_ms, until_ms }
            }
            ["device", "replace", old, new] => {
                Command::Replace { old: old.to_owned(), new: new.to_owned(), at_ms: None }
            }
            ["subject", "merge", from, into] => Command::Merge { from: from.to_owned(), into: into.to_owned() },
            ["offers", "load", organisation, table, file] => {
                let (_, payload) = self.situation.files.iter().find(|(name, _)| *name == file)?;
                let (organisation, table) = (organisation.to_owned(), table.to_owned());
                Command::LoadOffers { organisation, table, payload: self.text(payload) }
            }
            ["subject", "relate", of, subject, "--kind", kind] => {
                let [of, subject, kind] = [of, subject, kind].map(str::to_owned);
                Command::Relate { of, subject, kind, from_ms: None, until_ms: None }
            }
            ["subject", "set", subject, "--kind", kind, ref settings @ ..] => {
                set(subject, Some(kind_of(kind)?), settings)?
            }
            ["subject", "set", subject, ref settings @ ..] => set(subject, None, settings)?,
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
