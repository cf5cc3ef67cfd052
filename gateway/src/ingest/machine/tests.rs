use std::collections::BTreeMap;

use halo_proto::birth::Head;
use halo_proto::chunk::{Clock, Times};
use halo_proto::frame::Header;
use halo_proto::schema::{Column, FrameBuilder, Group, Schema};
use proptest::prelude::*;

use super::*;
use crate::ingest::checkpoint::Row;
use crate::ingest::losses::LossKind;
use crate::record::{Act, Assignment, Deed, Dropped, Format, Offset, Start, StartEpoch, Stretch, SubjectKind};

mod offers;
mod unproven;

const WALL_MS: i64 = 1_800_000_000_000;

fn at(mono_ms: u64) -> GatewayTime {
    GatewayTime { wall_ms: WALL_MS + mono_ms as i64, mono_ms }
}

/// The rows of a checkpoint.
type Store = BTreeMap<Vec<u8>, Vec<u8>>;

/// A log and its owner, as small as they can be.
struct Owner {
    ingest: Ingest,
    records: Vec<Record>,
    rows: Store,
    now: GatewayTime,
}

impl Owner {
    fn new() -> Self {
        let mut owner =
            Self { ingest: Ingest::new(Settings::default()), records: Vec::new(), rows: BTreeMap::new(), now: at(0) };
        owner.append(Body::Start(Start { version: "0.1.0".into() }).into());
        owner
    }

    fn append(&mut self, draft: Draft) -> Offset {
        let offset = Offset(self.records.len() as u64 + 1);
        let record = Record {
            offset,
            epoch: StartEpoch(1),
            stamp: self.now,
            cause: draft.cause,
            key: Default::default(),
            body: draft.body,
        };
        self.ingest.apply(&record);
        self.records.push(record);
        offset
    }

    /// One publish on its own group; what became of it.
    fn publish(&mut self, publish: &Publish) -> Admission {
        self.now = publish.arrival;
        if let Some(body) = self.ingest.connect(publish) {
            self.append(body.into());
        }
        let admission = self.ingest.admit(publish);
        if let Admission::Store(body) = admission.clone() {
            self.append(body.into());
        }
        admission
    }

    fn decide(&mut self) -> Vec<Body> {
        let mut bodies = Vec::new();
        for _ in 0..1000 {
            let drafts = self.ingest.owed(self.now);
            if drafts.is_empty() {
                return bodies;
            }
            bodies.extend(drafts.iter().map(|draft| draft.body.clone()));
            for draft in drafts {
                self.append(draft);
            }
        }
        panic!("decisions without end")
    }

    /// As the log's owner lets it in.
    fn submit(&mut self, draft: Draft) -> bool {
        let accepted = self.ingest.accepts(&draft);
        if accepted {
            self.append(draft);
        }
        accepted
    }

    fn act(&mut self, deed: Deed) -> bool {
        self.submit(Body::Act(Act { by: "local".into(), deed }).into())
    }

    fn quarantined(&self) -> Vec<u64> {
        self.ingest.quarantine().entries().map(|entry| entry.offset.0).collect()
    }

    fn checkpoint(&mut self) {
        merge(&mut self.rows, self.ingest.dirty_rows());
    }
}

fn merge(store: &mut Store, rows: Vec<Row>) {
    for (key, value) in rows {
        match value {
            Some(value) => drop(store.insert(key, value)),
            None => drop(store.remove(&key)),
        }
    }
}

/// The state that a log, from a checkpoint or from nothing, leads to.
fn replay(from: &Store, records: &[Record]) -> (Ingest, Store) {
    let mut ingest = Ingest::load(Settings::default(), from).unwrap();
    records.iter().for_each(|record| ingest.apply(record));
    let mut rows = from.clone();
    merge(&mut rows, ingest.dirty_rows());
    (ingest, rows)
}

fn publish(device: &str, payload: impl Into<Bytes>, mono_ms: u64) -> Publish {
    Publish {
        device: device.into(),
        topic: format!("halo/v1/d/{device}/t").into(),
        publisher: device.into(),
        channel: Channel::Telemetry,
        payload: payload.into(),
        qos: 1,
        arrival: at(mono_ms),
        session: 1,
    }
}

fn birth(device: &str, payload: impl Into<Bytes>, mono_ms: u64) -> Publish {
    let topic = format!("halo/v1/d/{device}/birth").into();
    Publish { topic, channel: Channel::Birth, ..publish(device, payload, mono_ms) }
}

fn schema() -> Schema {
    let column = Column { metric: 0x8000, num: 1, den: 10, bias: 70, k0: 4, name: Some("depth".into()) };
    let group = Group { clock: Clock::Regular { dt_ms: 1000 }, columns: vec![column] };
    Schema::hashed(vec![group]).unwrap()
}

fn birth_bytes(boot: u32, t0_ms: u64) -> Vec<u8> {
    schema().birth_bytes(&Head { kind: 0, schema: 0, boot, t0_ms, sync: None, firmware: "1" }).unwrap()
}

/// Ten readings from `t0_ms` on.
fn frame(boot: u32, seq: u32, t0_ms: u64, value: i64) -> Vec<u8> {
    let schema = schema();
    let mut builder = FrameBuilder::new();
    builder.begin(&Header { schema: schema.id, boot, seq, t0_ms }).unwrap();
    builder.chunk(&schema, 0, Times::From(t0_ms as i64), &[&[Some(value); 10]]).unwrap();
    builder.finish()
}

fn stored(admission: &Admission) -> &Frame {
    match admission {
        Admission::Store(Body::Frame(frame)) => frame,
        other => panic!("{other:?} where a frame record is wanted"),
    }
}

fn reason(bodies: &[Body]) -> String {
    match bodies {
        [Body::Quarantine(quarantine)] => quarantine.reason.clone(),
        other => panic!("{other:?} where a quarantine is wanted"),
    }
}

#[test]
fn a_frame_is_stored_with_all_a_late_reader_needs() {
    let mut owner = Owner::new();
    let assignment = Assignment {
        device: "buoy-1".into(),
        subject: "sea".into(),
        kind: SubjectKind::Thing,
        from_ms: Some(WALL_MS + 100_000),
        until_ms: None,
    };
    owner.append(Body::Config(FoldConfig { assignments: vec![assignment], ..FoldConfig::default() }).into());
    owner.publish(&birth("buoy-1", birth_bytes(7, 5_000), 80_040));
    // Taken from 95 s to 104 s of gateway time, so begun before the assignment.
    let before = owner.publish(&publish("buoy-1", frame(7, 41, 20_000, 72), 104_090));
    let after = owner.publish(&publish("buoy-1", frame(7, 42, 26_000, 72), 110_060));
    let (before, after) = (stored(&before), stored(&after));
    assert_eq!(before.identity, Some(crate::record::Identity { boot: 7, seq: 41 }));
    assert_eq!((before.format, before.qos), (Format::Tf1, 1));
    assert_eq!(before.clock, ClockUse { offset_ms: WALL_MS + 75_040, source: ClockSource::Estimated });
    assert_eq!((&*before.subject, &*after.subject), ("buoy-1", "sea"));
    assert_eq!(owner.decide(), []);
}

#[test]
fn a_repeat_is_a_duplicate_whichever_way_it_comes() {
    let mut owner = Owner::new();
    owner.publish(&birth("buoy-1", birth_bytes(7, 0), 0));
    let first = publish("buoy-1", frame(7, 1, 1000, 72), 20_000);
    stored(&owner.publish(&first));
    assert_eq!(owner.publish(&first), Admission::Duplicate);
    let again = Publish { session: 9, qos: 0, arrival: at(30_000), ..publish("buoy-1", frame(7, 1, 1000, 72), 0) };
    assert_eq!(owner.publish(&again), Admission::Duplicate);
    let other = Publish { device: "buoy-2".into(), ..first };
    stored(&owner.publish(&other));
}

#[test]
fn a_sequence_used_twice_is_stored_and_named_a_conflict() {
    let mut owner = Owner::new();
    owner.publish(&birth("buoy-1", birth_bytes(7, 0), 0));
    owner.publish(&publish("buoy-1", frame(7, 1, 1000, 72), 20_000));
    owner.decide();
    let second = publish("buoy-1", frame(7, 1, 1000, 73), 21_000);
    stored(&owner.publish(&second));
    let cause = Offset(owner.records.len() as u64);
    let drafts = owner.ingest.owed(owner.now);
    assert_eq!(drafts[0].cause, Some(cause));
    assert!(matches!(&drafts[0].body, Body::Conflict(conflict) if conflict.identity.seq == 1), "{drafts:?}");
    assert_eq!(owner.decide().len(), 1);
    assert_eq!(owner.publish(&second), Admission::Duplicate, "the newest bytes are the ones compared");
}

#[test]
fn a_sequence_too_old_to_compare_is_stored_as_a_conflict_and_a_late_one_is_not() {
    let mut owner = Owner::new();
    owner.publish(&birth("buoy-1", birth_bytes(7, 0), 0));
    let first = publish("buoy-1", frame(7, 0, 0, 72), 10_000);
    owner.publish(&first);
    for seq in 2..6000 {
        owner.publish(&publish("buoy-1", frame(7, seq, u64::from(seq) * 1000, 72), 10_000 + u64::from(seq) * 1000));
    }
    owner.decide();
    stored(&owner.publish(&Publish { arrival: owner.now, ..first }));
    assert!(matches!(owner.decide()[..], [Body::Conflict(_)]));
    stored(&owner.publish(&Publish { arrival: owner.now, ..publish("buoy-1", frame(7, 1, 1000, 72), 0) }));
    assert_eq!(owner.decide(), [], "a hole filled late is what it was kept for");
    assert_eq!(owner.ingest.sequences("buoy-1").unwrap().missing(), 0);
}

#[test]
fn repeats_become_one_record_per_device_and_ten_seconds() {
    let mut owner = Owner::new();
    let json = |mono_ms| publish("pi", r#"{"x":1,"time":1800000000}"#, mono_ms);
    owner.publish(&json(0));
    for n in 0..7 {
        assert_eq!(owner.publish(&json(1000 + n)), Admission::Duplicate);
    }
    assert_eq!(owner.ingest.due_ms(), Some(11_000));
    owner.now = at(10_999);
    assert_eq!(owner.decide(), []);
    owner.now = at(11_000);
    assert!(matches!(&owner.decide()[..], [Body::Duplicates(duplicates)] if duplicates.count == 7));
    assert_eq!(owner.ingest.due_ms(), None);
}

#[test]
fn whatever_cannot_be_understood_is_stored_and_set_aside_with_its_reason() {
    let mut owner = Owner::new();
    let mut quarantined = |payload: Vec<u8>| {
        let admission = owner.publish(&publish("buoy-1", payload, 1000));
        let format = stored(&admission).format;
        (format, reason(&owner.decide()))
    };
    let (format, why) = quarantined(frame(7, 1, 0, 72));
    assert!(format == Format::Tf1 && why.contains("neither in the registry nor in a birth"), "{why}");
    assert!(quarantined(vec![0xf9, 0x80]).1.contains("header"));
    assert!(quarantined(vec![0xfa, 1]).1.contains("birth topic"));
    assert!(quarantined(vec![0xfb, 1]).1.contains("version byte 0xfb"));
    assert!(quarantined(b"72".to_vec()).1.contains("0x37"));
    assert!(quarantined(Vec::new()).1.contains("empty"));
    assert!(quarantined(br#"{"x":1,}"#.to_vec()).1.contains("line 1 column 8"));
    assert!(quarantined(b"{}".to_vec()).1.contains("no number"));
    assert!(quarantined(vec![b'{'; 70_000]).1.contains("70000 bytes"));
}

#[test]
fn after_a_crash_only_causes_without_a_decision_are_owed() {
    let mut owner = Owner::new();
    owner.publish(&publish("pi", "one", 0));
    owner.decide();
    owner.publish(&publish("pi", "two", 1));
    let cause = Offset(owner.records.len() as u64);
    let (mut recovered, _) = replay(&BTreeMap::new(), &owner.records);
    let drafts = recovered.owed(at(2));
    assert_eq!(drafts.iter().map(|draft| draft.cause).collect::<Vec<_>>(), [Some(cause)]);
}

#[test]
fn a_decision_strikes_off_its_own_cause_only() {
    let mut owner = Owner::new();
    owner.publish(&publish("pi", "one", 0));
    owner.publish(&publish("pi", "two", 1));
    let drafts = owner.ingest.owed(owner.now);
    owner.append(drafts[1].clone());
    assert_eq!(owner.ingest.owed(owner.now), drafts[..1]);
}

#[test]
fn a_lost_frame_becomes_a_gap_only_when_it_is_no_longer_waited_for() {
    let mut owner = Owner::new();
    owner.publish(&birth("buoy-1", birth_bytes(1, 0), 0));
    for boot in 1..=8 {
        owner.publish(&publish("buoy-1", frame(boot, 0, 0, 72), 10_000));
        owner.publish(&publish("buoy-1", frame(boot, 3, 0, 72), 10_000));
    }
    assert_eq!(owner.decide(), []);
    owner.publish(&publish("buoy-1", frame(9, 0, 0, 72), 20_000));
    let cause = Offset(owner.records.len() as u64);
    assert_eq!(owner.ingest.owed(owner.now)[0].cause, Some(cause));
    assert!(matches!(&owner.decide()[..], [Body::Gap(gap)] if (gap.boot, gap.first, gap.last) == (1, 1, 2)));
}

#[test]
fn a_device_is_connected_once_per_session_and_gone_with_its_last() {
    let mut owner = Owner::new();
    let on = |session, mono_ms| Publish { session, ..publish("pi", format!(r#"{{"x":{mono_ms}}}"#), mono_ms) };
    assert!(matches!(owner.ingest.connect(&on(1, 0)), Some(Body::Connected(_))));
    assert_eq!(owner.ingest.connect(&on(1, 1)), None);
    assert!(owner.ingest.connect(&on(2, 2)).is_some());
    owner.ingest.session_ended(1);
    assert_eq!(owner.decide(), [], "taken over, not gone");
    owner.ingest.session_ended(2);
    assert!(matches!(&owner.decide()[..], [Body::Gone(presence)] if &*presence.device == "pi"));
    let state = Publish { channel: Channel::State, ..on(3, 3) };
    assert_eq!(owner.ingest.connect(&state), None, "a will is no sign of life");
}

#[test]
fn a_birth_replayed_hours_later_is_no_sign_of_life_and_does_not_date_what_follows() {
    let mut owner = Owner::new();
    // Device time is gateway time minus 75 s; the birth of 80 s is replayed two hours later by another broker.
    owner.publish(&Publish { session: 0, ..birth("buoy-1", birth_bytes(7, 5_000), 7_280_000) });
    let connected = |owner: &Owner| owner.records.iter().filter(|it| matches!(it.body, Body::Connected(_))).count();
    assert_eq!(connected(&owner), 0);
    // Its last reading is 9 s after its first and takes 40 ms.
    let live = owner.publish(&publish("buoy-1", frame(7, 0, 7_210_000, 700), 7_294_040));
    assert_eq!(stored(&live).clock.offset_ms, at(7_294_040).wall_ms - 7_219_000);
    assert_eq!(connected(&owner), 1);
}

#[test]
fn a_device_that_is_back_before_its_departure_is_logged_is_not_gone() {
    let mut owner = Owner::new();
    owner.publish(&publish("pi", r#"{"x":1}"#, 0));
    owner.ingest.session_ended(1);
    owner.publish(&Publish { session: 2, ..publish("pi", r#"{"x":2}"#, 1) });
    assert_eq!(owner.decide(), []);
}

#[test]
fn a_departure_survives_a_failed_commit() {
    let mut owner = Owner::new();
    owner.publish(&publish("pi", r#"{"x":1}"#, 0));
    let durable = owner.records.clone();
    owner.ingest.session_ended(1);
    owner.decide();
    let (mut rebuilt, _) = replay(&BTreeMap::new(), &durable);
    rebuilt.resume(std::mem::replace(&mut owner.ingest, Ingest::new(Settings::default())).into_live());
    assert_eq!(rebuilt.owed(at(1)), [], "departed and logged before the failure");

    let mut owner = Owner::new();
    owner.publish(&publish("pi", r#"{"x":1}"#, 0));
    owner.ingest.session_ended(1);
    let (mut rebuilt, _) = replay(&BTreeMap::new(), &owner.records);
    rebuilt.resume(owner.ingest.into_live());
    assert!(matches!(rebuilt.owed(at(1))[..], [Draft { body: Body::Gone(_), .. }]));
}

#[test]
fn a_wall_jump_is_owed_once() {
    let mut owner = Owner::new();
    owner.now = GatewayTime { wall_ms: WALL_MS + 1000 + 1000, mono_ms: 1000 };
    assert_eq!(owner.decide(), [], "a second is no jump");
    owner.now = GatewayTime { wall_ms: WALL_MS - 3_600_000 + 2000, mono_ms: 2000 };
    assert_eq!(owner.decide(), [Body::WallJump(WallJump { by_ms: -3_600_000 })]);
    owner.now = GatewayTime { wall_ms: WALL_MS - 3_600_000 + 3000, mono_ms: 3000 };
    assert_eq!(owner.decide(), []);
}

#[test]
fn a_refused_birth_is_kept_and_named() {
    let mut owner = Owner::new();
    let admission = owner.publish(&birth("buoy-1", vec![0xfa, 1], 0));
    assert!(matches!(admission, Admission::Store(Body::Retained(_))));
    assert!(reason(&owner.decide()).starts_with("birth cannot be read"));
}

#[test]
fn plain_readings_with_a_time_are_known_by_it() {
    let mut owner = Owner::new();
    let mut admit = |json: &str| owner.publish(&publish("pi", json.to_owned(), 0)) == Admission::Duplicate;
    assert!(!admit(r#"{"x":1.5,"time":1800000000}"#));
    assert!(admit(r#"{"time":1800000000000,"x":1.50}"#));
    assert!(admit(r#"[{"n":"x","v":15e-1,"t":1800000000}]"#), "however it is written");
    assert!(!admit(r#"[{"n":"x","v":2.5,"t":1800000001},{"n":"x","v":2.25,"t":1800000002}]"#));
    assert!(admit(r#"{"x":2.5,"time":1800000001}"#), "in hundredths or in tenths");
    assert!(!admit(r#"{"x":1.6,"time":1800000000}"#), "another value");
    assert!(!admit(r#"{"x":1.5,"y":1,"time":1800000000}"#), "one point is new");
    assert!(!admit(r#"{"x":1.5}"#));
    assert!(!admit(r#"{"x":1.5}"#), "without a time there is no identity");
}

#[test]
fn one_device_too_many_is_refused_and_the_known_ones_go_on() {
    let mut ingest = Ingest::new(Settings { devices_max: 1, ..Settings::default() });
    let first = publish("a", "{\"x\":1}", 0);
    let Admission::Store(body) = ingest.admit(&first) else { panic!("not stored") };
    ingest.apply(&Record {
        offset: Offset(1),
        epoch: StartEpoch(1),
        stamp: at(0),
        cause: None,
        key: Default::default(),
        body,
    });
    let second = publish("b", "{\"x\":1}", 0);
    assert_eq!(ingest.connect(&second), None);
    assert_eq!(ingest.admit(&second), Admission::Refuse(QUOTA_EXCEEDED));
    assert!(matches!(ingest.admit(&first), Admission::Store(_)));
}

#[test]
fn a_device_takes_about_a_hundred_bytes_and_a_page() {
    let mut owner = Owner::new();
    owner.publish(&birth("buoy-1", birth_bytes(7, 0), 0));
    for seq in 0..2000 {
        owner.publish(&publish("buoy-1", frame(7, seq, u64::from(seq) * 10_000, 72), 10_000 * u64::from(seq) + 9050));
    }
    owner.checkpoint();
    owner.publish(&publish("buoy-1", frame(7, 2000, 20_000_000, 72), 20_009_050));
    let rows = owner.ingest.dirty_rows();
    let sizes: Vec<(char, usize)> =
        rows.iter().map(|(key, value)| (key[0] as char, value.as_ref().map_or(0, Vec::len))).collect();
    assert!(matches!(sizes[..], [('d', ..=110), ('n', ..=8), ('p', ..=280)]), "{sizes:?}");
}

#[test]
fn a_broken_checkpoint_names_its_row() {
    let error = Ingest::load(Settings::default(), [(b"dwrist-1".to_vec(), vec![0xff; 3])]).unwrap_err();
    assert!(error.to_string().starts_with("ingest checkpoint row dwrist-1 cannot be read"), "{error}");
    assert!(Ingest::load(Settings::default(), [(b"?".to_vec(), Vec::new())]).is_err());
}

/// One thing that happens to the owner.
#[derive(Clone, Debug)]
enum Happening {
    Frame {
        device: u8,
        boot: u8,
        seq: u16,
        value: u8,
    },
    /// One frame per page of checksums, or one per hole.
    Burst {
        device: u8,
        boot: u8,
        from: u16,
        step: u16,
    },
    Birth {
        device: u8,
        boot: u8,
        broken: bool,
    },
    Json {
        device: u8,
        value: u8,
        time: Option<u8>,
    },
    Bytes {
        device: u8,
        bytes: Vec<u8>,
    },
    Ended {
        session: u8,
    },
    Wall {
        by_ms: i32,
    },
    /// Somebody has a quarantined frame read again, or gives it up.
    Replay {
        which: u8,
    },
    Discard {
        which: u8,
    },
    Assign {
        device: u8,
        subject: u8,
        ago_ms: u16,
    },
    Release {
        device: u8,
    },
    Forget {
        device: u8,
    },
    Dropped {
        device: u8,
        first: u8,
    },
    /// Another start with another configuration.
    Limit {
        max: u16,
    },
    Checkpoint,
    Decide,
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    prop_oneof![
        10 => (0..3u8, 0..12u8, prop_oneof![0..40u16, 0..9000u16], 0..3u8)
            .prop_map(|(device, boot, seq, value)| Frame { device, boot, seq, value }),
        1 => (0..3u8, 0..3u8, 0..500u16, prop_oneof![Just(1u16), Just(2), Just(64)])
            .prop_map(|(device, boot, from, step)| Burst { device, boot, from, step }),
        2 => (0..3u8, 0..12u8, any::<bool>()).prop_map(|(device, boot, broken)| Birth { device, boot, broken }),
        3 => (0..3u8, 0..4u8, any::<Option<u8>>()).prop_map(|(device, value, time)| Json { device, value, time }),
        1 => (0..3u8, proptest::collection::vec(any::<u8>(), 0..20)).prop_map(|(device, bytes)| Bytes { device, bytes }),
        1 => (0..4u8).prop_map(|session| Ended { session }),
        1 => any::<i32>().prop_map(|by_ms| Wall { by_ms }),
        1 => any::<u8>().prop_map(|which| Replay { which }),
        1 => any::<u8>().prop_map(|which| Discard { which }),
        1 => (0..3u8, 0..3u8, any::<u16>()).prop_map(|(device, subject, ago_ms)| Assign { device, subject, ago_ms }),
        1 => (0..3u8).prop_map(|device| Release { device }),
        1 => (0..3u8).prop_map(|device| Forget { device }),
        1 => (0..3u8, 0..4u8).prop_map(|(device, first)| Dropped { device, first }),
        1 => any::<u16>().prop_map(|max| Limit { max }),
        1 => Just(Checkpoint),
        2 => Just(Decide),
    ]
}

fn pick(owner: &Owner, which: u8) -> Option<Offset> {
    let quarantined = owner.quarantined();
    quarantined.get(usize::from(which) % quarantined.len().max(1)).map(|offset| Offset(*offset))
}

fn dropped(device: &str, first: u32) -> Body {
    let (device, subject, reason) = (Name::from(device), Name::from(device), "no room".into());
    let stretch = Stretch { first: Offset(1), last: Offset(9) };
    Body::Dropped(Dropped { device, subject, boot: 1, first, last: first, frames: 1, stretch, reason, missed: vec![] })
}

fn limits(max: u64, age_max_ms: u64) -> quarantine::Config {
    quarantine::Config { max, age_max: std::time::Duration::from_millis(age_max_ms) }
}

/// Lets it happen; returns the checkpoints taken, each with the number of records before it.
fn run(owner: &mut Owner, happenings: &[Happening]) -> Vec<(Store, usize)> {
    let mut checkpoints = vec![(BTreeMap::new(), 0)];
    let mut wall_step_ms = 0;
    for (n, happening) in happenings.iter().enumerate() {
        let arrival = GatewayTime { wall_ms: at(n as u64 * 700).wall_ms + wall_step_ms, mono_ms: n as u64 * 700 };
        let from = |device: u8, payload: Vec<u8>| {
            let session = u64::from(device) + n as u64 % 2;
            Publish { arrival, session, ..publish(&format!("d{device}"), payload, 0) }
        };
        let name = |device: &u8| format!("d{device}");
        match happening {
            Happening::Frame { device, boot, seq, value } => {
                let t0_ms = u64::from(*seq) * 1000;
                let payload = frame(u32::from(*boot), u32::from(*seq), t0_ms, i64::from(*value));
                owner.publish(&from(*device, payload));
            }
            Happening::Burst { device, boot, from: first, step } => {
                for n in 0..140 {
                    let seq = u32::from(*first) + n * u32::from(*step);
                    owner.publish(&from(*device, frame(u32::from(*boot), seq, u64::from(seq) * 1000, 1)));
                }
            }
            Happening::Birth { device, boot, broken } => {
                let payload = if *broken { vec![0xfa, 0] } else { birth_bytes(u32::from(*boot), n as u64) };
                owner.publish(&Publish { arrival, ..birth(&name(device), payload, 0) });
            }
            Happening::Json { device, value, time } => {
                let time = time.map_or_else(String::new, |time| format!(r#","time":{time}"#));
                owner.publish(&from(*device, format!(r#"{{"x":{value}{time}}}"#).into_bytes()));
            }
            Happening::Bytes { device, bytes } => drop(owner.publish(&from(*device, bytes.clone()))),
            Happening::Ended { session } => owner.ingest.session_ended(u64::from(*session)),
            Happening::Replay { which } => {
                owner.now = arrival;
                let draft = pick(owner, *which).and_then(|frame| owner.ingest.replay(frame));
                if let Some(draft) = draft {
                    assert!(owner.submit(draft));
                }
            }
            Happening::Discard { which } => {
                owner.now = arrival;
                if let Some(frame) = pick(owner, *which) {
                    assert!(owner.act(Deed::Discard { frame }));
                }
            }
            Happening::Assign { device, subject, ago_ms } => {
                owner.now = arrival;
                let (from_ms, kind) = (Some(arrival.wall_ms - i64::from(*ago_ms)), SubjectKind::Person);
                let (device, subject) = (name(device), format!("s{subject}"));
                owner.act(Deed::Assign(Assignment { device, subject, kind, from_ms, until_ms: None }));
            }
            Happening::Release { device } => {
                owner.now = arrival;
                owner.act(Deed::Release { device: name(device), at_ms: arrival.wall_ms });
            }
            Happening::Forget { device } => {
                owner.now = arrival;
                owner.act(Deed::Forget { device: name(device) });
            }
            Happening::Dropped { device, first } => {
                owner.now = arrival;
                owner.append(dropped(&name(device), u32::from(*first)).into());
            }
            Happening::Limit { max } => owner.ingest.limit_quarantine(limits(u64::from(*max), 600_000)),
            Happening::Wall { by_ms } => wall_step_ms += i64::from(*by_ms),
            Happening::Checkpoint => {
                owner.checkpoint();
                checkpoints.push((owner.rows.clone(), owner.records.len()));
            }
            Happening::Decide => {
                owner.now = arrival;
                owner.decide();
            }
        }
    }
    checkpoints
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_same_log_gives_the_same_state_from_any_checkpoint(happenings in proptest::collection::vec(happening(), 1..250)) {
        let mut owner = Owner::new();
        let checkpoints = run(&mut owner, &happenings);
        owner.decide();
        owner.checkpoint();
        for (rows, applied) in checkpoints {
            let (mut replayed, rows) = replay(&rows, &owner.records[applied..]);
            prop_assert_eq!(&rows, &owner.rows, "from the checkpoint before record {}", applied + 1);
            replayed.limit_quarantine(limits(u64::MAX, u64::MAX));
            prop_assert_eq!(replayed.owed(owner.now), []);
            prop_assert_eq!(replayed.account(), owner.ingest.account());
            prop_assert_eq!(replayed.quarantine().bytes(), owner.ingest.quarantine().bytes());
            prop_assert!(replayed.losses().eq(owner.ingest.losses()));
        }
    }

    #[test]
    fn cut_anywhere_each_cause_is_decided_exactly_once(
        happenings in proptest::collection::vec(happening(), 1..120),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut owner = Owner::new();
        run(&mut owner, &happenings);
        owner.decide();
        let cut = cut.index(owner.records.len()) + 1;
        let (recovered, _) = replay(&BTreeMap::new(), &owner.records[..cut]);
        let mut again = Owner { ingest: recovered, records: owner.records[..cut].to_vec(), rows: BTreeMap::new(), now: owner.now };
        again.decide();
        let decided = |records: &[Record]| {
            // What leaves the quarantine depends on what comes later; see the next property for that.
            let leaves = |body: &Body| matches!(body, Body::Expired(_) | Body::Replayed(_));
            let decisions = records.iter().filter(|record| record.cause.is_some_and(|cause| cause.0 <= cut as u64));
            let decisions = decisions.filter(|record| !leaves(&record.body));
            let mut texts: Vec<String> = decisions.map(|record| format!("{:?} {:?}", record.cause, record.body)).collect();
            texts.sort();
            texts
        };
        prop_assert_eq!(decided(&again.records), decided(&owner.records));
    }

    #[test]
    fn every_stored_frame_is_read_quarantined_or_given_up_exactly_once(
        happenings in proptest::collection::vec(happening(), 1..200),
    ) {
        let mut owner = Owner::new();
        run(&mut owner, &happenings);
        owner.decide();
        let mut fates: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
        let mut readable = Schemas::new(Settings::default().grammar);
        let mut readings = Readings::default();
        for record in &owner.records {
            let cause = record.cause.map_or(0, |cause| cause.0);
            let mut fate = |frame: u64, what| fates.entry(frame).or_default().push(what);
            let mut reads = |frame: &Frame| {
                crate::ingest::readings::read(frame, record.offset, &readable, &mut readings).is_ok()
            };
            match &record.body {
                Body::Frame(frame) if reads(frame) => fate(record.offset.0, "read"),
                Body::Frame(_) => drop(fates.entry(record.offset.0).or_default()),
                Body::Replayed(frame) if reads(frame) => fate(cause, "read"),
                Body::Expired(_) => fate(cause, "expired"),
                Body::Act(Act { deed: Deed::Discard { frame }, .. }) => fate(frame.0, "discarded"),
                _ => {}
            }
            readable.apply(record);
        }
        let frames: Vec<u64> = fates.keys().copied().collect();
        for frame in owner.quarantined() {
            fates.entry(frame).or_default().push("quarantined");
        }
        prop_assert!(fates.values().all(|fates| fates.len() == 1), "{:?}", fates);
        let count = |what| fates.values().filter(|fates| fates[0] == what).count() as u64;
        let account = owner.ingest.account();
        prop_assert_eq!(account.stored, frames.len() as u64);
        prop_assert_eq!(account.quarantined, count("quarantined"));
        prop_assert_eq!((account.expired, account.discarded), (count("expired"), count("discarded")));
        let listed = |kind| owner.ingest.losses().filter(|loss| loss.kind == kind).map(|loss| loss.frames).sum::<u64>();
        prop_assert_eq!(listed(LossKind::Expired), account.expired);
        prop_assert_eq!(listed(LossKind::Discarded), account.discarded);
        prop_assert_eq!(listed(LossKind::Dropped), account.dropped);
    }
}

/// A buoy's frame of a schema nobody has described, stored and decided on.
fn early_frame(owner: &mut Owner, seq: u32, mono_ms: u64) -> u64 {
    stored(&owner.publish(&publish("buoy-1", frame(7, seq, u64::from(seq) * 10_000, 72), mono_ms)));
    let offset = owner.records.len() as u64;
    owner.decide();
    offset
}

#[test]
fn a_frame_set_aside_keeps_its_bytes_also_across_a_restart_before_the_decision() {
    let mut owner = Owner::new();
    let payload = frame(7, 1, 10_000, 72);
    owner.publish(&publish("buoy-1", payload.clone(), 20_000));
    owner.checkpoint();
    let (ingest, _) = replay(&owner.rows, &[]);
    owner.ingest = ingest;
    owner.now = at(30_000);
    assert_eq!(owner.decide().len(), 1);
    let entry = owner.ingest.quarantine().entries().next().unwrap();
    assert_eq!((entry.offset, entry.attempts, entry.since), (Offset(3), 1, at(30_000)));
    assert_eq!(entry.frame.payload, payload);
    assert!(entry.reason.contains("neither in the registry"), "{}", entry.reason);
    assert_eq!(owner.ingest.account(), FrameAccount { stored: 1, quarantined: 1, ..FrameAccount::default() });
}

#[test]
fn when_the_birth_comes_the_frames_that_waited_for_it_are_read_again_some_at_a_time() {
    let mut owner = Owner::new();
    for seq in 0..70 {
        early_frame(&mut owner, seq, 20_000 + u64::from(seq) * 10_000);
    }
    early_frame(&mut owner, 99, 1_100_000);
    owner.publish(&publish("other", frame(7, 1, 0, 72), 1_100_000));
    owner.decide();
    assert_eq!((owner.quarantined().len(), owner.ingest.owes_more()), (72, false));
    owner.publish(&birth("buoy-1", birth_bytes(7, 1_100_000), 1_200_040));
    assert!(owner.ingest.owes_more());
    let drafts = owner.ingest.owed(owner.now);
    assert_eq!(drafts.len(), REPLAYS_MAX);
    let Draft { cause: Some(Offset(3)), body: Body::Replayed(first) } = &drafts[0] else { panic!("{:?}", drafts[0]) };
    // The birth says what time it is on the device: better than what was known when the frame came.
    assert_eq!(first.clock.offset_ms, WALL_MS + 11_000, "the frame with the least delay");
    let replayed = owner.decide();
    assert_eq!(replayed.len(), 71);
    assert_eq!((owner.quarantined().len(), owner.ingest.owes_more()), (1, false), "the other device's frame waits on");
    assert_eq!(owner.publish(&publish("buoy-1", frame(7, 5, 50_000, 72), 2_000_000)), Admission::Duplicate);
    assert_eq!(owner.decide(), [], "no gap, no conflict, no second replay");
}

#[test]
fn a_frame_read_again_in_vain_stays_with_its_new_reason() {
    let mut owner = Owner::new();
    let offset = early_frame(&mut owner, 1, 20_000);
    let draft = owner.ingest.replay(Offset(offset)).unwrap();
    assert!(owner.submit(draft.clone()));
    assert_eq!(owner.ingest.quarantine().get(Offset(offset)).unwrap().attempts, 2);
    owner.publish(&birth("buoy-1", birth_bytes(7, 0), 21_000));
    owner.decide();
    assert_eq!((owner.quarantined(), owner.ingest.replay(Offset(offset))), (vec![], None));
    assert!(!owner.submit(draft), "what has been read is not read again");
}

#[test]
fn the_oldest_leave_a_full_quarantine_and_are_in_the_ledger() {
    let mut owner = Owner::new();
    owner.ingest.limit_quarantine(limits(3_000, 60_000));
    for seq in 0..10 {
        early_frame(&mut owner, seq, 20_000);
    }
    let kept = owner.quarantined();
    assert!(owner.ingest.quarantine().bytes() <= 3_000 && kept.len() >= 3, "{kept:?}");
    let account = owner.ingest.account();
    assert_eq!(account.expired + account.quarantined, 10);
    let run = owner.ingest.losses().next().unwrap().clone();
    assert_eq!((run.kind, run.first, run.frames), (LossKind::Expired, Some(0), account.expired));
    assert!(run.reason.contains("quarantine is full"), "{}", run.reason);
    assert_eq!(owner.ingest.losses().len(), 1, "runs that touch are one");
    owner.now = at(79_999);
    assert_eq!(owner.decide(), []);
    owner.now = at(80_000);
    assert_eq!(owner.decide().len(), kept.len());
    assert_eq!(owner.ingest.account().expired, 10);
    let bodies = owner.records.iter().filter(|record| matches!(record.body, Body::Expired(_)));
    let causes: Vec<_> = bodies.map(|record| record.cause).collect();
    assert!(causes.is_sorted() && causes.len() == 10, "{causes:?}");
}

#[test]
fn a_discarded_frame_is_gone_and_listed() {
    let mut owner = Owner::new();
    let offset = Offset(early_frame(&mut owner, 4, 20_000));
    assert!(owner.act(Deed::Discard { frame: offset }));
    assert!(!owner.act(Deed::Discard { frame: offset }));
    let run = owner.ingest.losses().next().unwrap();
    assert_eq!((run.kind, run.first, &*run.reason), (LossKind::Discarded, Some(4), "discarded by local"));
    assert_eq!(owner.ingest.account(), FrameAccount { stored: 1, discarded: 1, ..FrameAccount::default() });
}

#[test]
fn a_forgotten_device_is_as_if_it_had_never_been_there() {
    let mut owner = Owner::new();
    owner.publish(&birth("buoy-1", birth_bytes(7, 0), 0));
    for seq in 0..200 {
        owner.publish(&publish("buoy-1", frame(7, seq, u64::from(seq) * 10_000, 72), 2_000_000));
    }
    owner.publish(&publish("buoy-1", r#"{"x":1,"time":1800000000}"#, 2_000_000));
    owner.checkpoint();
    assert!(owner.act(Deed::Forget { device: "buoy-1".into() }));
    assert_eq!((owner.ingest.devices(), owner.ingest.sequences("buoy-1")), (0, None));
    owner.checkpoint();
    let left: Vec<_> = owner.rows.keys().map(|key| key[0] as char).collect();
    assert_eq!(left, ['n', 'w'], "no row of the device stays");
    let again = owner.publish(&publish("buoy-1", frame(7, 1, 10_000, 72), 2_100_000));
    stored(&again);
    assert!(reason(&owner.decide()).contains("neither in the registry"));
}

#[test]
fn an_assignment_by_act_holds_for_frames_from_then_on() {
    let mut owner = Owner::new();
    let assign = |subject: &str, from_ms| {
        let (device, subject, kind) = ("pi".into(), subject.into(), SubjectKind::Person);
        Deed::Assign(Assignment { device, subject, kind, from_ms, until_ms: None })
    };
    assert!(owner.act(assign("anna", Some(WALL_MS + 50_000))));
    assert!(!owner.act(assign("an na", None)), "refused, so that it is no record");
    let mut subject = |mono_ms| {
        let json = format!(r#"{{"x":{mono_ms}}}"#);
        stored(&owner.publish(&publish("pi", json, mono_ms))).subject.to_string()
    };
    assert_eq!([subject(49_999), subject(50_000)], ["pi", "anna"]);
    owner.append(Body::Config(FoldConfig::default()).into());
    assert_eq!(&*owner.ingest.assignments().subject_at(&"pi".into(), WALL_MS + 50_000), "anna", "acts stay");
}

#[test]
fn a_skipped_frame_is_set_aside_unread() {
    let mut owner = Owner::new();
    let payload = r#"{"x":1}"#;
    let Admission::Store(body) = owner.ingest.admit(&publish("pi", payload, 0)) else { panic!("not stored") };
    let record =
        Record { offset: Offset(2), epoch: StartEpoch(1), stamp: at(0), cause: None, key: Default::default(), body };
    owner.records.push(record.clone());
    owner.ingest.skip(&record, "deadly");
    assert_eq!(owner.ingest.devices(), 0, "nothing was applied");
    assert_eq!(reason(&owner.decide()), "deadly");
    let entry = owner.ingest.quarantine().get(Offset(2)).unwrap();
    assert_eq!((&entry.frame.payload[..], owner.ingest.owes_more()), (payload.as_bytes(), false));
}
