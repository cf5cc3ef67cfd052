//! A wristband on bare metal: six frames of 10 s, one after the other, over the serial line.
//!
//! Device to host: each frame COBS-encoded and ended by a zero byte. Host to device: one byte 0x06 once the frame before
//! has been acknowledged by the gateway; until then the device sends it again, as it would over any link that loses
//! bytes. What the test expects of the halo is in the constants.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use halo_cortex_m::exit;
use halo_cortex_m::serial::Serial;
use halo_proto::chunk::{EncodeError, Plan, Source, Times};
use halo_proto::frame::{FrameWriter, Header};
use halo_proto::registry;

const FRAMES: u32 = 6;
const WRISTBAND: u32 = 1;
const BOOT: u32 = 7;
const ACKNOWLEDGED: u8 = 0x06;
/// Looks at the line before a frame is sent again: some seconds of a real board.
const LOOKS_MAX: u32 = 50_000_000;

/// Rises from 70 by one a second: 129 at the end.
const HEART_RATE_FIRST: i64 = 70;
/// 4,200 and 13 more each 10 s: 4,265 at the end.
const STEPS: [i64; 2] = [4200, 13];
/// Hundredths of a degree; null in the fourth frame; 33.12 at the end.
const SKIN_TEMPERATURE: [Option<i64>; FRAMES as usize] =
    [Some(3300), Some(3302), Some(3305), None, Some(3309), Some(3312)];

#[entry]
fn main() -> ! {
    let Some(peripherals) = cortex_m::Peripherals::take() else { exit(false) };
    let mut serial = Serial::new(&peripherals);
    for seq in 0..FRAMES {
        let (mut frame, mut line) = ([0_u8; 128], [0_u8; 132]);
        let Ok(len) = encode(&mut frame, seq) else { exit(false) };
        let len = cobs::encode(&frame[..len], &mut line);
        deliver(&mut serial, &line[..len]);
    }
    exit(true)
}

fn encode(out: &mut [u8], seq: u32) -> Result<usize, EncodeError> {
    let t0_ms = 10_000 * u64::from(seq);
    let groups = registry::schema(WRISTBAND).ok_or(EncodeError::Shape)?.groups;
    let (pulse, body) = (&groups[0], &groups[2]);
    let heart_rate: [Option<i64>; 10] =
        core::array::from_fn(|second| Some(HEART_RATE_FIRST + i64::from(seq) * 10 + second as i64));
    let steps = [Some(STEPS[0] + STEPS[1] * i64::from(seq))];
    let skin = [SKIN_TEMPERATURE[seq as usize]];
    let mut writer = FrameWriter::new(out, &Header { schema: WRISTBAND, boot: BOOT, seq, t0_ms })?;
    let start = Times::From(t0_ms as i64);
    writer.chunk(0, pulse.clock, start, pulse.columns.iter().zip([&heart_rate[..]]).map(source))?;
    writer.chunk(2, body.clock, start, body.columns.iter().zip([&steps[..], &skin[..]]).map(source))?;
    Ok(writer.finish().len())
}

fn source<'a>((column, values): (&registry::Column<'static>, &'a [Option<i64>])) -> Source<'a> {
    Source { coding: column.coding(), values, plan: Plan::Best }
}

/// Sends until acknowledged.
fn deliver(serial: &mut Serial, line: &[u8]) {
    loop {
        line.iter().chain(&[0]).for_each(|byte| serial.put(*byte));
        if (0..LOOKS_MAX).any(|_| serial.get() == Some(ACKNOWLEDGED)) {
            return;
        }
    }
}
