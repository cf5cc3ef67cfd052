//! The three inputs, read line by line; a line that is not understood is an error, never skipped.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

/// Which frame: device, boot, sequence.
pub type Identity = (String, u64, u64);

/// Why an input cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{what}, line {line}: {problem}")]
pub struct InputError {
    what: &'static str,
    line: usize,
    problem: String,
}

/// What the sender knows of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// CRC-32C of its bytes.
    pub crc: u32,
    /// Whether its acknowledgement came. A frame sent with QoS 0 is never acknowledged.
    pub acknowledged: bool,
    /// Whether the sender had spoiled it.
    pub bad: bool,
}

/// The sender's ledger: one line a frame (`device, boot, seq, crc, sent_ms, acked_ms, qos, bad`), or the simulator's
/// events (`e: sent | acked | refused | dropped`).
#[derive(Clone, Debug, Default)]
pub struct Ledger(pub BTreeMap<Identity, Sent>);

#[derive(Deserialize)]
struct LedgerLine {
    e: Option<String>,
    device: String,
    boot: u64,
    seq: u64,
    #[serde(alias = "crc32c")]
    crc: Option<u32>,
    acked_ms: Option<i64>,
    qos: Option<u8>,
    #[serde(default)]
    bad: bool,
}

impl Ledger {
    /// Reads JSON lines.
    ///
    /// # Errors
    /// A line is no JSON, lacks a field, or acknowledges what was never sent.
    pub fn read(text: &str) -> Result<Self, InputError> {
        let mut frames: BTreeMap<Identity, Sent> = BTreeMap::new();
        for_each_line("ledger", text, |line: LedgerLine| {
            let identity = (line.device, line.boot, line.seq);
            match line.e.as_deref() {
                None | Some("sent") => {
                    let crc = line.crc.ok_or("crc is missing")?;
                    let acknowledged = line.acked_ms.is_some() && line.qos != Some(0);
                    let frame = frames.entry(identity).or_insert(Sent { crc, acknowledged, bad: line.bad });
                    frame.acknowledged |= acknowledged;
                    if frame.crc == crc { Ok(()) } else { Err("other bytes under an identity sent before".to_owned()) }
                }
                Some("acked") => {
                    let frame = frames.get_mut(&identity).ok_or("acknowledged before it was sent")?;
                    frame.acknowledged = true;
                    Ok(())
                }
                Some("refused" | "dropped") => Ok(()),
                Some(other) => Err(format!("e is {other:?}, wanted sent, acked, refused or dropped")),
            }
        })?;
        Ok(Self(frames))
    }
}

/// A frame in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where.
    pub offset: u64,
    /// Whose.
    pub device: String,
    /// Which, for a frame that numbers itself.
    pub identity: Option<Identity>,
    /// CRC-32C of its bytes.
    pub crc: u32,
}

/// How far an upstream's cursor is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Everything up to here, except `backfill`, is done with.
    pub live: u64,
    /// Stretches still to be made up for, both ends inclusive.
    pub backfill: Vec<(u64, u64)>,
    /// Frames it says were forwarded, quarantined and dropped.
    pub account: (u64, u64, u64),
}

impl Passed {
    /// Whether the cursor is done with this offset.
    pub fn covers(&self, offset: u64) -> bool {
        offset <= self.live && !self.backfill.iter().any(|(first, last)| (*first..=*last).contains(&offset))
    }
}

/// What stands in the gateway's log, from `log dump --json`.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// The first offset there is; above 1 once retention has removed segments.
    pub first: Option<u64>,
    /// Frames, by offset.
    pub frames: BTreeMap<u64, Frame>,
    /// Offsets of frames set aside and not read since.
    pub quarantined: BTreeSet<u64>,
    /// Frames read again from quarantine: where the frame stands, and the record that says so. Its id stays the frame's.
    pub replayed: BTreeMap<u64, u64>,
    /// Stretches of frames deleted before every upstream had them: device, boot, first and last sequence.
    pub dropped: Vec<(String, u64, u64, u64)>,
    /// The newest cursor of each consumer.
    pub cursors: BTreeMap<String, Passed>,
    /// Damage the dump came across.
    pub findings: Vec<String>,
}

impl Log {
    /// Reads JSON lines.
    ///
    /// # Errors
    /// A line is no JSON or lacks a field.
    pub fn read(text: &str) -> Result<Self, InputError> {
        let mut log = Self::default();
        log.read_on(text)?;
        Ok(log)
    }

    /// Adds what came since: a log whose beginning is deleted while it grows is read piece by piece.
    ///
    /// # Errors
    /// A line is no JSON or lacks a field.
    pub fn read_on(&mut self, text: &str) -> Result<(), InputError> {
        for_each_line("log", text, |record: Value| self.take(&record))
    }

    /// Whether a frame is listed as dropped.
    pub fn lists_as_dropped(&self, (device, boot, seq): &Identity) -> bool {
        self.dropped
            .iter()
            .any(|(of, its_boot, first, last)| of == device && its_boot == boot && (*first..=*last).contains(seq))
    }

    /// The record by which an upstream gets a frame: the frame's own, or the one that says it was read again.
    pub(crate) fn goes_by(&self, frame: u64) -> u64 {
        self.replayed.get(&frame).copied().unwrap_or(frame)
    }

    fn take(&mut self, record: &Value) -> Result<(), String> {
        let number = |key: &str| record[key].as_u64().ok_or_else(|| format!("{key} is missing"));
        let text = |key: &str| record[key].as_str().map(str::to_owned).ok_or_else(|| format!("{key} is missing"));
        let kind = text("kind")?;
        if kind == "finding" {
            self.findings.push(text("what")?);
            return Ok(());
        }
        let offset = number("offset")?;
        self.first = Some(self.first.map_or(offset, |first| first.min(offset)));
        match kind.as_str() {
            "frame" => {
                let numbers = record["boot"].as_u64().zip(record["seq"].as_u64());
                let device = text("device")?;
                let identity = numbers.map(|(boot, seq)| (device.clone(), boot, seq));
                let crc = crc32c::crc32c(&bytes(&text("payload")?)?);
                self.frames.insert(offset, Frame { offset, device, identity, crc });
            }
            "quarantine" => {
                self.quarantined.insert(number("cause")?);
            }
            "replayed" => {
                self.quarantined.remove(&number("cause")?);
                self.replayed.insert(number("cause")?, offset);
            }
            "dropped" => self.dropped.push((text("device")?, number("boot")?, number("first")?, number("last")?)),
            "cursor" => {
                let backfill = serde_json::from_value(record["backfill"].clone()).map_err(|error| error.to_string())?;
                let account = (number("forwarded")?, number("quarantined")?, number("dropped")?);
                self.cursors.insert(text("consumer")?, Passed { live: number("live")?, backfill, account });
            }
            _ => {}
        }
        Ok(())
    }
}

/// A message of the kind readings, as an upstream got it.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its id.
    pub mid: String,
    /// Where the frame stands in the log, as the id says.
    pub offset: u64,
    /// Which frame, if it numbers itself.
    pub identity: Option<Identity>,
    /// Whose.
    pub device: String,
    /// `live` or `backfill`.
    pub lane: String,
    /// Everything it says except its lane: a repeat may come on another one.
    pub content: Value,
}

/// What one upstream received, in order, repeats included: documents of schema `readings/1`; of others only the ids are
/// looked at.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Readings.
    pub messages: Vec<Message>,
    /// Everything else that has an id: the id and the document.
    pub others: Vec<(String, Value)>,
}

impl Received {
    /// Reads JSON lines, one document a line as it came.
    ///
    /// # Errors
    /// A line is no JSON or lacks a field.
    pub fn read(text: &str) -> Result<Self, InputError> {
        let mut received = Self::default();
        received.read_on(text)?;
        Ok(received)
    }

    /// Adds what came since.
    ///
    /// # Errors
    /// A line is no JSON or lacks a field.
    pub fn read_on(&mut self, text: &str) -> Result<(), InputError> {
        for_each_line("received", text, |document: Value| self.take(document))
    }

    fn take(&mut self, mut document: Value) -> Result<(), String> {
        let text = |document: &Value, key: &str| {
            document[key].as_str().map(str::to_owned).ok_or_else(|| format!("{key} is missing"))
        };
        let mid = text(&document, "mid")?;
        if document["schema"] != "readings/1" {
            self.others.push((mid, document));
            return Ok(());
        }
        let (device, lane) = (text(&document, "device")?, text(&document, "lane")?);
        let offset = mid.rsplit_once('-').and_then(|(_, offset)| offset.parse().ok());
        let offset = offset.ok_or_else(|| format!("mid is {mid:?}, wanted <log>-<offset>"))?;
        let numbers = document["boot"].as_u64().zip(document["seq"].as_u64());
        let identity = numbers.map(|(boot, seq)| (device.clone(), boot, seq));
        if let Some(fields) = document.as_object_mut() {
            fields.remove("lane");
        }
        self.messages.push(Message { mid, offset, identity, device, lane, content: document });
        Ok(())
    }
}

fn for_each_line<T: serde::de::DeserializeOwned>(
    what: &'static str,
    text: &str,
    mut take: impl FnMut(T) -> Result<(), String>,
) -> Result<(), InputError> {
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let read = serde_json::from_str(line).map_err(|error| error.to_string());
        read.and_then(&mut take).map_err(|problem| InputError { what, line: index + 1, problem })?;
    }
    Ok(())
}

fn bytes(hex: &str) -> Result<Vec<u8>, String> {
    let pair = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2);
        text.and_then(|text| u8::from_str_radix(text, 16).ok()).ok_or_else(|| "payload is not hexadecimal".to_owned())
    };
    hex.as_bytes().chunks(2).map(pair).collect()
}
