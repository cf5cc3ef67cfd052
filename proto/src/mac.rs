//! Authentication codes: who sent a frame, and that nobody changed it.
//!
//! A code covers the device id and every byte of the frame before its item. The id cannot run into the frame: it never
//! holds the byte a frame starts with. A code proves nothing about when: replays are for the sequence numbers.

use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;

use crate::chunk::EncodeError;
use crate::frame::{FrameWriter, Mac, MacKind};

/// Shortest secret of an HMAC, bytes.
pub const SECRET_LEN_MIN: usize = 16;
/// Longest secret of an HMAC, bytes: SHA-256's block; a longer one would be hashed down to 32.
pub const SECRET_LEN_MAX: usize = 64;
/// Length of an Ed25519 seed and of an Ed25519 public key, bytes.
pub const ED25519_KEY_LEN: usize = 32;

/// What a device makes codes with.
#[derive(Clone, Copy)]
pub enum SealingKey<'k> {
    /// A secret shared with the gateway; the code is cut to 8 bytes.
    Mac8(&'k [u8]),
    /// The same, cut to 16 bytes.
    Mac16(&'k [u8]),
    /// The seed of a private key; the gateway knows the public one. Feature `ed25519`.
    #[cfg(feature = "ed25519")]
    Ed25519(&'k [u8; ED25519_KEY_LEN]),
}

/// What a gateway verifies codes with.
#[derive(Clone, Copy)]
pub enum VerifyingKey<'k> {
    /// The shared secret, for codes of 8 bytes only.
    Mac8(&'k [u8]),
    /// The shared secret, for codes of 16 bytes only.
    Mac16(&'k [u8]),
    /// The device's public key. Feature `ed25519`.
    #[cfg(feature = "ed25519")]
    Ed25519(&'k [u8; ED25519_KEY_LEN]),
}

/// Ends a frame with the code of `key` over `device` and the frame; its bytes.
///
/// An Ed25519 signature is made from the whole message twice over, so the buffer must have room for the device id and a
/// second copy of the frame; an HMAC needs room for its item only.
///
/// # Errors
/// `Full`.
pub fn seal<'b>(frame: FrameWriter<'b>, device: &str, key: SealingKey<'_>) -> Result<&'b [u8], EncodeError> {
    match key {
        SealingKey::Mac8(secret) => {
            let code = hmac(secret, device, frame.bytes());
            frame.finish_with_mac(MacKind::Mac8, first::<8>(&code))
        }
        SealingKey::Mac16(secret) => {
            let code = hmac(secret, device, frame.bytes());
            frame.finish_with_mac(MacKind::Mac16, first::<16>(&code))
        }
        #[cfg(feature = "ed25519")]
        SealingKey::Ed25519(seed) => sign(frame, device, seed),
    }
}

/// Out of line: its 3 KB of stack are not there for an HMAC.
#[cfg(feature = "ed25519")]
#[inline(never)]
fn sign<'b>(mut frame: FrameWriter<'b>, device: &str, seed: &[u8; ED25519_KEY_LEN]) -> Result<&'b [u8], EncodeError> {
    let (bytes, free) = frame.parts();
    let message = free.get_mut(..device.len() + bytes.len()).ok_or(EncodeError::Full)?;
    let (id, copy) = message.split_at_mut(device.len());
    id.copy_from_slice(device.as_bytes());
    copy.copy_from_slice(bytes);
    let pair = ed25519_compact::KeyPair::from_seed(ed25519_compact::Seed::new(*seed));
    // Without noise: the signature depends on key and message alone, and a device without randomness is safe.
    let signature = pair.sk.sign(message, None);
    frame.finish_with_mac(MacKind::Ed25519, signature.as_ref())
}

/// Whether `mac` is the code of `key` over `device` and what it covers. A code of another kind than the key's is none:
/// who can choose the kind chooses the weakest.
pub fn verify(mac: &Mac<'_>, device: &str, key: VerifyingKey<'_>) -> bool {
    match (key, mac.kind) {
        (VerifyingKey::Mac8(secret), MacKind::Mac8) | (VerifyingKey::Mac16(secret), MacKind::Mac16) => {
            keyed(secret, device, mac.covered).verify_truncated_left(mac.code).is_ok()
        }
        #[cfg(feature = "ed25519")]
        (VerifyingKey::Ed25519(public), MacKind::Ed25519) => verify_signature(mac, device, public),
        _ => false,
    }
}

/// The public key of a seed: what the gateway is told.
#[cfg(feature = "ed25519")]
pub fn public_key(seed: &[u8; ED25519_KEY_LEN]) -> [u8; ED25519_KEY_LEN] {
    *ed25519_compact::KeyPair::from_seed(ed25519_compact::Seed::new(*seed)).pk
}

#[cfg(feature = "ed25519")]
fn verify_signature(mac: &Mac<'_>, device: &str, public: &[u8; ED25519_KEY_LEN]) -> bool {
    let Ok(signature) = ed25519_compact::Signature::from_slice(mac.code) else { return false };
    let Ok(mut state) = ed25519_compact::PublicKey::new(*public).verify_incremental(&signature) else { return false };
    state.absorb(device.as_bytes());
    state.absorb(mac.covered);
    state.verify().is_ok()
}

fn keyed(secret: &[u8], device: &str, frame: &[u8]) -> Hmac<Sha256> {
    // A secret of any length is a key; the constants above are for who hands them out.
    let hmac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret).unwrap_or_else(|_| unreachable!());
    hmac.chain_update(device.as_bytes()).chain_update(frame)
}

fn hmac(secret: &[u8], device: &str, frame: &[u8]) -> [u8; 32] {
    keyed(secret, device, frame).finalize().into_bytes().into()
}

fn first<const N: usize>(code: &[u8; 32]) -> &[u8] {
    code.get(..N).unwrap_or_default()
}

#[cfg(test)]
#[cfg(feature = "ed25519")]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::frame::{Frame, Header, Item};

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const SEED: &[u8; 32] = b"a seed of exactly 32 bytes, now.";
    const HEADER: Header = Header { schema: 1, boot: 7, seq: 41, t0_ms: 600_000 };

    const GOLDEN_FRAME: &[u8] =
        &[0xf9, 0x01, 0x07, 0x29, 0xc0, 0xcf, 0x24, 0x42, 0x07, 0x09, 0x05, 0x31, 0x2e, 0x34, 0x2e, 0x32];
    const GOLDEN_MAC16: &[u8] =
        &[0x51, 0x20, 0xf2, 0x54, 0x9b, 0xde, 0x7c, 0xbb, 0xa0, 0x6c, 0xc1, 0xcf, 0x64, 0x7f, 0x0f, 0xe0];
    const GOLDEN_PUBLIC: [u8; 32] = [
        0x02, 0x85, 0xb9, 0x13, 0x7e, 0x45, 0x21, 0x1a, 0xac, 0x86, 0xb6, 0x47, 0xd0, 0xb2, 0xd2, 0xac, 0xe5, 0xed,
        0x64, 0x3b, 0x7e, 0xaf, 0x7e, 0x9f, 0x6a, 0xc0, 0xc7, 0x59, 0xc7, 0x6f, 0xbd, 0x19,
    ];
    const GOLDEN_SIGNATURE: &[u8] = &[
        0x37, 0xdb, 0x83, 0x0e, 0x2e, 0x59, 0xd7, 0x6e, 0x76, 0x27, 0xa5, 0x19, 0xb4, 0xd1, 0x5e, 0xbd, 0xa6, 0x98,
        0x8a, 0xf8, 0xd4, 0xad, 0xb8, 0xcd, 0x32, 0x77, 0xb3, 0xb7, 0xb5, 0x13, 0x42, 0xd7, 0xae, 0x4a, 0x85, 0x15,
        0xd3, 0x32, 0x43, 0x9c, 0x8a, 0xae, 0x5d, 0xfb, 0xd6, 0x0f, 0x4c, 0xb2, 0x3b, 0x20, 0x6c, 0xfc, 0xef, 0x2e,
        0xf5, 0x98, 0x4e, 0xfb, 0xbc, 0xbc, 0x76, 0x67, 0x30, 0x09,
    ];

    fn sealed(device: &str, key: SealingKey<'_>) -> Vec<u8> {
        let mut out = [0; 256];
        let mut writer = FrameWriter::new(&mut out, &HEADER).unwrap();
        writer.text(&crate::frame::Text { key: 9, val: "1.4.2" }).unwrap();
        seal(writer, device, key).unwrap().to_vec()
    }

    fn holds(frame: &[u8], device: &str, key: VerifyingKey<'_>) -> bool {
        let frame = Frame::new_checked(frame).unwrap();
        let Some(Item::Mac(mac)) = frame.items().last() else { panic!("the last item is the code") };
        verify(&mac, device, key)
    }

    fn pairs() -> [(SealingKey<'static>, [u8; 32], usize); 3] {
        let secret = SECRET.try_into().unwrap();
        [
            (SealingKey::Mac8(SECRET), secret, 10),
            (SealingKey::Mac16(SECRET), secret, 18),
            (SealingKey::Ed25519(SEED), public_key(SEED), 66),
        ]
    }

    fn verifying<'k>(sealing: SealingKey<'_>, key: &'k [u8; 32]) -> VerifyingKey<'k> {
        match sealing {
            SealingKey::Mac8(_) => VerifyingKey::Mac8(key),
            SealingKey::Mac16(_) => VerifyingKey::Mac16(key),
            SealingKey::Ed25519(_) => VerifyingKey::Ed25519(key),
        }
    }

    #[test]
    fn a_code_holds_for_its_device_its_key_and_its_bytes_and_for_no_other() {
        let plain_len = sealed("w-1", SealingKey::Mac8(SECRET)).len() - 10;
        for (sealing, key, len) in pairs() {
            let frame = sealed("w-1", sealing);
            assert_eq!(frame.len(), plain_len + len, "bytes of the item");
            assert!(holds(&frame, "w-1", verifying(sealing, &key)));
            assert!(!holds(&frame, "w-2", verifying(sealing, &key)), "another device");
            let mut other = key;
            other[0] ^= 1;
            assert!(!holds(&frame, "w-1", verifying(sealing, &other)), "another key");
            for at in (0..plain_len).chain(plain_len + 2..frame.len()) {
                let mut changed = frame.clone();
                changed[at] ^= 1;
                let structure = Frame::new_checked(&changed);
                let forged = structure.is_ok() && holds(&changed, "w-1", verifying(sealing, &key));
                assert!(!forged, "byte {at} changed");
            }
        }
    }

    #[test]
    fn a_code_of_another_kind_is_none() {
        for (sealing, _, _) in pairs() {
            let frame = sealed("w-1", sealing);
            let secret: [u8; 32] = SECRET.try_into().unwrap();
            let kinds = [VerifyingKey::Mac8(&secret), VerifyingKey::Mac16(&secret), VerifyingKey::Ed25519(&secret)];
            let right = kinds.iter().filter(|key| holds(&frame, "w-1", **key)).count();
            assert!(right <= 1);
        }
        let short = sealed("w-1", SealingKey::Mac8(SECRET));
        assert!(!holds(&short, "w-1", VerifyingKey::Mac16(SECRET)));
    }

    #[test]
    fn codes_are_those_of_another_implementation() {
        // Python's hmac, and RFC 8032 in Python, over "w-1" and the frame.
        let frame = sealed("w-1", SealingKey::Mac16(SECRET));
        let covered = &frame[..frame.len() - 18];
        assert_eq!(covered, GOLDEN_FRAME);
        assert_eq!(&frame[frame.len() - 16..], GOLDEN_MAC16);
        let signed = sealed("w-1", SealingKey::Ed25519(SEED));
        assert_eq!(public_key(SEED), GOLDEN_PUBLIC);
        assert_eq!(&signed[signed.len() - 64..], GOLDEN_SIGNATURE);
    }

    #[test]
    fn a_buffer_without_room_is_refused_and_an_hmac_needs_room_for_itself_alone() {
        let len = sealed("w-1", SealingKey::Mac8(SECRET)).len();
        let room = |room: usize, key| {
            let mut out = [0; 256];
            let mut writer = FrameWriter::new(&mut out[..room], &HEADER).unwrap();
            writer.text(&crate::frame::Text { key: 9, val: "1.4.2" }).unwrap();
            seal(writer, "w-1", key).is_ok()
        };
        assert!(room(len, SealingKey::Mac8(SECRET)) && !room(len - 1, SealingKey::Mac8(SECRET)));
        assert!(!room(len, SealingKey::Ed25519(SEED)) && room(2 * len + 66, SealingKey::Ed25519(SEED)));
    }
}
