//! `size_with` without the encoder: the difference of the two is its flash.

#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m_rt::entry;
use halo_cortex_m::{exit, rows};

#[entry]
fn main() -> ! {
    let minute = black_box(rows::minute());
    let out = black_box([0_u8; 2048]);
    exit(out.len() > minute.len())
}
