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
use halo_proto::chunk::{Mode, Plan, Times};

const SAMPLES: u32 = (rows::ROWS * rows::COLUMNS) as u32;

#[entry]
fn main() -> ! {
    let Some(peripherals) = cortex_m::Peripherals::take() else { exit(false) };
    let mut serial = Serial::new(&peripherals);
    let clock = Clock::start(peripherals.SYST);
    let minute = black_box(rows::minute());
    let mut out = black_box([0_u8; 2048]);
    let jittering = black_box(rows::jittering());
    let clocks = [("regular", Times::From(rows::T0_MS as i64)), ("jittering", Times::Each(&jittering))];
    let plans = [("best", Plan::Best), ("fixed", Plan::Fixed { mode: Mode::Last, k: 3 })];
    for ((clock_name, times), (plan_name, plan)) in clocks.into_iter().flat_map(|it| plans.map(|plan| (it, plan))) {
        let (times, plan) = (black_box(times), black_box(plan));
        let mut len = 0;
        // Two closures: one that is called twice would be a call of its own, and its stack be counted.
        let stack = stack_of(|| len = rows::encode(&mut out, &minute, times, plan).unwrap_or(0));
        let instructions = clock.count(|| len = rows::encode(&mut out, &minute, times, plan).unwrap_or(0));
        let each = instructions / SAMPLES;
        let names = format_args!("{clock_name} {plan_name}");
        let written = writeln!(serial, "{names} bytes {len} samples {SAMPLES} stack {stack} instructions {each}");
        if len == 0 || written.is_err() {
            exit(false);
        }
    }
    exit(true)
}
