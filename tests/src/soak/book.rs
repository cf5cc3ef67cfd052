//! Everything that was sent, stored and received so far, and the judgement of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use firmware_sim::{Entry, FrameKey};
use halo_checker::{Ledger, Log, Received, Report, Sent, check};
use serde::Serialize;
use serde_json::{Value, json};

use crate::clock::{pass, until};
use crate::{Failure, process};

/// The upstream's name, in the configuration and as a consumer in the log.
pub const UPSTREAM: &str = "far";
/// Longest wait for a log that can be read while segments come and go.
const PATIENCE: Duration = Duration::from_secs(30);
/// What does not change for this long has come to rest.
const SETTLED: Duration = Duration::from_millis(500);

/// Follows the log before retention deletes its beginning, and what arrives.
#[derive(Default)]
pub struct Book {
    log: Log,
    /// The last offset taken up.
    last: u64,
    /// Of the one upstream.
    received: BTreeMap<String, Received>,
    /// Bytes of the receiver's file that were read.
    read: u64,
}

/// What came of a look at everything.
#[derive(Clone, Debug, Serialize)]
pub struct Judgement {
    /// Seconds since the run's beginning.
    pub at_s: u64,
    /// The checker's rules, nothing pending.
    pub report: Report,
    /// What the gateway says of itself, and what was counted from outside; one line each that differs.
    pub differences: Vec<String>,
    /// The gateway's own account of all frames.
    pub frames: Value,
    /// Its account of the upstream.
    pub upstream: Value,
    /// The oldest offset it still has.
    pub first_kept: u64,
}

impl Judgement {
    /// Whether nothing is wrong.
    pub fn holds(&self) -> bool {
        self.report.holds() && self.differences.is_empty()
    }
}

impl Book {
    /// Takes up what is durable in the log since the last time; a record behind that may be gone after a kill.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn follow(&mut self, data: &Path) -> Result<(), Failure> {
        let durable = number(&status(data)?["durable"])?;
        if durable <= self.last {
            return Ok(());
        }
        let from = self.last + 1;
        // A segment may be removed between being listed and being opened.
        let dumped = until("a log that stays while it is read", PATIENCE, || dump(data, from).ok())?;
        let mut first = None;
        let mut text = String::new();
        for line in dumped.lines() {
            let record: Value = serde_json::from_str(line)?;
            if let Some(offset) = record["offset"].as_u64().filter(|offset| *offset <= durable) {
                first.get_or_insert(offset);
                text.push_str(line);
                text.push('\n');
            }
        }
        if first != Some(from) {
            return Err(
                format!("the log goes on at {first:?} instead of {from}: it was deleted before it was read").into()
            );
        }
        self.log.read_on(&text)?;
        self.last = durable;
        Ok(())
    }

    /// Takes up what has arrived since the last time; of a document only what tells it from others is kept.
    ///
    /// # Errors
    /// The file cannot be read, or holds what is no document.
    pub fn receive(&mut self, file: &Path) -> Result<(), Failure> {
        let mut file = File::open(file)?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        // A line may be on its way.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        bytes.truncate(whole);
        self.read += whole as u64;
        let received = self.received.entry(UPSTREAM.to_owned()).or_default();
        let (messages, others) = (received.messages.len(), received.others.len());
        received.read_on(&String::from_utf8(bytes)?)?;
        received.messages.iter_mut().skip(messages).for_each(|it| it.content = digest(&it.content));
        received.others.iter_mut().skip(others).for_each(|(_, it)| *it = digest(it));
        Ok(())
    }

    /// Messages received so far, repeats included.
    pub fn messages(&self) -> usize {
        self.received.values().map(|received| received.messages.len()).sum()
    }

    /// Frames stored so far.
    pub fn frames(&self) -> usize {
        self.log.frames.len()
    }

    /// Judges a gateway at rest that has forwarded everything.
    ///
    /// # Errors
    /// The gateway does not answer.
    pub fn judge(&self, at: Duration, data: &Path, sent: &BTreeMap<FrameKey, Entry>) -> Result<Judgement, Failure> {
        let report = check(&ledger(sent), &self.log, &self.received, true);
        let status = status(data)?;
        let upstream = upstream(&status).clone();
        let differences = differences(&report, &status["frames"], &upstream)?;
        let kept = dump(data, 1)?;
        let kept: Value = serde_json::from_str(kept.lines().next().unwrap_or("null"))?;
        let frames = status["frames"].clone();
        let first_kept = kept["offset"].as_u64().unwrap_or(0);
        Ok(Judgement { at_s: at.as_secs(), report, differences, frames, upstream, first_kept })
    }
}

/// The identity of accounts, as the gateway says and as it was counted from outside.
fn differences(report: &Report, frames: &Value, upstream: &Value) -> Result<Vec<String>, Failure> {
    let fate = report.upstreams.get(UPSTREAM).ok_or("nothing was judged")?;
    let of = |value: &Value, key: &str| number(&value[key]);
    let account = of(upstream, "forwarded")? + of(upstream, "pending")? + of(upstream, "quarantined")?;
    let pairs = [
        (
            "stored = forwarded + pending + quarantined + dropped",
            of(frames, "stored")?,
            account + of(upstream, "dropped")?,
        ),
        ("stored frames, said and seen", of(frames, "stored")?, fate.stored),
        ("forwarded frames, said and received", of(upstream, "forwarded")?, fate.forwarded),
        ("quarantined frames, of the upstream and seen", of(upstream, "quarantined")?, fate.quarantined),
        ("quarantined frames, of the gateway and seen", of(frames, "quarantined")?, fate.quarantined),
        ("dropped frames, said and seen", of(upstream, "dropped")?, fate.dropped),
        ("pending frames, said and none", of(upstream, "pending")?, 0),
    ];
    let differ = pairs.into_iter().filter(|(_, left, right)| left != right);
    Ok(differ.map(|(what, left, right)| format!("{what}: {left} and {right}")).collect())
}

/// What the gateway says of itself.
///
/// # Errors
/// It does not answer.
pub fn status(data: &Path) -> Result<Value, Failure> {
    let output = process::run(&["status", "--json", "--data-dir", &data.display().to_string()])?;
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout)?);
    }
    Err(format!("status: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}

/// The upstream's part of it.
fn upstream(status: &Value) -> &Value {
    let all = status["upstreams"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().find(|it| it["upstream"] == UPSTREAM).unwrap_or(&Value::Null)
}

/// What an upstream has to do still: none when everything it may send is confirmed, and durably so.
///
/// # Errors
/// The gateway does not answer.
pub fn is_drained(data: &Path) -> Result<bool, Failure> {
    let before = status(data)?;
    pass(SETTLED);
    let after = status(data)?;
    let far = upstream(&after);
    let done = far["pending"] == 0 && far["counting"] == false && far["backfill"].is_null();
    let stands = before["frames"] == after["frames"] && upstream(&before)["forwarded"] == far["forwarded"];
    Ok(done && stands && far["repeats_possible"] == 0)
}

fn ledger(sent: &BTreeMap<FrameKey, Entry>) -> Ledger {
    let line = |(key, entry): (&FrameKey, &Entry)| {
        let identity = (key.device.to_string(), u64::from(key.boot), u64::from(key.seq));
        let sent = Sent { crc: crc32c(&entry.payload), acknowledged: entry.acked_ms.is_some(), bad: entry.bad };
        (identity, sent)
    };
    Ledger(sent.iter().map(line).collect())
}

fn dump(data: &Path, from: u64) -> Result<String, Failure> {
    let output = process::run(&["log", "dump", "--json", "--from", &from.to_string(), &data.display().to_string()])?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    Err(format!("log dump: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}

fn number(value: &Value) -> Result<u64, Failure> {
    value.as_u64().ok_or_else(|| format!("{value} is no number").into())
}

/// Documents that differ have different digests, but for one chance in 2^64.
fn digest(document: &Value) -> Value {
    let mut hasher = DefaultHasher::new();
    document.to_string().hash(&mut hasher);
    json!(hasher.finish())
}

/// CRC-32C (Castagnoli), bit by bit: the checker's own view of the sender's bytes.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0_u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}
