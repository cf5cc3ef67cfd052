//! Payloads made before the clock starts; what differs from one to the next is written in front as it leaves.

use bytes::Bytes;

use super::plan::{BenchError, Load};
use crate::clock::Clock;
use crate::framing::Framer;
use crate::sampler::Sampler;

/// First byte of a frame, and what an opaque payload begins with: nothing that can be taken for a frame or for JSON.
const MAGIC: u8 = halo_proto::frame::MAGIC;
const OPAQUE: u8 = 0;
/// Different bodies of each kind: two simulated devices, some minutes of each.
const DEVICES: u32 = 2;
const BODIES: usize = 32;
/// Smallest sequence and boot of four varint bytes, smallest uptime of five: so that all frames have the same layout.
pub(super) const SEQ_FIRST: u32 = 1 << 21;
const T0_FIRST: u64 = 1 << 28;
/// Magic, schema in one byte, boot, sequence, uptime.
const HEADER: usize = 15;
const _: () = assert!(T0_FIRST + (BACK_MS as u64) < 1 << 35, "the last uptime has five bytes too");
const SEQ_AT: usize = 6;
/// An item that decoders skip.
const FILLER: u8 = 0x43;
/// How far back the readings begin; a device that has sent so much goes on at the same uptime.
const BACK_MS: i64 = 300 * 86_400_000;

/// Makes the payload of any device and number.
pub(super) struct Payloads {
    kinds: Vec<Bodies>,
    boot: u32,
    step_ms: u64,
    /// Item in the first frame of each device: when its uptime began.
    sync: Vec<u8>,
    opaque: Option<usize>,
}

struct Bodies {
    schema: u8,
    bodies: Vec<Bytes>,
}

impl Payloads {
    pub(super) fn new(load: &Load, boot: Option<u32>, clock: &Clock) -> Result<Self, BenchError> {
        let (kinds, period, step, fill_to) = match load {
            Load::Opaque { bytes, .. } if *bytes < 8 => {
                return Err(BenchError::Plan(format!("payloads have {bytes} bytes, wanted at least 8")));
            }
            Load::Opaque { bytes, .. } => {
                let opaque = Some(*bytes);
                return Ok(Self { kinds: Vec::new(), boot: 0, step_ms: 0, sync: Vec::new(), opaque });
            }
            Load::Frames { kinds, period, step, fill_to } => (kinds, period, step, *fill_to),
        };
        let unix_ms = clock.unix_ms();
        let boot = boot.unwrap_or_else(|| (unix_ms / 1_000).rem_euclid((1 << 27) - (1 << 21)) as u32 + (1 << 21));
        if !(1 << 21..1 << 27).contains(&boot) {
            return Err(BenchError::Plan(format!("boot is {boot}, wanted 2097152 to 134217727")));
        }
        let kinds: Vec<Bodies> = kinds
            .iter()
            .map(|kind| Bodies::record(*kind, period.as_millis() as u64, fill_to))
            .collect::<Result<_, _>>()?;
        if kinds.is_empty() {
            return Err(BenchError::Plan("frames of no kind of device".to_owned()));
        }
        let sync = time_sync(unix_ms - BACK_MS - T0_FIRST as i64);
        Ok(Self { kinds, boot, step_ms: step.as_millis() as u64, sync, opaque: None })
    }

    /// Bytes of the payload that [`Payloads::put`] will write.
    pub(super) fn len(&self, device: usize, number: u32) -> usize {
        match self.opaque {
            Some(bytes) => bytes,
            None => HEADER + self.body(device, number).len() + self.sync(number).len(),
        }
    }

    /// Appends the payload of a device's frame of this number, from 0.
    pub(super) fn put(&self, out: &mut Vec<u8>, device: usize, number: u32) {
        if let Some(bytes) = self.opaque {
            out.push(OPAQUE);
            put_varint(out, u64::from(SEQ_FIRST + number));
            out.resize(out.len() + bytes - 5, b'.');
            return;
        }
        out.extend_from_slice(&[MAGIC, self.kind(device).schema]);
        put_varint(out, u64::from(self.boot));
        put_varint(out, u64::from(SEQ_FIRST.saturating_add(number)));
        put_varint(out, T0_FIRST + (u64::from(number) * self.step_ms).min(BACK_MS as u64));
        out.extend_from_slice(self.sync(number));
        out.extend_from_slice(self.body(device, number));
    }

    fn kind(&self, device: usize) -> &Bodies {
        &self.kinds[device % self.kinds.len()]
    }

    fn body(&self, device: usize, number: u32) -> &[u8] {
        let bodies = &self.kind(device).bodies;
        &bodies[(device + number as usize) % bodies.len()]
    }

    fn sync(&self, number: u32) -> &[u8] {
        if number == 0 { &self.sync } else { &[] }
    }
}

/// The first payloads that one device of a plan sends, for whoever measures what becomes of them without a network.
///
/// # Errors
/// The load cannot be made.
pub fn payloads(load: &Load, device: usize, count: u32) -> Result<Vec<Bytes>, BenchError> {
    let payloads = Payloads::new(load, None, &Clock::system())?;
    let payload = |number| {
        let mut out = Vec::new();
        payloads.put(&mut out, device, number);
        out.into()
    };
    Ok((0..count).map(payload).collect())
}

/// The number within its device of a payload that [`Payloads::put`] has made, or of a document that says `"seq":`.
pub(super) fn number_of(payload: &[u8]) -> Option<u32> {
    let seq = match *payload.first()? {
        MAGIC => varint4(payload.get(SEQ_AT..)?)?,
        OPAQUE => varint4(payload.get(1..)?)?,
        _ => u32::try_from(field(payload, b"\"seq\":")?).ok()?,
    };
    seq.checked_sub(SEQ_FIRST)
}

/// The frames that a halo has counted in; it says so near its end.
pub(super) fn frames_in_halo(payload: &[u8]) -> Option<u64> {
    let key = b"\"accepted\":";
    digits_after(payload, payload.windows(key.len()).rposition(|window| window == key)? + key.len())
}

/// Readings say it near their beginning.
fn field(document: &[u8], key: &[u8]) -> Option<u64> {
    digits_after(document, document.windows(key.len()).position(|window| window == key)? + key.len())
}

fn digits_after(document: &[u8], at: usize) -> Option<u64> {
    let digits = document.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit());
    digits.map(|digit| u64::from(digit - b'0')).reduce(|number, digit| number.saturating_mul(10).saturating_add(digit))
}

fn varint4(bytes: &[u8]) -> Option<u32> {
    let four = bytes.first_chunk::<4>()?;
    Some(four.iter().rev().fold(0, |number, byte| number << 7 | u32::from(byte & 0x7F)))
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn time_sync(unix_minus_uptime_ms: i64) -> Vec<u8> {
    let mut body = Vec::new();
    put_varint(&mut body, ((unix_minus_uptime_ms << 1) ^ (unix_minus_uptime_ms >> 63)) as u64);
    put_varint(&mut body, 10);
    let mut item = vec![0x40, body.len() as u8];
    item.append(&mut body);
    item
}

impl Bodies {
    fn record(kind: crate::Kind, period_ms: u64, fill_to: Option<usize>) -> Result<Self, BenchError> {
        let schema = u8::try_from(kind.schema().id).ok().filter(|id| *id < 0x80);
        let schema = schema.ok_or_else(|| BenchError::Plan(format!("the schema of {kind} is not of one byte")))?;
        let mut bodies = Vec::with_capacity(BODIES);
        for device in 0..DEVICES {
            let sensors = kind.sensors(42, &format!("{}-{device}", kind.prefix()), device, T0_FIRST);
            let mut sampler = Sampler::new(sensors, kind.schema(), T0_FIRST, period_ms);
            let mut framer = Framer::new(kind.schema(), 1);
            while bodies.len() < BODIES / DEVICES as usize * (device as usize + 1) {
                let (_, frame) = framer.frame(&sampler.batch()).map_err(|error| BenchError::Plan(error.to_string()))?;
                bodies.push(fill(frame.slice(header_len(&frame)..), fill_to)?);
            }
        }
        Ok(Self { schema, bodies })
    }
}

/// Magic and four varints.
fn header_len(frame: &[u8]) -> usize {
    let ends = frame.iter().enumerate().skip(1).filter(|(_, byte)| **byte & 0x80 == 0);
    ends.map(|(at, _)| at + 1).nth(3).unwrap_or(frame.len())
}

fn fill(body: Bytes, fill_to: Option<usize>) -> Result<Bytes, BenchError> {
    let Some(len) = fill_to else { return Ok(body) };
    let too_long = || BenchError::Plan(format!("a frame has {} bytes, wanted {len}", HEADER + body.len()));
    let room = len.checked_sub(HEADER + body.len()).ok_or_else(too_long)?;
    // Tag and length take two bytes, three from a length of 128 on; one byte of room cannot be filled.
    let inner = match room {
        0 | 1 => return Ok(body),
        2..130 => room - 2,
        _ => room - 3,
    };
    let mut filled = body.to_vec();
    filled.push(FILLER);
    put_varint(&mut filled, inner as u64);
    filled.resize(filled.len() + inner, 0x55);
    Ok(filled.into())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use halo_proto::frame::{Frame, Item};
    use halo_proto::schema::{Decoded, Schema, decode_into};

    use super::*;
    use crate::Kind;

    const MIX: [Kind; 3] = [Kind::Wristband, Kind::CarDongle, Kind::Turbofan];

    fn payload(payloads: &Payloads, device: usize, number: u32) -> Vec<u8> {
        let mut out = Vec::new();
        payloads.put(&mut out, device, number);
        assert_eq!(out.len(), payloads.len(device, number));
        out
    }

    #[test]
    fn every_frame_is_new_decodes_and_follows_on_the_one_before() {
        let payloads = Payloads::new(&Load::frames(&MIX), Some(3_000_000), &Clock::system()).unwrap();
        for device in 0..6 {
            for number in 0..40 {
                let bytes = payload(&payloads, device, number);
                let frame = Frame::new_checked(&bytes).unwrap();
                let header = frame.header();
                assert_eq!((header.boot, header.seq), (3_000_000, SEQ_FIRST + number));
                assert_eq!(header.t0_ms, T0_FIRST + u64::from(number) * 10_000);
                assert_eq!(number_of(&bytes), Some(number));
                let mut decoded = Decoded::default();
                decode_into(&frame, &Schema::from_registry(header.schema).unwrap(), &mut decoded).unwrap();
                let synced = frame.items().any(|item| matches!(item, Item::TimeSync(_)));
                assert_eq!(synced, number == 0);
            }
        }
    }

    #[test]
    fn a_filled_frame_has_the_bytes_wanted_and_still_decodes() {
        let period = Duration::from_secs(10);
        let load = |fill_to| Load::Frames { kinds: vec![Kind::Wristband], period, step: period, fill_to };
        let payloads = Payloads::new(&load(Some(200)), None, &Clock::system()).unwrap();
        for number in 1..40 {
            let bytes = payload(&payloads, 0, number);
            assert!(Frame::new_checked(&bytes).is_ok() && bytes.len() == 200, "{}", bytes.len());
        }
        let error = Payloads::new(&load(Some(20)), None, &Clock::system()).err().unwrap().to_string();
        assert!(error.contains("wanted 20"), "{error}");
    }

    #[test]
    fn numbers_are_found_in_documents_and_in_opaque_payloads() {
        let document = format!("{{\"device\":\"bench-1\",\"boot\":9,\"seq\":{},\"v\":[1]}}", SEQ_FIRST + 77);
        assert_eq!(number_of(document.as_bytes()), Some(77));
        assert_eq!(frames_in_halo(b"{\"quality\":{\"accepted\":12,\"gaps\":0}}"), Some(12));
        assert_eq!(number_of(b"{}"), None);
        let load = Load::Opaque { bytes: 200, prefix: "x".to_owned() };
        let payloads = Payloads::new(&load, None, &Clock::system()).unwrap();
        assert_eq!(number_of(&payload(&payloads, 3, 123_456)), Some(123_456));
    }
}
