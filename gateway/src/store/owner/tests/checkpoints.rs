//! When the head's state is written down, and how much of it.

use halo_proto::topic::Grammar;

use super::super::*;
use super::rig::{Rig, frame, telemetry};
use crate::store::fs::mem::MemFs;
use crate::store::state::MemState;

/// So much log makes a checkpoint due.
const MUCH_LOG: u64 = 32 << 20;

#[test]
fn a_checkpoint_is_due_after_32_mb_of_log_but_not_within_a_second_or_after_ten_seconds() {
    let mut rig = Rig::born(&MemFs::new(14));
    let owner = &mut rig.owner;
    let now = owner.checkpoint_ms;
    owner.checkpoint_bytes = MUCH_LOG - 1;
    assert!(!owner.is_checkpoint_due(now + 9_999));
    assert!(owner.is_checkpoint_due(now + 10_000));
    owner.checkpoint_bytes = MUCH_LOG;
    assert!(!owner.is_checkpoint_due(now + 999));
    assert!(owner.is_checkpoint_due(now + 1_000));
}

#[test]
fn what_was_written_since_the_last_checkpoint_and_what_gathers_make_the_next_one_due_and_it_holds_both() {
    let mut rig = Rig::born(&MemFs::new(15));
    let (checkpoints, writer) = Checkpointer::start(Box::new(MemState::default())).unwrap();
    rig.owner.checkpoints = Some(checkpoints.clone());
    let publish = |rig: &mut Rig, seq| rig.publish(telemetry("pi", 1, frame(seq, 70), rig.clock().now()));
    let (bytes, weight) = (rig.owner.checkpoint_bytes, rig.weight());
    assert_eq!(publish(&mut rig, 1), Outcome::Stored);
    assert_eq!(rig.owner.checkpoint_bytes - bytes, rig.weight() - weight);
    rig.owner.checkpoint_bytes = MUCH_LOG - 1;
    rig.clock().advance(Duration::from_secs(1));
    assert_eq!(rig.turn(), Turn::Next);
    assert_eq!(rig.owner.checkpoint_bytes, MUCH_LOG - 1, "nothing gathers: it is not due");
    assert_eq!(publish(&mut rig, 2), Outcome::Stored);
    assert_eq!((rig.owner.checkpoint_bytes, rig.owner.checkpoint_ms), (0, rig.clock().now().mono_ms));
    checkpoints.wait();
    let applied = checkpoints.read(|engine| Head::load(&Grammar::default(), engine).unwrap().applied());
    assert_eq!(applied, Some(rig.log().durable()));
    rig.owner.checkpoints = None;
    drop(checkpoints);
    writer.join().unwrap();
}
