use std::path::Path;

use super::*;
use crate::record::{Body, Cursor, Dropped, Gap, Progress, Record};
use crate::store::fs::mem::MemFs;
use crate::store::head::Head;
use crate::store::owner::tests::rig::{Rig, birth, clock, config, frame, telemetry};
use crate::store::spare::SPARE_FILE;
use crate::store::state::{MemState, StateEngine};
use crate::store::{Damage, Finding, Options, verify};

const ROOMY: u64 = 100_000_000;
/// At this size a few segments of the rig are too many.
const TIGHT: u64 = 500_000;

/// A log with its retention: the retention's thread looks, the test turns the log's owner.
struct Kept {
    rig: Rig,
    fs: MemFs,
    budget: Arc<Budget>,
    checkpoints: Checkpointer,
    running: Option<Running>,
}

fn replayed_from(engine: &dyn StateEngine) -> Result<Offset, String> {
    Head::written(engine).map(Offset::next).map_err(|error| error.to_string())
}

/// Bytes in the log's folder, and those of the spare.
fn size(fs: &MemFs) -> (u64, u64) {
    let names = fs.list(Path::new("/log")).unwrap_or_default();
    let bytes = |name: &str| fs.bytes(&Path::new("/log").join(name)).map_or(0, |bytes| bytes.len() as u64);
    let spare = bytes(SPARE_FILE);
    (names.iter().map(|name| bytes(name)).sum::<u64>() - spare, spare)
}

impl Kept {
    fn new(disk: disk::Config) -> Self {
        Self::with_identities(disk, None)
    }

    fn with_identities(disk: disk::Config, identities: Option<(Identities, PathBuf)>) -> Self {
        let (fs, clock) = (MemFs::new(1), clock());
        let measured = fs.clone();
        let measure = move || {
            let (used, spare) = size(&measured);
            Ok(disk::Usage { used, spare, free: u64::MAX, ..disk::Usage::default() })
        };
        let budget = Arc::new(Budget::measured_by(&disk, 24 << 10, Box::new(measure)));
        let rig = Rig::start_with(&fs, MemState::default(), &clock, &config(60_000), |options| Options {
            budget: Some(Arc::clone(&budget)),
            ..options
        })
        .unwrap();
        let (checkpoints, _writer) = Checkpointer::start(Box::new(MemState::default())).unwrap();
        let parts = Parts {
            config: disk,
            consumers: vec!["up".into()],
            budget: Arc::clone(&budget),
            checkpoints: checkpoints.clone(),
            replayed_from,
            appender: rig.appender(),
            gate: Arc::clone(&rig.gate),
            clock,
            metrics: Arc::clone(&rig.metrics),
            identities,
        };
        let running = Some(Retention::new(rig.log(), None, parts).unwrap().start().unwrap());
        Self { rig, fs, budget, checkpoints, running }
    }

    fn publish(&mut self, device: &str, frames: std::ops::Range<u32>) {
        for seq in frames {
            let at = self.rig.clock().now();
            self.rig.clock().advance(Duration::from_secs(10));
            assert_eq!(self.rig.publish(telemetry(device, 1, frame(seq, 70), at)), crate::broker::Outcome::Stored);
        }
    }

    fn confirm(&mut self, confirmed: Offset) {
        self.rig.append(Body::Cursor(Cursor { consumer: "up".into(), confirmed, progress: Progress::default() }));
        self.rig.turn();
    }

    /// Some time for retention, and checkpoints as the owner would write them.
    fn live_a_while(&mut self, mut until: impl FnMut(&Self) -> bool) -> bool {
        for _ in 0..1_500 {
            self.rig.turn();
            let rig = &mut self.rig;
            self.checkpoints.offer(|| rig.head_rows().unwrap_or_default());
            if until(self) {
                return true;
            }
            self.running.as_ref().unwrap().thread.as_ref().unwrap().thread().unpark();
            std::thread::park_timeout(Duration::from_millis(1));
        }
        false
    }

    /// Long enough for retention to have looked many times.
    fn live_on(&mut self) {
        let mut turns = 0;
        self.live_a_while(|_| {
            turns += 1;
            turns > 60
        });
    }

    fn deleted(&self) -> u64 {
        self.rig.metrics.store_segments_deleted_total.get()
    }

    fn first(&self) -> Offset {
        self.rig.log().first_offset()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.running.take().unwrap().stop();
    }
}

fn at_once() -> disk::Config {
    disk::Config { max: ROOMY, keep: Duration::ZERO, ..disk::Config::default() }
}

#[test]
fn g6_a_segment_goes_when_it_is_confirmed_and_carried_and_nobody_holds_it_and_readers_jump_over_it() {
    let mut kept = Kept::new(at_once());
    let mut early = kept.rig.reader();
    early.next(1).unwrap();
    kept.publish("pi", 1..300);
    kept.live_on();
    assert_eq!((kept.deleted(), kept.first()), (0, Offset(1)), "nobody has confirmed anything");
    let middle = Offset(kept.rig.log().durable().0 / 2);
    let pin = kept.rig.log().pins().pin(Offset(2));
    kept.confirm(middle);
    kept.live_on();
    assert_eq!((kept.deleted(), kept.first()), (0, Offset(1)), "somebody holds the second record");
    drop(pin);
    assert!(kept.live_a_while(|kept| kept.deleted() > 1));
    kept.live_on();
    let first = kept.first();
    assert!(Offset(1) < first && first <= middle.next(), "{first}, of which {middle} is confirmed");
    let set = kept.rig.log().folder().removed().set.expect("facts were carried over first");
    assert!(first <= set.from, "{first} is first, and what was before {} is carried", set.from);
    for mut reader in [early, kept.rig.reader(), kept.rig.reader_from(Offset(3))] {
        let batch = reader.next(usize::MAX).unwrap();
        let offsets: Vec<u64> =
            batch.records.iter().map(|record| record.offset.0).filter(|it| *it >= first.0).collect();
        assert_eq!(batch.findings, []);
        assert_eq!(offsets.first().copied(), Some(first.0));
        assert!(offsets.windows(2).all(|pair| pair[1] == pair[0] + 1));
    }
    assert_eq!(verify(&kept.fs, Path::new("/log"), |_| ()).unwrap().findings, []);
}

#[test]
fn g3_what_is_dropped_for_want_of_room_is_told_frame_by_frame_and_other_devices_stay() {
    let disk = disk::Config { max: TIGHT, drop_oldest: vec!["p".into()], ..disk::Config::default() };
    let mut kept = Kept::new(disk);
    let now = kept.rig.clock().now();
    kept.rig.publish(birth("pi", 1, now));
    kept.confirm(Offset(20));
    kept.publish("pi", 1..30);
    let gap = Gap { device: "van".into(), subject: "van".into(), boot: 7, first: 3, last: 9 };
    kept.rig.append(Body::Gap(gap));
    let mut seq = 29;
    while kept.budget.report().mark < Mark::Shed {
        seq += 1;
        kept.publish("pi", seq..seq + 1);
    }
    let before: Vec<Record> = kept.rig.records();
    assert!(kept.live_a_while(|kept| kept.deleted() > 0 && kept.budget.mark() < Mark::Shed));
    let (first, records) = (kept.first(), kept.rig.records());
    let gone =
        before.iter().filter(|it| it.offset < first && it.offset > Offset(20) && matches!(it.body, Body::Frame(_)));
    let told = records.iter().filter_map(|record| match &record.body {
        Body::Dropped(dropped) => Some(dropped),
        _ => None,
    });
    let (told, said_again): (Vec<&Dropped>, Vec<&Dropped>) = told.partition(|dropped| dropped.frames > 0);
    let said_again: Vec<_> = said_again.iter().map(|it| (&*it.device, it.boot, it.first, it.last)).collect();
    assert_eq!(said_again, [("van", 7, 3, 9)], "what is known of losses outlives its record");
    assert_eq!(told.iter().map(|it| u64::from(it.frames)).sum::<u64>(), gone.count() as u64);
    assert_eq!(kept.rig.metrics.frames_dropped_total.get(), told.iter().map(|it| u64::from(it.frames)).sum::<u64>());
    for dropped in &told {
        assert_eq!((&*dropped.device, dropped.boot), ("pi", 1));
        assert_eq!(dropped.missed, [("up".to_owned(), dropped.frames)]);
        assert_eq!(dropped.last - dropped.first + 1, dropped.frames);
    }
    // Of a device that is not named, the oldest frame holds everything behind it.
    kept.publish("watch", 1..2);
    let held = kept.rig.log().durable();
    loop {
        while !kept.rig.log().refuses_clients() {
            seq += 1;
            let at = kept.rig.clock().now();
            kept.rig.publish(telemetry("pi", 1, frame(seq, 70), at));
            kept.live_a_while(|_| true);
        }
        kept.live_on();
        if kept.rig.log().refuses_clients() {
            break;
        }
    }
    assert!(kept.first() <= held, "{} is first, {held} is not to be dropped", kept.first());
    assert!(kept.rig.log().refuses_clients(), "so new frames are refused");
    let at = kept.rig.clock().now();
    let refused = kept.rig.publish(telemetry("pi", 1, frame(seq + 1, 70), at));
    assert_eq!(refused, crate::broker::Outcome::Refused(crate::broker::reason::QUOTA_EXCEEDED));
    let again = kept.rig.publish(telemetry("watch", 1, frame(1, 70), at));
    assert_eq!(again, crate::broker::Outcome::Stored, "what is stored already is acknowledged again");
    kept.confirm(held);
    assert!(kept.live_a_while(|kept| !kept.rig.log().refuses_clients()), "room comes back by itself");
}

#[test]
fn g14_a_wall_clock_that_goes_far_ahead_deletes_nothing_by_age_until_it_is_confirmed() {
    let mut kept = Kept::new(disk::Config { keep: Duration::from_secs(24 * 3_600), ..at_once() });
    kept.publish("pi", 1..200);
    let durable = kept.rig.log().durable();
    kept.confirm(durable);
    kept.rig.clock().step_wall(30 * 86_400_000);
    kept.live_on();
    assert!(kept.budget.ailments().iter().any(|it| it.contains("wall clock")), "{:?}", kept.budget.ailments());
    kept.rig.clock().advance(Duration::from_secs(25 * 3_600));
    kept.live_on();
    assert_eq!(kept.deleted(), 0);
    kept.budget.confirm_clock();
    assert!(kept.live_a_while(|kept| kept.deleted() > 0));
}

#[test]
fn nothing_is_old_by_one_clock_alone() {
    let mut kept = Kept::new(disk::Config { keep: Duration::from_secs(3_600), ..at_once() });
    kept.publish("pi", 1..200);
    let durable = kept.rig.log().durable();
    kept.confirm(durable);
    kept.rig.clock().step_wall(2 * 3_600_000);
    kept.live_on();
    assert_eq!(kept.deleted(), 0, "two hours old by a clock that was moved, 33 minutes by the other");
    kept.rig.clock().advance(Duration::from_secs(3_600));
    assert!(kept.live_a_while(|kept| kept.deleted() > 0));
}

/// A log of many segments of which some were removed, and where.
fn trimmed() -> (MemFs, u64) {
    let fs = MemFs::new(3);
    let mut rig = Rig::new(&fs);
    let from = |rig: &Rig| rig.log().durable().next();
    for seq in 1..300 {
        let at = rig.clock().now();
        rig.publish(telemetry("pi", 1, frame(seq, 70), at));
    }
    rig.checkpoint();
    let (engine, from) = (rig.state.clone(), from(&rig));
    let set = rig.carry(&engine, from).unwrap();
    assert_eq!(rig.remove_segments(set, Offset(u64::MAX), 2), 2);
    let first = rig.log().folder().entries()[0].header.segment;
    (fs, first)
}

fn missing(fs: &MemFs) -> Vec<Finding> {
    let findings = verify(fs, Path::new("/log"), |_| ()).unwrap().findings;
    findings.into_iter().filter(|finding| finding.what == Damage::Missing).collect()
}

#[test]
fn what_retention_took_is_not_lost_and_what_vanished_otherwise_is() {
    let (fs, first) = trimmed();
    assert_eq!(missing(&fs), []);
    let options = || Options { segment_bytes: 24 << 10, group_bytes: 8 << 10, ..Options::deterministic(1) };
    let recovered = Log::open(fs.copy(1), Path::new("/log"), options()).unwrap().1;
    assert!(recovered.findings.iter().all(|it| it.what != Damage::Missing), "{:?}", recovered.findings);
    for vanished in [first, first + 1] {
        let copy = fs.copy(1);
        copy.remove(&segment::path(Path::new("/log"), vanished)).unwrap();
        let found = missing(&copy);
        assert_eq!(found.iter().map(|it| it.segment).collect::<Vec<_>>(), [vanished]);
        assert!(found[0].offsets.is_some());
    }
    // One slot of the note may be damaged; without both, what retention took looks lost.
    let note = Path::new("/log/removed");
    assert!(fs.flip_bit(note, 8 * 20));
    assert_eq!(missing(&fs), []);
    assert!(fs.flip_bit(note, 8 * (4096 + 20)));
    assert_eq!(missing(&fs).iter().map(|it| it.segment).collect::<Vec<_>>(), [first - 1]);
}

#[test]
fn a_damaged_set_falls_back_on_the_one_before_it() {
    let fs = MemFs::new(4);
    let mut rig = Rig::new(&fs);
    let mut sets = Vec::new();
    for round in 0..2_u32 {
        for seq in 1..20 {
            let at = rig.clock().now();
            rig.publish(telemetry("pi", 1, frame(round * 100 + seq, 70), at));
        }
        rig.checkpoint();
        let (engine, from) = (rig.state.clone(), rig.log().durable().next());
        sets.push(rig.carry(&engine, from).unwrap());
    }
    let newest = |rig: &Rig| carry::newest(rig.log().folder()).unwrap();
    assert_eq!(newest(&rig), (Some(sets[1]), 0));
    // Its rows say `pi`; the last place where they do is in its parts.
    let (number, _) = rig.log().folder().entries().iter().map(|it| (it.header.segment, it.first)).next_back().unwrap();
    let path = segment::path(Path::new("/log"), number);
    let bytes = fs.bytes(&path).unwrap();
    let at = bytes.windows(4).rposition(|window| window == b"head").unwrap();
    assert!(fs.flip_bit(&path, 8 * at as u64));
    assert_eq!(newest(&rig).0, Some(sets[0]));
}

#[test]
fn a_set_to_look_back_from_is_taken_each_so_many_bytes_and_removes_nothing() {
    let snapshot_every = 100_000;
    let keep = Duration::from_secs(365 * 86_400);
    let mut kept = Kept::new(disk::Config { keep, snapshot_every, ..at_once() });
    let set = |kept: &Kept| kept.rig.log().folder().removed().set;
    kept.publish("p", 0..100);
    kept.live_on();
    assert_eq!(set(&kept), None, "the log is shorter");
    let mut seq = 100;
    for _ in 0..2 {
        let before = set(&kept);
        while set(&kept) == before {
            assert!(seq < 5_000, "no set was taken");
            kept.publish("p", seq..seq + 50);
            seq += 50;
            kept.live_on();
        }
    }
    assert_eq!((kept.deleted(), kept.first()), (0, Offset(1)));
}

/// The first segment stands for the identity, and a note that is made late would find no room.
#[test]
fn nothing_is_removed_before_the_identity_is_in_its_file_and_a_start_leaves_both_for_later() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut kept = Kept::with_identities(at_once(), Some((Identities::one("aa"), data.clone())));
    let note = Path::new("/log/removed");
    kept.live_on();
    assert!(kept.fs.bytes(note).is_none() && !data.exists(), "the start is not over");
    kept.publish("p", 0..1_000);
    kept.confirm(Offset(1_000));
    kept.live_on();
    assert!(kept.fs.bytes(note).is_some(), "made while there is room");
    assert_eq!(kept.deleted(), 0, "there is no folder for the identity");
    std::fs::create_dir(&data).unwrap();
    kept.rig.clock().advance(Duration::from_millis(SETTLE_RETRY_MS));
    assert!(kept.live_a_while(|kept| kept.deleted() > 0));
    assert_eq!(Identities::of_folder(&data).unwrap(), Identities::one("aa"));
}
