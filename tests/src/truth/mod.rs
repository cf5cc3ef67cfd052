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
mod falls;
mod parcels;
mod guests;
mod told;
mod sparks;
mod taste;
mod drives;
mod wear;
mod parks;
mod rain;
mod pulses;
mod walks;

use std::time::Duration;

use firmware_sim::{Broker, FleetConfig, Stepped, scenario, stepped};

pub use score::{Ahead, FLOOR, Lead, Line, Table};

use crate::Failure;

/// When every simulation begins: a noon, so that none of six hours crosses midnight.
const START_MS: i64 = 1_795_262_400_000;

/// A scenario that has truths, and how it is judged.
struct Trial {
    scenario: &'static str,
    /// Device time in a frame.
    period: Duration,
    judge: Judge,
    prefix: &'static str,
    /// Most devices of a seed.
    devices: usize,
    /// Whether all of it lies in the past, kept in buffers that are drained now.
    kept: bool,
}

/// What a judge looks at.
enum Judge {
    /// Each device in a world of its own.
    Each(fn(&mut Table, Stepped) -> Result<(), Failure>),
    /// Each device in a world of its own, under the rules of situations.
    Rules(fn(&mut Table, Stepped) -> Result<(), Failure>),
    /// All devices in one world under the rules of situations; the seed is for what people do.
    Together(fn(&mut Table, Vec<Stepped>, u64) -> Result<(), Failure>),
}

/// Devices of a seed whose sparks are judged: rules are run for each frame.
const SPARKS: usize = 2;

const fn trial(scenario: &'static str, period_s: u64, prefix: &'static str, devices: usize, judge: Judge) -> Trial {
    Trial { scenario, period: Duration::from_secs(period_s), judge, prefix, devices, kept: false }
}

const TRIALS: [Trial; 24] = [
    trial("commute", 5, "car", usize::MAX, Judge::Each(cars::judge)),
    trial("cardiac", 2, "pacer", usize::MAX, Judge::Each(hearts::judge)),
    trial("cardiac", 10, "wrist", usize::MAX, Judge::Each(bands::judge)),
    trial("falls", 10, "care", usize::MAX, Judge::Each(falls::judge)),
    trial("parcel-week", 60, "parcel", usize::MAX, Judge::Each(parcels::judge)),
    trial("park-day", 10, "band", usize::MAX, Judge::Each(guests::judge)),
    trial("parcel-week", 120, "parcel", SPARKS, Judge::Rules(sparks::parcels)),
    trial("frost", 120, "parcel", SPARKS, Judge::Rules(sparks::frost)),
    trial("cardiac", 10, "pacer", SPARKS, Judge::Rules(sparks::hearts)),
    trial("cardiac", 10, "wrist", SPARKS, Judge::Rules(wear::runners)),
    trial("drawers", 300, "wrist", 1, Judge::Rules(wear::bands)),
    trial("dead-zone", 10, "wrist", SPARKS, Judge::Rules(wear::silence)),
    trial("commute", 5, "car", SPARKS, Judge::Rules(drives::cars)),
    trial("commute", 10, "car", 3, Judge::Together(drives::riders)),
    trial("park-day", 10, "band", 4, Judge::Together(parks::families)),
    trial("fleet-flight", 5, "engine", usize::MAX, Judge::Together(sparks::engines)),
    trial("hosts", 120, "band", usize::MAX, Judge::Together(parks::listening)),
    trial("tastes", 600, "player", SPARKS, Judge::Rules(taste::judge)),
    trial("weather", 600, "station", SPARKS, Judge::Rules(rain::judge)),
    trial("shared-car", 10, "share", 1, Judge::Rules(drives::turns)),
    Trial { kept: true, ..trial("shared-car", 10, "share", 1, Judge::Rules(drives::turns_kept)) },
    trial("cardiac", 10, "wrist", SPARKS, Judge::Rules(pulses::judge)),
    trial("three-devices", 10, "", usize::MAX, Judge::Together(walks::judge)),
    trial("falls", 2, "care", usize::MAX, Judge::Rules(falls::sparks)),
];

/// How much of each scenario is played.
#[derive(Clone, Copy, Debug)]
pub struct Extent<'a> {
    /// Seeds, from 1.
    pub seeds: u64,
    /// The same where sparks are judged.
    pub spark_seeds: u64,
    /// Devices of each kind; `None` = as many as the scenario has.
    pub devices: Option<usize>,
    /// This one alone; `None` = all.
    pub scenario: Option<&'a str>,
}

/// Plays the scenarios and judges what was found; `seen` is told each scenario and seed before it begins.
///
/// # Errors
/// When a scenario cannot be played.
pub fn judge(extent: Extent<'_>, mut seen: impl FnMut(&str, u64)) -> Result<Table, Failure> {
    let mut table = Table::default();
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    for trial in TRIALS.iter().filter(|trial| extent.scenario.is_none_or(|only| only == trial.scenario)) {
        let seeds = if let Judge::Each(_) = trial.judge { extent.seeds } else { extent.spark_seeds };
        let seeds: Vec<u64> = (1..=seeds).collect();
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
fn play(trial: &Trial, seeds: &[u64], extent: Extent<'_>) -> Vec<Result<Table, Failure>> {
    std::thread::scope(|scope| {
        let play = |seed: u64| {
            let mut table = Table::default();
            let most = extent.devices.unwrap_or(usize::MAX).min(trial.devices);
            let mut devices = trial.devices(seed)?.into_iter().take(most);
            match trial.judge {
                Judge::Each(judge) | Judge::Rules(judge) => devices.try_for_each(|it| judge(&mut table, it))?,
                Judge::Together(judge) => judge(&mut table, devices.collect(), seed)?,
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
        // What is not live ends when its device connects.
        let speed = if self.kept { f64::from(scenario.compression) } else { 1.0 };
        let mut config = scenario.config(None, Some(speed), None, base);
        // A drop-out lasts a frame: as much is lost in shorter frames, in pieces as rare.
        config.faults.dropouts *= self.period.as_secs_f64() / config.period.as_secs_f64();
        config.period = self.period;
        let devices = stepped(&config, START_MS)?;
        Ok(devices.into_iter().filter(|device| device.id().starts_with(self.prefix)).collect())
    }
}
