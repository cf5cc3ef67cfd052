//! What every device sent and what the broker acknowledged: the simulator's side of "nothing acknowledged is lost".
//!
//! Counts are always kept. Entries per frame stay in memory when asked for, and go to a file as JSON lines:
//!
//! ```text
//! {"e":"sent","device":"wrist-01","boot":1,"seq":0,"crc":305419896,"len":27,"qos":1,"bad":false,"n":1,"sent_ms":1795301163123,"payload":"f901…"}
//! {"e":"acked","device":"wrist-01","boot":1,"seq":0,"crc":305419896,"len":27,"qos":1,"bad":false,"n":1,"sent_ms":1795301163123,"acked_ms":1795301163140}
//! {"e":"refused","device":"wrist-01","boot":1,"seq":1,"reason":153,"at_ms":1795301163150, …}
//! {"e":"dropped","device":"wrist-01","boot":1,"seq":7,"at_ms":1795301163200, …}
//! ```
//!
//! | field | meaning |
//! |---|---|
//! | `e` | `sent` before the bytes leave, at every transmission; `acked`, `refused`, `dropped` once, at the end of the frame's way |
//! | `device`, `boot`, `seq` | which frame; the three together are unique |
//! | `crc`, `len` | CRC-32C and length of the payload, the same in every transmission |
//! | `qos` | as published |
//! | `bad` | whether the payload is malformed on purpose: its bytes must be kept, but may not tell boot and sequence |
//! | `n` | transmissions of this frame so far |
//! | `sent_ms`, `acked_ms`, `at_ms` | ms since the Unix epoch: of this transmission (`sent`) or of the first one (else), of the acknowledgement, of the refusal or drop |
//! | `reason` | MQTT 5 reason code of a refusal |
//! | `payload` | the bytes in hex, with the first transmission only, and only when asked for |
//!
//! The `acked` lines alone say what a broker has promised to keep. Every line is handed to the system when it is made: the
//! file survives the simulator's own kill -9, whose last line may be cut short. It does not survive a power cut of the
//! machine that simulates; it is synced once, at the end.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Add;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::Serialize;

use crate::lines::LineFile;
use crate::outbox::Parcel;

/// Frames are published with this quality of service.
const QOS: u8 = 1;

/// Which frame: unique per device and boot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FrameKey {
    /// The device's id.
    pub device: Arc<str>,
    /// The device's boot counter.
    pub boot: u32,
    /// The frame's sequence number within the boot.
    pub seq: u32,
}

/// What is known of one frame that was put on the wire at least once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The bytes of every transmission.
    pub payload: Bytes,
    /// Transmissions.
    pub sent: u32,
    /// When the first one was handed to the connection, ms since the Unix epoch.
    pub first_sent_ms: i64,
    /// When the broker acknowledged it; `None` until then.
    pub acked_ms: Option<i64>,
    /// MQTT 5 reason code when the broker refused it for good.
    pub refused: Option<u8>,
    /// Whether the payload is malformed on purpose.
    pub bad: bool,
}

/// Counts over all devices. *frames = acked + refused + dropped + unacked*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Devices in the fleet.
    pub devices: u64,
    /// Frames produced.
    pub frames: u64,
    /// Transmissions of frames, repeats included.
    pub sent: u64,
    /// Transmissions that repeated an earlier one.
    pub resent: u64,
    /// Frames acknowledged by the broker.
    pub acked: u64,
    /// Of these, frames that were malformed on purpose.
    pub bad_acked: u64,
    /// Frames the broker refused with a reason code; they are not sent again.
    pub refused: u64,
    /// Frames that left a full offline buffer unacknowledged.
    pub dropped: u64,
    /// Frames neither acknowledged nor refused nor dropped.
    pub unacked: u64,
    /// Connections the broker accepted.
    pub connects: u64,
}

/// Of two fleets together.
impl Add for Summary {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            devices: self.devices + other.devices,
            frames: self.frames + other.frames,
            sent: self.sent + other.sent,
            resent: self.resent + other.resent,
            acked: self.acked + other.acked,
            bad_acked: self.bad_acked + other.bad_acked,
            refused: self.refused + other.refused,
            dropped: self.dropped + other.dropped,
            unacked: self.unacked + other.unacked,
            connects: self.connects + other.connects,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { devices, frames, sent, resent, acked, refused, bad_acked: _, dropped, unacked, connects } = self;
        write!(
            f,
            "{devices} devices, {frames} frames, {sent} sent ({resent} again), {acked} acknowledged, {unacked} not \
             acknowledged, {refused} refused, {dropped} dropped from full buffers, {connects} connections"
        )
    }
}

/// What a ledger keeps besides the counts.
#[derive(Clone, Debug, Default)]
pub struct LedgerConfig {
    /// Keep an [`Entry`] per frame in memory, for [`Ledger::entries`].
    pub keep_entries: bool,
    /// Write JSON lines to this file; an existing file is replaced.
    pub file: Option<PathBuf>,
    /// Write each frame's bytes to the file, in hex.
    pub payloads: bool,
}

/// A ledger shared by all devices of a fleet; clones are the same ledger.
#[derive(Clone, Debug)]
pub struct Ledger(Arc<Mutex<Book>>);

#[derive(Debug)]
struct Book {
    counts: Summary,
    entries: Option<BTreeMap<FrameKey, Entry>>,
    file: Option<LineFile>,
    payloads: bool,
}

/// One line of the file.
#[derive(Serialize)]
struct Line<'a> {
    e: &'static str,
    device: &'a str,
    boot: u32,
    seq: u32,
    crc: u32,
    len: usize,
    qos: u8,
    bad: bool,
    n: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acked_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
}

impl<'a> Line<'a> {
    fn new(e: &'static str, key: &'a FrameKey, parcel: &Parcel) -> Self {
        let FrameKey { device, boot, seq } = key;
        Self {
            e,
            device,
            boot: *boot,
            seq: *seq,
            crc: crc32c::crc32c(&parcel.payload),
            len: parcel.payload.len(),
            qos: QOS,
            bad: parcel.bad,
            n: parcel.sent,
            sent_ms: (parcel.sent > 0).then_some(parcel.first_sent_ms),
            acked_ms: None,
            at_ms: None,
            reason: None,
            payload: None,
        }
    }
}

impl Ledger {
    /// An empty ledger.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn new(config: &LedgerConfig) -> io::Result<Self> {
        let file = config.file.as_deref().map(LineFile::create).transpose()?;
        let entries = config.keep_entries.then(BTreeMap::new);
        Ok(Self(Arc::new(Mutex::new(Book { counts: Summary::default(), entries, file, payloads: config.payloads }))))
    }

    /// Counts so far.
    pub fn summary(&self) -> Summary {
        let counts = self.book().counts;
        let settled = counts.acked + counts.refused + counts.dropped;
        Summary { unacked: counts.frames.saturating_sub(settled), ..counts }
    }

    /// Every frame put on the wire so far, by key; empty unless [`LedgerConfig::keep_entries`] was set.
    pub fn entries(&self) -> BTreeMap<FrameKey, Entry> {
        self.book().entries.clone().unwrap_or_default()
    }

    /// Writes lines that could not be written when they were made.
    ///
    /// # Errors
    /// The file cannot be written; the lines stay and the next call tries again.
    pub fn flush(&self) -> io::Result<()> {
        match &mut self.book().file {
            Some(file) => file.flush(),
            None => Ok(()),
        }
    }

    /// Writes waiting lines and asks the disk to keep them.
    ///
    /// # Errors
    /// The file cannot be written or synced.
    pub fn sync(&self) -> io::Result<()> {
        match &mut self.book().file {
            Some(file) => file.sync(),
            None => Ok(()),
        }
    }

    pub(crate) fn device_added(&self) {
        self.book().counts.devices += 1;
    }

    pub(crate) fn connected(&self) {
        self.book().counts.connects += 1;
    }

    pub(crate) fn produced(&self) {
        self.book().counts.frames += 1;
    }

    /// Notes a transmission of a frame, before its bytes leave.
    pub(crate) fn sent(&self, key: &FrameKey, parcel: &Parcel, at_ms: i64) {
        let mut book = self.book();
        book.counts.sent += 1;
        book.counts.resent += u64::from(parcel.sent > 1);
        let payload = (book.payloads && parcel.sent == 1).then(|| hex(&parcel.payload));
        book.write(|| Line { sent_ms: Some(at_ms), payload, ..Line::new("sent", key, parcel) });
        book.keep(|entries| {
            let first = Entry {
                payload: parcel.payload.clone(),
                sent: 0,
                first_sent_ms: at_ms,
                acked_ms: None,
                refused: None,
                bad: parcel.bad,
            };
            let entry = entries.entry(key.clone()).or_insert(first);
            debug_assert_eq!(entry.payload, parcel.payload, "a resent frame repeats its bytes");
            entry.sent += 1;
        });
    }

    pub(crate) fn acked(&self, key: &FrameKey, parcel: &Parcel, at_ms: i64) {
        let mut book = self.book();
        book.counts.acked += 1;
        book.counts.bad_acked += u64::from(parcel.bad);
        book.write(|| Line { acked_ms: Some(at_ms), ..Line::new("acked", key, parcel) });
        book.keep(|entries| {
            if let Some(entry) = entries.get_mut(key) {
                entry.acked_ms = Some(at_ms);
            }
        });
    }

    pub(crate) fn refused(&self, key: &FrameKey, parcel: &Parcel, reason: u8, at_ms: i64) {
        let mut book = self.book();
        book.counts.refused += 1;
        book.write(|| Line { reason: Some(reason), at_ms: Some(at_ms), ..Line::new("refused", key, parcel) });
        book.keep(|entries| {
            if let Some(entry) = entries.get_mut(key) {
                entry.refused = Some(reason);
            }
        });
    }

    pub(crate) fn dropped(&self, key: &FrameKey, parcel: &Parcel, at_ms: i64) {
        let mut book = self.book();
        book.counts.dropped += 1;
        book.write(|| Line { at_ms: Some(at_ms), ..Line::new("dropped", key, parcel) });
    }

    /// A panic elsewhere leaves counts and lines whole, so the lock's poison says nothing about them.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn write<'a>(&mut self, line: impl FnOnce() -> Line<'a>) {
        if let Some(file) = &mut self.file {
            file.push(&line());
        }
    }

    fn keep(&mut self, change: impl FnOnce(&mut BTreeMap<FrameKey, Entry>)) {
        if let Some(entries) = &mut self.entries {
            change(entries);
        }
    }
}

/// Lower-case hex, two digits a byte.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().map_or('?', char::from);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::FrameId;

    fn key(seq: u32) -> FrameKey {
        FrameKey { device: "wrist-01".into(), boot: 7, seq }
    }

    fn parcel(seq: u32, sent: u32, first_sent_ms: i64) -> Parcel {
        let payload = Bytes::from_static(&[0xf9, 0x01, 0xab]);
        Parcel { sent, first_sent_ms, ..Parcel::new(FrameId { boot: 7, seq }, payload, seq == 1) }
    }

    fn recorded(ledger: &Ledger) {
        (0..4).for_each(|_| ledger.produced());
        ledger.sent(&key(0), &parcel(0, 1, 1_000), 1_000);
        ledger.sent(&key(0), &parcel(0, 2, 1_000), 2_000);
        ledger.acked(&key(0), &parcel(0, 2, 1_000), 2_500);
        ledger.sent(&key(1), &parcel(1, 1, 3_000), 3_000);
        ledger.refused(&key(1), &parcel(1, 1, 3_000), 0x99, 3_100);
        ledger.dropped(&key(2), &parcel(2, 0, 0), 3_200);
    }

    #[test]
    fn every_frame_is_in_exactly_one_of_acked_refused_dropped_and_unacked() {
        let ledger = Ledger::new(&LedgerConfig { keep_entries: true, ..Default::default() }).unwrap();
        ledger.device_added();
        recorded(&ledger);
        let summary = ledger.summary();
        let expected = Summary {
            devices: 1,
            frames: 4,
            sent: 3,
            resent: 1,
            acked: 1,
            bad_acked: 0,
            refused: 1,
            dropped: 1,
            unacked: 1,
            connects: 0,
        };
        assert_eq!(summary, expected);
        let entries = ledger.entries();
        assert_eq!(entries.len(), 2);
        let first = &entries[&key(0)];
        assert_eq!((first.sent, first.first_sent_ms, first.acked_ms), (2, 1_000, Some(2_500)));
        assert_eq!(entries[&key(1)].refused, Some(0x99));
    }

    #[test]
    fn the_file_tells_the_same_story_at_once_and_in_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let config = LedgerConfig { file: Some(path.clone()), payloads: true, ..Default::default() };
        let ledger = Ledger::new(&config).unwrap();
        recorded(&ledger);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let words: Vec<&str> = lines.iter().map(|line| line["e"].as_str().unwrap()).collect();
        assert_eq!(words, ["sent", "sent", "acked", "sent", "refused", "dropped"]);
        assert_eq!(lines[0]["payload"], "f901ab");
        assert_eq!(lines[0]["crc"], crc32c::crc32c(&[0xf9, 0x01, 0xab]));
        assert_eq!((&lines[1]["n"], &lines[1]["sent_ms"]), (&2.into(), &2_000.into()));
        assert_eq!((&lines[2]["sent_ms"], &lines[2]["acked_ms"]), (&1_000.into(), &2_500.into()));
        assert_eq!((&lines[2]["bad"], &lines[4]["bad"], &lines[2]["qos"]), (&false.into(), &true.into(), &1.into()));
        assert!(lines[1].get("payload").is_none(), "the bytes are written once");
        assert_eq!(lines[4]["reason"], 0x99);
    }
}
