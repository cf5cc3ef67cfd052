//! The town: beside a fleet of all kinds that is always there, the situations, one beginning after the other, each in a
//! quarter of its own. A quarter's devices are named by its number: those of the third are `wrist-301`, `wrist-302` …

use std::path::{Path, PathBuf};
use std::time::Duration;

use firmware_sim::{Broker, Fleet, FleetConfig, device_names};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fleets::Fleets;
use super::{Failure, play};
use crate::situations::{self, Names, Situation, Staged};
use crate::terminal::say;

/// From one situation's beginning to the next one's: time to see what becomes of it.
const APART: Duration = Duration::from_secs(5);
/// Names of a quarter, of each kind of device; no situation has as many, nor the fleet that is always there.
const STREET: u32 = 100;

/// One situation, and who plays it.
pub(super) struct Quarter {
    staged: Staged<'static>,
    cast: situations::Cast,
    shift: u32,
}

/// All situations, each with its own devices; the fleet that is always there has no more than `devices` of a kind.
pub(super) fn quarters(devices: u32) -> Result<Vec<Quarter>, Failure> {
    let first = devices.div_ceil(STREET).max(1);
    let played = situations::all().iter().filter_map(|situation| Some((situation, situation.fleet?)));
    played.zip(first..).map(|((situation, cast), number)| quarter(situation, cast, number * STREET)).collect()
}

fn quarter(situation: &'static Situation, cast: situations::Cast, shift: u32) -> Result<Quarter, Failure> {
    let names = names(&play::cast(cast, anywhere())?, shift);
    Ok(Quarter { staged: Staged::new(situation, names), cast, shift })
}

/// A fleet is asked for its devices' names, and never started.
fn anywhere() -> FleetConfig {
    FleetConfig::new(Broker::new("localhost", 1883), 0)
}

/// What its devices are named here, by what a fleet without a quarter names them.
fn names(fleet: &FleetConfig, shift: u32) -> Names {
    let here = FleetConfig { shift, ..fleet.clone() };
    device_names(fleet).into_iter().zip(device_names(&here)).collect()
}

/// The configuration of all of them together.
pub(super) fn config(quarters: &[Quarter], folder: &Path) -> Result<crate::config::Config, Failure> {
    let staged: Vec<Staged<'_>> = quarters.iter().map(|quarter| quarter.staged.clone()).collect();
    Ok(situations::load_staged(&staged, folder)?)
}

/// Where it takes place, and how it is told.
#[derive(Clone)]
pub(super) struct Place {
    /// The gateway's data folder.
    pub(super) folder: PathBuf,
    /// What all fleets have in common.
    pub(super) base: FleetConfig,
    pub(super) fleets: Fleets,
    pub(super) tracker: TaskTracker,
    pub(super) stop: CancellationToken,
    /// Whether lines are wanted.
    pub(super) shows: bool,
}

/// Lets one situation after the other begin; ends with the last one, or when it is stopped.
pub(super) async fn play_all(quarters: Vec<Quarter>, place: Place) {
    for quarter in &quarters {
        if let Err(failure) = begin(quarter, &place).await {
            say(format_args!("           {} cannot be played: {failure}", quarter.staged.situation().name));
        }
        if place.stop.run_until_cancelled(tokio::time::sleep(APART)).await.is_none() {
            return;
        }
    }
}

async fn begin(Quarter { staged, cast, shift }: &Quarter, place: &Place) -> Result<(), Failure> {
    let Situation { name, says, .. } = staged.situation();
    play::tell_all(staged.commands()?, &place.folder).await?;
    if place.stop.is_cancelled() {
        return Ok(());
    }
    if place.shows {
        say(play::fitting(format!("           ── {name}: {says}")));
    }
    let fleet = FleetConfig { shift: *shift, ..play::cast(*cast, place.base.clone())? };
    place.fleets.add(Fleet::start(fleet, &place.tracker, &CancellationToken::new())?);
    let later = play::go_on(staged.later()?, place.folder.clone(), place.shows, place.stop.clone());
    place.tracker.spawn(later);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_situation_has_devices_of_its_own_whose_names_its_files_give() {
        let quarters = quarters(15).expect("a town");
        assert_eq!(quarters.len(), situations::all().len(), "all of them happen");
        let mut seen = std::collections::BTreeSet::new();
        for quarter in &quarters {
            let fleet = play::cast(quarter.cast, anywhere()).expect("a fleet");
            for name in names(&fleet, quarter.shift).into_values() {
                assert!(seen.insert(name.clone()), "{name} is in two quarters");
            }
        }
        assert!(!seen.contains("wrist-01") && seen.contains("wrist-101"));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = config(&quarters, folder.path()).expect("a configuration");
        let nobodys: Vec<&str> =
            config.assignment.iter().map(|it| &*it.device).filter(|it| it.contains("-0")).collect();
        assert!(nobodys.is_empty(), "{nobodys:?} are somebody's, and nobody plays them");
        let rules = situations::all().iter().map(|it| it.load(folder.path()).expect("a configuration").rule.len());
        assert_eq!(config.rule.len(), rules.sum::<usize>(), "no two rules are alike");
        assert!(config.halo.zones.is_some());
        // Somebody who stands in two quarters has no two devices of a kind.
        let mut had = std::collections::BTreeSet::new();
        for assignment in &config.assignment {
            let kind = assignment.device.split('-').next().unwrap_or_default().to_owned();
            assert!(had.insert((assignment.subject.clone(), kind)), "{} of {}", assignment.device, assignment.subject);
        }
    }

    #[test]
    fn the_quarters_of_a_larger_town_are_beyond_the_fleet_that_is_always_there() {
        let quarters = quarters(1_000).expect("a town");
        let least = quarters.iter().map(|quarter| quarter.shift).min();
        assert_eq!(least, Some(1_000));
    }
}
