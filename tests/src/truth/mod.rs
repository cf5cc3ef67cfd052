//! What the gateway finds in a simulated fleet, held against what happened.
//!
//! **In:** scenarios of the simulator and seeds. **Out:** a [`Table`]: for each kind of device and event how often it was
//! true, how often it was found, precision and recall.
//!
//! Every frame goes through the real [`Ingest`](halo_gateway::ingest::Ingest) and [`Fold`](halo_gateway::halo::Fold),
//! in simulated time, each device in a world of its own; after each frame its halo is read as a subscriber would. Frames
//! are shorter than the scenario's where something shorter than a frame is looked for: readings are the same however
//! they are cut. No broker, no disk, no clock; the same seeds give the same table.
//!
//! What a sensor cannot show (a rhythm that ends before there are beats enough, a change of speed within the rounding of
//! the speed) is neither missed nor wrong; it is counted, and the reason stands in the table.

mod world;
mod score;
mod spans;
mod cars;
mod hearts;
mod bands;
mod parcels;
mod guests;

use std::time::Duration;

use firmware_sim::{Broker, FleetConfig, Stepped, scenario, stepped};

pub use score::{FLOOR, Line, Table};

use crate::Failure;

/// When every simulation begins: a noon, so that none of six hours crosses midnight.
const START_MS: i64 = 1_795_262_400_000;

/// A scenario that has truths, and how it is judged.
struct Trial {
    scenario: &'static str,
    /// Device time in a frame.
    period: Duration,
    judge: fn(&mut Table, Stepped) -> Result<(), Failure>,
    prefix: &'static str,
}

const TRIALS: [Trial; 5] = [
    Trial { scenario: "commute", period: Duration::from_secs(5), judge: cars::judge, prefix: "car" },
    Trial { scenario: "cardiac", period: Duration::from_secs(2), judge: hearts::judge, prefix: "pacer" },
    Trial { scenario: "cardiac", period: Duration::from_secs(10), judge: bands::judge, prefix: "wrist" },
    Trial { scenario: "parcel-week", period: Duration::from_secs(60), judge: parcels::judge, prefix: "parcel" },
    Trial { scenario: "park-day", period: Duration::from_secs(10), judge: guests::judge, prefix: "band" },
];

/// How much of each scenario is played.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Seeds, from 1.
    pub seeds: u64,
    /// Devices of each kind; `None` = as many as the scenario has.
    pub devices: Option<usize>,
}

/// Plays the scenarios and judges what was found; `seen` is told each scenario and seed before it begins.
///
/// # Errors
/// When a scenario cannot be played.
pub fn judge(extent: Extent, mut seen: impl FnMut(&str, u64)) -> Result<Table, Failure> {
    let mut table = Table::default();
    let seeds: Vec<u64> = (1..=extent.seeds).collect();
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    for trial in &TRIALS {
        for some in seeds.chunks(at_once) {
            some.iter().for_each(|seed| seen(trial.scenario, *seed));
            for played in play(trial, some, extent) {
                table.take(played?);
            }
        }
    }
    Ok(table)
}

/// One scenario with some seeds, each on a thread of its own; in order of the seeds.
fn play(trial: &Trial, seeds: &[u64], extent: Extent) -> Vec<Result<Table, Failure>> {
    std::thread::scope(|scope| {
        let play = |seed: u64| {
            let mut table = Table::default();
            for device in trial.devices(seed)?.into_iter().take(extent.devices.unwrap_or(usize::MAX)) {
                (trial.judge)(&mut table, device)?;
            }
            Ok(table)
        };
        let threads: Vec<_> = seeds.iter().map(|seed| scope.spawn(move || play(*seed))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a simulation panicked".into())))
            .collect()
    })
}

impl Trial {
    fn devices(&self, seed: u64) -> Result<Vec<Stepped>, Failure> {
        let scenario = scenario(self.scenario).ok_or("no such scenario")?;
        let base = FleetConfig { seed, ..FleetConfig::new(Broker::new("nowhere", 1), 0) };
        let mut config = scenario.config(None, Some(1.0), None, base);
        // A drop-out lasts a frame: as much is lost in shorter frames, in pieces as rare.
        config.faults.dropouts *= self.period.as_secs_f64() / config.period.as_secs_f64();
        config.period = self.period;
        let devices = stepped(&config, START_MS)?;
        Ok(devices.into_iter().filter(|device| device.id().starts_with(self.prefix)).collect())
    }
}
