//! Frames of devices that have to prove themselves.

use halo_proto::frame::{FrameWriter, Text};
use halo_proto::mac::{SealingKey, seal};

use super::*;
use crate::ingest::keys;

const RIGHT: [u8; 16] = [0x11; 16];

fn trusted(byte: &str) -> Keys {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("[device.w]\nkind='mac8'\nkey='{}'\n", byte.repeat(16))).unwrap();
    keys::Config { keys: Some(file.path().to_owned()) }.read_keys().unwrap()
}

fn frame_of(seq: u32, is_sealed: bool) -> Vec<u8> {
    let mut out = [0; 256];
    let mut writer = FrameWriter::new(&mut out, &Header { schema: 1, boot: 1, seq, t0_ms: 1000 }).unwrap();
    writer.text(&Text { key: 9, val: "1.4.2" }).unwrap();
    if is_sealed { seal(writer, "w", SealingKey::Mac8(&RIGHT)).unwrap().to_vec() } else { writer.finish().to_vec() }
}

#[test]
fn a_frame_with_the_right_code_is_read_and_its_record_says_so() {
    let mut owner = Owner::new();
    owner.ingest.trust(trusted("11"));
    let admission = owner.publish(&publish("w", frame_of(0, true), 1000));
    assert_eq!((stored(&admission).format, owner.decide()), (Format::Proven, vec![]));
    assert_eq!(owner.publish(&publish("w", frame_of(0, true), 2000)), Admission::Duplicate);
    let unknown = owner.publish(&publish("v", frame_of(0, true), 3000));
    assert_eq!(stored(&unknown).format, Format::Tf1, "a code without a key is read and not called proven");
}

#[test]
fn an_unproven_frame_is_set_aside_moves_nothing_and_is_read_once_its_key_is_right() {
    let mut owner = Owner::new();
    owner.ingest.trust(trusted("22"));
    let admission = owner.publish(&publish("w", frame_of(5, true), 1000));
    assert_eq!((stored(&admission).format, stored(&admission).identity), (Format::Unproven, None));
    let frame = Offset(owner.records.len() as u64);
    assert!(reason(&owner.decide()).contains("authentication code is wrong"));
    assert!(matches!(owner.publish(&publish("w", frame_of(6, false), 2000)), Admission::Store(_)));
    assert!(reason(&owner.decide()).contains("no authentication code"));
    let identity = |seq| crate::record::Identity { boot: 1, seq };
    assert!(!owner.ingest.sequences("w").unwrap().contains(identity(5)), "a forged number makes no gap");
    assert_eq!(owner.quarantined().len(), 2);

    let in_vain = owner.ingest.replay(frame).unwrap();
    assert!(owner.submit(in_vain));
    assert_eq!(owner.quarantined().len(), 2, "nothing has changed");
    owner.ingest.trust(trusted("11"));
    let draft = owner.ingest.replay(frame).unwrap();
    assert!(owner.submit(draft));
    assert_eq!(owner.quarantined().len(), 1, "the other one is still without a code");
    assert!(owner.ingest.sequences("w").unwrap().contains(identity(5)));
    assert_eq!(owner.publish(&publish("w", frame_of(5, true), 3000)), Admission::Duplicate);
    let (replayed, _) = replay(&Store::new(), &owner.records);
    assert_eq!(replayed.quarantine().len(), 1, "a replay needs no keys");
    assert!(replayed.sequences("w").unwrap().contains(identity(5)));
}
