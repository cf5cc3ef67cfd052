//! What the gateway's own tools say stands in its log.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use firmware_sim::{Entry, FrameKey};
use serde_json::Value;

use crate::clock::until;
use crate::{Failure, process};

/// Longest wait for a log that can be read from end to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// How `log verify` names what a blow leaves that is no damage: what was written of a group whose sync never returned,
/// and a seal that was being written, which the records give again.
const UNFINISHED: [&str; 2] = ["unfinished end, never acknowledged", "footer is damaged, it can be rebuilt"];

/// The records seen so far, by what the ledgers know them by.
#[derive(Debug, Default)]
pub struct Stored {
    frames: HashMap<(String, u64, u64), (u64, String)>,
    retained: HashSet<(String, String)>,
    /// The last offset seen.
    last: u64,
    /// Identities stored more than once: must stay empty.
    pub repeated: Vec<String>,
}

/// What was acknowledged and is not there, or with other bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Acknowledged frames looked for.
    pub frames_looked_for: u64,
    /// Acknowledged retained messages looked for.
    pub retained_looked_for: u64,
    /// Frames missing.
    pub frames: u64,
    /// Retained messages missing.
    pub retained: u64,
    /// One of them, for a human.
    pub example: Option<String>,
}

impl Stored {
    /// Reads on in the log of `data`, behind the last record seen. A data folder without a log has none.
    ///
    /// # Errors
    /// `log dump` cannot be run or says what is no JSON.
    pub fn read_on(&mut self, data: &Path) -> Result<(), Failure> {
        if !data.join("log").is_dir() {
            return Ok(());
        }
        let from = (self.last + 1).to_string();
        let dumped = dump(&from, data).or_else(|_| {
            // A running gateway on a full disk makes and removes segments: a listed one may be gone when it is opened.
            until("a log whose segments stay while it is read", PATIENCE, || dump(&from, data).ok())
        })?;
        for line in dumped.lines() {
            self.take(&serde_json::from_str(line)?)?;
        }
        Ok(())
    }

    /// How many frames have been seen.
    pub fn frames(&self) -> u64 {
        self.frames.len() as u64
    }

    /// Looks for everything acknowledged.
    pub fn missing(&self, frames: &BTreeMap<FrameKey, Entry>, retained: &[(String, Vec<u8>)]) -> Missing {
        let mut missing = Missing::default();
        for (key, entry) in frames.iter().filter(|(_, entry)| entry.acked_ms.is_some()) {
            missing.frames_looked_for += 1;
            let identity = (key.device.to_string(), u64::from(key.boot), u64::from(key.seq));
            if self.frames.get(&identity).map(|(_, payload)| payload) != Some(&hex(&entry.payload)) {
                missing.frames += 1;
                missing.example.get_or_insert_with(|| format!("{identity:?}"));
            }
        }
        for (topic, payload) in retained {
            missing.retained_looked_for += 1;
            if !self.retained.contains(&(topic.clone(), hex(payload))) {
                missing.retained += 1;
                missing.example.get_or_insert_with(|| format!("retained {topic}"));
            }
        }
        missing
    }

    fn take(&mut self, record: &Value) -> Result<(), Failure> {
        if let Some(offset) = record["offset"].as_u64() {
            self.last = self.last.max(offset);
        }
        let text = |key: &str| record[key].as_str().map(str::to_owned).ok_or_else(|| format!("{key} in {record}"));
        let number = |key: &str| record[key].as_u64().ok_or_else(|| format!("{key} in {record}"));
        if record["kind"] == "frame" {
            let identity = (text("device")?, number("boot")?, number("seq")?);
            let (offset, payload) = (number("offset")?, text("payload")?);
            if let Some((before, other)) = self.frames.insert(identity.clone(), (offset, payload.clone())) {
                let bytes = if other == payload { "the same" } else { "other" };
                self.repeated.push(format!("{identity:?} at offsets {before} and {offset}, {bytes} bytes"));
            }
        } else if record["kind"] == "retained" {
            self.retained.insert((text("topic")?, text("payload")?));
        }
        Ok(())
    }
}

/// What `log verify` finds in a log.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Ends and seals of segments that a blow left unfinished: never acknowledged, or rebuilt. A start puts them right.
    pub(super) unfinished_ends: u64,
    /// Everything else.
    pub(super) damage: Vec<String>,
}

/// Runs `log verify` on `data`; nothing is found where there is no log.
///
/// # Errors
/// It cannot be run or does not say what it found.
pub(super) fn findings(data: &Path) -> Result<Findings, Failure> {
    let mut findings = Findings::default();
    if !data.join("log").is_dir() {
        return Ok(findings);
    }
    let output = process::run(&["log", "verify", "--json", &data.display().to_string()])?;
    let mut is_summed_up = false;
    for line in String::from_utf8(output.stdout)?.lines() {
        let said: Value = serde_json::from_str(line)?;
        is_summed_up |= said["records"].is_u64();
        match said["finding"].as_str() {
            Some(text) if UNFINISHED.iter().any(|known| text.contains(known)) => findings.unfinished_ends += 1,
            Some(text) => findings.damage.push(text.to_owned()),
            None => {}
        }
    }
    if is_summed_up {
        Ok(findings)
    } else {
        Err(format!("log verify: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
    }
}

fn dump(from: &str, data: &Path) -> Result<String, Failure> {
    let output = process::run(&["log", "dump", "--json", "--from", from, &data.display().to_string()])?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    Err(format!("log dump: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
