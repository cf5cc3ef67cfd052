use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use super::*;

fn is_ready(future: impl Future) -> bool {
    pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn a_queue_of_submissions_closes_the_gate_until_they_have_left() {
    let gate = Gate::default();
    assert!((0..SUBMISSIONS_MAX).all(|_| gate.try_enter(1)));
    assert!(!gate.try_enter(1) && !gate.claim());
    assert!(!is_ready(gate.opened()), "who is refused a place waits for one and does not spin");
    gate.left(1, 1);
    assert!(gate.is_open() && is_ready(gate.opened()));
}

#[test]
fn room_made_between_the_look_and_the_wait_is_heard_of() {
    let gate = Gate::default();
    let room = gate.room();
    gate.made_room();
    assert!(is_ready(room));
}

#[test]
fn a_fold_too_far_behind_closes_the_gate_to_publishes_and_not_to_the_gateways_own_records() {
    let gate = Gate::default();
    gate.committing(Offset(9), UNFOLDED_BYTES_MAX);
    assert!(!gate.try_enter(1) && gate.claim());
    gate.folded_to(Offset(9));
    assert!(gate.try_enter(1));
}

#[test]
fn what_is_passed_without_being_folded_is_no_longer_behind() {
    let gate = Gate::default();
    gate.committing(Offset(3), STRETCH_BYTES);
    gate.committing(Offset(6), 10);
    gate.folded_to(Offset(2));
    assert_eq!(gate.unfolded_bytes(), STRETCH_BYTES + 10);
    gate.folded_to(Offset(4));
    assert_eq!(gate.unfolded_bytes(), 10);
    gate.folded_to(Offset(8));
    assert_eq!(gate.unfolded_bytes(), 0);
}

#[test]
fn a_group_that_did_not_become_durable_leaves_nothing_behind() {
    let gate = Gate::default();
    gate.committing(Offset(3), 10);
    gate.committing(Offset(7), 20);
    gate.not_committed(Offset(3), 20);
    assert_eq!(gate.unfolded_bytes(), 10);
    gate.folded_to(Offset(3));
    assert_eq!(gate.unfolded_bytes(), 0);
}

#[test]
fn groups_that_fail_together_leave_nothing_behind_however_they_were_counted() {
    for sizes in [[10, 20, 30], [STRETCH_BYTES, STRETCH_BYTES, 5], [5, STRETCH_BYTES, STRETCH_BYTES]] {
        let gate = Gate::default();
        for (offset, bytes) in [3, 7, 9].into_iter().zip(sizes) {
            gate.committing(Offset(offset), bytes);
        }
        gate.not_committed(Offset(3), sizes[1] + sizes[2]);
        assert_eq!(gate.unfolded_bytes(), sizes[0]);
        gate.folded_to(Offset(3));
        assert_eq!(gate.unfolded_bytes(), 0);
    }
}

#[test]
fn nobody_waits_at_a_gate_that_will_not_open() {
    let gate = Gate::default();
    gate.committing(Offset(9), UNFOLDED_BYTES_MAX);
    gate.fail();
    assert!(is_ready(gate.opened()));
}
