//! The short golden frames: they decode to their values, those values encode no longer, and with the golden's own plans
//! they encode to its bytes.

mod common;

use common::{golden_schema, hex, rebuild, same_as_golden};
use halo_proto::birth::{self, Birth};
use halo_proto::chunk::{Clock, Coding, Mode, Plan, Source, Times};
use halo_proto::frame::{Frame, FrameWriter, Header, Item, MacKind, TimeSync};
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

/// Three groups: irregular, regular and interval clocks; one metric of the device's own.
fn own_schema() -> Schema {
    let mut schema = Schema::from_registry(1).unwrap();
    let mut own = common::group(Clock::Irregular { nominal_ms: 500 }, &[(100, 3), (-5, 0)]);
    own.columns[1] = Column { metric: 0x8001, num: 1, den: 10, name: Some("grip".into()), ..own.columns[1].clone() };
    schema.groups = vec![own, schema.groups.remove(1)];
    Schema::hashed(schema.groups).unwrap()
}

#[test]
fn zz_print() {
    let schema = own_schema();
    let mut out = [0; 200];
    let header = Header { schema: schema.id, boot: 0x0812_3456, seq: 300, t0_ms: 86_400_000 };
    let mut writer = FrameWriter::new(&mut out, &header).unwrap();
    let times = [86_399_990, 86_400_490, 86_400_490, 86_402_000];
    let columns = [vec![Some(101), None, Some(99), Some(105)], vec![None, Some(-5), Some(i64::MIN), None]];
    let sources = schema.groups[0].columns.iter().zip(&columns);
    let sources: Vec<_> = sources.map(|(column, values)| Source { coding: column.coding(), values, plan: Plan::Best }).collect();
    writer.chunk(0, schema.groups[0].clock, Times::Each(&times), sources).unwrap();
    let bytes = writer.finish_with_mac(MacKind::Mac8, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    println!("FRAME {}", bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" "));
    let sync = Some(TimeSync { unix_minus_uptime_ms: 1_764_000_000_000, uncertainty_ms: 30 });
    let head = birth::Head { kind: 1, schema: 0, boot: header.boot, t0_ms: 1200, sync, firmware: "1.4.2" };
    let birth = schema.birth_bytes(&head).unwrap();
    println!("BIRTH {}", birth.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" "));
    let w = Schema::from_registry(1).unwrap().birth_bytes(&birth::Head{boot:7, sync:None, ..head}).unwrap();
    println!("WRIST {} {}", w.len(), w.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" "));
}
