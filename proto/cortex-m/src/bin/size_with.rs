//! One frame of a car dongle, encoded with the encoder's own choice of modes.

#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m_rt::entry;
use halo_cortex_m::{exit, rows};
use halo_proto::chunk::{Plan, Times};

#[entry]
fn main() -> ! {
    let minute = black_box(rows::minute());
    let mut out = black_box([0_u8; 2048]);
    let start = black_box(Times::From(rows::T0_MS as i64));
    exit(rows::encode(&mut out, &minute, start, black_box(Plan::Best)).is_ok())
}
