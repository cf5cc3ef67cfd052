use bytes::Bytes;

use super::super::*;
use super::rig::{Rig, birth, clock, config, frame, retained, telemetry};
use crate::record::{Act, Cursor, Deed, Expired, Quarantine, WallJump};
use crate::store::fs::mem::MemFs;
use crate::store::state::MemState;

fn at(rig: &Rig) -> GatewayTime {
    rig.owner.clock.now()
}

fn restart(fs: &MemFs, rig: Rig, state: MemState) -> Rig {
    let clock = rig.owner.clock.clone();
    drop(rig);
    fs.power_cut();
    Rig::start(fs, state, &clock, &config(60_000)).unwrap()
}

#[test]
fn g1_a_whole_group_is_durable_with_one_sync_and_settled_in_its_order() {
    let fs = MemFs::new(1);
    let mut rig = Rig::born(&fs);
    let (now, syncs) = (at(&rig), rig.metrics.store_syncs_total.get());
    let tickets: Vec<u64> = (0..5).map(|n| rig.offer(telemetry("pi", 1, frame(n, 70), now))).collect();
    assert_eq!(rig.outcomes(), [], "nothing is settled by being handed over");
    assert_eq!(rig.turn(), Turn::Next);
    assert_eq!(rig.metrics.store_syncs_total.get(), syncs + 1);
    assert_eq!(rig.outcomes(), tickets.iter().map(|ticket| (*ticket, Outcome::Stored)).collect::<Vec<_>>());
    let rig = restart(&fs, rig, MemState::default());
    assert!((0..5).all(|n| rig.stored(&frame(n, 70)) == 1));
}

#[test]
fn g5_a_resend_is_acknowledged_and_stored_once_in_a_group_later_and_after_restarts() {
    let fs = MemFs::new(2);
    let mut rig = Rig::born(&fs);
    let sent = telemetry("pi", 1, frame(1, 70), at(&rig));
    rig.offer(sent.clone());
    rig.offer(sent.clone());
    assert_eq!(rig.turn(), Turn::Next);
    assert_eq!(rig.outcomes(), [(1, Outcome::Stored), (2, Outcome::Stored)]);
    assert_eq!(rig.publish(sent.clone()), Outcome::Stored);
    rig.checkpoint();
    let state = rig.state.clone();
    let mut rig = restart(&fs, rig, state);
    assert_eq!(rig.publish(sent.clone()), Outcome::Stored, "known from the checkpoint");
    let mut rig = restart(&fs, rig, MemState::default());
    assert_eq!(rig.publish(sent.clone()), Outcome::Stored, "known from the log alone");
    assert_eq!(rig.stored(&sent.payload), 1);
}

#[test]
fn a_group_too_large_for_one_commit_becomes_several_and_all_of_it_is_stored() {
    let mut rig = Rig::born(&MemFs::new(3));
    let now = at(&rig);
    for n in 0..40_u8 {
        rig.offer(retained(&format!("t/{n}"), 1, vec![n; 700].into(), now));
    }
    assert_eq!(rig.turn(), Turn::Next);
    let outcomes = rig.outcomes();
    assert_eq!((outcomes.len(), outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Stored)), (40, true));
    assert!(rig.metrics.store_syncs_total.get() > 3);
    assert_eq!(rig.unlike_the_log(), None);
}

#[test]
fn what_can_never_fit_is_refused_alone() {
    let mut rig = Rig::born(&MemFs::new(4));
    let now = at(&rig);
    rig.offer(telemetry("pi", 1, frame(1, 70), now));
    rig.offer(retained("big", 1, vec![1; 9_000].into(), now));
    let mut appended = rig.append(Body::Start(crate::record::Start { version: "x".repeat(9_000) }));
    rig.offer(telemetry("pi", 1, frame(2, 70), now));
    assert_eq!(rig.turn(), Turn::Next);
    let mut outcomes = rig.outcomes();
    outcomes.sort_by_key(|(ticket, _)| *ticket);
    let refused = Outcome::Refused(PACKET_TOO_LARGE);
    assert_eq!(outcomes, [(1, Outcome::Stored), (2, refused), (3, Outcome::Stored)]);
    assert_eq!(appended.try_recv().unwrap(), Err(AppendError::TooLong));
}

#[test]
fn a_start_is_written_once_a_start_and_the_configuration_when_it_is_another() {
    let (fs, clock) = (MemFs::new(5), clock());
    for silent_after_ms in [1, 1, 2] {
        drop(Rig::start(&fs, MemState::default(), &clock, &config(silent_after_ms)).unwrap());
        fs.power_cut();
    }
    let rig = Rig::start(&fs, MemState::default(), &clock, &config(2)).unwrap();
    let bodies = rig.bodies();
    assert_eq!(bodies.iter().filter(|body| matches!(body, Body::Start(_))).count(), 4);
    let configs: Vec<_> = bodies.iter().filter(|body| matches!(body, Body::Config(_))).cloned().collect();
    assert_eq!(configs, [Body::Config(config(1)), Body::Config(config(2))]);
}

#[test]
fn a_jump_of_the_wall_clock_is_one_record() {
    let mut rig = Rig::born(&MemFs::new(6));
    rig.owner.clock.step_wall(-3_600_000);
    for _ in 0..3 {
        assert_eq!(rig.turn(), Turn::Next);
    }
    let jumps: Vec<_> = rig.bodies().into_iter().filter(|body| matches!(body, Body::WallJump(_))).collect();
    assert_eq!(jumps, [Body::WallJump(WallJump { by_ms: -3_600_000 })]);
}

#[test]
fn the_latest_cursor_survives_from_a_checkpoint_and_from_the_log() {
    let fs = MemFs::new(7);
    let mut rig = Rig::born(&fs);
    for confirmed in [1, 2, 3] {
        let mut done = rig.append(Body::Cursor(Cursor {
            consumer: "up".into(),
            confirmed: Offset(confirmed),
            progress: crate::record::Progress::default(),
        }));
        assert_eq!(rig.turn(), Turn::Next);
        assert!(done.try_recv().unwrap().is_ok());
        if confirmed == 2 {
            rig.checkpoint();
        }
    }
    let state = rig.state.clone();
    let rig = restart(&fs, rig, state);
    assert_eq!(rig.cursor("up"), Some(Offset(3)));
    let rig = restart(&fs, rig, MemState::default());
    assert_eq!(rig.cursor("up"), Some(Offset(3)));
}

#[test]
fn a_quarantine_owed_by_a_crash_is_written_once_at_the_next_start() {
    let fs = MemFs::new(8);
    let mut rig = Rig::new(&fs);
    // A frame without a birth, committed without what it makes due.
    let publish = telemetry("pi", 1, frame(1, 70), at(&rig));
    let Admission::Store(body) = rig.owner.head.ingest.admit(&publish) else { panic!("it is stored") };
    let cause = rig.owner.append(body.into(), publish.arrival).unwrap();
    rig.owner.commit().unwrap();
    let mut rig = restart(&fs, rig, MemState::default());
    for _ in 0..2 {
        let records = rig.records();
        let made: Vec<_> = records.iter().filter(|record| matches!(record.body, Body::Quarantine(_))).collect();
        assert_eq!(made.iter().map(|record| record.cause).collect::<Vec<_>>(), [Some(cause)]);
        rig = restart(&fs, rig, MemState::default());
    }
}

#[test]
fn a_thousand_deadlines_of_one_second_make_one_tick() {
    let mut rig = Rig::born(&MemFs::new(9));
    let ticks = |rig: &Rig| rig.bodies().iter().filter(|body| matches!(body, Body::Tick)).count();
    let from = at(&rig).mono_ms;
    for ms in 1..=1_000 {
        rig.owner.clock.advance(Duration::from_millis(1));
        rig.gate.set_fold_deadline(Some(from + ms));
        assert_eq!(rig.turn(), Turn::Next);
    }
    assert_eq!(ticks(&rig), 1);
    rig.owner.clock.advance(Duration::from_millis(1));
    rig.turn();
    assert_eq!(ticks(&rig), 2, "the others after a second, together");
    rig.owner.clock.advance(Duration::from_secs(5));
    rig.turn();
    assert_eq!(ticks(&rig), 2, "the log has said already that their time has come");
}

#[test]
fn records_are_counted_by_what_they_are_once_they_are_durable() {
    let mut rig = Rig::born(&MemFs::new(13));
    let now = at(&rig);
    assert_eq!(rig.publish(telemetry("pi", 1, frame(1, 70), now)), Outcome::Stored);
    let stored = rig.records().into_iter().find(|record| matches!(record.body, Body::Frame(_))).unwrap();
    let Body::Frame(it) = stored.body.clone() else { unreachable!("it was found as one") };
    let (device, subject, reason) = (it.device.clone(), it.subject.clone(), String::new());
    let quarantine = Quarantine { device: device.clone(), subject: subject.clone(), reason: reason.clone() };
    let bodies = [
        (1, Body::Frame(it.clone())),
        (2, Body::Quarantine(quarantine)),
        (3, Body::Replayed(it)),
        (4, Body::Expired(Expired { device, subject, reason })),
    ];
    let metrics = Arc::new(Metrics::default());
    let mut groups = Groups::new(Arc::default(), Arc::clone(&metrics));
    for (times, body) in bodies {
        (0..times).for_each(|_| groups.add(&Record { body: body.clone(), ..stored.clone() }));
    }
    let counts = || {
        let Metrics {
            ingest_frames_total, ingest_quarantined_total, ingest_replayed_total, ingest_expired_total, ..
        } = &*metrics;
        [ingest_frames_total, ingest_quarantined_total, ingest_replayed_total, ingest_expired_total].map(|it| it.get())
    };
    groups.depart(stored.offset);
    assert_eq!(counts(), [0; 4]);
    groups.landed(stored.offset);
    assert_eq!(counts(), [1, 2, 3, 4]);
}

#[test]
fn a_record_with_an_empty_name_is_refused_because_nobody_could_read_it() {
    let mut rig = Rig::born(&MemFs::new(10));
    let publish = Publish { publisher: "".into(), ..retained("t", 1, vec![1].into(), at(&rig)) };
    assert_eq!(rig.publish(publish), Outcome::Refused(PACKET_TOO_LARGE));
    assert_eq!(rig.unlike_the_log(), None);
}

/// G10: a tenth of the load cannot be read, and nobody waits for it.
#[test]
fn g10_bad_frames_are_acknowledged_set_aside_and_delay_nobody() {
    let (fs, clock) = (MemFs::new(10), clock());
    let mut rig = Rig::start(&fs, MemState::default(), &clock, &config(60_000)).unwrap();
    rig.publish(birth("pi", 1, clock.now()));
    let mut groups_of_bad_ones = 0;
    for seq in 0..200u32 {
        let payload = if seq % 10 == 3 { Bytes::from(vec![0xf9, seq as u8, 0xff, 0xff]) } else { frame(seq, 70) };
        let ticket = rig.offer(telemetry("pi", 1, payload, clock.now()));
        assert_eq!(rig.turn(), Turn::Next);
        // Settled with its own group, good or bad.
        assert_eq!(rig.outcomes(), [(ticket, Outcome::Stored)]);
        groups_of_bad_ones += usize::from(seq % 10 == 3);
        clock.advance(Duration::from_millis(10));
    }
    let bodies = rig.bodies();
    let quarantined = bodies.iter().filter(|body| matches!(body, Body::Quarantine(_))).count();
    let frames = bodies.iter().filter(|body| matches!(body, Body::Frame(_))).count();
    assert_eq!((quarantined, frames), (groups_of_bad_ones, 200));
    assert_eq!(rig.owner.head.ingest().account().quarantined, 20);
    assert_eq!(rig.unlike_the_log(), None);
}

#[test]
fn a_replay_or_a_discard_that_comes_too_late_is_refused() {
    let (fs, clock) = (MemFs::new(11), clock());
    let mut rig = Rig::start(&fs, MemState::default(), &clock, &config(60_000)).unwrap();
    rig.publish(telemetry("pi", 1, Bytes::from_static(b"nonsense"), clock.now()));
    let offset = rig.owner.head.ingest().quarantine().entries().next().unwrap().offset;
    let discard = || {
        let deed = Deed::Discard { frame: offset };
        Body::Act(Act { by: "local".into(), deed })
    };
    let (mut first, mut second) = (rig.append(discard()), rig.append(discard()));
    assert_eq!(rig.turn(), Turn::Next);
    assert!(matches!(first.try_recv(), Ok(Ok(_))));
    assert_eq!(second.try_recv(), Ok(Err(AppendError::Refused)));
    assert_eq!(rig.owner.head.ingest().losses().count(), 1);
}

#[test]
fn the_last_word_on_an_upstream_holds_across_a_restart() {
    let (fs, clock) = (MemFs::new(12), clock());
    let mut rig = Rig::start(&fs, MemState::default(), &clock, &config(60_000)).unwrap();
    let hold = |upstream: &str, held| {
        let deed = Deed::Hold { upstream: upstream.into(), held };
        Body::Act(Act { by: "local".into(), deed })
    };
    for body in [hold("far", true), hold("near", true), hold("near", false)] {
        drop(rig.append(body));
    }
    rig.turn();
    rig.checkpoint();
    let state = rig.state.clone();
    drop(rig);
    fs.power_cut();
    let rig = Rig::start(&fs, state, &clock, &config(60_000)).unwrap();
    let held = ["far", "near", "other"].map(|upstream| rig.owner.head.is_held(upstream));
    assert_eq!(held, [true, false, false]);
}
