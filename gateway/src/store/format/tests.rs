use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::*;
use crate::record::{Body, ClockSource, ClockUse, Cursor, Format, Frame, Identity, Record};
use crate::store::fs::mem::MemFs;
use crate::store::{Fs, FsFile, Log, Options, Reader, verify};

/// A segment with one frame in one group and one cursor in the next, sealed.
fn golden() -> Vec<u8> {
    let fs = MemFs::new(1);
    let options = Options { segment_bytes: 16 << 10, group_bytes: 4 << 10, ..Options::deterministic(0x5A17) };
    let dir = PathBuf::from("/log");
    let (mut log, _) = Log::open(fs.clone(), &dir, options).unwrap();
    let arrival = GatewayTime { wall_ms: 1_700_000_000_000, mono_ms: 5_000 };
    let stamp = GatewayTime { wall_ms: 1_700_000_000_003, mono_ms: 5_003 };
    let frame = Frame {
        device: "band-1".into(),
        publisher: "band-1".into(),
        subject: "ann".into(),
        identity: Some(Identity { boot: 7, seq: 300 }),
        format: Format::Tf1,
        arrival,
        qos: 1,
        clock: ClockUse { offset_ms: -2, source: ClockSource::Estimated },
        payload: Bytes::from_static(b"\xF9frame"),
    };
    log.push(&Body::Frame(frame).into(), stamp).unwrap();
    log.commit().unwrap();
    let cursor =
        Cursor { consumer: "upstream".into(), confirmed: Offset(1), progress: crate::record::Progress::default() };
    log.push(&Body::Cursor(cursor).into(), stamp).unwrap();
    log.close().unwrap();
    fs.bytes(&crate::store::segment::path(&dir, 1)).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    let lines = bytes.chunks(32).map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    lines.collect::<Vec<_>>().join("\n")
}

/// The bytes on disk are a promise to every later version: a change of what is before the footer is a new format version,
/// not a new golden.
#[test]
fn the_bytes_of_a_segment_are_the_golden_ones() {
    let bytes = golden();
    assert_eq!(bytes[..HEADER_LEN], bytes[HEADER_COPY as usize..FIRST_ITEM as usize]);
    assert!(bytes[HEADER_LEN..HEADER_COPY as usize].iter().all(|byte| *byte == 0));
    let said = hex(&bytes[HEADER_COPY as usize..]);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/format/golden.hex");
    if std::env::var_os("HALO_BLESS").is_some() {
        std::fs::write(&path, format!("{said}\n")).unwrap();
    }
    assert_eq!(said, include_str!("golden.hex").trim_end());
}

/// Footers have gained sections since; whoever does not know a section passes over it, in both directions.
#[test]
fn a_segment_whose_footer_has_fewer_sections_reads_the_same() {
    let text: String = include_str!("golden-first-footers.hex").split_whitespace().collect();
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    let rest: Vec<u8> = (0..text.len()).step_by(2).map(byte).collect();
    let header = &rest[..HEADER_LEN];
    let bytes = [header, &vec![0; HEADER_COPY as usize - HEADER_LEN], &rest].concat();
    let (fs, dir) = (MemFs::new(2), PathBuf::from("/log"));
    fs.create_dir(&dir).unwrap();
    let file = fs.create_new(&crate::store::segment::path(&dir, 1), bytes.len() as u64).unwrap();
    file.write_at(&bytes, 0).unwrap();
    let (mut reader, findings) = Reader::over(fs.clone(), &dir, Offset(1)).unwrap();
    let batch = reader.next(usize::MAX).unwrap();
    assert_eq!((findings.len(), batch.findings.len()), (0, 0), "{findings:?} {:?}", batch.findings);
    assert!(matches!(&batch.records[..], [Record { body: Body::Frame(_), .. }, Record { body: Body::Cursor(_), .. }]));
    assert_eq!(verify(&fs, &dir, |_| {}).unwrap().findings, []);
}

#[test]
fn a_magic_or_a_checksum_that_does_not_fit_is_no_item() {
    let seed = Seed::new(1, 2);
    let group = Group { length: 8, count: 1, first: Offset(3), mark: Mark { segment: 1, position: 4160 } };
    let bytes = group.encode(seed, 4160);
    assert_eq!(Group::decode(seed, 4160, &bytes), Some(group));
    assert_eq!(Group::decode(seed, 4168, &bytes), None, "the same bytes in another place");
    assert_eq!(Group::decode(Seed::new(1, 3), 4160, &bytes), None, "the same bytes in another segment");
    assert_eq!(Group::decode(Seed::new(2, 2), 4160, &bytes), None, "the same bytes under another salt");
    for bit in 0..GROUP_LEN * 8 {
        let mut flipped = bytes;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Group::decode(seed, 4160, &flipped), None, "bit {bit}");
    }
    assert_eq!(Group::decode(seed, 4160, &bytes[..GROUP_LEN - 1]), None);
}

#[test]
fn a_header_of_a_newer_version_is_still_read_as_a_header() {
    let header = Header { version: FORMAT + 1, epoch: StartEpoch(2), segment: 3, salt: 4, floor: Offset(5) };
    assert_eq!(Header::decode(&header.encode()), Some(header));
}
