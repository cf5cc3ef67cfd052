//! What the images share: the board's serial line, its clock, and the end of a run.
//!
//! The one place of the project with `unsafe`: registers are addresses.

#![no_std]

use core::panic::PanicInfo;
use core::ptr::{read_volatile, write_volatile};

pub mod serial;
pub mod rows;

/// Counts instructions: under `qemu -icount shift=0` one takes 1 ns, and SysTick counts the processor's 25 MHz.
pub struct Clock(cortex_m::peripheral::SYST);

/// Nanoseconds, and so instructions, of one tick.
const TICK: u32 = 40;
const RELOAD: u32 = 0x00FF_FFFF;

impl Clock {
    /// Starts it; wraps after 671 million instructions.
    pub fn start(mut syst: cortex_m::peripheral::SYST) -> Self {
        syst.set_clock_source(cortex_m::peripheral::syst::SystClkSource::Core);
        syst.set_reload(RELOAD);
        syst.clear_current();
        syst.enable_counter();
        Self(syst)
    }

    /// Instructions that `work` takes, to 40 exactly.
    #[inline(always)]
    pub fn count(&self, work: impl FnOnce()) -> u32 {
        let start = cortex_m::peripheral::SYST::get_current();
        work();
        let end = cortex_m::peripheral::SYST::get_current();
        debug_assert!(self.0.csr.read() & 1 == 1);
        start.wrapping_sub(end) % (RELOAD + 1) * TICK
    }
}

/// Bytes of stack that `work` takes below its caller. Inlined, so that what `work` calls is all that counts.
#[inline(always)]
pub fn stack_of(work: impl FnOnce()) -> u32 {
    const WORD: u32 = 0xA5C3_5A3C;
    const DEPTH: u32 = 16 * 1024;
    let top = cortex_m::register::msp::read();
    let words = || (top - DEPTH..top).step_by(4);
    for at in words() {
        // SAFETY: aligned, and below the stack pointer nothing lives; no interrupt is enabled.
        unsafe { write_volatile(at as *mut u32, WORD) };
    }
    work();
    // SAFETY: as above.
    let untouched = words().take_while(|at| unsafe { read_volatile(*at as *const u32) } == WORD).count();
    DEPTH - 4 * untouched as u32
}

/// Ends the emulator with success or failure.
pub fn exit(success: bool) -> ! {
    const SYS_EXIT: u32 = 0x18;
    const STOPPED: u32 = 0x2_0026;
    const INTERNAL_ERROR: u32 = 0x2_0024;
    // SAFETY: SYS_EXIT takes its reason by value; qemu runs with semihosting.
    unsafe { cortex_m::asm::semihosting_syscall(SYS_EXIT, if success { STOPPED } else { INTERNAL_ERROR }) };
    loop {
        cortex_m::asm::wfi();
    }
}

#[panic_handler]
fn panicked(_: &PanicInfo<'_>) -> ! {
    exit(false)
}
