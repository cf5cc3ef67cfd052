//! Blow after blow, life after life.

use std::time::Duration;

use serde::Serialize;

use super::ground::{Blow, Ground};
use super::load::Load;
use super::stored::{Findings, Stored, findings};
use super::{Missing, halos};
use crate::Failure;
use crate::clock::pass;
use crate::process::{Gateway, free_address};
use crate::random::Random;

/// Devices of the fleet.
const DEVICES: u32 = 15;
/// Small segments, so that blows also fall on the change from one to the next.
const SETS: [&str; 1] = ["store.segment_bytes=262144"];
/// How long the gateway goes on after the wanted acknowledgements: the blow falls anywhere in a group commit.
const MOMENT_US_MAX: u64 = 20_000;
/// How long a start may go on before a blow falls on it.
const START_US_MAX: u64 = 60_000;
/// One blow in so many falls on a gateway that is starting.
const START_BLOW_EVERY: u64 = 8;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Which blow.
    pub blow: Blow,
    /// How many.
    pub blows: u32,
    /// Blows on one and the same data folder.
    pub blows_per_life: u32,
    /// Where all chance comes from: moments, frames.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// Blows, those on a starting gateway included.
    pub blows: u32,
    /// Blows that fell on a gateway that was starting.
    pub blows_on_a_start: u32,
    /// Data folders used.
    pub lives: u32,
    /// Acknowledged frames looked for, each counted once.
    pub frames_acknowledged: u64,
    /// Acknowledged retained messages looked for, each counted once.
    pub retained_acknowledged: u64,
    /// Frames in the logs.
    pub frames_stored: u64,
    /// Acknowledged frames that were not there or had other bytes.
    pub frames_lost: u64,
    /// Acknowledged retained messages that were not there.
    pub retained_lost: u64,
    /// Blows (negative control: lives) after which something acknowledged was gone.
    pub blows_with_loss: u32,
    /// Frames stored more than once.
    pub frames_repeated: u64,
    /// Damage that `log verify` found after a blow, before the gateway had started again.
    pub findings: u64,
    /// Segments that a blow had left with an unfinished end, which is no damage; none may be left at a life's end.
    pub unfinished_ends: u64,
    /// Halos that were compared with a replay of the log, all equal.
    pub halos_compared: u64,
    /// Fewest frames in flight at a blow.
    pub in_flight_least: Option<u64>,
    /// The first loss or finding, for a human.
    pub example: Option<String>,
}

impl Tally {
    /// Whether every promise held.
    pub fn holds(&self) -> bool {
        self.frames_lost + self.retained_lost + self.frames_repeated + self.findings == 0
    }

    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.blows += other.blows;
        self.blows_on_a_start += other.blows_on_a_start;
        self.lives += other.lives;
        self.frames_acknowledged += other.frames_acknowledged;
        self.retained_acknowledged += other.retained_acknowledged;
        self.frames_stored += other.frames_stored;
        self.frames_lost += other.frames_lost;
        self.retained_lost += other.retained_lost;
        self.blows_with_loss += other.blows_with_loss;
        self.frames_repeated += other.frames_repeated;
        self.findings += other.findings;
        self.unfinished_ends += other.unfinished_ends;
        self.halos_compared += other.halos_compared;
        self.in_flight_least = self.in_flight_least.into_iter().chain(other.in_flight_least).min();
        self.example = self.example.take().or_else(|| other.example.clone());
    }
}

/// Carries out a plan; `progress` hears of every life, and says whether to go on.
///
/// # Errors
/// The machinery does not work, or a gateway does not come back, does not drain, or shows other halos than its log.
pub fn run(plan: &Plan, mut progress: impl FnMut(&Tally) -> bool) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    let mut random = Random::new(plan.seed);
    let mut ground = Ground::new(plan.blow)?;
    while tally.blows < plan.blows {
        if tally.lives > 0 {
            ground.renew()?;
        }
        let blows = plan.blows_per_life.min(plan.blows - tally.blows);
        let life = if matches!(plan.blow, Blow::PowerCut { ignores_flushes: true, .. }) {
            life_that_must_lose(&mut ground, random.next())
        } else {
            life(&mut ground, blows, random.next())
        };
        tally.add(&life.map_err(|error| format!("life {} of seed {}: {error}", tally.lives, plan.seed))?);
        if !progress(&tally) {
            break;
        }
    }
    Ok(tally)
}

fn life(ground: &mut Ground, blows: u32, seed: u64) -> Result<Tally, Failure> {
    let mut random = Random::new(seed);
    let mut tally = Tally { lives: 1, ..Tally::default() };
    let address = free_address()?;
    let mut gateway = Gateway::start(&ground.data(), address, &SETS)?;
    let mut load = Load::start(address, DEVICES, seed)?;
    let mut stored = Stored::default();
    while tally.blows < blows {
        let in_flight = load.wait_for_flight(random.below(350) + 50)?;
        pass(Duration::from_micros(random.below(MOMENT_US_MAX)));
        strike(ground, gateway, &load)?;
        tally.blows += 1;
        tally.in_flight_least = tally.in_flight_least.into_iter().chain([in_flight]).min();
        if tally.blows < blows && random.below(START_BLOW_EVERY) == 0 {
            let starting = Gateway::launch(&ground.data(), address, &SETS)?;
            pass(Duration::from_micros(random.below(START_US_MAX)));
            strike(ground, starting, &load)?;
            tally.blows += 1;
            tally.blows_on_a_start += 1;
        }
        look(&mut tally, &mut stored, ground, &load)?;
        gateway = Gateway::start(&ground.data(), address, &SETS)?;
    }
    let summary = load.drain();
    if summary.unacked > 0 {
        return Err(format!("after the last start not everything is acknowledged: {summary:?}").into());
    }
    tally.halos_compared = halos::equal_a_replay(address, &ground.data(), DEVICES)?;
    let status = gateway.stop()?;
    if !status.success() {
        return Err(format!("SIGTERM does not drain: {status}").into());
    }
    // All of it once more, from the first record on: what was there after one blow has survived the later ones.
    let mut whole = Stored::default();
    let unfinished = tally.unfinished_ends;
    look(&mut tally, &mut whole, ground, &load)?;
    if tally.unfinished_ends > unfinished {
        return Err("an orderly stop has left an unfinished end".into());
    }
    let missing = whole.missing(&load.frames(), &load.retained());
    tally.frames_acknowledged = missing.frames_looked_for;
    tally.retained_acknowledged = missing.retained_looked_for;
    tally.frames_stored = whole.frames();
    tally.frames_repeated = whole.repeated.len() as u64;
    tally.example = tally.example.take().or_else(|| whole.repeated.first().cloned());
    if !tally.holds() {
        let copy = ground.keep_a_copy(&format!("halo-trial-{seed}"))?;
        eprintln!("{:?}; the data folder is kept in {}", tally.example, copy.display());
    }
    Ok(tally)
}

/// One blow on a disk that lies about flushes: counted is what is gone.
fn life_that_must_lose(ground: &mut Ground, seed: u64) -> Result<Tally, Failure> {
    let mut tally = Tally { lives: 1, ..Tally::default() };
    let address = free_address()?;
    let gateway = Gateway::start(&ground.data(), address, &SETS)?;
    let load = Load::start(address, DEVICES, seed)?;
    tally.in_flight_least = Some(load.wait_for_flight(200)?);
    strike(ground, gateway, &load)?;
    tally.blows = 1;
    let mut stored = Stored::default();
    look(&mut tally, &mut stored, ground, &load)?;
    let missing = stored.missing(&load.frames(), &load.retained());
    tally.frames_acknowledged = missing.frames_looked_for;
    tally.retained_acknowledged = missing.retained_looked_for;
    tally.frames_stored = stored.frames();
    Ok(tally)
}

/// The power first: a process that outlives it finds its disk gone, never a disk that outlives the process.
fn strike(ground: &mut Ground, gateway: Gateway, load: &Load) -> Result<(), Failure> {
    ground.cut();
    gateway.kill();
    load.wait_until_alone()?;
    ground.restore()
}

/// Verifies the log and looks for everything acknowledged so far.
fn look(tally: &mut Tally, stored: &mut Stored, ground: &Ground, load: &Load) -> Result<(), Failure> {
    let Findings { unfinished_ends, damage } = findings(&ground.data())?;
    tally.unfinished_ends += unfinished_ends;
    tally.findings += damage.len() as u64;
    stored.read_on(&ground.data())?;
    let Missing { frames, retained, example, .. } = stored.missing(&load.frames(), &load.retained());
    tally.frames_lost += frames;
    tally.retained_lost += retained;
    tally.blows_with_loss += u32::from(frames + retained > 0);
    tally.example = tally.example.take().or(example).or(damage.into_iter().next());
    Ok(())
}
