//! State engines on a disk whose power is cut while a process commits: what that process was told is durable is there
//! whole afterwards, on the engines' own files, through a real file system.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use halo_gateway::store::fs::mem::Rng;
use halo_gateway::store::state::{Change, Engine, MemState, Row, StateEngine, StateError, Table};
use halo_tests::Failure;
use halo_tests::rig::{Disk, FileSystem, Setup, is_possible_or_skip};

/// Set for the process that commits until its disk is gone: which engine, where.
const CHILD: &str = "HALO_TEST_STATE_CHILD";
const FOLD: u32 = 1;
const CUTS: u64 = 8;

/// What the commit with this number writes: the model can be made again from the numbers alone.
fn changes(number: u64) -> Vec<Change> {
    let mut rng = Rng(number);
    let one = |_| {
        let table = Table::ALL[rng.below(5) as usize];
        let len = [0, 9, 120, 3_000, 30_000][rng.below(5) as usize];
        let (key, byte) = (format!("key {}", rng.below(40)).into_bytes(), number as u8);
        Change { table, key, value: (!rng.one_in(4)).then(|| vec![byte; len]) }
    };
    let mut changes: Vec<Change> = (0..1 + number % 12).map(one).collect();
    changes.push(Change { table: Table::Cursor, key: b"commit".into(), value: Some(number.to_le_bytes().to_vec()) });
    changes
}

fn last_commit(state: &dyn StateEngine) -> Result<u64, StateError> {
    let last = state.get(Table::Cursor, b"commit")?;
    Ok(last.and_then(|last| last.try_into().ok()).map_or(0, u64::from_le_bytes))
}

fn contents(state: &dyn StateEngine) -> Result<Vec<(Table, Row)>, StateError> {
    let mut all = Vec::new();
    for table in Table::ALL {
        let rows = state.rows(table)?.into_iter().filter(|(key, _)| key != b"fold_version");
        all.extend(rows.map(|row| (table, row)));
    }
    Ok(all)
}

#[test]
fn child_that_commits_until_its_disk_is_gone() {
    let Some(engine) = std::env::var(CHILD).ok() else { return };
    let (engine, path) = engine.split_once(' ').expect("engine and path");
    let engine = Engine::ALL.into_iter().find(|it| it.name() == engine).expect("an engine");
    let mut state = engine.open(Path::new(path), FOLD).expect("it opens");
    for number in last_commit(state.as_ref()).expect("readable") + 1.. {
        if state.commit(changes(number)).is_err() {
            return;
        }
        writeln!(std::io::stderr(), "committed {number}").expect("somebody reads");
    }
}

fn committing(engine: Engine, path: &Path) -> Result<Child, Failure> {
    Ok(Command::new(std::env::current_exe()?)
        .args(["--exact", "child_that_commits_until_its_disk_is_gone", "--nocapture"])
        .env(CHILD, format!("{} {}", engine.name(), path.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?)
}

/// Lets a child commit and cuts the power under it; the last commit it reported.
fn commit_and_cut(engine: Engine, disk: &mut Disk, after: u64) -> Result<u64, Failure> {
    let mut child = committing(engine, &engine.path(&disk.path()))?;
    let lines = BufReader::new(child.stderr.take().ok_or("stderr is piped")?).lines();
    let (mut reported, mut seen) = (0, 0);
    for line in lines {
        if let Some(number) = line?.strip_prefix("committed ") {
            (reported, seen) = (number.parse()?, seen + 1);
        }
        if seen == after {
            disk.cut_power();
            child.kill()?;
        }
    }
    child.wait()?;
    disk.power_up()?;
    Ok(reported)
}

/// Cuts again and again; how many commits were reported in all, or what was lost.
fn survive(engine: Engine, setup: Setup) -> Result<u64, Failure> {
    let mut disk = Disk::new(setup)?;
    let (mut model, mut modelled, mut rng) = (MemState::default(), 0, Rng(20_261_121));
    for cut in 0..CUTS {
        let reported = commit_and_cut(engine, &mut disk, 2 + rng.below(40))?;
        let state = engine.open(&engine.path(&disk.path()), FOLD)?;
        let found = last_commit(state.as_ref())?;
        if found < reported || found > reported + 1 {
            return Err(format!("cut {cut}: {found} of {reported} reported commits").into());
        }
        for number in modelled + 1..=found {
            model.commit(changes(number))?;
        }
        modelled = found;
        if contents(state.as_ref())? != contents(&model)? {
            return Err(format!("cut {cut}: rows differ after commit {found}").into());
        }
    }
    Ok(modelled)
}

#[test]
fn g1_every_reported_commit_survives_power_cuts_whole() {
    if !is_possible_or_skip() {
        return;
    }
    for engine in Engine::ALL {
        let commits = survive(engine, Setup::new(FileSystem::Ext4));
        let commits = commits.unwrap_or_else(|lost| panic!("{}: {lost}", engine.name()));
        println!("{}: {CUTS} power cuts, {commits} commits, nothing lost", engine.name());
    }
}

#[test]
fn a_disk_that_ignores_flushes_loses_commits_and_the_cuts_show_it() {
    if !is_possible_or_skip() {
        return;
    }
    for engine in Engine::ALL {
        let liar = Setup { ignores_flushes: true, ..Setup::new(FileSystem::Ext4) };
        let lost = survive(engine, liar);
        assert!(lost.is_err(), "{}: {lost:?} commits survived a disk that keeps nothing", engine.name());
    }
}
