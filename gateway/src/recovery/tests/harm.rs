//! G8: whatever becomes of the checkpoints, a start gives what the log says.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};

use super::super::*;
use crate::app::App;
use crate::store::fs::mem::Rng;

const CASES: u64 = 220;
const FRAMES: u32 = 120;

fn config(data_dir: &Path, engine: Engine) -> Config {
    let mut config = Config::default();
    config.gateway.data_dir = data_dir.to_owned();
    config.gateway.mqtt = ([127, 0, 0, 1], 0).into();
    config.state.engine = engine;
    // Every start makes a segment: small ones make many starts quick.
    config.broker.packet_bytes_max = 16 << 10;
    config.store.segment_bytes = 64 << 10;
    config
}

/// A real gateway takes frames of several devices, some twice, and retained births, and stops.
fn fill(config: &Config) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let app = App::start(config.clone()).await.unwrap();
        let mut options = MqttOptions::new("by-hand", "127.0.0.1", app.address().port());
        options.set_keep_alive(Duration::from_secs(60));
        let (client, mut events) = AsyncClient::new(options, 64);
        let publish = async {
            for n in 0..FRAMES {
                let (topic, value) = (format!("halo/v1/d/watch-{}/t", n % 9), 60 + n % 40);
                let payload = format!(r#"{{"heart_rate":{value},"steps":{n}}}"#);
                client.publish(topic, QoS::AtLeastOnce, false, payload).await.unwrap();
                client.publish(format!("notes/{}", n % 5), QoS::AtLeastOnce, true, vec![n as u8; 200]).await.unwrap();
            }
        };
        let mut acknowledged = 0;
        let settle = async {
            while acknowledged < 2 * FRAMES {
                if let Event::Incoming(Packet::PubAck(_)) = events.poll().await.unwrap() {
                    acknowledged += 1;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(publish, settle) }).await.unwrap();
        assert!(app.stop().await.drained);
    });
}

/// Everything a start gives: halos and the head's rows, to the byte.
#[derive(Debug, PartialEq)]
struct Given {
    halos: BTreeMap<String, Vec<u8>>,
    head: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    applied: Offset,
}

fn start(config: &Config) -> Result<Given, RecoveryError> {
    let Restored { log, engine, mut head, mut fold, .. } =
        open(config, &Clock::system(), &Arc::default(), &Damages::default())?;
    let mut reader = log.reader(fold.applied().next());
    loop {
        let batch = reader.next(1 << 20)?;
        if batch.is_empty() {
            break;
        }
        for record in &batch.records {
            fold.apply(record);
        }
    }
    let halos = fold.subjects().into_iter();
    let halos = halos.map(|it| (it.name().to_string(), postcard::to_stdvec(it).unwrap())).collect();
    let mut rows = BTreeMap::new();
    for table in Table::ALL.into_iter().filter(|table| *table != Table::Halo) {
        rows.extend(engine.rows(table)?.into_iter().map(|(key, value)| ((table, key), value)));
    }
    for Change { table, key, value } in head.changes() {
        match value {
            Some(value) => rows.insert((table, key), value),
            None => rows.remove(&(table, key)),
        };
    }
    Ok(Given { halos, head: rows, applied: fold.applied() })
}

type Files = Vec<(PathBuf, Vec<u8>)>;

fn files(path: &Path) -> Files {
    if path.is_file() {
        return vec![(path.to_owned(), fs::read(path).unwrap())];
    }
    fs::read_dir(path).unwrap().flat_map(|entry| files(&entry.unwrap().path())).collect()
}

fn put_back(path: &Path, pristine: &Files) {
    state::remove(path).unwrap();
    for (file, bytes) in pristine {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
}

/// Does one kind of harm to the checkpoints; which.
fn harm(rng: &mut Rng, path: &Path, pristine: &Files) -> String {
    let (file, bytes) = &pristine[rng.below(pristine.len() as u64) as usize];
    let used = (bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1) as u64;
    let at = rng.below(used.max(1)) as usize;
    let mut bytes = bytes.clone();
    let what = match rng.below(7) {
        0 => {
            state::remove(path).unwrap();
            return "deleted".to_owned();
        }
        1 => {
            fs::remove_file(file).unwrap();
            return format!("{} deleted", file.display());
        }
        2 => {
            bytes.truncate(at);
            format!("cut to {at}")
        }
        3 => {
            let page = at / 4_096 * 4_096;
            let end = (page + 4_096).min(bytes.len());
            bytes[page..end].fill(0);
            format!("page at {page} zeroed")
        }
        4 => {
            let end = (at + 1 + rng.below(5_000) as usize).min(bytes.len());
            bytes[at..end].iter_mut().for_each(|byte| *byte = rng.below(256) as u8);
            format!("noise from {at} to {end}")
        }
        5 => {
            let from = rng.below(used) as usize / 512 * 512;
            let sector: Vec<u8> = bytes.iter().copied().skip(from).take(512).collect();
            let to = at / 512 * 512;
            bytes.iter_mut().skip(to).zip(sector).for_each(|(to, from)| *to = from);
            format!("sector at {from} also at {to}")
        }
        _ => {
            let flips = 1 + rng.below(4);
            for _ in 0..flips {
                let at = rng.below(used) as usize;
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << rng.below(8);
                }
            }
            format!("{flips} bits flipped")
        }
    };
    fs::write(file, &bytes).unwrap();
    format!("{}: {what}", file.display())
}

fn any_harm_is_undone_by_the_log(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), engine);
    fill(&config);
    let path = engine.path(folder.path());
    let pristine = files(&path);
    let wanted = start(&config).unwrap();
    assert_eq!((wanted.halos.len(), wanted.head.len() > 14), (9, true), "{} rows", wanted.head.len());
    state::remove(&path).unwrap();
    assert_eq!(start(&config).unwrap(), wanted, "rebuilt from nothing");
    for case in 0..CASES {
        put_back(&path, &pristine);
        let what = harm(&mut Rng(case), &path, &pristine);
        let given = start(&config).unwrap_or_else(|error| panic!("case {case}, {what}: no start: {error}"));
        assert!(given == wanted, "case {case}, {what}: halos or head differ");
    }
}

#[test]
fn g8_any_harm_to_redb_is_undone_by_the_log() {
    any_harm_is_undone_by_the_log(Engine::Redb);
}

#[test]
#[cfg(feature = "sled")]
fn g8_any_harm_to_sled_is_undone_by_the_log() {
    any_harm_is_undone_by_the_log(Engine::Sled);
}

#[test]
#[cfg(feature = "sled")]
fn going_over_to_another_engine_without_migrating_gives_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let redb = config(folder.path(), Engine::Redb);
    fill(&redb);
    let wanted = start(&redb).unwrap();
    assert_eq!(start(&config(folder.path(), Engine::Sled)).unwrap(), wanted);
}

/// A start killed after the head was replayed was put down to the log's last record.
#[test]
fn what_kills_a_start_after_the_head_has_been_replayed_is_no_records_fault() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), Engine::Redb);
    fill(&config);
    state::remove(&Engine::Redb.path(folder.path())).unwrap();
    let Restored { replaying, log, engine, .. } =
        open(&config, &Clock::system(), &Arc::default(), &Damages::default()).unwrap();
    assert!(log.durable() > Offset(1), "there was something to replay");
    // As `abort` would leave it.
    std::mem::forget(replaying);
    drop((log, engine));
    let note = fs::read(folder.path().join("replaying")).unwrap();
    assert_eq!(note.get(..8), Some(&[0; 8][..]), "no record is being applied");
}
