//! Frames that bad firmware makes.

use bytes::Bytes;
use halo_proto::frame::Frame;
use rand::Rng;

use super::Dice;

/// An item that must not be skipped and that nobody knows: whatever holds it is no frame.
const UNKNOWN_CRITICAL: [u8; 2] = [0xA0, 0];
/// First byte of a version of the format that does not exist yet.
const NEXT_VERSION: u8 = 0xFB;

impl Dice {
    /// The frame as bad firmware sends it, if it does: surely not a frame, and often still with its header.
    pub(crate) fn spoil_bytes(&mut self, frame: &Bytes) -> Option<Bytes> {
        if self.faults.malformed <= 0.0 || !self.random.random_bool(self.faults.malformed) {
            return None;
        }
        let mut bytes = frame.to_vec();
        match self.random.random_range(0..4) {
            0 => bytes.truncate(self.random.random_range(1..=bytes.len())),
            1 => *bytes.first_mut()? = NEXT_VERSION,
            2 => {
                let at = self.random.random_range(0..bytes.len());
                *bytes.get_mut(at)? ^= 1 << self.random.random_range(0..8);
            }
            _ => {}
        }
        if Frame::new_checked(&bytes).is_ok() {
            bytes.extend(UNKNOWN_CRITICAL);
        }
        Some(bytes.into())
    }
}
