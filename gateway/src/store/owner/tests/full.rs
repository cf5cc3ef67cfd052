//! Large groups: their commit is under way while the next one gathers.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::super::*;
use super::rig::{Rig, birth, clock, config, frame, retained, telemetry};
use crate::store::Options;
use crate::store::fs::mem::{Fault, MemFs};
use crate::store::gate::{SUBMISSIONS_MAX, UNCOMMITTED_BYTES_MAX};
use crate::store::state::MemState;

/// A turn with three frames and as much as makes the group full; their tickets.
fn full_turn(rig: &mut Rig, from: u32) -> Vec<u64> {
    let now = rig.clock().now();
    let tickets = (from..from + 3).map(|seq| rig.offer(telemetry("pi", 1, frame(seq, 70), now))).collect();
    rig.fill_group();
    assert_eq!(rig.turn(), Turn::Next);
    tickets
}

/// What was settled, without those that made a group full.
fn settled(rig: &Rig) -> Vec<(u64, Outcome)> {
    rig.outcomes().into_iter().filter(|(_, outcome)| *outcome != Outcome::Refused(PACKET_TOO_LARGE)).collect()
}

fn all(tickets: &[u64], outcome: &Outcome) -> Vec<(u64, Outcome)> {
    tickets.iter().map(|ticket| (*ticket, outcome.clone())).collect()
}

/// Whether the gate has every place free, and takes as many bytes as ever.
fn is_empty(rig: &Rig) -> bool {
    let bytes = UNCOMMITTED_BYTES_MAX as usize - 1;
    rig.gate.try_enter(bytes)
        && rig.gate.is_open()
        && (1..SUBMISSIONS_MAX).all(|_| rig.gate.claim())
        && !rig.gate.claim()
}

#[test]
fn a_full_group_is_settled_with_the_next_turn_though_nothing_else_comes() {
    let mut rig = Rig::born(&MemFs::new(1));
    let tickets = full_turn(&mut rig, 1);
    assert_eq!(settled(&rig), [], "its commit was begun");
    assert!((5..SUBMISSIONS_MAX).all(|_| rig.gate.claim()) && !rig.gate.claim(), "all five count until it is durable");
    rig.gate.left(SUBMISSIONS_MAX - 5, 0);
    assert_eq!(rig.turn(), Turn::Next);
    assert_eq!(settled(&rig), all(&tickets, &Outcome::Stored));
    assert!(is_empty(&rig));
    assert!((1..4).all(|seq| rig.stored(&frame(seq, 70)) == 1));
    assert_eq!(rig.unlike_the_log(), None);
}

#[test]
fn full_groups_one_after_the_other_are_settled_in_their_order() {
    let mut rig = Rig::born(&MemFs::new(2));
    let mut under_way = std::collections::VecDeque::new();
    for n in 0..6 {
        under_way.push_back(full_turn(&mut rig, 10 * n));
        let ended = if under_way.len() > 2 { under_way.pop_front() } else { None };
        assert_eq!(settled(&rig), all(&ended.unwrap_or_default(), &Outcome::Stored));
    }
    let mut tickets: Vec<u64> = under_way.into_iter().flatten().collect();
    // A repeat of what is under way waits for it.
    let again = rig.offer(telemetry("pi", 1, frame(50, 70), rig.clock().now()));
    tickets.push(again);
    assert_eq!(rig.turn(), Turn::Next);
    assert_eq!(settled(&rig), all(&tickets, &Outcome::Stored));
    assert_eq!(rig.metrics.ingest_frames_total.get(), 18);
    assert_eq!((rig.stored(&frame(50, 70)), is_empty(&rig)), (1, true));
}

#[test]
fn a_group_is_settled_while_the_next_one_gathers_as_soon_as_it_is_durable() {
    let mut rig = Rig::born(&MemFs::new(3));
    let tickets = full_turn(&mut rig, 1);
    rig.owner.look(LOOK_SUBMISSIONS - 1).unwrap();
    assert_eq!(settled(&rig), [], "not with every submission");
    rig.owner.look(LOOK_SUBMISSIONS).unwrap();
    assert_eq!(settled(&rig), all(&tickets, &Outcome::Stored));
}

#[test]
fn a_question_a_checkpoint_that_is_due_and_an_end_see_a_full_group_durable() {
    let mut rig = Rig::born(&MemFs::new(4));
    let (said, heard) = std::sync::mpsc::sync_channel(1);
    rig.ask(move |head| said.send(head.applied()).unwrap());
    let tickets = full_turn(&mut rig, 1);
    assert_eq!(settled(&rig), all(&tickets, &Outcome::Stored));
    assert_eq!(heard.try_recv().unwrap(), rig.log().durable());

    rig.clock().advance(Duration::from_millis(CHECKPOINT_PERIOD_MS));
    let tickets = full_turn(&mut rig, 11);
    assert_eq!(settled(&rig), all(&tickets, &Outcome::Stored));

    let tickets = full_turn(&mut rig, 21);
    rig.stop();
    rig.fill_group();
    assert_eq!(rig.turn(), Turn::Stop);
    assert_eq!(settled(&rig), all(&tickets, &Outcome::Stored));
}

#[test]
fn g2_a_full_group_that_fails_and_what_came_after_it_are_not_acknowledged_and_a_resend_is_stored_once() {
    for call in [0, 1] {
        let fs = MemFs::new(5 + call);
        let mut rig = Rig::born(&fs);
        let now = rig.clock().now();
        assert_eq!(rig.publish(birth("watch", 2, now)), Outcome::Stored);
        rig.end_session(2);
        fs.fail_after(call, Fault::Io);
        let mut tickets = full_turn(&mut rig, 1);
        assert_eq!(settled(&rig), [], "whether it failed is not known yet");
        tickets.extend(full_turn(&mut rig, 11));
        assert_eq!(rig.turn(), Turn::Next);
        // One of those that fill the group may be what met the failure.
        let lost: Vec<_> = settled(&rig).into_iter().filter(|(ticket, _)| tickets.contains(ticket)).collect();
        assert_eq!(lost, all(&tickets, &Outcome::Lost));
        assert!(rig.gate.unfolded_bytes() > 0);
        for seq in [1, 2, 3, 11, 12, 13] {
            let now = rig.clock().now();
            assert_eq!(rig.publish(telemetry("pi", 3, frame(seq, 70), now)), Outcome::Stored);
            assert_eq!(rig.stored(&frame(seq, 70)), 1);
        }
        let gone = rig.bodies().iter().filter(|body| matches!(body, Body::Gone(_))).count();
        assert_eq!(gone, 1, "said again");
        assert_eq!(rig.gate.unfolded_bytes(), rig.weight(), "what was not stored waits for no fold");
        assert_eq!((rig.metrics.ingest_frames_total.get(), rig.unlike_the_log()), (6, None));
        assert!(is_empty(&rig));
    }
}

#[test]
fn g2_whichever_call_fails_of_full_groups_over_segments_who_is_told_stored_is_stored_and_nobody_else() {
    let payload = |n: u8| Bytes::from(vec![n; 3_000]);
    let mut lost = 0;
    for call in 0..16 {
        let fs = MemFs::new(9);
        let mut rig = Rig::born(&fs);
        fs.fail_after(call, Fault::Io);
        let (mut told, mut tickets) = (Vec::new(), Vec::new());
        for n in 0..8 {
            tickets.push(rig.offer(retained(&format!("t/{n}"), 3, payload(n), rig.clock().now())));
            rig.fill_group();
            assert_eq!(rig.turn(), Turn::Next);
            told.extend(settled(&rig));
        }
        for _ in 0..4 {
            assert_eq!(rig.turn(), Turn::Next);
            told.extend(settled(&rig));
        }
        let bodies = rig.bodies();
        for (n, ticket) in (0..8).zip(tickets) {
            let is_stored = bodies.iter().any(|body| matches!(body, Body::Retained(it) if it.payload == payload(n)));
            let outcome = if is_stored { Outcome::Stored } else { Outcome::Lost };
            lost += usize::from(!is_stored);
            assert!(told.contains(&(ticket, outcome.clone())), "call {call}, {n}: {outcome:?} of {told:?}");
        }
        assert_eq!((rig.gate.unfolded_bytes(), is_empty(&rig)), (rig.weight(), true), "call {call}");
    }
    assert!(lost > 10, "{lost}");
}

#[test]
fn what_is_under_way_is_settled_also_when_nobody_is_left_to_submit() {
    let mut rig = Rig::born(&MemFs::new(10));
    let tickets = full_turn(&mut rig, 1);
    rig.disconnect();
    assert_eq!((rig.turn(), settled(&rig)), (Turn::Next, all(&tickets, &Outcome::Stored)));
    assert_eq!(rig.turn(), Turn::Stop);
}

#[test]
fn only_commits_that_are_waited_for_tell_how_slow_the_disk_is() {
    let fs = MemFs::new(11);
    let mut rig = Rig::born(&fs);
    fs.make_syncs_take(Duration::from_millis(50), rig.clock());
    assert_eq!(rig.publish(telemetry("pi", 1, frame(31, 70), rig.clock().now())), Outcome::Stored);
    assert!(rig.log().is_slow());
    fs.make_syncs_take(Duration::ZERO, rig.clock());
    assert_eq!((rig.turn(), rig.log().is_slow()), (Turn::Next, true), "there was nothing to commit");
    full_turn(&mut rig, 1);
    rig.ask(|_| ());
    full_turn(&mut rig, 11);
    assert!(rig.log().is_slow(), "one was under way");
    rig.outcomes();
    assert_eq!(rig.publish(telemetry("pi", 1, frame(21, 70), rig.clock().now())), Outcome::Stored);
    assert!(!rig.log().is_slow());
}

#[test]
fn what_comes_while_the_disk_writes_is_one_group_with_what_was_there() {
    let mut rig = Rig::born(&MemFs::new(12));
    let first = full_turn(&mut rig, 1);
    let there = rig.offer(telemetry("pi", 1, frame(11, 70), rig.clock().now()));
    let comes = telemetry("pi", 1, frame(12, 70), rig.clock().now());
    rig.offer_when_something_is_durable(comes);
    let syncs = rig.metrics.store_syncs_total.get();
    assert_eq!(rig.turn(), Turn::Next);
    assert_eq!(settled(&rig), all(&[first, vec![there, there + 1]].concat(), &Outcome::Stored));
    assert_eq!(rig.metrics.store_syncs_total.get() - syncs, 2, "that under way, and one for both");
    let stamps: Vec<u64> = rig.records().iter().rev().take(2).map(|record| record.stamp.mono_ms).collect();
    assert_eq!(stamps[0] - stamps[1], 5, "each is stamped with its own time");
}

#[test]
fn a_group_of_1_024_submissions_is_written_while_the_next_one_gathers_and_a_smaller_one_at_once() {
    for (others, is_large) in [(1_022, false), (1_023, true)] {
        let mut rig = Rig::born(&MemFs::new(13));
        rig.make_room_for(1_024);
        let ticket = rig.offer(telemetry("pi", 1, frame(1, 70), rig.clock().now()));
        // Of sessions without devices: nothing is to be written for them.
        (0..others).for_each(|n| rig.end_session(100 + n as u64));
        assert_eq!(rig.turn(), Turn::Next);
        let stored = all(&[ticket], &Outcome::Stored);
        assert_eq!(settled(&rig), if is_large { vec![] } else { stored.clone() });
        assert_eq!(rig.turn(), Turn::Next);
        assert_eq!(settled(&rig), if is_large { stored } else { vec![] });
    }
}

#[test]
fn a_group_takes_4_096_submissions_or_a_megabyte_and_leaves_the_rest_to_the_next() {
    let takes = |fill: &dyn Fn(&mut Rig)| {
        let mut rig = Rig::born(&MemFs::new(16));
        rig.make_room_for(5_000);
        fill(&mut rig);
        rig.offer(telemetry("pi", 1, frame(1, 70), rig.clock().now()));
        let next = rig.log().next_offset();
        assert_eq!(rig.turn(), Turn::Next);
        rig.log().next_offset() > next
    };
    for (submissions, also_takes_the_frame) in [(4_095, true), (4_096, false)] {
        // Of sessions without devices: nothing is to be written for them.
        let fill = |rig: &mut Rig| (0..submissions).for_each(|n| rig.end_session(100 + n));
        assert_eq!(takes(&fill), also_takes_the_frame, "{submissions} submissions");
    }
    for (bytes, also_takes_the_frame) in [((1 << 20) - 1, true), (1 << 20, false)] {
        // With a topic of one byte; refused, being too large for the log.
        let fill = |rig: &mut Rig| {
            rig.offer(retained("t", 1, vec![0; bytes - 1].into(), rig.clock().now()));
        };
        assert_eq!(takes(&fill), also_takes_the_frame, "{bytes} bytes");
    }
}

#[test]
fn a_durable_group_is_settled_when_64_submissions_of_the_next_are_there_and_not_only_at_its_end() {
    for (there, later_ms) in [(63, 5), (64, 0)] {
        let mut rig = Rig::born(&MemFs::new(17));
        rig.make_room_for(100);
        full_turn(&mut rig, 1);
        for seq in 0..there {
            rig.offer(telemetry("pi", 1, frame(11 + seq, 70), rig.clock().now()));
        }
        // It comes when the group is settled, and has the time of the others if they were not all taken by then.
        rig.offer_when_something_is_durable(telemetry("pi", 1, frame(99, 70), rig.clock().now()));
        assert_eq!(rig.turn(), Turn::Next);
        let stamps: Vec<u64> = rig.records().iter().rev().take(2).map(|record| record.stamp.mono_ms).collect();
        assert_eq!(stamps[0] - stamps[1], later_ms, "{there} submissions");
    }
}

#[test]
fn a_group_that_gathers_looks_at_the_one_before_without_waiting_for_the_disk() {
    let fs = MemFs::new(21);
    let on_threads = |options| Options { background: true, ..options };
    let mut rig = Rig::start_with(&fs, MemState::default(), &clock(), &config(60_000), on_threads).unwrap();
    let now = rig.clock().now();
    assert_eq!(rig.publish(birth("pi", 1, now)), Outcome::Stored);
    fs.hold_syncs(true);
    let tickets = full_turn(&mut rig, 1);
    rig.owner.look(LOOK_SUBMISSIONS).unwrap();
    assert_eq!(settled(&rig), [], "the disk still syncs it");
    fs.hold_syncs(false);
    assert_eq!(rig.turn(), Turn::Next);
    assert_eq!(settled(&rig), all(&tickets, &Outcome::Stored));
}

#[test]
fn nobody_waits_for_a_submission_while_a_group_is_to_be_settled() {
    let mut rig = Rig::born(&MemFs::new(18));
    let tickets = full_turn(&mut rig, 1);
    let (watch, wait) = (crate::clock::stopwatch(), Duration::from_secs(10));
    assert_eq!(rig.turn_within(wait), Turn::Next);
    assert_eq!(settled(&rig), all(&tickets, &Outcome::Stored));
    assert!(watch() < wait, "{:?}", watch());
}

#[test]
fn whoever_stops_waits_for_all_of_a_large_group_and_nothing_after_it_is_taken() {
    let mut rig = Rig::born(&MemFs::new(19));
    rig.make_room_for(2_000);
    let ticket = rig.offer(telemetry("pi", 1, frame(1, 70), rig.clock().now()));
    (0..1_100).for_each(|n| rig.end_session(100 + n));
    rig.stop();
    rig.offer(telemetry("pi", 1, frame(2, 70), rig.clock().now()));
    assert_eq!(rig.turn(), Turn::Stop);
    assert_eq!(settled(&rig), all(&[ticket], &Outcome::Stored));
    assert_eq!(rig.stored(&frame(2, 70)), 0);
}

#[test]
fn who_follows_the_log_is_woken_by_what_is_durable_and_not_by_a_turn_without_records() {
    let mut rig = Rig::born(&MemFs::new(20));
    let wakes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&wakes);
    rig.owner.wake = Box::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    for _ in 0..3 {
        assert_eq!(rig.turn(), Turn::Next);
    }
    assert_eq!(wakes.load(Ordering::Relaxed), 0);
    full_turn(&mut rig, 1);
    assert_eq!(rig.turn(), Turn::Next);
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
}
