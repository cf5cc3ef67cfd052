//! G1 and G2 with the real binary on a disk whose power is cut and which fails.

use std::path::Path;
use std::time::Duration;

use halo_tests::Failure;
use halo_tests::clock::{pass, until};
use halo_tests::process::{Gateway, free_address};
use halo_tests::rig::{Disk, Fault, FileSystem, Setup, is_possible_or_skip};
use halo_tests::trial::{Blow, Load, Plan, Stored, Tally, run};

const CUTS_PER_FILE_SYSTEM: u32 = 15;
const DEVICES: u32 = 15;
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a gateway on a failing disk is watched: some hundred group commits of a sound one.
const WATCHED: Duration = Duration::from_millis(700);

fn seed() -> u64 {
    let seed = std::env::var("HALO_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_122);
    println!("replay with HALO_SEED={seed}");
    seed
}

fn cut(fs: FileSystem, blows: u32, ignores_flushes: bool) -> Tally {
    let blow = Blow::PowerCut { fs, ignores_flushes };
    let tally = run(&Plan { blow, blows, blows_per_life: 15, seed: seed() }, |_| true).expect("the machinery works");
    println!("{} of {fs:?}: {tally:?}", if ignores_flushes { "control" } else { "cuts" });
    tally
}

fn nothing_acknowledged_is_lost_on(fs: FileSystem) {
    if !is_possible_or_skip() {
        return;
    }
    let tally = cut(fs, CUTS_PER_FILE_SYSTEM, false);
    assert!(tally.holds(), "{tally:?}");
    assert_eq!(tally.blows, CUTS_PER_FILE_SYSTEM);
    assert!(tally.frames_acknowledged > 1_000 && tally.retained_acknowledged > 10, "too little to prove: {tally:?}");
    assert!(tally.in_flight_least >= Some(100), "too few in flight: {tally:?}");
}

#[test]
fn g1_fifteen_power_cuts_on_ext4_lose_nothing_acknowledged() {
    nothing_acknowledged_is_lost_on(FileSystem::Ext4);
}

#[test]
fn g1_fifteen_power_cuts_on_xfs_lose_nothing_acknowledged() {
    nothing_acknowledged_is_lost_on(FileSystem::Xfs);
}

#[test]
fn g1_a_disk_that_ignores_flushes_must_lose_so_the_rig_bites() {
    if !is_possible_or_skip() {
        return;
    }
    for fs in [FileSystem::Ext4, FileSystem::Xfs] {
        let tally = cut(fs, 2, true);
        assert_eq!(tally.blows_with_loss, 2, "{tally:?}");
        assert!(tally.frames_lost > 0 && tally.retained_lost > 0, "{tally:?}");
    }
}

#[test]
fn g2_on_a_disk_whose_writes_fail_nothing_is_acknowledged_that_is_not_there() {
    fails(Fault::Writes);
}

#[test]
fn g2_on_a_disk_whose_flushes_fail_nothing_is_acknowledged_that_is_not_there() {
    fails(Fault::Flushes);
}

fn fails(fault: Fault) {
    if !is_possible_or_skip() {
        return;
    }
    for fs in [FileSystem::Ext4, FileSystem::Xfs] {
        on_a_failing_disk(fs, fault).unwrap_or_else(|error| panic!("{fs:?}, {fault:?}: {error}"));
    }
}

/// Load, then EIO for a while, then a sound disk again; then the power is cut and everything acknowledged is looked for.
fn on_a_failing_disk(fs: FileSystem, fault: Fault) -> Result<(), Failure> {
    let mut disk = Disk::new(Setup { fault, ..Setup::new(fs) })?;
    let data = disk.path().join("data");
    let address = free_address()?;
    let mut gateway = Gateway::start(&data, address, &[])?;
    let mut load = Load::start(address, DEVICES, seed())?;
    load.wait_for_flight(500)?;
    disk.fail(true)?;
    gateway.wait_for_line("commit failed")?;
    // Acknowledgements of earlier groups may still be on their way to the fleet, which loses its connections now.
    pass(WATCHED);
    let at_first = load.progress().counts.acked;
    pass(WATCHED);
    let later = load.progress().counts.acked;
    if later > at_first {
        return Err(format!("{} frames were acknowledged while every sync failed", later - at_first).into());
    }
    disk.fail(false)?;
    let goes_on = goes_on_or_says_so(&mut gateway, &load, later)?;
    println!("{fs:?}, {fault:?}: {goes_on}");
    disk.cut_power();
    gateway.kill();
    load.wait_until_alone()?;
    disk.power_up()?;
    everything_acknowledged_is_there(&data, &load)?;
    let gateway = Gateway::start(&data, address, &[])?;
    let summary = load.drain();
    if summary.unacked > 0 {
        return Err(format!("not everything is acknowledged on the sound disk: {summary:?}").into());
    }
    if !gateway.stop()?.success() {
        return Err("the last gateway did not drain".into());
    }
    everything_acknowledged_is_there(&data, &load)
}

/// G2: either it goes on in a new segment, or it has stopped and said why.
fn goes_on_or_says_so(gateway: &mut Gateway, load: &Load, acked: u64) -> Result<&'static str, Failure> {
    until("life or a last word", PATIENCE, || {
        if load.progress().counts.acked > acked + 100 {
            return Some(Ok("the gateway went on"));
        }
        match gateway.has_ended() {
            Ok(true) => Some(gateway.wait_for_line("cannot be written any more").map(|_| "the gateway gave up")),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    })?
}

fn everything_acknowledged_is_there(data: &Path, load: &Load) -> Result<(), Failure> {
    let mut stored = Stored::default();
    stored.read_on(data)?;
    let missing = stored.missing(&load.frames(), &load.retained());
    if missing.frames + missing.retained > 0 || missing.frames_looked_for < 500 || !stored.repeated.is_empty() {
        return Err(format!("{missing:?}; stored twice: {:?}", stored.repeated).into());
    }
    Ok(())
}
