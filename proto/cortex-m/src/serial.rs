//! The first CMSDK UART of the board, polled.

use core::fmt;
use core::ptr::{read_volatile, write_volatile};

const DATA: *mut u32 = 0x4000_4000 as *mut u32;
const STATE: *mut u32 = 0x4000_4004 as *mut u32;
const CONTROL: *mut u32 = 0x4000_4008 as *mut u32;
const DIVIDER: *mut u32 = 0x4000_4010 as *mut u32;

const FULL_OUT: u32 = 1;
const FULL_IN: u32 = 2;
const BOTH_WAYS: u32 = 3;
/// 25 MHz / 217 = 115,207 baud.
const BAUD_DIVIDER: u32 = 217;

/// The line; there is one.
pub struct Serial(());

impl Serial {
    /// Switches it on. `peripherals` shows that it is done once.
    pub fn new(_peripherals: &cortex_m::Peripherals) -> Self {
        // SAFETY: registers of the board, aligned; nobody else has them.
        unsafe {
            write_volatile(DIVIDER, BAUD_DIVIDER);
            write_volatile(CONTROL, BOTH_WAYS);
        }
        Self(())
    }

    /// Writes one byte, waiting for room.
    pub fn put(&mut self, byte: u8) {
        // SAFETY: as above.
        unsafe {
            while read_volatile(STATE) & FULL_OUT != 0 {}
            write_volatile(DATA, u32::from(byte));
        }
    }

    /// A byte, if one has come.
    pub fn get(&mut self) -> Option<u8> {
        // SAFETY: as above.
        unsafe { (read_volatile(STATE) & FULL_IN != 0).then(|| read_volatile(DATA) as u8) }
    }

    /// Whether a byte has come.
    pub fn has_byte(&mut self) -> bool {
        // SAFETY: as above.
        unsafe { read_volatile(STATE) & FULL_IN != 0 }
    }
}

impl fmt::Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| self.put(byte));
        Ok(())
    }
}
