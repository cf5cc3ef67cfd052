//! sled cannot be run on a simulated disk: it opens files by itself. Proven here: after kill -9 at any moment, reported
//! commits are there whole; and when a commit is reported, no file of it has changed since it was last synced by us.
//! That its pages survive a cut of the power in every subset of sectors is not proven here.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::*;

/// Set for the process that commits until it is killed: where, and from which seed.
const CHILD: &str = "HALO_TEST_SLED_CHILD";
const KILLS: u64 = 25;

/// What the commit with this number writes: the model can be made again from the number alone.
fn changes(number: u64) -> Vec<Change> {
    let mut changes = random_changes(&mut Rng(number));
    changes.push(set(Table::Cursor, "commit", &number.to_string()));
    changes
}

#[test]
fn child_that_commits_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let mut state = Sled::open(Path::new(&path), FOLD).unwrap();
    let next = last_commit(&state) + 1;
    for number in next.. {
        state.commit(changes(number)).unwrap();
        // stderr is not captured by the test harness when asked not to; one line, one commit.
        let mut out = std::io::stderr().lock();
        writeln!(out, "committed {number}").and_then(|()| out.flush()).unwrap();
    }
}

fn last_commit(state: &Sled) -> u64 {
    let last = state.get(Table::Cursor, b"commit").unwrap();
    last.map_or(0, |last| String::from_utf8(last).unwrap().parse().unwrap())
}

/// Lets a child commit some more and kills it; the last commit it reported.
fn commit_and_kill(path: &Path, kill_after: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::state::tests::sled_files::child_that_commits_until_it_is_killed", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let number = |line: std::io::Result<String>| line.unwrap().strip_prefix("committed ")?.parse::<u64>().ok();
    let mut reported = 0;
    let mut seen = 0;
    for line in lines.by_ref() {
        reported = number(line).unwrap_or(reported);
        seen += 1;
        if seen == kill_after {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    reported
}

#[test]
fn g1_sled_keeps_every_reported_commit_whole_through_kills() {
    let dir = tempfile::tempdir().unwrap();
    let path = Engine::Sled.path(dir.path());
    let mut rng = Rng(20_261_121);
    let mut model = MemState::default();
    let mut modelled = 0;
    for kill in 0..KILLS {
        let reported = commit_and_kill(&path, 1 + rng.below(60));
        let state = Sled::open(&path, FOLD).unwrap();
        let found = last_commit(&state);
        assert!(found >= reported && found <= reported + 1, "kill {kill}: {found} of {reported} reported commits");
        for number in modelled + 1..=found {
            model.commit(changes(number)).unwrap();
        }
        modelled = found;
        assert!(contents(&state).unwrap() == contents(&model).unwrap(), "kill {kill} after commit {found}");
    }
    println!("{KILLS} kills, {modelled} commits");
    assert!(modelled > 200, "{modelled} commits prove little");
}

#[test]
fn what_a_commit_wrote_was_synced_before_it_was_reported() {
    let dir = tempfile::tempdir().unwrap();
    let path = Engine::Sled.path(dir.path());
    let mut state = Sled::open(&path, FOLD).unwrap();
    for number in 1..60 {
        state.commit(changes(number)).unwrap();
        for file in files(&path) {
            let it = file.metadata().unwrap();
            let synced = state.synced.get(&file);
            let synced = synced.unwrap_or_else(|| panic!("commit {number}: {} was never synced", file.display()));
            let (was, is) = ((synced.len, synced.modified), (it.len(), it.modified().unwrap()));
            assert_eq!(was, is, "commit {number}: {} changed after it was synced", file.display());
        }
    }
}
