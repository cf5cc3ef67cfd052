use super::super::*;
use super::rig::{Rig, birth, frame, retained, telemetry};
use crate::store::fs::Fs;
use crate::store::fs::mem::{Fault, MemFs};
use crate::store::state::{MemState, StateEngine, Table};

fn at(rig: &Rig) -> GatewayTime {
    rig.owner.clock.now()
}

fn segments(fs: &MemFs) -> usize {
    fs.list(std::path::Path::new("/log")).unwrap().len()
}

/// A rig whose device has connected, gone and come back, and is about to send its fourth frame.
fn lived(fs: &MemFs) -> Rig {
    let mut rig = Rig::new(fs);
    for session in [1, 2] {
        let now = at(&rig);
        assert_eq!(rig.publish(birth("pi", session, now)), Outcome::Stored);
        assert_eq!(rig.publish(telemetry("pi", session, frame(session as u32, 70), now)), Outcome::Stored);
        if session == 1 {
            rig.end_session(1);
            assert_eq!(rig.turn(), Turn::Next);
        }
    }
    rig
}

#[test]
fn g2_whichever_call_fails_nothing_of_the_group_is_acknowledged_and_a_resend_is_stored_once() {
    let mut failures = 0;
    for n in 0.. {
        let fs = MemFs::new(n);
        let mut rig = lived(&fs);
        let (now, before) = (at(&rig), segments(&fs));
        let frames: Vec<_> = (10..13).map(|seq| telemetry("pi", 2, frame(seq, 70), now)).collect();
        fs.fail_after(n, Fault::Io);
        let first = fs.calls();
        let tickets: Vec<u64> = frames.iter().map(|publish| rig.offer(publish.clone())).collect();
        assert_eq!(rig.turn(), Turn::Next, "one failing call does not end the log");
        let outcomes = rig.outcomes();
        let done = fs.calls() - first;
        fs.no_fault();
        if done <= n {
            assert!(outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Stored));
            break;
        }
        failures += 1;
        assert_eq!(outcomes, tickets.iter().map(|ticket| (*ticket, Outcome::Lost)).collect::<Vec<_>>(), "call {n}");
        assert_eq!(segments(&fs), before + 1, "the log goes on in a new segment");
        for publish in &frames {
            assert_eq!(rig.publish(Publish { session: 3, ..publish.clone() }), Outcome::Stored);
            assert_eq!(rig.stored(&publish.payload), 1);
        }
        assert_eq!(rig.unlike_the_log(), None, "call {n}");
        assert_eq!(rig.metrics.ingest_frames_total.get(), 2 + 3, "what was not stored is not counted");
        assert_eq!(rig.gate.unfolded_bytes(), rig.weight(), "what was not stored waits for no fold");
    }
    assert!(failures >= 2, "the write and the sync");
}

#[test]
fn g2_a_departure_and_a_count_of_repeats_outlive_the_group_they_failed_with() {
    for n in [0, 1] {
        let fs = MemFs::new(77);
        let mut rig = lived(&fs);
        let repeated = telemetry("pi", 2, frame(2, 70), at(&rig));
        assert_eq!(rig.publish(repeated), Outcome::Stored);
        rig.owner.clock.advance(Duration::from_secs(11));
        rig.end_session(2);
        fs.fail_after(n, Fault::Io);
        assert_eq!(rig.turn(), Turn::Next);
        let count = |rig: &Rig| {
            let bodies = rig.bodies();
            let gone = bodies.iter().filter(|body| matches!(body, Body::Gone(_))).count();
            (gone, bodies.iter().filter(|body| matches!(body, Body::Duplicates(it) if it.count == 1)).count())
        };
        assert_eq!(count(&rig), (1, 0));
        for _ in 0..2 {
            assert_eq!(rig.turn(), Turn::Next);
            assert_eq!(count(&rig), (2, 1));
        }
    }
}

#[test]
fn g2_what_a_failed_group_owes_is_in_no_answer_and_in_no_checkpoint_before_it_is_durable() {
    let fs = MemFs::new(76);
    let mut rig = lived(&fs);
    let (checkpoints, writer) = Checkpointer::start(Box::new(MemState::default())).unwrap();
    rig.owner.checkpoints = Some(checkpoints.clone());
    let (said, heard) = std::sync::mpsc::sync_channel(1);
    rig.ask(move |head| said.send(head.applied()).unwrap());
    rig.end_session(2);
    fs.fail_after(0, Fault::Io);
    assert_eq!(rig.turn(), Turn::Next);
    rig.owner.checkpoint();
    checkpoints.wait();
    let rows = |engine: &dyn StateEngine| engine.rows(Table::Meta).unwrap().len();
    assert!(heard.try_recv().is_err() && checkpoints.read(rows) == Some(0));
    assert_eq!(rig.turn(), Turn::Next);
    rig.owner.checkpoint();
    checkpoints.wait();
    assert_eq!(heard.try_recv(), Ok(rig.log().durable()));
    assert!(checkpoints.read(rows).is_some_and(|rows| rows > 0));
    rig.owner.checkpoints = None;
    drop(checkpoints);
    writer.join().unwrap();
}

#[test]
fn g2_a_departure_not_yet_said_is_not_taken_for_the_one_before_when_the_log_is_read_again() {
    let fs = MemFs::new(78);
    let mut rig = lived(&fs);
    let now = at(&rig);
    rig.end_session(2);
    // More than one group: the first fails before what is owed is gathered.
    for n in 0..20_u8 {
        rig.offer(retained("any/thing", 3, vec![n; 700].into(), now));
    }
    fs.fail_after(0, Fault::Io);
    assert_eq!(rig.turn(), Turn::Next);
    assert_eq!(rig.bodies().iter().filter(|body| matches!(body, Body::Gone(_))).count(), 1);
    assert_eq!(rig.turn(), Turn::Next);
    assert_eq!(rig.bodies().iter().filter(|body| matches!(body, Body::Connected(_))).count(), 2);
    assert_eq!(rig.bodies().iter().filter(|body| matches!(body, Body::Gone(_))).count(), 2);
}

#[test]
fn g2_a_full_disk_loses_what_has_no_place_and_keeps_the_rest_of_the_state() {
    let fs = MemFs::new(79);
    let mut rig = lived(&fs);
    let now = at(&rig);
    fs.set_capacity(1);
    let mut seq = 10;
    let refused = loop {
        let publish = telemetry("pi", 2, frame(seq, 70), now);
        match rig.publish(publish.clone()) {
            Outcome::Stored => seq += 1,
            outcome => break (outcome, publish),
        }
    };
    assert_eq!(refused.0, Outcome::Lost);
    assert!(rig.gate.has_no_room(), "and health says so");
    assert!(seq > 20, "what is allocated is used");
    fs.set_capacity(u64::MAX);
    rig.owner.clock.advance(Duration::from_secs(1));
    assert_eq!(rig.publish(refused.1), Outcome::Stored);
    assert!(!rig.gate.has_no_room());
    assert_eq!(rig.unlike_the_log(), None);
}

#[test]
fn g2_a_log_that_cannot_go_on_ends_and_shuts_the_door() {
    let fs = MemFs::new(80);
    let mut rig = lived(&fs);
    let sent = telemetry("pi", 2, frame(3, 70), at(&rig));
    let ticket = rig.offer(sent);
    // Nobody is told that everything is written down who asks for it now.
    rig.stop();
    fs.fail_after(0, Fault::PowerOff);
    assert_eq!(rig.turn(), Turn::Failed);
    assert_eq!(rig.outcomes(), [(ticket, Outcome::Lost)]);
    assert!(rig.gate.has_failed());
}
