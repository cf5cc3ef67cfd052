//! SenML-CBOR (RFC 8428), the shortest legal form: an array of maps with whole-number labels.
//!
//! Written and read by hand for just these shapes, so its times are a lower bound of what a library takes.

use super::{Format, Seen};
use crate::minutes::Minute;

/// Labels of RFC 8428, table 6.
const BASE_NAME: i64 = -2;
const BASE_TIME: i64 = -3;
const VALUE: i64 = 2;
const TIME: i64 = 6;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
/// Tag of a decimal fraction: exponent and mantissa.
const DECIMAL: u64 = 4;

pub(crate) struct Senml;

impl Format for Senml {
    fn encode(&mut self, minute: &Minute, out: &mut Vec<u8>) {
        out.clear();
        head(out, ARRAY, minute.samples() as u64);
        let mut has_base_time = false;
        for rows in &minute.groups {
            let first_letter = b'a' + u8::try_from(rows.group).expect("few groups");
            for (column, values) in rows.columns.iter().enumerate() {
                for (row, (time, value)) in rows.times.iter().zip(values).enumerate() {
                    let since_base = time - minute.t0_ms;
                    let named = row == 0;
                    head(out, MAP, 1 + u64::from(named) + u64::from(!has_base_time) + u64::from(since_base != 0));
                    if named {
                        integer(out, BASE_NAME);
                        head(out, TEXT, 2);
                        out.extend([first_letter, b'a' + u8::try_from(column).expect("few columns")]);
                    }
                    if !has_base_time {
                        integer(out, BASE_TIME);
                        seconds(out, minute.t0_ms);
                        has_base_time = true;
                    }
                    if since_base != 0 {
                        integer(out, TIME);
                        seconds(out, since_base);
                    }
                    integer(out, VALUE);
                    integer(out, *value);
                }
            }
        }
    }

    fn decode(&mut self, bytes: &[u8]) -> Seen {
        let mut reader = Reader(bytes);
        let mut seen = Seen::default();
        for _ in 0..reader.head(ARRAY) {
            for _ in 0..reader.head(MAP) {
                match reader.integer() {
                    BASE_NAME => {
                        let len = reader.head(TEXT);
                        std::str::from_utf8(reader.take(len)).expect("text");
                    }
                    VALUE => {
                        let value = reader.integer();
                        seen.take(value);
                    }
                    _ => reader.number(),
                }
            }
        }
        seen
    }
}

fn head(out: &mut Vec<u8>, major: u8, value: u64) {
    let major = major << 5;
    match value {
        0..24 => out.push(major | value as u8),
        24..0x100 => out.extend([major | 24, value as u8]),
        0x100..0x1_0000 => {
            out.push(major | 25);
            out.extend((value as u16).to_be_bytes());
        }
        _ => {
            out.push(major | 26);
            out.extend(u32::try_from(value).expect("32 bits").to_be_bytes());
        }
    }
}

fn integer(out: &mut Vec<u8>, value: i64) {
    match u64::try_from(value) {
        Ok(value) => head(out, UNSIGNED, value),
        Err(_) => head(out, NEGATIVE, (!value).cast_unsigned()),
    }
}

/// Whole seconds as they are, others as a decimal fraction: shorter than a double, and exact.
fn seconds(out: &mut Vec<u8>, ms: i64) {
    if ms % 1000 == 0 {
        return integer(out, ms / 1000);
    }
    head(out, TAG, DECIMAL);
    head(out, ARRAY, 2);
    integer(out, -3);
    integer(out, ms);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: u64) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len as usize);
        self.0 = rest;
        taken
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn any(&mut self) -> (u8, u64) {
        let first = self.byte();
        let value = match first & 31 {
            24 => u64::from(self.byte()),
            25 => u64::from(u16::from_be_bytes(self.take(2).try_into().expect("two bytes"))),
            26 => u64::from(u32::from_be_bytes(self.take(4).try_into().expect("four bytes"))),
            small => u64::from(small),
        };
        (first >> 5, value)
    }

    fn head(&mut self, major: u8) -> u64 {
        let (got, value) = self.any();
        assert_eq!(got, major);
        value
    }

    fn integer(&mut self) -> i64 {
        let (major, value) = self.any();
        if major == NEGATIVE { !value.cast_signed() } else { value.cast_signed() }
    }

    /// Of a time.
    fn number(&mut self) {
        if self.0[0] >> 5 == TAG {
            self.any();
            self.head(ARRAY);
            self.integer();
        }
        self.integer();
    }
}
