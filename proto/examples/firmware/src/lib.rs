//! A device's firmware to start from: `no_std`, without a heap, one loop.
//!
//! What a board has to bring is [`Board`]: a clock, a boot counter, sensors, and a way to open a byte stream to the
//! gateway. The rest is here: samples are gathered into frames (`halo_proto`), a frame stays in the [`Outbox`] until the
//! gateway has acknowledged it, and [`Device::step`] keeps a minimal MQTT 3.1.1 connection: CONNECT, the birth retained,
//! PUBLISH with QoS 1, PINGREQ; after a lost connection what was not acknowledged is sent again, marked as such.
//!
//! Nothing blocks but writes: reads happen when [`embedded_io::ReadReady`] says there is something. That fits the
//! smallest boards, which have no executor; on an asynchronous one, run the loop in a task of its own.
//!
//! **Loss.** A full outbox gives up its oldest frame. The gateway sees the hole in the sequence and lists it.
//!
//! Not here: TLS (put it under the transport), keeping frames over a reboot (put the outbox into flash), commands.

#![no_std]
#![deny(clippy::unwrap_used, clippy::indexing_slicing)]

mod mqtt;
mod outbox;
mod link;
mod device;

pub use device::{Board, Config, Device, Fault, SealedWith};
pub use link::Sample;
pub use outbox::Outbox;
