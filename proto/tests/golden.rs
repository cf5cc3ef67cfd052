//! The short golden frames: they decode to their values, those values encode no longer, and with the golden's own plans
//! they encode to its bytes.

mod common;

use common::{golden_schema, hex, same_as_golden};
use halo_proto::birth::{self, Birth, BirthError, Head};
use halo_proto::chunk::Clock;
use halo_proto::frame::{Frame, Header, Item, MacKind, TimeSync};
use halo_proto::registry;
use halo_proto::schema::{Column, Decoded, Schema, decode_into};

fn header(seq: u32) -> Header {
    Header { schema: 1, boot: 7, seq, t0_ms: 600_000 }
}

fn decode(bytes: &[u8], schema: &Schema) -> Decoded {
    let mut decoded = Decoded::default();
    decode_into(&Frame::new_checked(bytes).unwrap(), schema, &mut decoded).unwrap();
    decoded
}

/// (group, times, columns) of each chunk.
type Content = Vec<(usize, Vec<i64>, Vec<Vec<Option<i64>>>)>;

fn content(decoded: &Decoded) -> Content {
    let column = |column: &[Option<i64>]| column.to_vec();
    decoded.chunks().map(|rows| (rows.group, rows.times.to_vec(), rows.columns().map(column).collect())).collect()
}

fn all(values: &[i64]) -> Vec<Option<i64>> {
    values.iter().copied().map(Some).collect()
}

#[test]
fn g1_is_one_heart_rate() {
    let bytes = hex("f9 01 07 29 c0 cf 24 00 03 01 00 88");
    let decoded = decode(&bytes, &golden_schema());
    assert_eq!(Frame::new_checked(&bytes).unwrap().header(), header(41));
    assert_eq!(content(&decoded), [(0, vec![600_000], vec![all(&[72])])]);
    same_as_golden(&bytes, &golden_schema());
}

#[test]
fn g2_has_three_groups_a_null_column_and_every_other_item() {
    let bytes = hex("f9 01 07 2a c0 cf 24 00 06 0a 00 44 20 66 24 01 07 03 b8 06 8f 90 b6 40 02 05 01 00 a0 75 00
        40 07 80 81 f6 e8 d6 66 1e 41 07 e4 41 11 03 ec 2c 00 42 07 09 05 31 2e 34 2e 32");
    assert_eq!(bytes.len(), 58);
    let decoded = decode(&bytes, &golden_schema());
    let pulse = all(&[72, 72, 73, 73, 74, 74, 74, 73, 73, 72]);
    let seconds = (0..10).map(|i| 600_000 + 1000 * i).collect();
    let beats = vec![600_412, 601_237, 602_055];
    assert_eq!(
        content(&decoded),
        [
            (0, seconds, vec![pulse]),
            (1, beats, vec![all(&[831, 825, 818])]),
            (2, vec![600_000], vec![all(&[4213]), vec![None]]),
        ]
    );
    let sync = decoded.sync.unwrap();
    assert_eq!((sync.unix_minus_uptime_ms, sync.uncertainty_ms), (1_764_000_000_000 - 600_000, 30));
    let event = &decoded.events[0];
    assert_eq!((event.time_ms, event.code, event.severity, event.value), (604_210, 17, 3, 2870));
    assert_eq!((decoded.texts[0].key, decoded.texts[0].val.as_str()), (9, "1.4.2"));
    same_as_golden(&bytes, &golden_schema());
}

#[test]
fn g3_has_nulls_between_values() {
    let bytes = hex("f9 01 07 2b c0 cf 24 00 08 06 00 76 90 94 60 3c 20");
    let decoded = decode(&bytes, &golden_schema());
    let values = vec![Some(72), None, Some(75), Some(75), None, Some(140)];
    assert_eq!(content(&decoded)[0].2, [values]);
    same_as_golden(&bytes, &golden_schema());
}

#[test]
fn g4_has_a_jittering_clock_a_constant_and_an_extreme() {
    let bytes = hex("f9 01 07 2c c0 cf 24 03 14 03 00 81 4d e8 81 5e 9e 5f ff ff ff ff ff ff ff ff ff d6 c0");
    let decoded = decode(&bytes, &golden_schema());
    assert_eq!(content(&decoded)[0].1, [600_000, 660_000, 720_500]);
    assert_eq!(content(&decoded)[0].2, [all(&[97, 97, 97]), all(&[81, 81, i64::MAX])]);
    same_as_golden(&bytes, &golden_schema());
}

/// An irregular and an interval clock; one metric of the device's own.
fn own_schema() -> Schema {
    let mut own = common::group(Clock::Irregular { nominal_ms: 500 }, &[(100, 3), (-5, 0)]);
    own.columns[1] = Column { metric: 0x8001, num: 1, den: 10, name: Some("grip".into()), ..own.columns[1].clone() };
    let intervals = Schema::from_registry(1).unwrap().groups.remove(1);
    Schema::hashed(vec![own, intervals]).unwrap()
}

/// Read back by an independent decoder, which agreed: steps by mode 1 with k 10, column 0 by mode 3 with k 2.
const OWN_FRAME: &str =
    "f9 cf da d4 43 d6 e8 c8 40 ac 02 80 b8 99 29 00 17 04 13 00 15 3e 7d e6 76 4c 4f 1b 08 3f ff ff
    ff ff ff ff ff ff ff f5 c0 08 01 02 03 04 05 06 07 08";
const OWN_BIRTH: &str =
    "fa 01 cf da d4 43 d6 e8 c8 40 b0 09 01 80 a0 bf e9 d6 66 1e 05 31 2e 34 2e 32 02 01 f4 03 02 01
    01 01 c8 01 03 00 81 80 02 01 0a 09 00 01 04 67 72 69 70 02 01 02 01 01 90 0d 07 00";
const WRISTBAND_BIRTH: &str = "fa 01 01 07 b0 09 00 05 31 2e 34 2e 32 04 00 e8 07 01 01 01 01 94 01 04 00 02 01 02 01 01 90
    0d 07 00 00 90 4e 02 03 01 01 00 0d 00 04 01 64 84 34 04 00 00 e0 d4 03 02 05 01 01 c2 01 00 00 06 01 01 c6 01 00 00";

#[test]
fn an_irregular_clock_nulls_in_every_column_and_a_mac() {
    let (schema, bytes) = (own_schema(), hex(OWN_FRAME));
    let frame = Frame::new_checked(&bytes).unwrap();
    assert_eq!(frame.header(), Header { schema: schema.id, boot: 0x0812_3456, seq: 300, t0_ms: 86_400_000 });
    let times = vec![86_399_990, 86_400_490, 86_400_490, 86_402_000];
    let columns = vec![vec![Some(101), None, Some(99), Some(105)], vec![None, Some(-5), Some(i64::MIN), None]];
    assert_eq!(content(&decode(&bytes, &schema)), [(0, times, columns)]);
    let Some(Item::Mac(mac)) = frame.items().last() else { panic!("the last item is the MAC") };
    assert_eq!((mac.kind, mac.code), (MacKind::Mac8, &[1, 2, 3, 4, 5, 6, 7, 8][..]));
    assert_eq!(mac.covered, &bytes[..bytes.len() - 10]);
    same_as_golden(&bytes, &schema);
}

#[test]
fn a_birth_with_a_clock_and_a_signal_of_its_own() {
    let (schema, bytes) = (own_schema(), hex(OWN_BIRTH));
    let birth = Birth::new_checked(&bytes).unwrap();
    let sync = TimeSync { unix_minus_uptime_ms: 1_764_000_000_000, uncertainty_ms: 30 };
    let head =
        Head { kind: 1, schema: 0x0875_2D4F, boot: 0x0812_3456, t0_ms: 1200, sync: Some(sync), firmware: "1.4.2" };
    assert_eq!(birth.head(), head);
    assert_eq!(Schema::from_birth(&birth).as_ref(), Ok(&schema));
    assert_eq!(schema.groups[0].columns[1].name(), Some("grip"));
    assert_eq!(schema.birth_bytes(&head).unwrap(), bytes);
}

#[test]
fn a_birth_of_a_registered_wristband() {
    let bytes = hex(WRISTBAND_BIRTH);
    let birth = Birth::new_checked(&bytes).unwrap();
    assert_eq!(birth.head(), Head { kind: 1, schema: 1, boot: 7, t0_ms: 1200, sync: None, firmware: "1.4.2" });
    assert_eq!(Schema::from_birth(&birth).unwrap(), Schema::from_registry(1).unwrap());
    let mut out = [0; 512];
    let again = birth::encode(&mut out, &birth.head(), registry::schema(1).unwrap().groups).unwrap();
    assert_eq!(again, bytes, "without an allocator");
}

#[test]
fn births_that_are_not_what_they_say_are_refused() {
    let refused = |bytes: &[u8]| Birth::new_checked(bytes).unwrap_err();
    let own = hex(OWN_BIRTH);
    for len in 1..own.len() {
        assert!(matches!(refused(&own[..len]), BirthError::Head | BirthError::Groups), "cut at {len}");
    }
    assert_eq!(refused(&[&own[..], &[0]].concat()), BirthError::Trailing);
    let changed = |at: usize, byte: u8| {
        let mut bytes = own.clone();
        bytes[at] = byte;
        bytes
    };
    assert_eq!(refused(&changed(0, 0xF9)), BirthError::Magic { got: Some(0xF9) });
    assert!(matches!(refused(&changed(36, 4)), BirthError::Schema { got: 0x0875_2D4F, .. }), "another k0");
    assert_eq!(refused(&changed(32, 0)), BirthError::Groups, "a numerator of 0");
    assert_eq!(refused(&changed(45, 2)), BirthError::Groups, "an Option of 2");
    assert_eq!(refused(&changed(47, b'/')), BirthError::Groups, "a name that is no id");
    assert_eq!(refused(&changed(54, 2)), BirthError::Groups, "intervals that are not in ms");

    let mut wristband = hex(WRISTBAND_BIRTH);
    wristband[23] = 5;
    let birth = Birth::new_checked(&wristband).unwrap();
    let error = Schema::from_birth(&birth).unwrap_err();
    assert!(matches!(error, BirthError::Schema { got: 1, .. }), "a registered id with other groups: {error}");
}
