//! An existing broker as source, end to end: a fleet publishes to a real mosquitto, gateways read from it, and what
//! mosquitto acknowledged is in their logs, once, in order, whatever comes and goes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use firmware_sim::{Broker, Cast, Entry, Fleet, FleetConfig, FleetHandle, FrameKey, Kind, LedgerConfig, Speed};
use halo_gateway::app::App;
use halo_gateway::config::Config;
use halo_gateway::record::{Body, Frame, Offset};
use halo_gateway::source;
use halo_gateway::store::fs::Disk;
use halo_gateway::store::{LOG_FOLDER, Reader};
use halo_tests::{Failure, skip};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const PATIENCE: Duration = Duration::from_secs(90);
const DEVICES: u32 = 5;
const FRAMES: u64 = 300;

/// A mosquitto that keeps sessions and queues on disk and can be killed, stopped and started again.
struct Mosquitto {
    process: Child,
    folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Mosquitto {
    fn start() -> Result<Option<Self>, Failure> {
        let folder = tempfile::tempdir()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let text = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\npersistence true\n\
             persistence_location {}/\nautosave_interval 1\nuser root\n",
            address.port(),
            folder.path().display()
        );
        std::fs::write(folder.path().join("mosquitto.conf"), text)?;
        match spawn(folder.path(), address) {
            Ok(process) => Ok(Some(Self { process, folder, address })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                skip("mosquitto is not installed");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// SIGTERM, by which it saves its sessions, and a new start, maybe without them.
    fn restart(&mut self, with_sessions: bool) -> Result<(), Failure> {
        kill_process(Pid::from_child(&self.process), Signal::TERM)?;
        self.process.wait()?;
        if !with_sessions {
            std::fs::remove_file(self.folder.path().join("mosquitto.db"))?;
        }
        self.process = spawn(self.folder.path(), self.address)?;
        Ok(())
    }
}

fn spawn(folder: &Path, address: SocketAddr) -> std::io::Result<Child> {
    let path = format!("/usr/sbin:{}", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("mosquitto");
    command.env("PATH", path).arg("-c").arg(folder.join("mosquitto.conf"));
    let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    while TcpStream::connect(address).is_err() {
        std::thread::yield_now();
    }
    Ok(process)
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn config(data: &Path, mosquitto: &Mosquitto, id: &str, group: Option<&str>, version: u8) -> Config {
    let mut config = Config::default();
    config.gateway.id = id.to_owned();
    config.gateway.mqtt = SocketAddr::from(([127, 0, 0, 1], 0));
    config.gateway.data_dir = data.to_owned();
    let (retry_max, group) = (Duration::from_millis(200), group.map(str::to_owned));
    let url = format!("mqtt://{}", mosquitto.address);
    config.source = vec![source::Config { version, group, retry_max, ..source::Config::new("site", &url) }];
    config
}

async fn started(config: Config) -> Result<App, Failure> {
    let app = App::start(config).await?;
    until(|| app.sources().list().iter().all(|status| status.state == source::State::Flowing)).await?;
    Ok(app)
}

async fn until(reached: impl Fn() -> bool) -> Result<(), Failure> {
    let waited = async {
        while !reached() {
            tokio::task::yield_now().await;
        }
    };
    Ok(timeout(PATIENCE, waited).await?)
}

fn fleet(mosquitto: &Mosquitto, tracker: &TaskTracker) -> Result<FleetHandle, Failure> {
    let cast = Cast::Simulated { kind: Kind::Wristband, devices: DEVICES, prefix: None, frames: Some(FRAMES) };
    let ledger = LedgerConfig { keep_entries: true, ..LedgerConfig::default() };
    let base = FleetConfig::new(Broker::from(mosquitto.address), DEVICES);
    let config = FleetConfig { cast, ledger, speed: Speed::Max, ..base };
    Ok(Fleet::start(config, tracker, &CancellationToken::new())?)
}

/// Every frame in a log, in its order.
fn frames(data: &Path) -> Result<Vec<Frame>, Failure> {
    let (mut reader, _) = Reader::over(Disk, &data.join(LOG_FOLDER), Offset(1))?;
    let mut frames = Vec::new();
    loop {
        let batch = reader.next(1 << 20)?;
        if batch.records.is_empty() {
            return Ok(frames);
        }
        frames.extend(batch.records.into_iter().filter_map(|record| match record.body {
            Body::Frame(frame) => Some(frame),
            _ => None,
        }));
    }
}

fn key(frame: &Frame) -> Result<(String, u32, u32), Failure> {
    let identity = frame.identity.ok_or("a simulated frame has an identity")?;
    Ok((frame.device.to_string(), identity.boot, identity.seq))
}

/// What was acknowledged is there byte for byte, each once, and each device's in its order.
fn compare(frames: &[Frame], ledger: &BTreeMap<FrameKey, Entry>, in_order: bool) -> Result<(), Failure> {
    let (mut stored, mut newest) = (BTreeMap::new(), BTreeMap::new());
    for frame in frames {
        let key = key(frame)?;
        if let Some(before) = newest.insert(key.0.clone(), (key.1, key.2))
            && in_order
        {
            assert!(before < (key.1, key.2), "{key:?} after {before:?}");
        }
        assert!(stored.insert(key.clone(), frame.payload.clone()).is_none(), "{key:?} is stored twice");
    }
    for (key, entry) in ledger.iter().filter(|(_, entry)| entry.acked_ms.is_some()) {
        let found = stored.get(&(key.device.to_string(), key.boot, key.seq));
        assert_eq!(found, Some(&entry.payload), "{key:?} was acknowledged by mosquitto");
    }
    Ok(())
}

/// How many of the fleet's acknowledged frames a source has made durable, repeats included, is no less than there are; the
/// log decides.
async fn until_all_are_stored(data: &[&Path], ledger: &BTreeMap<FrameKey, Entry>) -> Result<(), Failure> {
    let waited = async {
        loop {
            let mut stored = BTreeSet::new();
            for folder in data {
                for frame in frames(folder)? {
                    stored.insert(key(&frame)?);
                }
            }
            if stored.len() >= ledger.len() {
                return Ok::<(), Failure>(());
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, waited).await?
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_by_a_broker_is_lost_while_it_and_the_gateway_restart() -> Result<(), Failure> {
    for version in [4, 5] {
        let Some(mut mosquitto) = Mosquitto::start()? else { return Ok(()) };
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        let app = started(config(&data, &mosquitto, "gw", None, version)).await?;
        let tracker = TaskTracker::new();
        let fleet = fleet(&mosquitto, &tracker)?;
        let acknowledged = |at_least: u64| fleet.progress().counts.acked >= at_least;
        until(|| acknowledged(200)).await?;
        mosquitto.restart(true)?;
        until(|| acknowledged(500)).await?;
        assert!(app.stop().await.drained);
        // While the gateway is away its session at mosquitto keeps what comes.
        until(|| acknowledged(800)).await?;
        let app = started(config(&data, &mosquitto, "gw", None, version)).await?;
        let ledger = fleet.ledger().clone();
        assert_eq!(timeout(PATIENCE, fleet.finished()).await?.unacked, 0);
        until_all_are_stored(&[&data], &ledger.entries()).await?;
        let status = app.sources().list().remove(0);
        assert_eq!((status.refused, status.sessions_forgotten), (0, 0), "{status:?}");
        assert!(app.stop().await.drained);
        compare(&frames(&data)?, &ledger.entries(), true)?;
        tracker.close();
        tracker.wait().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_forgot_the_session_is_told_and_what_comes_from_then_on_is_read() -> Result<(), Failure> {
    let Some(mut mosquitto) = Mosquitto::start()? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let app = started(config(folder.path(), &mosquitto, "gw", None, 5)).await?;
    mosquitto.restart(false)?;
    let again = |status: &source::Status| status.connections == 2 && status.state == source::State::Flowing;
    until(|| app.sources().list().iter().all(again)).await?;
    assert_eq!(app.sources().list().iter().map(|status| status.sessions_forgotten).sum::<u64>(), 1);
    let tracker = TaskTracker::new();
    let fleet = fleet(&mosquitto, &tracker)?;
    let ledger = fleet.ledger().clone();
    assert_eq!(timeout(PATIENCE, fleet.finished()).await?.unacked, 0);
    until_all_are_stored(&[folder.path()], &ledger.entries()).await?;
    assert!(app.stop().await.drained);
    compare(&frames(folder.path())?, &ledger.entries(), true)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_of_one_group_have_every_frame_between_them_and_both_have_every_birth() -> Result<(), Failure> {
    let Some(mosquitto) = Mosquitto::start()? else { return Ok(()) };
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    let [one, two] = [folders[0].path(), folders[1].path()];
    let group = Some("gateways");
    let first = started(config(one, &mosquitto, "gw-1", group, 5)).await?;
    let second = started(config(two, &mosquitto, "gw-2", group, 5)).await?;
    let tracker = TaskTracker::new();
    let fleet = fleet(&mosquitto, &tracker)?;
    let ledger = fleet.ledger().clone();
    assert_eq!(timeout(PATIENCE, fleet.finished()).await?.unacked, 0);
    until_all_are_stored(&[one, two], &ledger.entries()).await?;
    assert!(first.stop().await.drained && second.stop().await.drained);
    let (of_one, of_two) = (frames(one)?, frames(two)?);
    assert!(!of_one.is_empty() && !of_two.is_empty(), "{} and {}", of_one.len(), of_two.len());
    // Each log alone is in order of delivery; mosquitto hands frames of one device to either.
    let both: Vec<_> = of_one.into_iter().chain(of_two).collect();
    compare(&both, &ledger.entries(), false)?;
    for folder in [one, two] {
        assert_eq!(births(folder)?, u64::from(DEVICES));
    }
    Ok(())
}

fn births(data: &Path) -> Result<u64, Failure> {
    let (mut reader, _) = Reader::over(Disk, &data.join(LOG_FOLDER), Offset(1))?;
    let mut devices = BTreeSet::new();
    loop {
        let batch = reader.next(1 << 20)?;
        if batch.records.is_empty() {
            return Ok(devices.len() as u64);
        }
        devices.extend(batch.records.into_iter().filter_map(|record| match record.body {
            Body::Retained(retained) if retained.topic.ends_with("/birth") => Some(retained.topic),
            _ => None,
        }));
    }
}
