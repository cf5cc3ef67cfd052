//! Any payload or topic, as it comes off the network.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| include!("../body.rs"));
