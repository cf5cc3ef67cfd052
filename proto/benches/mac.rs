//! What an authentication code costs: bytes, and microseconds to make and to verify, on a frame as small as a wristband's
//! ten seconds and on one as large as a car's minute.
//!
//! `cargo bench -p halo-proto --features ed25519 --bench mac`

#[path = "codec/stopwatch.rs"]
mod stopwatch;

use std::hint::black_box;

use halo_proto::frame::{Event, Frame, FrameWriter, Header, Item};
use halo_proto::mac::{SealingKey, VerifyingKey, public_key, seal, verify};

const DEVICE: &str = "wrist-17";
const SECRET: [u8; 32] = [7; 32];

fn main() {
    let measures = std::env::args().any(|argument| argument == "--bench");
    let public = public_key(&SECRET);
    let schemes = [
        ("HMAC-SHA256, 8 bytes", SealingKey::Mac8(&SECRET), VerifyingKey::Mac8(&SECRET)),
        ("HMAC-SHA256, 16 bytes", SealingKey::Mac16(&SECRET), VerifyingKey::Mac16(&SECRET)),
        ("Ed25519", SealingKey::Ed25519(&SECRET), VerifyingKey::Ed25519(&public)),
    ];
    println!("{:22} {:>6} {:>6} {:>10} {:>10}", "scheme", "frame", "adds", "seal us", "verify us");
    for (data_len, (name, sealing, verifying)) in [25, 520].into_iter().flat_map(|len| schemes.map(|it| (len, it))) {
        let mut out = [0; 2048];
        let bare = frame(&mut out, data_len).finish().len();
        let sealed = seal(frame(&mut out, data_len), DEVICE, sealing).expect("room").to_vec();
        let checked = Frame::new_checked(&sealed).expect("a frame");
        let Some(Item::Mac(mac)) = checked.items().last() else { panic!("the last item is the code") };
        assert!(verify(&mac, DEVICE, verifying));
        let adds = sealed.len() - bare;
        if !measures {
            println!("{name:22} {bare:>6} {adds:>6}");
            continue;
        }
        let seal_ns = stopwatch::nanoseconds(|| {
            black_box(seal(frame(&mut out, data_len), DEVICE, black_box(sealing)).expect("room"));
        });
        let verify_ns = stopwatch::nanoseconds(|| assert!(verify(black_box(&mac), DEVICE, verifying)));
        println!("{name:22} {bare:>6} {adds:>6} {:>10.2} {:>10.2}", seal_ns / 1000.0, verify_ns / 1000.0);
    }
}

/// A frame of about this many bytes more than its header.
fn frame(out: &mut [u8], data_len: usize) -> FrameWriter<'_> {
    const DATA: [u8; 1024] = [0x55; 1024];
    let mut writer = FrameWriter::new(out, &Header { schema: 1, boot: 7, seq: 41, t0_ms: 600_000 }).expect("room");
    let event = Event { dt_ms: 0, code: 1, severity: 0, value: 0, data: &DATA[..data_len] };
    writer.event(&event).expect("room");
    writer
}
