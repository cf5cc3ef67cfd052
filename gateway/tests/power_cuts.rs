//! The log on a disk that behaves as badly as it is allowed to. One property: what `commit` reported is there, equal and
//! in order, whatever happens; what was cut never returns. One oracle, many seeds.
//!
//! `HALO_SEED=… cargo test -p halo-gateway --test power_cuts one_seed -- --nocapture` replays one world with a trace;
//! `HALO_CUTS=…` sets how many power cuts the long run makes (10^5 by default), `HALO_BASE=…` from which seed on.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use halo_gateway::record::{
    Body, ClockSource, ClockUse, Cursor, Draft, Format, Frame, Gap, GatewayTime, Identity, KeyId, Name, Offset, Record,
    Retained,
};
use halo_gateway::store::fs::mem::{Fault, MemFs, Rng};
use halo_gateway::store::{Damage, Finding, Log, Options, Reader, StoreError, verify};

/// Power cuts that one disk lives through before the world starts afresh.
const CUTS_PER_WORLD: u64 = 40;

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number, got {value}")))
}

fn dir() -> &'static Path {
    Path::new("/data/log")
}

fn options(seed: u64) -> Options {
    Options { segment_bytes: 8 << 10, group_bytes: 2 << 10, ..Options::deterministic(seed) }
}

/// One disk, one log on it, and what must be there.
struct World {
    fs: MemFs,
    rng: Rng,
    seed: u64,
    trace: bool,
    /// Reported durable, or found by a start, which makes it durable.
    known: Vec<Record>,
    /// Written but never reported durable: may turn up at the next start, and after that never again.
    maybe: Vec<Record>,
    /// Pushed and not known to be durable, by the process that still lives.
    under_way: Vec<Record>,
    cuts: u64,
    gave_up: bool,
}

type Checked = Result<(), String>;

impl World {
    fn new(seed: u64, trace: bool) -> Self {
        let rng = Rng(seed);
        let fs = MemFs::new(seed ^ 0xD15C);
        Self {
            fs,
            rng,
            seed,
            trace,
            known: Vec::new(),
            maybe: Vec::new(),
            under_way: Vec::new(),
            cuts: 0,
            gave_up: false,
        }
    }

    fn run(&mut self, cuts: u64) -> Checked {
        while self.cuts < cuts {
            self.life().map_err(|wrong| format!("HALO_SEED={}: after {} cuts: {wrong}", self.seed, self.cuts))?;
        }
        Ok(())
    }

    /// From one start to the next: open, check, write, and an end of some kind.
    fn life(&mut self) -> Checked {
        self.plan_fault();
        let opened = Log::open(self.fs.clone(), dir(), options(self.rng.draw()));
        match opened {
            Ok((mut log, recovered)) => {
                self.say(|| format!("open: {recovered:?}"));
                unexpected(&recovered.findings)?;
                self.check(&log)?;
                self.write(&mut log)?;
                if self.rng.one_in(12) {
                    let pending = log.pending_records();
                    let closed = log.close();
                    self.say(|| format!("close: {closed:?}"));
                    self.settle(closed.unwrap_or_default());
                    assert_eq!(pending, 0, "the writer leaves nothing behind");
                }
            }
            Err(error) => self.say(|| format!("open failed: {error}")),
        }
        self.maybe.append(&mut self.under_way);
        // A process that gave up after a failed sync is often started again on the same page cache.
        if self.rng.one_in(if self.gave_up { 2 } else { 16 }) {
            self.say(|| "kill".into());
            self.fs.kill();
        } else {
            self.say(|| "power cut".into());
            self.fs.power_cut();
            self.cuts += 1;
        }
        self.gave_up = false;
        Ok(())
    }

    /// Mostly the power goes at some call, sooner or later, also during recovery; sometimes a call fails first.
    fn plan_fault(&mut self) {
        let within = [12, 40, 120, 400][self.rng.below(4) as usize];
        let off = Fault::PowerOff;
        let fault = [off, off, off, Fault::Io, Fault::Full][self.rng.below(5) as usize];
        let call = self.rng.below(within);
        self.say(|| format!("{fault:?} at call {call}"));
        self.fs.fail_after(call, fault);
    }

    fn write(&mut self, log: &mut Log<MemFs>) -> Checked {
        let mut reader = log.reader(self.known.last().map_or(Offset(0), |last| Offset(last.offset.0 + 1)));
        for _ in 0..self.rng.below(12) {
            let pushed = self.push_group(log);
            self.say(|| format!("{} records", pushed.len()));
            self.under_way.extend(pushed);
            let committed = self.commit(log);
            self.settle(log.durable());
            match committed {
                Ok(_) => {}
                Err(error) => {
                    self.say(|| format!("commit: {error}"));
                    if self.rng.one_in(3) {
                        self.say(|| "the process gives up".into());
                        self.gave_up = true;
                        return Ok(());
                    }
                    match log.recover_from_failure() {
                        Ok(findings) => unexpected(&findings)?,
                        Err(error) => {
                            self.say(|| format!("recovery: {error}"));
                            return Ok(());
                        }
                    }
                    // What the log has cut is gone for good, in this process and after it.
                    self.maybe.clear();
                    self.under_way.clear();
                }
            }
            if self.rng.one_in(4) {
                self.follow(&mut reader)?;
            }
        }
        // A log is closed, or dropped, with commits under way or without.
        Ok(())
    }

    /// Waits for the group, or begins its commit, or ends one that was begun before.
    fn commit(&mut self, log: &mut Log<MemFs>) -> Result<Offset, StoreError> {
        let how = self.rng.below(4);
        if how > 1 {
            return log.commit();
        }
        log.begin_commit()?;
        self.say(|| format!("{} under way", log.commits_begun()));
        if how == 0 { Ok(log.durable()) } else { log.end_commit() }
    }

    /// What is durable may be acknowledged, and has to be there from now on.
    fn settle(&mut self, durable: Offset) {
        let settled = self.under_way.iter().take_while(|record| record.offset <= durable).count();
        self.say(|| format!("durable up to {durable}: {settled} more"));
        self.known.extend(self.under_way.drain(..settled));
    }

    fn push_group(&mut self, log: &mut Log<MemFs>) -> Vec<Record> {
        let mut pushed = Vec::new();
        for _ in 0..1 + self.rng.below(4) {
            let body = body(&mut self.rng);
            let stamp = GatewayTime { wall_ms: self.rng.draw().cast_signed() >> 20, mono_ms: self.rng.below(1 << 40) };
            let cause = self.rng.one_in(4).then_some(Offset(1 + self.rng.below(100)));
            let draft = Draft { cause, body };
            match log.push(&draft, stamp) {
                Ok(offset) => {
                    let Draft { cause, body } = draft;
                    pushed.push(Record { offset, epoch: log.epoch(), stamp, cause, key: KeyId(0), body });
                }
                // A new segment waits for what was begun in the one before.
                Err(
                    StoreError::GroupFull | StoreError::Io { .. } | StoreError::Commit { .. } | StoreError::Poisoned,
                ) => {
                    break;
                }
                Err(error) => panic!("HALO_SEED={}: {error}", self.seed),
            }
        }
        pushed
    }

    /// A reader beside the writer sees every record once it is durable.
    fn follow(&mut self, reader: &mut Reader<MemFs>) -> Checked {
        let from = reader.position();
        let Ok((records, findings)) = read_all(reader) else { return Ok(()) };
        unexpected(&findings)?;
        let start = self.known.partition_point(|known| known.offset < from);
        if records == self.known[start..] { Ok(()) } else { Err(difference(&self.known[start..], &records)) }
    }

    fn check(&mut self, log: &Log<MemFs>) -> Checked {
        let read = || read_all(&mut log.reader(Offset(0)));
        // One read may fail by plan; if the power goes while we read, the next start checks.
        let Ok((records, findings)) = read().or_else(|_| read()) else { return Ok(()) };
        unexpected(&findings)?;
        if let Some(pair) = records.windows(2).find(|pair| pair[0].offset >= pair[1].offset) {
            return Err(format!("offset {} comes after {}", pair[1].offset, pair[0].offset));
        }
        let (present, rest) = records.split_at(records.len().min(self.known.len()));
        if present != self.known {
            return Err(difference(&self.known, &records));
        }
        if let Some(stranger) = rest.iter().find(|record| !self.maybe.contains(record)) {
            return Err(format!("offset {} of start {} was cut before", stranger.offset, stranger.epoch.0));
        }
        self.known.extend(rest.iter().cloned());
        self.maybe.clear();
        Ok(())
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{}", what());
        }
    }
}

/// Without flipped bits nothing may ever look like damage.
fn unexpected(findings: &[Finding]) -> Checked {
    let damage = |finding: &&Finding| !matches!(finding.what, Damage::TornTail | Damage::Stale);
    findings.iter().find(damage).map_or(Ok(()), |finding| Err(format!("taken for damage: {finding}")))
}

fn difference(known: &[Record], found: &[Record]) -> String {
    let at = known.iter().zip(found).position(|(known, found)| known != found).unwrap_or(known.len().min(found.len()));
    let (wanted, got) = (known.get(at), found.get(at));
    format!("{} records known, {} found; at {at}: wanted {wanted:?}, got {got:?}", known.len(), found.len())
}

fn read_all(reader: &mut Reader<MemFs>) -> Result<(Vec<Record>, Vec<Finding>), StoreError> {
    let (mut records, mut findings) = (Vec::new(), Vec::new());
    loop {
        let batch = reader.next(1 << 20)?;
        if batch.is_empty() {
            return Ok((records, findings));
        }
        records.extend(batch.records);
        findings.extend(batch.findings);
    }
}

fn body(rng: &mut Rng) -> Body {
    let name = |rng: &mut Rng| Name::from(["a", "band-2", "dongle-333", "engine-4444"][rng.below(4) as usize]);
    let arrival = GatewayTime { wall_ms: rng.below(1 << 41).cast_signed(), mono_ms: rng.below(1 << 30) };
    match rng.below(8) {
        0 => Body::Tick,
        1 => Body::Cursor(Cursor {
            consumer: name(rng),
            confirmed: Offset(rng.below(1000)),
            progress: halo_gateway::record::Progress::default(),
        }),
        2 => Body::Gap(Gap { device: name(rng), subject: name(rng), boot: 1, first: rng.draw() as u32, last: 9 }),
        3 => {
            Body::Retained(Retained { topic: name(rng), publisher: name(rng), qos: 1, arrival, payload: payload(rng) })
        }
        _ => Body::Frame(Frame {
            device: name(rng),
            publisher: name(rng),
            subject: name(rng),
            identity: (!rng.one_in(4)).then(|| Identity { boot: 1, seq: rng.draw() as u32 }),
            format: Format::Tf1,
            arrival,
            qos: 1,
            clock: ClockUse { offset_ms: 5, source: ClockSource::Synced },
            payload: payload(rng),
        }),
    }
}

fn payload(rng: &mut Rng) -> Bytes {
    let max = if rng.one_in(8) { 400 } else { 60 };
    let len = rng.below(max);
    (0..len.div_ceil(8)).flat_map(|_| rng.draw().to_le_bytes()).take(len as usize).collect()
}

fn worlds(base: u64, cuts: u64) -> Checked {
    (0..cuts.div_ceil(CUTS_PER_WORLD)).try_for_each(|n| World::new(base + n, false).run(CUTS_PER_WORLD))
}

#[test]
fn g1_every_committed_record_survives_power_cuts_at_any_moment() {
    let cuts = env("HALO_CUTS").unwrap_or(100_000);
    let base = env("HALO_BASE").unwrap_or(1 << 32);
    // Two workers, because the machines that run this have two cores.
    let halves = [base, base + (1 << 31)].map(|base| std::thread::spawn(move || worlds(base, cuts / 2)));
    for half in halves {
        if let Err(wrong) = half.join().unwrap() {
            panic!("{wrong}");
        }
    }
}

#[test]
fn one_seed_is_replayed_with_a_full_trace() {
    World::new(env("HALO_SEED").unwrap_or(3), true).run(CUTS_PER_WORLD).unwrap();
}

#[test]
fn the_same_run_without_syncs_loses_records() {
    let run = |seed: u64, lie: fn(&MemFs)| {
        let mut world = World::new(seed, false);
        lie(&world.fs);
        world.run(CUTS_PER_WORLD)
    };
    let lost = (0..20).filter(|seed| run(*seed, MemFs::make_syncs_lie).is_err()).count();
    assert!(lost >= 18, "a log that never syncs lost records in {lost} of 20 worlds only: the rig does not bite");
    let lost = (0..20).filter(|seed| run(*seed, MemFs::make_dir_syncs_lie).is_err()).count();
    assert!(lost >= 18, "a log that never syncs its folder lost records in {lost} of 20 worlds only");
}

/// A log of a few segments; the records in it, and how many of them stand in the last group.
fn sample(fs: &MemFs, groups: u64, close: bool) -> (Vec<Record>, usize) {
    let mut world = World { fs: fs.clone(), ..World::new(11, false) };
    let (mut log, _) = Log::open(fs.clone(), dir(), options(1)).unwrap();
    let mut last = 0;
    for _ in 0..groups {
        let pushed = world.push_group(&mut log);
        last = pushed.len();
        log.commit().unwrap();
        world.known.extend(pushed);
    }
    if close {
        log.close().unwrap();
    }
    fs.power_cut();
    (world.known, last)
}

#[test]
fn g2_whichever_call_fails_there_is_no_acknowledgement_without_data() {
    let script = |fs: &MemFs| -> Vec<Record> {
        let mut world = World { fs: fs.clone(), ..World::new(12, false) };
        let Ok((mut log, _)) = Log::open(fs.clone(), dir(), options(1)) else { return Vec::new() };
        for _ in 0..30 {
            let pushed = world.push_group(&mut log);
            match log.commit() {
                Ok(_) => world.known.extend(pushed),
                Err(_) if log.recover_from_failure().is_err() => break,
                Err(_) => {}
            }
        }
        // What was committed is safe whether or not the log is closed in order.
        drop(log.close());
        world.known
    };
    let fs = MemFs::new(0);
    script(&fs);
    let calls = fs.calls();
    assert!(calls > 100, "{calls} calls");
    for call in 0..calls {
        for fault in [Fault::Io, Fault::Full] {
            let fs = MemFs::new(call);
            fs.fail_after(call, fault);
            let acked = script(&fs);
            fs.no_fault();
            fs.power_cut();
            let (log, recovered) = Log::open(fs, dir(), options(2)).unwrap();
            unexpected(&recovered.findings).unwrap();
            let (found, findings) = read_all(&mut log.reader(Offset(0))).unwrap();
            unexpected(&findings).unwrap();
            let missing = acked.iter().find(|record| !found.contains(record));
            assert!(missing.is_none(), "{fault:?} at call {call}: {missing:?} is missing");
        }
    }
}

/// Opens a log with damage in it and reads it: every record that comes is one that was written; what does not come is
/// told. The lost ones.
fn read_damaged(fs: MemFs, wrote: &[Record]) -> Result<Vec<Offset>, String> {
    let (log, recovered) = Log::open(fs, dir(), options(2)).map_err(|error| error.to_string())?;
    let (found, mut findings) = read_all(&mut log.reader(Offset(0))).map_err(|error| error.to_string())?;
    findings.extend(recovered.findings);
    if let Some(stranger) = found.iter().find(|record| !wrote.contains(record)) {
        return Err(format!("never written: {stranger:?}"));
    }
    let end = found.last().map_or(Offset(0), |last| last.offset);
    let lost: Vec<Offset> = wrote.iter().filter(|record| !found.contains(record)).map(|record| record.offset).collect();
    let torn = findings.iter().any(|finding| matches!(finding.what, Damage::TornTail | Damage::Header));
    let told = |offset: &Offset| {
        let named = findings.iter().filter_map(|finding| finding.offsets.as_ref()).any(|lost| lost.contains(offset));
        named || (torn && *offset > end)
    };
    match lost.iter().find(|offset| !told(offset)) {
        Some(untold) => Err(format!("offset {untold} is missing and nothing says so: {findings:?}")),
        None => Ok(lost),
    }
}

fn segments(fs: &MemFs) -> Vec<(PathBuf, u64)> {
    let paths = (1..100).map(|number| dir().join(format!("{number:016}.seg")));
    paths.filter_map(|path| fs.bytes(&path).map(|bytes| (path, bytes.len() as u64))).collect()
}

#[test]
fn g8_any_single_flipped_bit_is_detected_and_costs_only_what_it_touches() {
    for close in [false, true] {
        let fs = MemFs::new(1);
        let (wrote, last_group) = sample(&fs, 14, close);
        assert!(segments(&fs).len() >= 2, "the sample has several segments");
        let mut flips = 0;
        for (path, len) in segments(&fs) {
            let used = fs.bytes(&path).unwrap().iter().rposition(|byte| *byte != 0).unwrap_or(0) as u64 + 1;
            for bit in 0..len.min(used) * 8 {
                // Between the two copies of the header nothing is written: a sample of it is enough.
                if (64 * 8..4096 * 8).contains(&bit) && bit % 61 != 0 {
                    continue;
                }
                let damaged = fs.copy(bit);
                damaged.flip_bit(&path, bit);
                let place = format!("bit {bit} of {} (closed: {close})", path.display());
                let seen = verify(&damaged, dir(), |_| ()).unwrap_or_else(|error| panic!("{place}: {error}"));
                assert!(!seen.findings.is_empty(), "{place}: not detected");
                let lost = read_damaged(damaged, &wrote).unwrap_or_else(|wrong| panic!("{place}: {wrong}"));
                let most = if lost.last() == wrote.last().map(|last| &last.offset) { last_group } else { 1 };
                assert!(lost.len() <= most, "{place}: lost {lost:?}");
                flips += 1;
            }
        }
        assert!(flips > 20_000, "{flips} flips");
    }
}

#[test]
fn g8_several_flipped_bits_and_lost_sectors_are_detected_and_reported() {
    let fs = MemFs::new(1);
    let (wrote, _) = sample(&fs, 40, false);
    let files = segments(&fs);
    let mut rng = Rng(env("HALO_SEED").unwrap_or(8));
    for round in 0..2_000 {
        let damaged = fs.copy(round);
        for _ in 0..1 + rng.below(4) {
            let (path, len) = &files[rng.below(files.len() as u64) as usize];
            if rng.one_in(4) {
                damaged.zero(path, rng.below(len / 512) * 512, 512);
            } else {
                damaged.flip_bit(path, rng.below(len * 8));
            }
        }
        read_damaged(damaged, &wrote).unwrap_or_else(|wrong| panic!("round {round}: {wrong}"));
    }
}
