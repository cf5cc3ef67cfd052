use super::*;

fn set(table: Table, key: &str, value: &str) -> Change {
    Change { table, key: key.into(), value: Some(value.into()) }
}

fn remove(table: Table, key: &str) -> Change {
    Change { table, key: key.into(), value: None }
}

fn rows_come_back(state: &mut impl StateEngine) {
    state.commit(vec![set(Table::Halo, "b", "2"), set(Table::Halo, "a", "1"), set(Table::Cursor, "a", "c")]).unwrap();
    assert_eq!(state.rows(Table::Halo).unwrap(), [("a".into(), "1".into()), ("b".into(), "2".into())]);
    state.commit(vec![remove(Table::Halo, "a"), set(Table::Halo, "b", ""), remove(Table::Ingest, "none")]).unwrap();
    assert_eq!(state.get(Table::Halo, b"a").unwrap(), None);
    assert_eq!(state.get(Table::Halo, b"b").unwrap(), Some(Vec::new()));
    assert_eq!(state.get(Table::Cursor, b"a").unwrap(), Some(b"c".to_vec()));
    assert_eq!(state.rows(Table::Retained).unwrap(), []);
}

#[test]
fn rows_come_back_as_they_were_committed() {
    rows_come_back(&mut MemState::default());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    rows_come_back(&mut Redb::open(&path, 1).unwrap());
    let again = Redb::open(&path, 1).unwrap();
    assert_eq!(again.get(Table::Halo, b"b").unwrap(), Some(Vec::new()));
}

#[test]
fn a_state_of_another_fold_is_to_be_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    drop(Redb::open(&path, 1).unwrap());
    let other = Redb::open(&path, 2).err().unwrap();
    assert!(matches!(other, StateError::OtherFold { found: 1, wanted: 2, .. }) && other.rebuilds(), "{other}");
}

#[test]
fn a_state_in_use_is_not_called_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    let _held = Redb::open(&path, 1).unwrap();
    let refused = Redb::open(&path, 1).err().unwrap();
    assert!(matches!(refused, StateError::InUse(_)) && !refused.rebuilds(), "{refused}");
}

#[test]
fn a_flipped_bit_is_never_served_as_a_value() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.redb");
    let mut state = Redb::open(&path, 1).unwrap();
    let wrote: Vec<Row> = (0..20).map(|n| (format!("row {n:02}").into_bytes(), vec![b'v'; 40 + n])).collect();
    let change = |(key, value): &Row| Change { table: Table::Halo, key: key.clone(), value: Some(value.clone()) };
    state.commit(wrote.iter().map(change).collect()).unwrap();
    drop(state);
    let bytes = std::fs::read(&path).unwrap();
    let value_at = bytes.windows(40).position(|window| window == [b'v'; 40]).unwrap();
    let (mut detected, mut harmless, mut served) = (0, 0, Vec::new());
    let spread = (0..bytes.len()).step_by(bytes.len() / 300 + 1);
    for at in spread.chain(value_at..value_at + 40) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        std::fs::write(&path, &flipped).unwrap();
        match Redb::open(&path, 1).and_then(|state| state.rows(Table::Halo)) {
            Ok(rows) if rows == wrote => harmless += 1,
            Ok(rows) => served.push((at, rows.len())),
            Err(error) => {
                assert!(error.rebuilds(), "{error}");
                detected += 1;
            }
        }
    }
    assert_eq!(served, [], "(byte, rows) where other rows were served than written");
    assert!(detected >= 40, "{detected} detected, {harmless} in unused bytes");
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
