//! A disk that is full and a table of open files that is full: nothing acknowledged is lost, health says so, and both
//! pass.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use halo_tests::clock::until;
use halo_tests::mqtt::{Client, Packet};
use halo_tests::process::{Gateway, free_address};
use halo_tests::trial::{Load, Stored};
use halo_tests::{Failure, skip};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;

const ROUNDS: u32 = 10;
const DEVICES: u32 = 15;
const PATIENCE: Duration = Duration::from_secs(60);
/// Small segments, so that a full disk is noticed soon; the gateway's own bounds out of the way, so that it is the disk
/// that refuses.
const SETS: [&str; 4] = [
    "store.segment_bytes=262144",
    "disk.max=10000000000",
    "disk.reserve=0",
    // Nobody is there, so nothing is confirmed and nothing may be deleted: everything acknowledged has to be in the log.
    r#"upstream=[{name="nobody",url="mqtt://127.0.0.1:9"}]"#,
];
/// Open files a starved gateway may have.
const FILES_MAX: u64 = 48;

/// A file system in memory, unmounted on drop. What a fast machine acknowledges in ten rounds, half a million frames, had
/// filled 64 MB by itself, and a disk that is full of what must be kept never has room again.
struct Volume(tempfile::TempDir);

impl Volume {
    fn new() -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        mount("tmpfs", folder.path(), "tmpfs", MountFlags::empty(), Some(c"size=320m"))?;
        Ok(Self(folder))
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn ballast(&self) -> PathBuf {
        self.0.path().join("ballast")
    }

    /// Takes every byte there is.
    fn fill(&self) -> Result<(), Failure> {
        let mut file = File::options().create(true).append(true).open(self.ballast())?;
        for chunk in [&[7_u8; 1 << 16][..], &[7; 512], &[7; 1]] {
            loop {
                match file.write_all(chunk) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    fn make_room(&self) -> Result<(), Failure> {
        Ok(std::fs::remove_file(self.ballast())?)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // A gateway of a failing test may still have it open.
        unmount(self.0.path(), UnmountFlags::DETACH).ok();
    }
}

#[test]
fn g6_a_disk_filled_ten_times_loses_nothing_acknowledged_and_is_recovered_from() {
    if !rustix::process::geteuid().is_root() {
        skip("a full disk wants root, to mount a small one");
        return;
    }
    fill_again_and_again().unwrap_or_else(|error| panic!("{error}"));
}

fn fill_again_and_again() -> Result<(), Failure> {
    let (volume, address) = (Volume::new()?, free_address()?);
    let mut gateway = Gateway::start(&volume.data(), address, &SETS)?;
    let mut load = Load::start(address, DEVICES, 7)?;
    for round in 0..ROUNDS {
        load.wait_for_flight(200)?;
        volume.fill()?;
        wait_for_health(address, speaks_of_the_disk)?;
        everything_acknowledged_is_there(&volume.data(), &load)?;
        // Every other time the gateway is killed on the full disk and started there.
        let started = if round % 2 == 1 {
            gateway.kill();
            let started = start_on_a_full_disk(&volume, address)?;
            volume.make_room()?;
            started
        } else {
            volume.make_room()?;
            gateway
        };
        gateway = started;
        load.wait_for_flight(200).map_err(|error| format!("round {round}, with room again: {error}"))?;
        wait_for_health(address, |health| !speaks_of_the_disk(health))?;
    }
    // Two for each that holds something and some for each start; asking the full disk again uses none up.
    let numbers = segments(&volume.data())?;
    let newest = numbers.iter().max().copied().unwrap_or_default();
    if newest > 2 * numbers.len() as u64 + 10 * u64::from(ROUNDS) {
        return Err(format!("{} segments are there, the newest is number {newest}", numbers.len()).into());
    }
    let summary = load.drain();
    if summary.unacked > 0 {
        return Err(format!("with room not everything is acknowledged: {summary:?}").into());
    }
    if !gateway.stop()?.success() {
        return Err("the gateway did not drain".into());
    }
    everything_acknowledged_is_there(&volume.data(), &load)
}

/// A start with 0 bytes free: it comes up, says so, and acknowledges no telemetry; what it gives back others take.
fn start_on_a_full_disk(volume: &Volume, address: SocketAddr) -> Result<Gateway, Failure> {
    volume.fill()?;
    let gateway = Gateway::start(&volume.data(), address, &SETS)?;
    volume.fill()?;
    wait_for_health(address, speaks_of_the_disk)?;
    let (mut client, _) = Client::connect(address, "unheard", true, PATIENCE)?;
    client.publish("halo/v1/d/unheard/t", br#"{"heart_rate":72}"#, false, 1)?;
    match client.read() {
        Ok(Packet::Acked(1)) => Err("telemetry is acknowledged on a full disk".into()),
        Ok(_) | Err(_) => Ok(gateway),
    }
}

/// Numbers of the segments there are.
fn segments(data: &Path) -> Result<Vec<u64>, Failure> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(data.join("log"))? {
        let name = entry?.file_name();
        numbers.extend(name.to_string_lossy().strip_suffix(".seg").and_then(|digits| digits.parse::<u64>().ok()));
    }
    Ok(numbers)
}

fn speaks_of_the_disk(health: &Value) -> bool {
    let reasons = health["reasons"].as_array().map(Vec::as_slice).unwrap_or_default();
    health["state"] != "ready" && reasons.iter().any(|reason| reason.as_str().is_some_and(|text| text.contains("disk")))
}

fn wait_for_health(address: SocketAddr, wanted: impl Fn(&Value) -> bool) -> Result<(), Failure> {
    let mut last = Value::Null;
    let seen = until("the wanted health", PATIENCE, || {
        last = health(address).unwrap_or_default();
        wanted(&last).then_some(())
    });
    seen.map_err(|error| format!("{error}; it is {last}").into())
}

fn health(address: SocketAddr) -> Result<Value, Failure> {
    let (mut client, _) = Client::connect(address, "looker", true, PATIENCE)?;
    let mut packets = client.subscribe("halo/v1/gateway/+/health")?.into_iter();
    loop {
        let packet = match packets.next() {
            Some(packet) => packet,
            None => client.read()?,
        };
        if let Packet::Message(_, payload, _) = packet {
            return Ok(serde_json::from_slice(&payload)?);
        }
    }
}

fn everything_acknowledged_is_there(data: &Path, load: &Load) -> Result<(), Failure> {
    // The ledgers first: what is acknowledged while the log is read is looked for the next time.
    let (frames, retained) = (load.frames(), load.retained());
    let mut stored = Stored::default();
    stored.read_on(data)?;
    let missing = stored.missing(&frames, &retained);
    let enough = missing.frames_looked_for >= 200;
    if missing.frames + missing.retained > 0 || !enough || !stored.repeated.is_empty() {
        return Err(format!("{missing:?}; stored twice: {:?}", stored.repeated).into());
    }
    Ok(())
}

#[test]
fn g13_a_gateway_without_file_descriptors_takes_connections_again_when_some_are_free() {
    starve().unwrap_or_else(|error| panic!("{error}"));
}

fn starve() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let gateway = Gateway::start(&folder.path().join("data"), free_address()?, &[])?;
    let pid = i32::try_from(gateway.pid()).ok().and_then(Pid::from_raw);
    prlimit(pid, Resource::Nofile, Rlimit { current: Some(FILES_MAX), maximum: Some(FILES_MAX) })?;
    let mut crowd = Vec::new();
    for number in 0..FILES_MAX {
        // The kernel completes connections the gateway cannot accept; only a CONNACK says that it has.
        let name = format!("crowd-{number}");
        match Client::connect(gateway.address(), &name, true, Duration::from_millis(500)) {
            Ok((client, _)) => crowd.push(client),
            Err(_) => break,
        }
    }
    if crowd.len() as u64 >= FILES_MAX {
        return Err("the limit was never reached".into());
    }
    let waiting = TcpStream::connect(gateway.address())?;
    crowd.truncate(crowd.len() / 2);
    drop(waiting);
    let publishes = until("a connection", PATIENCE, || {
        let (mut client, _) = Client::connect(gateway.address(), "newcomer", true, PATIENCE).ok()?;
        client.publish("halo/v1/d/newcomer/t", br#"{"heart_rate":72}"#, false, 1).ok()?;
        Some(client.read().ok()? == Packet::Acked(1))
    })?;
    if !publishes {
        return Err("the newcomer's frame is not acknowledged".into());
    }
    drop(crowd);
    if gateway.stop()?.success() { Ok(()) } else { Err("the gateway did not drain".into()) }
}
