//! The property everything rests on: the same log gives the same halos, whatever happens to the process that folds it.

use std::collections::BTreeMap;

use halo_proto::registry::Kind;
use halo_proto::schema::Schema;
use halo_proto::topic::Grammar;
use proptest::prelude::*;

use crate::forward::halo_json::halo_json;
use crate::halo::tests::support::{Log, WALL_MS, native, power, speedometer};
use crate::halo::{FOLD_VERSION, Fold, Tally};
use crate::record::{
    Act as AdminAct, Assignment, Body, Deed, Duplicates, Expired, Gap, Offset, Quarantine, Record, Relation, Start,
    SubjectKind, WallJump,
};

const DEVICES: [&str; 4] = ["band", "car", "engine", "strap"];
const SUBJECTS: [&str; 3] = ["anna", "bert", "car"];
/// One of them is also a device.
const ORGANISATIONS: [&str; 2] = ["band", "shop"];

/// Everything the fold knows, written down and rendered.
type Known = (Vec<(Vec<u8>, Vec<u8>)>, Vec<String>);

#[derive(Clone, Debug)]
enum Act {
    Value { device: usize, signal: usize, value: i32, ago_ms: i64, subject: Option<usize> },
    Wristband { device: usize, pulse: Vec<i64>, ago_ms: i64, event: bool },
    Power { device: usize, den: u32, values: Vec<i64> },
    Drive { device: usize, subject: usize, kmh: Vec<i64>, ago_ms: i64 },
    Flight { device: usize, drift: i64, flights: usize, ago_ms: i64, overhaul: bool },
    Birth { device: usize, den: u32 },
    Broken { device: usize },
    Connected { device: usize },
    Gone { device: usize },
    Configure { silent_after_ms: u64, assigned: usize },
    Start,
    Tick,
    Jump,
    Hole,
    Decision { device: usize, which: u8 },
    Replayed { device: usize, den: Option<u32>, subject: usize },
    Assign { device: usize, subject: usize, kind: SubjectKind, ago_ms: i64 },
    Deed { device: usize, which: u8 },
    Offers { organisation: usize, table: u8, rows: Option<u8> },
    People { one: usize, other: usize, which: u8, from_ms: i64, lasts_ms: Option<i64> },
}

fn act() -> impl Strategy<Value = Act> {
    let device = || 0..DEVICES.len();
    let ago_ms = || prop_oneof![6 => 0i64..5_000, 2 => 0i64..2_000_000, 1 => -200_000i64..0, 1 => -5i64..100_000_000];
    let silent_after_ms = prop_oneof![Just(0u64), Just(5_000), Just(30_000), Just(200_000)];
    let subject = prop_oneof![3 => Just(None), 1 => (0..SUBJECTS.len()).prop_map(Some)];
    prop_oneof![
        8 => (device(), 0usize..4, -50i32..400, ago_ms(), subject)
            .prop_map(|(device, signal, value, ago_ms, subject)| Act::Value { device, signal, value, ago_ms, subject }),
        4 => (device(), prop::collection::vec(15i64..200, 1..6), ago_ms(), any::<bool>())
            .prop_map(|(device, pulse, ago_ms, event)| Act::Wristband { device, pulse, ago_ms, event }),
        3 => (device(), 1u32..3, prop::collection::vec(-9i64..9, 1..4))
            .prop_map(|(device, den, values)| Act::Power { device, den, values }),
        3 => (device(), 0..SUBJECTS.len(), prop::collection::vec(0i64..300, 1..20), ago_ms())
            .prop_map(|(device, subject, kmh, ago_ms)| Act::Drive { device, subject, kmh, ago_ms }),
        3 => (device(), -50i64..50, 1usize..30, ago_ms(), any::<bool>())
            .prop_map(|(device, drift, flights, ago_ms, overhaul)| Act::Flight { device, drift, flights, ago_ms, overhaul }),
        1 => (device(), 1u32..3).prop_map(|(device, den)| Act::Birth { device, den }),
        1 => device().prop_map(|device| Act::Broken { device }),
        2 => device().prop_map(|device| Act::Connected { device }),
        1 => device().prop_map(|device| Act::Gone { device }),
        2 => (silent_after_ms, 0..SUBJECTS.len())
            .prop_map(|(silent_after_ms, assigned)| Act::Configure { silent_after_ms, assigned }),
        1 => Just(Act::Start),
        3 => Just(Act::Tick),
        1 => Just(Act::Jump),
        1 => Just(Act::Hole),
        1 => (device(), 0u8..4).prop_map(|(device, which)| Act::Decision { device, which }),
        2 => (device(), prop::option::of(1u32..3), 0..SUBJECTS.len())
            .prop_map(|(device, den, subject)| Act::Replayed { device, den, subject }),
        2 => (device(), 0..SUBJECTS.len(), prop_oneof![Just(SubjectKind::Person), Just(SubjectKind::Machine)], -9_000i64..9_000)
            .prop_map(|(device, subject, kind, ago_ms)| Act::Assign { device, subject, kind, ago_ms }),
        2 => (device(), 0u8..4).prop_map(|(device, which)| Act::Deed { device, which }),
        3 => (0..ORGANISATIONS.len(), 0u8..2, prop::option::weighted(0.7, 0u8..4))
            .prop_map(|(organisation, table, rows)| Act::Offers { organisation, table, rows }),
        4 => (device(), device(), 0u8..10, -9_000i64..90_000, prop::option::of(1i64..60_000))
            .prop_map(|(one, other, which, from_ms, lasts_ms)| Act::People { one, other, which, from_ms, lasts_ms }),
    ]
}

fn write(acts: &[(u64, Act)]) -> Vec<Record> {
    let mut log = Log::default();
    log.after(3_000_000);
    for (seq, (after_ms, act)) in (0u32..).zip(acts) {
        log.after(*after_ms);
        match act {
            Act::Value { device, signal, value, ago_ms, subject } => {
                let signal = ["heart_rate", "battery", "mood", "spo2"][*signal];
                let time = log.now().wall_ms - ago_ms;
                // Some topics come again and again.
                let (said, topic) = (["like", "skip", "note"][value.rem_euclid(3) as usize], value / 100);
                let payload = format!("{{\"{signal}\":{value},\"{said}\":\"n{topic}\",\"time\":{time}}}");
                let mut frame = log.frame(DEVICES[*device], crate::record::Format::Json, 0, payload.into_bytes());
                if let Some(subject) = subject {
                    frame.subject = SUBJECTS[*subject].into();
                }
                log.push(Body::Frame(frame));
            }
            Act::Wristband { device, pulse, ago_ms, event } => {
                let t0_ms = (log.mono_ms as i64 - ago_ms).max(0) as u64;
                let schema = Schema::from_registry(1).expect("the wristband's");
                let payload =
                    native(&schema, seq, t0_ms, &[(0, std::slice::from_ref(pulse))], event.then_some(seq as u16));
                log.native(DEVICES[*device], seq, payload);
            }
            Act::Power { device, den, values } => {
                let payload = native(&power(*den), seq, log.mono_ms, &[(0, std::slice::from_ref(values))], None);
                log.native(DEVICES[*device], seq, payload);
            }
            Act::Drive { device, subject, kmh, ago_ms } => {
                let (schema, t0_ms) = (speedometer(), (log.mono_ms as i64 - ago_ms).max(0) as u64);
                log.birth_of(Kind::CAR_DONGLE, DEVICES[*device], &schema);
                let payload = native(&schema, seq, t0_ms, &[(0, std::slice::from_ref(kmh))], None);
                let mut frame = log.frame(DEVICES[*device], crate::record::Format::Tf1, WALL_MS, payload);
                frame.subject = SUBJECTS[*subject].into();
                log.push(Body::Frame(frame));
            }
            Act::Flight { device, drift, flights, ago_ms, overhaul } => {
                let t0_ms = (log.mono_ms as i64 - ago_ms).max(0) as u64;
                let schema = Schema::from_registry(6).expect("the turbofan's");
                let column = |bias: i64| (0..*flights as i64).map(|at| bias + drift * at / 30).collect::<Vec<_>>();
                let columns: Vec<_> = schema.groups[0].columns.iter().map(|it| column(it.bias)).collect();
                let payload = native(&schema, seq, t0_ms, &[(0, &columns)], overhaul.then_some(2));
                log.native(DEVICES[*device], seq, payload);
            }
            Act::Birth { device, den } => drop(log.birth(DEVICES[*device], &power(*den)).offset),
            Act::Broken { device } => drop(log.native(DEVICES[*device], seq, vec![0xf9, 1, 2]).offset),
            Act::Connected { device } => drop(log.connected(DEVICES[*device]).offset),
            Act::Gone { device } => drop(log.gone(DEVICES[*device]).offset),
            Act::Configure { silent_after_ms, assigned } => {
                log.configure(*silent_after_ms, &[("car", SUBJECTS[*assigned]), ("band", "anna")]);
            }
            Act::Start => drop(log.push(Body::Start(Start { version: "1".into() })).offset),
            Act::Tick => drop(log.push(Body::Tick).offset),
            Act::Jump => drop(log.push(Body::WallJump(WallJump { by_ms: -5 })).offset),
            Act::Hole => log.skip_offset(),
            Act::Decision { device, which } => {
                let (device, subject) = (DEVICES[*device].into(), DEVICES[*device].into());
                log.push(match which {
                    0 => Body::Gap(Gap { device, subject, boot: 1, first: 2, last: 4 }),
                    1 => Body::Duplicates(Duplicates { device, subject, count: 3 }),
                    2 => Body::Expired(Expired { device, subject, reason: "old".into() }),
                    _ => Body::Quarantine(Quarantine { device, subject, reason: "broken".into() }),
                });
            }
            Act::Replayed { device, den, subject } => {
                let payload = den.map_or_else(
                    || b"still broken".to_vec(),
                    |den| native(&power(den), seq, log.mono_ms, &[(0, &[vec![5]])], None),
                );
                let mut frame = log.frame(DEVICES[*device], crate::record::Format::Tf1, 0, payload);
                frame.subject = SUBJECTS[*subject].into();
                log.push(Body::Replayed(frame));
            }
            Act::Assign { device, subject, kind, ago_ms } => {
                let from_ms = Some(log.now().wall_ms - ago_ms);
                let (device, subject) = (DEVICES[*device].into(), SUBJECTS[*subject].into());
                let deed = Deed::Assign(Assignment { device, subject, kind: *kind, from_ms, until_ms: None });
                log.push(Body::Act(AdminAct { by: "local".into(), deed }));
            }
            Act::Offers { organisation, table, rows } => {
                // Three rows are no table: two of them have one key.
                let table = format!("halo/v1/offers/{}/t{table}", ORGANISATIONS[*organisation]);
                let lines = |rows| ["key,price\n", "a,1\n", "b,x\n", "b,2\n"][..=usize::from(rows)].concat();
                log.retained(&table, &rows.map(lines).unwrap_or_default());
            }
            Act::People { one, other, which, from_ms, lasts_ms } => {
                let at_ms = log.now().wall_ms + from_ms;
                let deed = people(*which, [DEVICES[*one], DEVICES[*other]], at_ms, lasts_ms.map(|lasts| at_ms + lasts));
                log.push(Body::Act(AdminAct { by: "local".into(), deed }));
            }
            Act::Deed { device, which } => {
                let (device, at_ms) = (DEVICES[*device].into(), log.now().wall_ms);
                let deed = match which {
                    0 => Deed::Release { device, at_ms },
                    1 => Deed::Forget { device },
                    2 => Deed::Discard { frame: Offset(3) },
                    _ => Deed::Hold { upstream: "far".into(), held: true },
                };
                log.push(Body::Act(AdminAct { by: "local".into(), deed }));
            }
        }
    }
    log.records
}

/// What is said of subjects; also what no door would let in.
fn people(which: u8, names: [&str; 2], at_ms: i64, until_ms: Option<i64>) -> Deed {
    let [one, other] = names.map(str::to_owned);
    let setting = |name: &str, value: &str| vec![(name.to_owned(), Some(value.to_owned()))];
    match which {
        0..3 => {
            Deed::Relate(Relation { of: one, subject: other, kind: "doctor".into(), from_ms: Some(at_ms), until_ms })
        }
        3 => Deed::Unrelate { of: one, subject: other, kind: "doctor".into(), at_ms },
        4 => Deed::Alias { subject: one, name: other },
        5 => Deed::Merge { from: one, into: other },
        6 => Deed::Replace { old: one, new: other, at_ms },
        7 => Deed::Unalias { name: one },
        8 => Deed::Set { subject: one, kind: Some(SubjectKind::Person), settings: setting("time_zone", "Asia/Tokyo") },
        _ => {
            let (device, kind) = (one, SubjectKind::Person);
            Deed::Assign(Assignment { device, subject: other, kind, from_ms: Some(at_ms), until_ms })
        }
    }
}

/// What may happen to the process after a record.
#[derive(Clone, Debug)]
enum Fate {
    Quiet,
    /// Somebody looks: asks for the deadline, renders.
    Look,
    /// A slice of a checkpoint becomes durable.
    Slice {
        bytes_max: usize,
    },
    /// A slice is lost, and the process knows.
    Fails {
        bytes_max: usize,
    },
    /// A slice is lost with the process.
    Crash {
        lost: Option<usize>,
    },
}

fn fate() -> impl Strategy<Value = Fate> {
    let bytes_max = || prop_oneof![Just(0usize), 0usize..3_000, Just(1 << 20)];
    prop_oneof![
        6 => Just(Fate::Quiet),
        1 => Just(Fate::Look),
        4 => bytes_max().prop_map(|bytes_max| Fate::Slice { bytes_max }),
        1 => bytes_max().prop_map(|bytes_max| Fate::Fails { bytes_max }),
        1 => prop::option::of(bytes_max()).prop_map(|lost| Fate::Crash { lost }),
    ]
}

fn known(fold: &Fold) -> Known {
    let mut tally = Tally::default();
    let halo = |subject| String::from_utf8(halo_json(subject, &mut tally).to_vec()).expect("JSON is UTF-8");
    let halos = fold.subjects().into_iter().map(halo).collect();
    (fold.all_rows(), halos)
}

fn in_one_go(records: &[Record]) -> Known {
    let mut fold = Fold::new(Grammar::default());
    for record in records {
        let before: Vec<_> =
            fold.subjects().iter().map(|subject| (subject.name().clone(), halo_text(subject))).collect();
        let touched: Vec<_> = fold.apply(record).subjects().map(|subject| subject.name().clone()).collect();
        for (name, halo) in before {
            let changed = halo_text(fold.subject(&name).expect("subjects stay")) != halo;
            assert_eq!(changed, touched.contains(&name), "{name} at {}", record.offset);
        }
    }
    known(&fold)
}

fn halo_text(subject: &crate::halo::Subject) -> Vec<u8> {
    halo_json(subject, &mut Tally::default()).to_vec()
}

fn eventfully(records: &[Record], fates: &[Fate]) -> Known {
    let mut durable = BTreeMap::new();
    let mut fold = Fold::new(Grammar::default());
    let (mut at, mut step) = (0, 0);
    while at < records.len() {
        fold.apply(&records[at]);
        at += 1;
        let overdue = fold.deadline().is_some_and(|due| due <= fold.clock().mono_ms);
        assert!(!overdue, "a deadline lies in the past at {}", records[at - 1].offset);
        // The list of fates ends, so that the process gets somewhere in the end.
        match fates.get(step).unwrap_or(&Fate::Quiet) {
            Fate::Quiet => {}
            Fate::Look => drop(known(&fold)),
            Fate::Slice { bytes_max } => durable.extend(fold.checkpoint_slice(*bytes_max).rows),
            Fate::Fails { bytes_max } => {
                drop(fold.checkpoint_slice(*bytes_max));
                fold.checkpoint_failed();
            }
            Fate::Crash { lost } => {
                lost.map(|bytes_max| fold.checkpoint_slice(bytes_max));
                let rows = durable.iter().map(|(key, value): (&Vec<u8>, &Vec<u8>)| (key.as_slice(), value.as_slice()));
                fold = Fold::load(Grammar::default(), rows).expect("rows of our own");
                at = records.partition_point(|record| record.offset <= fold.applied());
            }
        }
        step += 1;
    }
    known(&fold)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn the_same_log_gives_the_same_halos(
        acts in prop::collection::vec((prop_oneof![3 => 0u64..3_000, 1 => 0u64..40_000], act()), 1..80),
        fates in prop::collection::vec(fate(), 0..160),
    ) {
        let records = write(&acts);
        prop_assert_eq!(eventfully(&records, &fates), in_one_go(&records));
    }
}

#[test]
fn rows_of_another_version_are_refused_by_name() {
    let mut fold = Fold::new(Grammar::default());
    let mut slice = fold.checkpoint_slice(0);
    slice.rows[0].1[0] ^= 0x40;
    let rows = slice.rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
    let error = Fold::load(Grammar::default(), rows).unwrap_err();
    let found = FOLD_VERSION ^ 0x40;
    assert_eq!(error.to_string(), format!("halo checkpoint has version {found}, wanted {FOLD_VERSION}"));
    let error = Fold::load(Grammar::default(), [(&b"s/x"[..], &[FOLD_VERSION as u8, 9][..])]).unwrap_err();
    assert_eq!(error.to_string(), "halo checkpoint row \"s/x\" is not readable");
}
