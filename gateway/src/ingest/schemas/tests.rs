use bytes::Bytes;
use halo_proto::birth::Head;
use halo_proto::chunk::Clock;
use halo_proto::schema::{Column, Group};

use super::*;
use crate::record::GatewayTime;

fn group(dt_ms: u32, names: &[&str]) -> Group {
    let column = |(at, name): (usize, &&str)| Column {
        metric: 0x8000 + at as u16,
        num: 1,
        den: 100,
        bias: 0,
        k0: 4,
        name: Some((*name).to_owned()),
    };
    Group { clock: Clock::Regular { dt_ms }, columns: names.iter().enumerate().map(column).collect() }
}

fn head(schema: u32) -> Head<'static> {
    Head { kind: 3, schema, boot: 7, t0_ms: 5000, sync: None, firmware: "1.4.2" }
}

fn birth(device: &str, payload: Vec<u8>) -> Retained {
    Retained {
        topic: format!("halo/v1/d/{device}/birth").into(),
        publisher: device.into(),
        qos: 1,
        arrival: GatewayTime::default(),
        payload: Bytes::from(payload),
    }
}

impl Schemas {
    fn hear(&mut self, birth: Retained) -> Learned {
        self.learn(&birth, Offset(1))
    }
}

fn schemas() -> Schemas {
    Schemas::new(Grammar::default())
}

#[test]
fn a_birth_describes_how_to_read_its_device_and_no_other() {
    let mut schemas = schemas();
    let schema = Schema::hashed(vec![group(1000, &["depth", "salinity"])]).unwrap();
    let bytes = schema.birth_bytes(&head(0)).unwrap();
    let learned = schemas.hear(birth("buoy-1", bytes));
    assert_eq!(
        learned,
        Learned::Birth { device: "buoy-1".into(), schema: schema.id, boot: 7, t0_ms: 5000, sync: None }
    );
    let layout = schemas.layout("buoy-1", schema.id, Offset::AFTER_ALL).unwrap();
    let names: Vec<&str> = layout.signals(0).iter().map(|signal| &*signal.name).collect();
    assert_eq!(names, ["depth", "salinity"]);
    assert_eq!(
        schemas.layout("buoy-2", schema.id, Offset::AFTER_ALL),
        Err(Unreadable::UnknownSchema { schema: schema.id })
    );
    assert_eq!(schemas.about("buoy-1").unwrap().firmware, "1.4.2");
}

#[test]
fn what_kind_a_device_is_follows_from_the_schema_of_its_frames() {
    let mut schemas = schemas();
    let schema = Schema::hashed(vec![group(1000, &["depth"])]).unwrap();
    schemas.hear(birth("buoy-1", schema.birth_bytes(&head(0)).unwrap()));
    let kind = |schema, at| schemas.kind("buoy-1", schema, at);
    assert_eq!(kind(schema.id, Offset::AFTER_ALL), Some(registry::Kind(3)));
    assert_eq!(kind(schema.id, Offset(1)), None, "before its birth");
    assert_eq!(kind(1, Offset(1)), Some(registry::Kind::WRISTBAND), "the registry knows the schema");
}

#[test]
fn the_registry_needs_no_birth() {
    let layout = schemas().layout("wrist-1", 1, Offset::AFTER_ALL).unwrap().clone();
    assert_eq!(layout.schema().id, 1);
    let signal = &layout.signals(0)[0];
    assert!(!signal.name.is_empty() && !signal.unit.is_empty() && signal.metric.is_some());
}

#[test]
fn a_birth_that_gives_a_known_id_other_groups_is_refused_and_its_frames_set_aside() {
    let mut schemas = schemas();
    let mut one = Schema { id: 4000, groups: vec![group(1000, &["depth"])] };
    let first = one.birth_bytes(&head(0)).unwrap();
    assert!(matches!(schemas.hear(birth("buoy-1", first.clone())), Learned::Birth { .. }));
    one.groups = vec![group(1000, &["salinity"])];
    let second = one.birth_bytes(&head(0)).unwrap();
    let refused = Learned::Refused { device: "buoy-1".into(), why: RefusedBirth::Disputed { schema: 4000 } };
    assert_eq!(schemas.hear(birth("buoy-1", second.clone())), refused);
    assert_eq!(schemas.layout("buoy-1", 4000, Offset::AFTER_ALL), Err(Unreadable::DisputedSchema { schema: 4000 }));
    // Another device may mean something else by the number, and the first meaning settles the dispute.
    assert!(matches!(schemas.hear(birth("buoy-2", second)), Learned::Birth { .. }));
    assert!(matches!(schemas.hear(birth("buoy-1", first)), Learned::Birth { .. }));
    assert!(schemas.layout("buoy-1", 4000, Offset::AFTER_ALL).is_ok());
}

#[test]
fn a_birth_that_contradicts_the_registry_is_refused() {
    let mut schemas = schemas();
    let lie = Schema { id: 1, groups: vec![group(1000, &["depth"])] };
    let learned = schemas.hear(birth("wrist-1", lie.birth_bytes(&head(0)).unwrap()));
    assert!(matches!(learned, Learned::Refused { why: RefusedBirth::Disputed { schema: 1 }, .. }), "{learned:?}");
    assert!(schemas.layout("wrist-1", 1, Offset::AFTER_ALL).is_err());
    assert!(schemas.layout("wrist-2", 1, Offset::AFTER_ALL).is_ok());
}

#[test]
fn broken_births_are_refused_and_other_topics_ignored() {
    let mut schemas = schemas();
    let learned = schemas.hear(birth("buoy-1", vec![0xfa, 1, 2]));
    assert!(matches!(learned, Learned::Refused { why: RefusedBirth::Broken(_), .. }));
    assert_eq!(schemas.hear(birth("buoy-1", Vec::new())), Learned::Nothing);
    let state = Retained { topic: "halo/v1/d/buoy-1/state".into(), ..birth("buoy-1", vec![1]) };
    assert_eq!(schemas.hear(state), Learned::Nothing);
}

#[test]
fn a_device_keeps_its_eight_newest_schemas() {
    let mut schemas = schemas();
    let ids: Vec<u32> = (0..9)
        .map(|n| {
            let schema = Schema::hashed(vec![group(1000 + n, &["depth"])]).unwrap();
            schemas.hear(birth("buoy-1", schema.birth_bytes(&head(0)).unwrap()));
            schema.id
        })
        .collect();
    assert!(schemas.layout("buoy-1", ids[0], Offset::AFTER_ALL).is_err());
    assert!(ids[1..].iter().all(|id| schemas.layout("buoy-1", *id, Offset::AFTER_ALL).is_ok()));
}

#[test]
fn equal_devices_share_one_layout() {
    let mut schemas = schemas();
    let schema = Schema::hashed(vec![group(1000, &["depth"])]).unwrap();
    for device in ["buoy-1", "buoy-2"] {
        schemas.hear(birth(device, schema.birth_bytes(&head(0)).unwrap()));
    }
    let [one, two] = ["buoy-1", "buoy-2"].map(|device| schemas.layout(device, schema.id, Offset::AFTER_ALL).unwrap());
    assert!(Arc::ptr_eq(one, two));
}

#[test]
fn what_is_saved_is_what_is_loaded() {
    let mut schemas = schemas();
    for n in 0..3 {
        let schema = Schema::hashed(vec![group(1000 + n, &["depth"])]).unwrap();
        schemas.hear(birth("buoy-1", schema.birth_bytes(&head(0)).unwrap()));
    }
    let lie = Schema { id: 1, groups: vec![group(1000, &["depth"])] };
    schemas.hear(birth("buoy-1", lie.birth_bytes(&head(0)).unwrap()));
    let loaded: Schemas = postcard::from_bytes(&postcard::to_stdvec(&schemas).unwrap()).unwrap();
    assert_eq!(loaded, schemas);
    assert!(loaded.layout("buoy-1", 1, Offset::AFTER_ALL).is_err());
}

/// How the frames of `buoy-1` at these offsets are to be read.
fn readable(schemas: &Schemas, schema: u32, offsets: impl IntoIterator<Item = u64>) -> Vec<bool> {
    offsets.into_iter().map(|at| schemas.layout("buoy-1", schema, Offset(at)).is_ok()).collect()
}

#[test]
fn a_birth_describes_the_frames_behind_it_and_none_before_it() {
    let mut schemas = schemas();
    let schema = Schema::hashed(vec![group(1000, &["depth"])]).unwrap();
    let bytes = schema.birth_bytes(&head(0)).unwrap();
    schemas.learn(&birth("buoy-1", bytes.clone()), Offset(5));
    schemas.learn(&birth("buoy-1", bytes), Offset(9));
    assert_eq!(readable(&schemas, schema.id, [4, 6, 10]), [false, true, true]);
    let loaded: Schemas = postcard::from_bytes(&postcard::to_stdvec(&schemas).unwrap()).unwrap();
    assert_eq!(readable(&loaded, schema.id, [4, 6, 10]), [false, true, true]);
}

#[test]
fn a_dispute_sets_aside_what_came_while_it_lasted() {
    let mut schemas = schemas();
    let mut one = Schema { id: 4000, groups: vec![group(1000, &["depth"])] };
    let first = one.birth_bytes(&head(0)).unwrap();
    one.groups = vec![group(1000, &["salinity"])];
    let second = one.birth_bytes(&head(0)).unwrap();
    for (bytes, at) in [(&first, 1), (&second, 3), (&second, 5), (&first, 7), (&first, 9), (&second, 11)] {
        schemas.learn(&birth("buoy-1", bytes.clone()), Offset(at));
    }
    assert_eq!(readable(&schemas, 4000, [2, 4, 6, 8, 10, 12]), [true, false, false, true, true, false]);
}

#[test]
fn disputes_are_bounded_and_open_ones_stay() {
    let mut schemas = schemas();
    let lie = Schema { id: 1, groups: vec![group(1000, &["depth"])] };
    schemas.learn(&birth("buoy-1", lie.birth_bytes(&head(0)).unwrap()), Offset(1));
    let mut one = Schema { id: 4000, groups: vec![group(1000, &["depth"])] };
    let first = one.birth_bytes(&head(0)).unwrap();
    one.groups = vec![group(1000, &["salinity"])];
    let second = one.birth_bytes(&head(0)).unwrap();
    for at in 0..50 {
        let bytes = if at % 2 == 0 { &first } else { &second };
        schemas.learn(&birth("buoy-1", bytes.clone()), Offset(2 + at));
    }
    assert!(schemas.saved("buoy-1").unwrap().disputes.len() <= DISPUTES_MAX);
    assert!(schemas.layout("buoy-1", 1, Offset(100)).is_err());
}
