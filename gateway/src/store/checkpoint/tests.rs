use std::sync::{Arc, Mutex};

use super::*;
use crate::store::state::{MemState, Row, StateError, Table};

/// Refuses commits while told to; shared with the test.
#[derive(Clone, Default)]
struct Moody(Arc<Mutex<(MemState, u32)>>);

impl StateEngine for Moody {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.0.lock().unwrap().0.get(table, key)
    }

    fn rows(&self, table: Table) -> Result<Vec<Row>, StateError> {
        self.0.lock().unwrap().0.rows(table)
    }

    fn commit(&mut self, changes: Vec<Change>) -> Result<(), StateError> {
        let mut inner = self.0.lock().unwrap();
        if inner.1 > 0 {
            inner.1 -= 1;
            return Err(StateError::Io { path: "state".into(), what: "no room".into() });
        }
        inner.0.commit(changes)
    }
}

fn set(key: u8, value: u8) -> Vec<Change> {
    vec![Change { table: Table::Meta, key: vec![key], value: Some(vec![value]) }]
}

#[test]
fn a_checkpoint_that_could_not_be_written_is_written_before_any_later_one() {
    let engine = Moody::default();
    engine.0.lock().unwrap().1 = 2;
    let (checkpoints, writer) = Checkpointer::start(Box::new(engine.clone())).unwrap();
    assert!(checkpoints.offer(|| [set(1, 1), set(2, 1)].concat()));
    assert!(checkpoints.offer(|| set(1, 2)));
    assert!(!checkpoints.offer(|| unreachable!("rows are not drained without a place for them")));
    while checkpoints.state.waiting.load(Ordering::Acquire) > 0 {
        std::thread::yield_now();
    }
    assert!(checkpoints.is_healthy());
    let rows = checkpoints.read(|engine| engine.rows(Table::Meta).unwrap()).unwrap();
    assert_eq!(rows, [(vec![1], vec![2]), (vec![2], vec![1])]);
    drop(checkpoints);
    writer.join().unwrap();
}

#[test]
fn who_stops_does_not_wait_for_an_engine_that_refuses() {
    let engine = Moody::default();
    engine.0.lock().unwrap().1 = u32::MAX;
    let (checkpoints, writer) = Checkpointer::start(Box::new(engine.clone())).unwrap();
    assert!(checkpoints.offer(|| set(1, 1)));
    checkpoints.wait();
    assert!(!checkpoints.is_healthy());
    assert!(checkpoints.read(|engine| engine.rows(Table::Meta).unwrap()).unwrap().is_empty());
    drop(checkpoints);
    writer.join().unwrap();
}
