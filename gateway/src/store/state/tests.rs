//! The contract of a state engine, over every engine on disk that this build has, and the twin in memory.

use std::path::{Path, PathBuf};

use super::*;
use crate::store::fs::mem::Rng;

mod power_cuts;
#[cfg(feature = "sled")]
mod sled_files;
mod unmade;

/// The fold version of these tests.
const FOLD: u32 = 1;

fn set(table: Table, key: &str, value: &str) -> Change {
    Change { table, key: key.into(), value: Some(value.into()) }
}

fn remove_row(table: Table, key: &str) -> Change {
    Change { table, key: key.into(), value: None }
}

/// Does it with every engine on disk, each in a folder of its own.
fn with_each(test: impl Fn(Engine, &Path)) {
    for engine in Engine::ALL.into_iter().filter(|engine| engine.is_built()) {
        let dir = tempfile::tempdir().unwrap();
        test(engine, &engine.path(dir.path()));
    }
}

fn rows_come_back(state: &mut dyn StateEngine) {
    state.commit(vec![set(Table::Halo, "b", "2"), set(Table::Halo, "a", "1"), set(Table::Cursor, "a", "c")]).unwrap();
    assert_eq!(state.rows(Table::Halo).unwrap(), [("a".into(), "1".into()), ("b".into(), "2".into())]);
    let changes = vec![remove_row(Table::Halo, "a"), set(Table::Halo, "b", ""), remove_row(Table::Ingest, "none")];
    state.commit(changes).unwrap();
    assert_eq!(state.get(Table::Halo, b"a").unwrap(), None);
    assert_eq!(state.get(Table::Halo, b"b").unwrap(), Some(Vec::new()));
    assert_eq!(state.get(Table::Cursor, b"a").unwrap(), Some(b"c".to_vec()));
    assert_eq!(state.rows(Table::Retained).unwrap(), []);
    state.commit(vec![set(Table::Cursor, "twice", "1"), set(Table::Cursor, "twice", "2")]).unwrap();
    assert_eq!(state.get(Table::Cursor, b"twice").unwrap(), Some(b"2".to_vec()), "the last change of a row holds");
    state.commit(Vec::new()).unwrap();
}

#[test]
fn rows_come_back_as_they_were_committed() {
    rows_come_back(&mut MemState::default());
    with_each(|engine, path| {
        rows_come_back(engine.open(path, FOLD).unwrap().as_mut());
        let again = engine.open(path, FOLD).unwrap();
        assert_eq!(again.get(Table::Halo, b"b").unwrap(), Some(Vec::new()), "{engine:?} after opening it again");
        assert_eq!(again.rows(Table::Cursor).unwrap().len(), 2);
    });
}

#[test]
fn rows_come_in_the_order_of_their_keys_as_bytes() {
    let keys: [&[u8]; 6] = [b"", b"\0", b"\0\xff", b"a", b"a\0", b"\xff\xff"];
    with_each(|engine, path| {
        let mut state = engine.open(path, FOLD).unwrap();
        let changes =
            |table| keys.iter().rev().map(move |key| Change { table, key: key.to_vec(), value: Some(vec![7]) });
        state.commit(Table::ALL.into_iter().flat_map(changes).collect()).unwrap();
        for table in Table::ALL.into_iter().filter(|table| *table != Table::Meta) {
            let rows = state.rows(table).unwrap();
            assert_eq!(rows.iter().map(|(key, _)| key.as_slice()).collect::<Vec<_>>(), keys, "{engine:?} {table:?}");
        }
    });
}

#[test]
fn a_state_of_another_fold_is_to_be_rebuilt() {
    with_each(|engine, path| {
        drop(engine.open(path, 1).unwrap());
        let other = engine.open(path, 2).err().unwrap();
        assert!(matches!(other, StateError::OtherFold { found: 1, wanted: 2, .. }) && other.rebuilds(), "{other}");
        remove(path).unwrap();
        assert!(engine.open(path, 2).is_ok());
    });
}

#[test]
fn a_state_in_use_is_not_called_damaged() {
    with_each(|engine, path| {
        let _held = engine.open(path, FOLD).unwrap();
        let refused = engine.open(path, FOLD).err().unwrap();
        assert!(matches!(refused, StateError::InUse(_)) && !refused.rebuilds(), "{engine:?}: {refused}");
    });
}

#[test]
fn big_values_come_back_whole() {
    let value = |n: usize, len: usize| (0..len).map(|at| (at * 31 + n) as u8).collect::<Vec<u8>>();
    let lens = [1 << 10, 60 << 10, 1 << 20, 5 << 20];
    let change = |(n, len): (usize, &usize)| Change {
        table: Table::Halo,
        key: format!("row {n}").into_bytes(),
        value: Some(value(n, *len)),
    };
    with_each(|engine, path| {
        let mut state = engine.open(path, FOLD).unwrap();
        state.commit(lens.iter().enumerate().map(change).collect()).unwrap();
        drop(state);
        let rows = engine.open(path, FOLD).unwrap().rows(Table::Halo).unwrap();
        assert!(rows.iter().enumerate().all(|(n, (_, got))| *got == value(n, lens[n])), "{engine:?}");
        assert_eq!(rows.len(), lens.len());
    });
}

/// Changes as a run of the gateway makes them: rows of a few sizes set, set again, removed.
fn random_changes(rng: &mut Rng) -> Vec<Change> {
    let many = 1 + rng.below(12);
    let one = |_| {
        let table = Table::ALL[rng.below(5) as usize];
        let key = format!("key {}", rng.below(40)).into_bytes();
        let len = [0, 9, 120, 3_000, 30_000][rng.below(5) as usize];
        let byte = rng.below(256) as u8;
        Change { table, key, value: (!rng.one_in(4)).then(|| vec![byte; len]) }
    };
    (0..many).map(one).collect()
}

/// Everything but the row by which an engine knows its fold.
fn contents(state: &dyn StateEngine) -> Result<Vec<(Table, Row)>, StateError> {
    let mut all = Vec::new();
    for table in Table::ALL {
        let rows = state.rows(table)?;
        all.extend(rows.into_iter().filter(|(key, _)| key != b"fold_version").map(|row| (table, row)));
    }
    Ok(all)
}

#[test]
fn random_changes_come_out_as_in_the_model() {
    with_each(|engine, path| {
        for seed in 0..6 {
            let mut rng = Rng(seed);
            let mut model = MemState::default();
            let mut state = engine.open(path, FOLD).unwrap();
            let leftover = contents(state.as_ref()).unwrap().into_iter();
            state.commit(leftover.map(|(table, (key, _))| Change { table, key, value: None }).collect()).unwrap();
            for _ in 0..40 {
                let changes = random_changes(&mut rng);
                model.commit(changes.clone()).unwrap();
                state.commit(changes).unwrap();
                if rng.one_in(8) {
                    drop(state);
                    state = engine.open(path, FOLD).unwrap();
                }
                let (got, wanted) = (contents(state.as_ref()).unwrap(), contents(&model).unwrap());
                assert!(got == wanted, "{engine:?}, seed {seed}: {} rows, wanted {}", got.len(), wanted.len());
            }
        }
    });
}

/// Every file of a state, by path.
fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.flat_map(|entry| files(&entry)).collect();
    files.sort();
    files
}

/// Puts a state back as it was.
fn put_back(path: &Path, pristine: &[(PathBuf, Vec<u8>)]) {
    remove(path).unwrap();
    for (file, bytes) in pristine {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
}

/// What a state with damage came to.
#[derive(Debug, Default)]
struct Outcomes {
    detected: u32,
    older: u32,
    harmless: u32,
    served: Vec<(PathBuf, usize, usize)>,
}

#[test]
fn a_flipped_bit_is_never_served_as_a_value() {
    with_each(|engine, path| {
        let mut state = engine.open(path, FOLD).unwrap();
        let wrote: Vec<Row> = (0..20).map(|n| (format!("row {n:02}").into_bytes(), vec![b'v'; 40 + n])).collect();
        let change = |(key, value): &Row| Change { table: Table::Halo, key: key.clone(), value: Some(value.clone()) };
        state.commit(wrote.iter().map(change).collect()).unwrap();
        drop(state);
        drop(engine.open(path, FOLD).unwrap());
        let pristine: Vec<_> = files(path).into_iter().map(|it| (it.clone(), std::fs::read(it).unwrap())).collect();
        let mut seen = Outcomes::default();
        for (file, bytes) in &pristine {
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
            let value_at = bytes.windows(40).position(|window| window == [b'v'; 40]);
            let values = value_at.map_or(0..0, |at| at..at + 40);
            for at in (0..used).step_by(used / 200 + 1).chain(values) {
                put_back(path, &pristine);
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << (at % 8);
                std::fs::write(file, &flipped).unwrap();
                match engine.open(path, FOLD).and_then(|state| state.rows(Table::Halo)) {
                    Ok(rows) if rows == wrote => seen.harmless += 1,
                    // The end of sled's log, torn off: the state before that commit, whole.
                    Ok(rows) if rows.is_empty() && engine == Engine::Sled => seen.older += 1,
                    Ok(rows) => seen.served.push((file.clone(), at, rows.len())),
                    Err(error) => {
                        assert!(error.rebuilds(), "{engine:?}, {} byte {at}: {error}", file.display());
                        seen.detected += 1;
                    }
                }
            }
        }
        println!("{engine:?}: {seen:?}");
        assert!(seen.served.is_empty(), "{engine:?}: (file, byte, rows) where other rows were served: {seen:?}");
        assert!(seen.detected + seen.older >= 40, "{engine:?}: {seen:?}");
    });
}

#[test]
fn an_engine_this_build_lacks_is_named_with_the_way_out() {
    if !Engine::Sled.is_built() {
        let refused = Engine::Sled.open(Path::new("anywhere"), FOLD).err().unwrap();
        assert!(!refused.rebuilds() && refused.to_string().contains("--features sled"), "{refused}");
    }
}

fn pages_of_rows_follow_each_other(state: &mut impl StateEngine) {
    let row = |n: u8| (vec![n], vec![n; usize::from(n)]);
    let all: Vec<Row> = (0..60).map(row).collect();
    let change = |(key, value): &Row| Change { table: Table::Halo, key: key.clone(), value: Some(value.clone()) };
    state.commit(all.iter().map(change).chain([set(Table::Cursor, "other", "table")]).collect()).unwrap();
    for bytes_max in [0, 1, 100, 1_000, usize::MAX] {
        let (mut paged, mut pages, mut after) = (Vec::new(), 0, None);
        loop {
            let page = state.range(Table::Halo, after.as_deref(), bytes_max).unwrap();
            let Some((last, _)) = page.last() else { break };
            let but_last: usize = page[..page.len() - 1].iter().map(|(key, value)| key.len() + value.len()).sum();
            assert!(page.len() == 1 || but_last < bytes_max, "{bytes_max}");
            after = Some(last.clone());
            pages += 1;
            paged.extend(page);
        }
        assert_eq!(paged, all);
        assert!(pages == 1 || bytes_max < 2_000);
    }
    assert_eq!((state.count(Table::Halo).unwrap(), state.count(Table::Ingest).unwrap()), (60, 0));
}

#[test]
fn a_table_is_read_in_pages_that_follow_each_other() {
    pages_of_rows_follow_each_other(&mut MemState::default());
    let dir = tempfile::tempdir().unwrap();
    pages_of_rows_follow_each_other(&mut Redb::open(&dir.path().join("state.redb"), 1).unwrap());
}
