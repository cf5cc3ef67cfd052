//! The wire format of telemetry frames (TF1), the signal registry and the topic grammar.
//!
//! `no_std`; encoding and decoding need no allocator. The feature `alloc` (default) adds [`schema`]: owned schemas,
//! whole-frame decoding into reusable buffers and a frame builder, for hosts.
//!
//! # The bytes
//!
//! One MQTT payload is one frame; integers are postcard's (LEB128 varints, zigzag when signed) unless said otherwise.
//!
//! ```text
//! frame    := header item*                       ends where the payload ends; at most 61 440 bytes
//! header   := 0xF9 schema:u32 boot:u32 seq:u32 t0_ms:u64
//! item     := tag:u8 length:u32 body
//!
//!  tag         body
//!  0x00..0x3F  chunk of group `tag`
//!  0x40        TimeSync  unix_minus_uptime_ms:i64 uncertainty_ms:u32
//!  0x41        Event     dt_ms:i32 code:u16 severity:u8 value:i64 data:bytes
//!  0x42        Text      key:u16 val:str (<= 255 bytes)
//!  0x43..0x7F  unknown: skipped and counted
//!  0x80..0xFF  critical: unknown refuses the frame; 0xC0 MAC of 8 bytes, 0xC1 Ed25519 (64), 0xC2 MAC of 16: last item
//!
//! chunk    := rows:u16 (1..=1024) offset_ms:i32 (row 0 minus t0) bits (MSB first, zero padding < 8 bits)
//! bits     := times column*
//! times    := rows = 1: nothing | Regular: 0 (every step is dt) or 1 series(steps, bias dt, k0 3)
//!           | Irregular: series(steps, bias nominal, k0 8) | Interval: nothing (column 0 is the step, in ms)
//! column   := 0 (absent) | 10 series | 11 presence bit per row, series of those present
//! series   := rice_k0(zz(x0 - bias)) and, if more follow, mode:3
//!             0 constant | 1 last | 2 line | 3 level: k:5 rice_k(zz(x - prediction))*
//!           | 4 sparse: k:5 count:g (gap:g rice_k(zz(change) - 1))*    g = bit length of (values - 1)
//! rice_k   := q = u >> k ones, zero, k low bits (q < 16) | 16 ones, length-1:6, u (its top bit set)
//!
//! birth    := 0xFA kind:u16 schema:u32 boot:u32 t0_ms:u64 sync:Option<TimeSync> firmware:str group[]
//! group    := clock (0 Regular dt_ms:u32 | 1 Irregular nominal_ms:u32 | 2 Interval) column[]
//! column   := metric:u16 num:u32 den:u32 bias:i64 k0:u8 name:Option<str>      physical = raw * num / den
//! ```
//!
//! `zz(v) = (v << 1) ^ (v >> 63)`; all value arithmetic wraps, so every `i64` survives.
//!
//! # What the decoder promises
//!
//! Any bytes give `Ok` or an error, without panic and without more than [`chunk::VALUES_MAX`] values written per frame.
//! Random bits can decode to *something*: integrity comes from TLS or from the MAC item, which the
//! feature `mac` makes and verifies.

#![no_std]
#![deny(clippy::unwrap_used, clippy::indexing_slicing)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod bits;
mod varint;
mod crc;
mod series;
pub mod chunk;
pub mod frame;
#[cfg(feature = "mac")]
pub mod mac;
pub mod birth;
pub mod registry;
pub mod topic;
#[cfg(feature = "alloc")]
pub mod schema;

/// What a payload claims to be, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payload {
    /// `0xF9`: a frame.
    Frame,
    /// `0xFA`: a birth.
    Birth,
    /// `{`: a JSON object.
    JsonObject,
    /// `[`: a JSON array, SenML among them.
    JsonArray,
    /// Empty, or none of these.
    Unknown,
}

/// Tells payload formats apart; `0xF5..=0xFF` never start UTF-8, so a frame cannot be taken for text.
pub fn sniff(payload: &[u8]) -> Payload {
    match payload.first() {
        Some(&frame::MAGIC) => Payload::Frame,
        Some(&birth::MAGIC) => Payload::Birth,
        Some(b'{') => Payload::JsonObject,
        Some(b'[') => Payload::JsonArray,
        _ => Payload::Unknown,
    }
}
