use std::path::Path;

use halo_proto::topic::Grammar;
use proptest::prelude::*;

use super::*;
use crate::auth;
use crate::broker::{self, LocalSubscriber, Router};
use crate::clock::Clock;
use crate::forward::upstream::Boards;
use crate::halo::tests::support::{Log, native, power};
use crate::halo::{Fold, Models};
use crate::metrics::Metrics;
use crate::record::{Act, Deed, FoldConfig};
use crate::store::disk::{self, Budget};
use crate::store::identity::Identities;

/// The half of a river that lets readings out, and what a subscriber gets of it.
struct Half {
    shared: Arc<Shared>,
    fold: Fold,
    beside: Beside,
    heard: LocalSubscriber,
    handed_over: usize,
}

impl Half {
    fn new() -> Self {
        let (grammar, metrics) = (Grammar::default(), Arc::new(Metrics::default()));
        let policy = auth::AccountsPolicy::new(grammar, auth::Accounts::default(), false, Arc::clone(&metrics));
        let bounds = broker::Config { queue_messages_max: 1 << 20, queue_bytes_max: 1 << 30, ..Default::default() };
        let router = Router::new(&bounds, Arc::new(policy), Arc::clone(&metrics));
        let heard = router.subscribe("halo/v1/readings/#").unwrap();
        let shared = Arc::new(Shared {
            clock: Clock::system(),
            gate: Arc::default(),
            damages: Arc::default(),
            metrics,
            router,
            grammar,
            gateway_id: "gateway".to_owned(),
            log_ids: Identities::one("log"),
            folded: Arc::default(),
            changes: Vec::new(),
            upstreams: Boards::default(),
            budget: Arc::new(Budget::new(&disk::Config::default(), 16 << 20, Path::new("."), "redb")),
            models: Models::default(),
        });
        Self { shared, fold: Fold::new(grammar), beside: Beside::default(), heard, handed_over: 0 }
    }

    /// Folds a batch as the river does, with the thread or without.
    fn batch(&mut self, records: &[Record], with_thread: bool) {
        let records = Arc::new(records.to_vec());
        let beside = with_thread && self.beside.take(&records, &self.shared, self.fold.schemas());
        self.handed_over += usize::from(beside);
        let (mut topic, mut held) = (String::new(), Held::default());
        for record in &*records {
            let touched = self.fold.apply(record);
            if let (false, Some((stored, frame)), Some(readings)) = (beside, frame_of(record), touched.readings())
                && wants_readings(&self.shared, &mut topic, frame)
            {
                publish_readings(&self.shared, (&topic, &mut held), record.epoch, stored, frame, readings);
            }
        }
    }

    fn heard(&mut self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        while let Some(message) = self.heard.try_recv().unwrap() {
            all.push((message.topic.to_string(), String::from_utf8(message.payload.to_vec()).unwrap()));
        }
        all
    }
}

/// Frames of three meters whose births come, change and are forgotten in between.
fn log(happens: &[u8]) -> Log {
    let mut log = Log::default();
    for (seq, what) in (0..).zip(happens) {
        let device = ["one", "two", "three"][usize::from(what % 3)];
        log.after(100);
        let frame = |scale: u32| {
            let schema = power(scale);
            native(&schema, seq, u64::from(seq), &[(0, &[vec![i64::from(seq)]])], None)
        };
        match what {
            0..3 => log.birth(device, &power(10)),
            3..6 => log.birth(device, &power(100)),
            6 => log.push(Body::Act(Act { by: "local".to_owned(), deed: Deed::Forget { device: device.into() } })),
            7 => {
                let own = r#"{"signals":[{"name":"power","unit":"kW","max":4}]}"#.to_owned();
                log.push(Body::Config(FoldConfig { derivations: own, ..FoldConfig::default() }))
            }
            8 => log.push(Body::Tick),
            _ => log.native(device, seq, frame(if what % 2 == 0 { 10 } else { 100 })),
        };
    }
    log
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn whoever_writes_them_the_readings_are_the_same_and_in_the_order_of_the_log(
        happens in prop::collection::vec(prop_oneof![1 => 0_u8..9, 60 => 9_u8..30], 1..1500),
        sizes in prop::collection::vec(1_usize..200, 1..10),
    ) {
        let log = log(&happens);
        let (mut alone, mut together) = (Half::new(), Half::new());
        let (mut rest, mut sizes) = (&log.records[..], sizes.iter().cycle());
        while !rest.is_empty() {
            let (batch, left) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            alone.batch(batch, false);
            together.batch(batch, true);
            rest = left;
        }
        together.beside.end();
        prop_assert_eq!(alone.heard(), together.heard());
    }
}

fn metered(frames: usize) -> Log {
    let mut happens = vec![0, 1, 2];
    happens.resize(3 + frames, 10);
    log(&happens)
}

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
