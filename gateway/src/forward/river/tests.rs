//! What goes out, when, and by whom.

use std::path::Path;
use std::pin::pin;
use std::task::{Context, Wake, Waker};

use proptest::prelude::*;

use super::*;
use crate::auth;
use crate::broker::{self, LocalSubscriber};
use crate::halo::tests::support::{Log, native, power};
use crate::record::{Act, Deed, FoldConfig};
use crate::spark::Engine;
use crate::store::disk;
use crate::store::fs::mem::MemFs;
use crate::store::owner::tests::rig::{Rig, birth, frame, telemetry};
use crate::store::state::MemState;

/// What a river shares, and a subscriber to what it lets out.
fn shared(filter: &str) -> (Shared, LocalSubscriber) {
    let (grammar, metrics) = (Grammar::default(), Arc::new(Metrics::default()));
    let policy = auth::AccountsPolicy::new(grammar, auth::Accounts::default(), false, Arc::clone(&metrics));
    let bounds = broker::Config { queue_messages_max: 1 << 20, queue_bytes_max: 1 << 30, ..Default::default() };
    let router = Router::new(&bounds, Arc::new(policy), Arc::clone(&metrics));
    let heard = router.subscribe(filter).unwrap();
    let shared = Shared {
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
    };
    (shared, heard)
}

/// The half of a river that lets readings out, and what a subscriber gets of it.
pub(super) struct Half {
    pub(super) shared: Arc<Shared>,
    pub(super) fold: Fold,
    pub(super) beside: Beside,
    pub(super) first: First,
    pub(super) heard: LocalSubscriber,
    pub(super) handed_over: usize,
}

impl Half {
    pub(super) fn new() -> Self {
        let (shared, heard) = shared("halo/v1/readings/#");
        let (beside, first) = (Beside::default(), First::default());
        Self { fold: Fold::new(shared.grammar), shared: Arc::new(shared), beside, first, heard, handed_over: 0 }
    }

    /// Folds a batch as the river does, or record by record.
    pub(super) fn batch(&mut self, records: &[Record], as_the_river: bool) {
        let records = Arc::new(records.to_vec());
        let beside = as_the_river && self.beside.take(&records, &self.shared, self.fold.schemas());
        self.handed_over += usize::from(beside);
        let mut told = if as_the_river && !beside { self.tell(&records) } else { Vec::new() };
        let (mut topic, mut held, mut known) = (String::new(), Held::default(), told.iter_mut());
        for record in &*records {
            let told = known.next();
            let is_out = beside || told.is_some();
            let touched = self.fold.apply_read(record, told.map_or(Said::Unread, Told::said));
            if let (false, Some((stored, frame)), Some(readings)) = (is_out, frame_of(record), touched.readings())
                && wants_readings(&self.shared, &mut topic, frame)
            {
                publish_readings(&self.shared, (&topic, &mut held), record.epoch, stored, frame, readings);
            }
        }
        self.first.take_back(told);
    }

    pub(super) fn tell(&mut self, records: &[Record]) -> Vec<Told> {
        let (mut topic, mut held) = (String::new(), Held::default());
        self.first.tell(records, self.fold.schemas(), &self.shared, (&mut topic, &mut held))
    }

    pub(super) fn heard(&mut self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        while let Some(message) = self.heard.try_recv().unwrap() {
            all.push((message.topic.to_string(), String::from_utf8(message.payload.to_vec()).unwrap()));
        }
        all
    }
}

/// Frames of three meters whose births come, change and are forgotten in between.
pub(super) fn log(happens: &[u8]) -> Log {
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
    fn whoever_writes_them_the_readings_are_the_same_and_in_the_order_of_the_log_and_so_are_the_halos(
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
        prop_assert_eq!(alone.fold.all_rows(), together.fold.all_rows());
    }
}

pub(super) fn metered(frames: usize) -> Log {
    let mut happens = vec![0, 1, 2];
    happens.resize(3 + frames, 10);
    log(&happens)
}

/// How many records were folded when somebody was woken first.
struct Look {
    metrics: Arc<Metrics>,
    folded: std::sync::Mutex<Option<u64>>,
}

impl Wake for Look {
    fn wake(self: Arc<Self>) {
        self.folded.lock().unwrap().get_or_insert(self.metrics.halo_records_total.get());
    }
}

#[test]
fn whoever_listens_to_readings_is_woken_before_they_are_folded() {
    let (folder, mut rig) = (tempfile::tempdir().unwrap(), Rig::new(&MemFs::new(1)));
    let (shared, mut heard) = shared("halo/v1/readings/#");
    let metrics = Arc::clone(&shared.metrics);
    let engine = Engine::new(Vec::new(), Default::default(), Models::default(), Identities::one("log")).unwrap();
    let (checkpoints, _writer) = Checkpointer::start(Box::new(MemState::default())).unwrap();
    let begun = (Fold::new(Grammar::default()), Replaying::open(folder.path()).unwrap());
    let sparks = Sparks::new(engine, rig.appender());
    let mut river = River::new(rig.reader(), begun, checkpoints, sparks, shared);
    let now = rig.clock().now();
    rig.publish(birth("pi", 1, now));
    while river.step() {}

    let look = Arc::new(Look { metrics: Arc::clone(&metrics), folded: std::sync::Mutex::default() });
    let before = metrics.halo_records_total.get();
    rig.publish(telemetry("pi", 1, frame(1, 70), now));
    let waker = Waker::from(Arc::clone(&look));
    let (mut waits, mut context) = (pin!(heard.recv()), Context::from_waker(&waker));
    assert!(waits.as_mut().poll(&mut context).is_pending());
    while river.step() {}
    assert_eq!(*look.folded.lock().unwrap(), Some(before));
    assert!(metrics.halo_records_total.get() > before && waits.poll(&mut context).is_ready());
}

#[test]
fn halos_are_written_down_after_32_mb_of_log_after_30_seconds_and_when_somebody_waits_for_it() {
    let (folder, rig) = (tempfile::tempdir().unwrap(), Rig::new(&MemFs::new(2)));
    let (mut shared, _heard) = shared("halo/v1/readings/#");
    shared.clock = rig.clock().clone();
    let engine = Engine::new(Vec::new(), Default::default(), Models::default(), Identities::one("log")).unwrap();
    let (checkpoints, _writer) = Checkpointer::start(Box::new(MemState::default())).unwrap();
    let begun = (Fold::new(Grammar::default()), Replaying::open(folder.path()).unwrap());
    let sparks = Sparks::new(engine, rig.appender());
    let mut river = River::new(rig.reader(), begun, checkpoints.clone(), sparks, shared);
    let mut is_written = |bytes, after_ms| {
        river.checkpoint.bytes = bytes;
        rig.clock().advance(std::time::Duration::from_millis(after_ms));
        river.write_down();
        checkpoints.wait();
        river.checkpoint.bytes == 0
    };
    assert!(is_written(1, 60_000));
    assert!(!is_written((32 << 20) - 1, 29_999) && is_written(1, 1));
    assert!(is_written(32 << 20, 0));
    checkpoints.hurry();
    assert!(is_written(1, 0) && !is_written(1, 0));
}
