use super::super::tests::{Half, metered};
use super::*;
use crate::halo::tests::support::{native, power};

#[test]
fn many_frames_are_handed_over_and_few_are_not() {
    let (log, mut half) = (metered(2 * MANY), Half::new());
    let (births, frames) = log.records.split_at(3);
    half.batch(births, true);
    half.batch(&frames[..MANY - 1], true);
    assert_eq!((half.handed_over, half.heard().len()), (0, MANY - 1));
    half.batch(&frames[MANY - 1..], true);
    half.beside.finish();
    assert_eq!((half.handed_over, half.heard().len()), (1, MANY + 1));
}

#[test]
fn nobody_writes_what_nobody_listens_to() {
    let (log, mut half) = (metered(2 * MANY), Half::new());
    half.heard = half.shared.router.subscribe("halo/v1/halos/#").unwrap();
    half.batch(&log.records[..3], true);
    half.batch(&log.records[3..], true);
    assert!(half.handed_over == 1 && half.beside.thread.is_none());
}

#[test]
fn the_thread_is_ended_with_everything_out() {
    let (log, mut half) = (metered(10 * MANY), Half::new());
    half.batch(&log.records[..3], true);
    log.records[3..].chunks(MANY).for_each(|batch| half.batch(batch, true));
    half.beside.end();
    assert_eq!((half.heard().len(), Arc::strong_count(&half.shared)), (10 * MANY, 1));
}

/// A thread that panics at the first job, or before there was one.
fn broken(at_once: bool) -> Thread {
    let (jobs, todo) = sync_channel(1);
    let handle = std::thread::spawn(move || {
        if !at_once {
            drop(todo.recv());
        }
        panic!("a bug in what writes")
    });
    Thread { jobs, under_way: Arc::default(), handle }
}

#[test]
#[should_panic(expected = "a bug in what writes")]
fn a_panic_beside_is_the_rivers_own_when_it_waits() {
    let mut half = Half::new();
    half.beside.thread = Some(broken(false));
    half.beside.finish();
}

#[test]
#[should_panic(expected = "a bug in what writes")]
fn a_panic_beside_is_the_rivers_own_although_nothing_comes() {
    let mut half = Half::new();
    half.beside.thread = Some(broken(true));
    loop {
        half.beside.look();
        std::thread::yield_now();
    }
}

#[test]
fn retained_messages_that_are_no_births_keep_nobody_from_being_handed_over() {
    let (mut log, mut half) = (metered(MANY), Half::new());
    half.batch(&log.records, true);
    log.records.truncate(0);
    for seq in 100..100 + MANY as u32 {
        log.native("two", seq, native(&power(10), seq, u64::from(seq), &[(0, &[vec![1]])], None));
        log.retained("halo/v1/d/two/state", "on");
    }
    half.batch(&log.records, true);
    assert_eq!(half.handed_over, 1);
    half.beside.finish();
    assert_eq!(half.heard().len(), 2 * MANY);
}
