use std::collections::BTreeSet;
use std::vec::Vec;

use super::*;
use crate::birth::{encode_groups, schema_hash};
use crate::topic::id_is_valid;

/// Never edit a line: devices in the field mean these columns by these ids. Only append.
const HASHES: [(u32, u32); 12] = [
    (1, 0x0F64_986B),
    (2, 0x08F5_B1F1),
    (3, 0x08FD_5CBF),
    (4, 0x0E99_AC70),
    (5, 0x0F14_EB46),
    (6, 0x0D89_DB94),
    (7, 0x0C27_2E18),
    (8, 0x0DAD_C2E5),
    (9, 0x0E6A_2D81),
    (10, 0x0D35_77AE),
    (11, 0x0C0D_714A),
    (12, 0x08C5_E0AF),
];

#[test]
fn registered_schemas_never_change() {
    let hashes: Vec<(u32, u32)> = schemas()
        .iter()
        .map(|schema| {
            let mut out = [0; 4096];
            let len = encode_groups(&mut out, schema.groups).unwrap();
            (schema.id, schema_hash(&out[..len]))
        })
        .collect();
    assert_eq!(hashes, HASHES);
}

#[test]
fn signals_are_found_by_number_and_by_name() {
    assert_eq!(signal(1).unwrap().name, "heart_rate");
    assert_eq!(signal_named("heart_rate").unwrap().loinc, Some("8867-4"));
    assert_eq!(signal_named("speed").unwrap().vss, Some("Vehicle.Speed"));
    for known in signals() {
        assert_eq!(signal(known.metric), Some(known));
        assert_eq!(signal_named(known.name), Some(known));
        assert!(id_is_valid(known.name) && known.num > 0 && known.den > 0, "{}", known.name);
        assert!(known.limits.min.is_none_or(|min| known.limits.max.is_none_or(|max| min < max)), "{}", known.name);
        assert!(known.metric < crate::birth::METRIC_NAMED);
    }
    assert!(signals().is_sorted_by(|a, b| a.metric < b.metric), "binary search needs the order");
    assert_eq!((signal(0), signal_named("no_such"), signal(u16::MAX)), (None, None, None));
}

#[test]
fn schemas_have_ids_of_one_byte_and_their_signals_scales() {
    assert!(schemas().is_sorted_by(|a, b| a.id < b.id));
    for known in schemas() {
        assert!((1..128).contains(&known.id));
        assert_eq!(schema(known.id), Some(known));
        assert_eq!(schema_named(known.name), Some(known));
        assert!(known.kind.name().is_some());
        let mut metrics = BTreeSet::new();
        for column in known.groups.iter().flat_map(|group| group.columns) {
            let signal = signal(column.metric).unwrap();
            assert_eq!((column.num, column.den), (signal.num, signal.den), "{}", signal.name);
            assert!(metrics.insert(column.metric), "{} twice in {}", signal.name, known.name);
        }
    }
}

#[test]
fn event_codes_and_text_keys_are_unique_within_their_kind_and_found_both_ways() {
    for known in events() {
        assert_eq!(event(known.kind, known.code), Some(known));
        assert_eq!(event_named(known.kind, known.name), Some(known), "{} twice", known.name);
        assert!(id_is_valid(known.name) && known.num > 0 && known.den > 0 && known.kind.name().is_some());
    }
    for known in texts() {
        assert_eq!(text(known.kind, known.key), Some(known));
        assert_eq!(text_named(known.kind, known.name), Some(known), "{} twice", known.name);
        assert!(id_is_valid(known.name) && known.kind.name().is_some());
    }
    assert_eq!((event(Kind::RR_STRAP, 1), text(Kind::CAR_DONGLE, 0)), (None, None));
}
