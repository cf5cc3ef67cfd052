//! What an authentication code takes on a Cortex-M4, on a frame as small as a wristband's ten seconds and on one as large
//! as a car's minute: bytes, stack and instructions, printed to the serial line.
//!
//! Run as `figures` is; with the feature `ed25519` it signs as well.

#![no_std]
#![no_main]

use core::fmt::Write;
use core::hint::black_box;

use cortex_m_rt::entry;
use halo_cortex_m::serial::Serial;
use halo_cortex_m::{Clock, exit, stack_of};
use halo_proto::chunk::EncodeError;
use halo_proto::frame::{Event, FrameWriter, Header};
use halo_proto::mac::{SealingKey, seal};

const SECRET: [u8; 32] = [7; 32];
const DATA: [u8; 520] = [0x55; 520];
const DATA_LENS: [usize; 2] = [25, DATA.len()];

#[entry]
fn main() -> ! {
    let Some(peripherals) = cortex_m::Peripherals::take() else { exit(false) };
    let mut serial = Serial::new(&peripherals);
    let clock = Clock::start(peripherals.SYST);
    let mut out = black_box([0_u8; 2048]);
    let keys = [
        ("mac8", SealingKey::Mac8(&SECRET)),
        ("mac16", SealingKey::Mac16(&SECRET)),
        #[cfg(feature = "ed25519")]
        ("ed25519", SealingKey::Ed25519(&SECRET)),
    ];
    for (data_len, (name, key)) in DATA_LENS.into_iter().flat_map(|len| keys.map(|key| (len, key))) {
        let data = black_box(&DATA[..data_len]);
        let Ok(bare) = frame(&mut out, data).map(|writer| writer.finish().len()) else { exit(false) };
        let mut len = 0;
        let stack = stack_of(|| len = sealed(&mut out, data, key));
        let instructions = clock.count(|| len = sealed(&mut out, data, key));
        let adds = len.saturating_sub(bare);
        let written = writeln!(serial, "{name} frame {bare} adds {adds} stack {stack} instructions {instructions}");
        if len == 0 || written.is_err() {
            exit(false);
        }
    }
    exit(true)
}

/// The frame's length with its code; 0 if it has no room.
#[inline(never)]
fn sealed(out: &mut [u8], data: &[u8], key: SealingKey<'_>) -> usize {
    frame(out, data).and_then(|writer| seal(writer, "wrist-17", key)).map_or(0, <[u8]>::len)
}

fn frame<'b>(out: &'b mut [u8], data: &[u8]) -> Result<FrameWriter<'b>, EncodeError> {
    let mut writer = FrameWriter::new(out, &Header { schema: 1, boot: 7, seq: 41, t0_ms: 600_000 })?;
    writer.event(&Event { dt_ms: 0, code: 1, severity: 0, value: 0, data })?;
    Ok(writer)
}
