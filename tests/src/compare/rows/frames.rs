//! Bytes a sample of simulated devices, header and time included, in frames of a minute.

use std::time::Duration;

use firmware_sim::Kind;
use firmware_sim::bench::{Load, payloads};
use halo_proto::frame::Frame;
use halo_proto::schema::{Decoded, Schema, decode_into};

use super::super::goal::Figures;
use super::super::ground::Ground;
use crate::Failure;

const MINUTE: Duration = Duration::from_secs(60);
/// An hour of each kind.
const FRAMES: u32 = 60;

pub(super) fn bytes_a_sample(_: &Ground) -> Result<Figures, Failure> {
    let kinds = [
        ("simulated wristband", Kind::Wristband),
        ("simulated car", Kind::CarDongle),
        ("simulated engine", Kind::Turbofan),
    ];
    kinds.into_iter().map(|(name, kind)| Ok((name, of(kind)?))).collect()
}

fn of(kind: Kind) -> Result<f64, Failure> {
    let load = Load::Frames { kinds: vec![kind], period: MINUTE, step: MINUTE, fill_to: None };
    let (mut bytes, mut samples, mut decoded) = (0, 0, Decoded::default());
    for payload in payloads(&load, 0, FRAMES)? {
        let frame = Frame::new_checked(&payload)?;
        let schema = Schema::from_registry(frame.header().schema).ok_or("an unregistered schema")?;
        decode_into(&frame, &schema, &mut decoded).map_err(|error| format!("{error:?}"))?;
        bytes += payload.len();
        samples += decoded.chunks().flat_map(|rows| rows.columns()).flatten().flatten().count();
    }
    Ok(bytes as f64 / samples.max(1) as f64)
}
