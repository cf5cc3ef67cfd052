//! G20's sibling: a folder that is lost comes back from a backup, with the halos as of then.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use firmware_sim::{Broker, Cast, Fleet, FleetConfig, FleetHandle, Kind, Speed};
use halo_gateway::app::App;
use halo_gateway::clock::Clock;
use halo_gateway::config::Config;
use halo_gateway::forward::river::render_halo;
use halo_gateway::halo::Fold;
use halo_gateway::record::Offset;
use halo_gateway::store::backup::restore;
use halo_gateway::store::fs::Disk;
use halo_gateway::store::identity::Identities;
use halo_gateway::store::{LOG_FOLDER, Reader};
use halo_proto::topic::Grammar;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::harness::{Gateway, complaint, run, runtime};
use crate::state::{halo_after_a_start, record};

const DEVICES: u32 = 12;

fn config(data: &Path) -> Config {
    let mut config = Config::default();
    config.gateway.data_dir = data.to_owned();
    config.gateway.mqtt = ([127, 0, 0, 1], 0).into();
    config
}

/// Halos as a replay of the log gives them at an offset.
fn halos(data: &Path, until: Offset) -> BTreeMap<String, Vec<u8>> {
    let mut fold = Fold::new(Grammar::default());
    let (mut reader, _) = Reader::over(Disk, &data.join(LOG_FOLDER), Offset(1)).expect("readable");
    loop {
        let batch = reader.next(1 << 20).expect("readable");
        if batch.is_empty() {
            break;
        }
        for record in batch.records.iter().filter(|record| record.offset <= until) {
            fold.apply(record);
        }
    }
    fold.subjects().into_iter().map(|it| (it.name().to_string(), render_halo(it).to_vec())).collect()
}

async fn acknowledged(fleet: &FleetHandle, frames: u64) {
    let reached = async {
        while fleet.progress().counts.acked < frames {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reached).await.expect("the fleet gets its acknowledgements");
}

#[test]
fn a_backup_taken_under_load_brings_a_lost_folder_back_as_it_was_then() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [data, to, new] = ["data", "backup", "new"].map(|name| folder.path().join(name));
    let durable = runtime().block_on(async {
        let app = App::start(config(&data)).await.expect("it starts");
        let tracker = TaskTracker::new();
        let cast = Cast::Simulated { kind: Kind::Wristband, devices: DEVICES, prefix: None, frames: Some(1_000_000) };
        let base = FleetConfig::new(Broker::from(app.address()), DEVICES);
        let config = FleetConfig { cast, speed: Speed::Max, drain: Duration::from_secs(20), ..base };
        let fleet = Fleet::start(config, &tracker, &CancellationToken::new()).expect("the fleet starts");
        acknowledged(&fleet, 1_500).await;
        let (source, target, clock) = (app.backups(), to.clone(), Clock::system());
        let before = clock.now().mono_ms;
        let made = tokio::task::spawn_blocking(move || source.backup(&target, Clock::system().now(), |_| {}));
        let made = made.await.expect("no panic").expect("a backup");
        println!("backup: {} bytes in {} ms, while frames came in", made.bytes, clock.now().mono_ms - before);
        let goal = fleet.progress().counts.acked + 500;
        acknowledged(&fleet, goal).await;
        fleet.stop().await;
        tracker.close();
        tracker.wait().await;
        assert!(app.stop().await.durable > made.durable, "the gateway went on meanwhile");
        made.durable
    });
    let wanted = halos(&data, durable);
    assert_eq!(wanted.len(), DEVICES as usize);
    let old = Identities::of_folder(&data).expect("readable");
    fs::remove_dir_all(&data).expect("the folder is lost");
    let clock = Clock::system();
    let restored = restore(&to, &new, false).expect("restored");
    assert_eq!((restored.durable, restored.findings.len()), (durable, 0));
    runtime().block_on(async {
        let app = App::start(config(&new)).await.expect("it starts on what was restored");
        println!("restored and started: {} bytes in {} ms", restored.bytes, clock.now().mono_ms);
        let identities = Identities::of_folder(&new).expect("readable");
        assert_ne!(identities.of(app.epoch()), old.current(), "new records get other message ids");
        assert!(app.stop().await.drained);
    });
    let given = halos(&new, durable);
    for (subject, halo) in &wanted {
        let given = given.get(subject).map(|halo| String::from_utf8_lossy(halo));
        assert_eq!(given, Some(String::from_utf8_lossy(halo)), "{subject}");
    }
}

/// The one document that a command printed.
fn row(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_configuration_and_the_engines_are_told_of_in_json() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().display().to_string();
    let valid = run(&["check", "--json", "--data-dir", &data, "--set", "auth.required=true"]);
    let told = row(&valid);
    assert_eq!((valid.status.code(), &told["valid"], &told["mqtt"]), (Some(0), &true.into(), &"127.0.0.1:1883".into()));
    assert!(told["warnings"][0].as_str().is_some_and(|it| it.contains("nobody can connect")), "{told}");
    let refused = run(&["check", "--json", "--set", "broker.receive_maximum=0"]);
    let told = row(&refused);
    assert_eq!((refused.status.code(), &told["valid"]), (Some(1), &false.into()));
    assert!(told["problem"].as_str().is_some_and(|it| it.contains("broker.receive_maximum")), "{told}");
    let arguments = ["state", "compare", "--json", "--rows", "20", "--runs", "1", "--dir", &data];
    let told = row(&run(&arguments));
    assert_eq!((&told["work"]["rows"], &told["engines"][0]["engine"]), (&20.into(), &"redb".into()), "{told}");
}

#[test]
fn a_stopped_gateway_is_backed_up_and_restored_by_command() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [data, to, new] = ["data", "backup", "new"].map(|name| folder.path().join(name).display().to_string());
    record(Path::new(&data), "my-watch", 60..90);
    let inside = run(&["backup", &format!("{data}/backup"), "--data-dir", &data]);
    assert!(!inside.status.success() && complaint(&inside).contains("is in the data folder"), "{}", complaint(&inside));
    let made = run(&["backup", &to, "--data-dir", &data, "--json"]);
    assert!(made.status.success(), "{}", complaint(&made));
    let row = row(&made);
    assert!(row["path"] == to.as_str() && row["files"].as_u64() >= Some(2), "{row}");
    assert!(row["bytes"].as_u64() > Some(0) && row["durable"].as_u64() > Some(30), "{row}");
    record(Path::new(&data), "my-watch", 100..105);
    let again = run(&["backup", &to, "--data-dir", &data]);
    assert!(!again.status.success() && complaint(&again).contains("not empty"), "{}", complaint(&again));
    let restored = run(&["restore", &to, "--data-dir", &new, "--json"]);
    assert!(restored.status.success(), "{}", complaint(&restored));
    let told = self::row(&restored);
    assert_eq!(
        (&told["durable"], &told["damaged"], &told["findings"]),
        (&row["durable"], &0.into(), &0.into()),
        "{told}"
    );
    assert!(told["identity"].is_string() && told["data_dir"] == new.as_str(), "{told}");
    assert_eq!(halo_after_a_start(Path::new(&new), "my-watch", &[]), (30, 89), "as of the backup");
    let file = Path::new(&to).join(LOG_FOLDER).join("0000000000000001.seg");
    let mut bytes = fs::read(&file).expect("readable");
    let at = bytes.windows(6).position(|it| it == b"_rate\"").expect("a payload");
    bytes[at] ^= 0x20;
    fs::write(&file, &bytes).expect("writable");
    let forced = folder.path().join("forced").display().to_string();
    let refused = run(&["restore", &to, "--data-dir", &forced]);
    assert_eq!(refused.status.code(), Some(1), "{}", complaint(&refused));
    let restored = run(&["restore", &to, "--data-dir", &forced, "--force"]);
    assert_eq!(restored.status.code(), Some(3), "{}", complaint(&restored));
    assert!(complaint(&restored).contains("everything else is restored"), "{}", complaint(&restored));
    let refused = run(&["restore", &to, "--data-dir", &data]);
    assert!(!refused.status.success() && complaint(&refused).contains("not empty"), "{}", complaint(&refused));
    assert_eq!(halo_after_a_start(Path::new(&data), "my-watch", &[]), (35, 104), "untouched");
}

#[test]
fn the_log_of_a_running_gateway_is_not_repaired_behind_its_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data").display().to_string();
    let _running = Gateway::start(Path::new(&data), "127.0.0.1:0", &[]);
    let refused = run(&["log", "repair", "--write", &data]);
    let said = complaint(&refused);
    assert!(!refused.status.success() && said.contains("in use by another process"), "{said}");
}

#[test]
fn a_damaged_log_is_repaired_by_command_and_only_when_told_to() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    record(folder.path(), "my-watch", 60..90);
    let data = folder.path().display().to_string();
    let segment = folder.path().join(LOG_FOLDER).join("0000000000000001.seg");
    let mut bytes = fs::read(&segment).expect("readable");
    assert_eq!(run(&["log", "repair", &data]).status.code(), Some(0), "nothing to do");
    let at = bytes.windows(6).position(|it| it == b"_rate\"").expect("a payload");
    bytes[at] ^= 0x20;
    fs::write(&segment, &bytes).expect("writable");
    for arguments in [vec!["log", "repair", &data], vec!["log", "repair", "--dry-run", "--json", &data]] {
        let dry = run(&arguments);
        assert_eq!(dry.status.code(), Some(1), "{}", String::from_utf8_lossy(&dry.stdout));
        assert_eq!(fs::read(&segment).expect("readable"), bytes, "a dry run changes nothing");
    }
    let done = run(&["log", "repair", "--write", &data]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.status.code(), Some(0), "{said}{}", complaint(&done));
    assert!(said.contains("is lost") && said.contains(".damaged") && said.contains("1 segment repaired"), "{said}");
    assert_eq!(run(&["log", "verify", &data]).status.code(), Some(0));
    assert_eq!(run(&["log", "repair", "--write", "--dry-run", &data]).status.code(), Some(2), "usage");
    let (frames, _) = halo_after_a_start(folder.path(), "my-watch", &[]);
    assert!(frames >= 29, "{frames} of 30 frames");
}
