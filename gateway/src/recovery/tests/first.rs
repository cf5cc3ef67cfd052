//! A first start leaves for later what its first record does not need.

use super::super::*;
use crate::store::Log;

fn config(data_dir: &Path) -> Config {
    let mut config = Config::default();
    config.gateway.data_dir = data_dir.to_owned();
    config.broker.packet_bytes_max = 16 << 10;
    config.store.segment_bytes = 64 << 10;
    config
}

fn start(config: &Config) -> Restored {
    open(config, &Clock::system(), &Arc::default(), &Damages::default()).unwrap()
}

fn push(log: &mut Log<Disk>) {
    log.push(&crate::record::Body::Tick.into(), GatewayTime::default()).unwrap();
    log.commit().unwrap();
}

#[test]
fn a_first_start_makes_neither_checkpoints_nor_an_identity_file() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let restored = start(&config(&data));
    let mut names = Disk.list(&data).unwrap();
    names.sort();
    assert_eq!(names, ["log", "replaying"]);
    assert!(!data.join("log/removed").exists());
    drop(restored);
}

#[test]
fn checkpoints_that_a_first_start_made_late_are_those_of_its_log_at_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let Restored { mut log, mut engine, mut head, .. } = start(&config);
    push(&mut log);
    let mut reader = log.reader(Offset(1));
    head.replay(&mut reader).unwrap();
    engine.commit(head.changes()).unwrap();
    drop((engine, log));
    let state = Place { engine: config.state.engine, path: config.state.engine.path(folder.path()) };
    let engine = open_state(&state).unwrap();
    let (log, _) = Log::open(Disk, &folder.path().join(LOG_FOLDER), Options::default()).unwrap();
    let identities = Identities::of_folder(folder.path()).unwrap();
    let (head, _) = load(engine.as_ref(), identities.current(), &log, &config.grammar(), &Skipped::default()).unwrap();
    assert_eq!(head.applied(), Offset(1));
}

#[test]
fn a_log_that_lost_its_checkpoints_gets_new_ones_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    push(&mut start(&config).log);
    drop(start(&config));
    assert!(config.state.engine.path(folder.path()).exists());
}
