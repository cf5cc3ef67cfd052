//! What encoding a frame takes on a Cortex-M4: stack and instructions, printed to the serial line.
//!
//! `qemu-system-arm -machine mps2-an386 -icount shift=0 -semihosting -nographic -serial mon:stdio -kernel figures`

#![no_std]
#![no_main]

use core::fmt::Write;
use core::hint::black_box;

use cortex_m_rt::entry;
use halo_cortex_m::serial::Serial;
use halo_cortex_m::{Clock, exit, rows, stack_of};
use halo_proto::chunk::{Mode, Plan};

const SAMPLES: u32 = (rows::ROWS * rows::COLUMNS) as u32;

#[entry]
fn main() -> ! {
    let Some(peripherals) = cortex_m::Peripherals::take() else { exit(false) };
    let mut serial = Serial::new(&peripherals);
    let clock = Clock::start(peripherals.SYST);
    let minute = black_box(rows::minute());
    let mut out = black_box([0_u8; 2048]);
    for (name, plan) in [("best", Plan::Best), ("fixed", Plan::Fixed { mode: Mode::Last, k: 3 })] {
        let mut len = 0;
        let mut encode = || len = rows::encode(&mut out, &minute, 0, black_box(plan)).unwrap_or(0);
        let stack = stack_of(&mut encode);
        let instructions = clock.count(&mut encode);
        let each = instructions / SAMPLES;
        let written = writeln!(serial, "{name} bytes {len} samples {SAMPLES} stack {stack} instructions {each}");
        if len == 0 || written.is_err() {
            exit(false);
        }
    }
    exit(true)
}
