//! Cuts the power under an MQTT broker and counts acknowledged messages that are gone.
//!
//! `cargo run --release -p halo-tests --bin ackcheck -- --broker mosquitto`: `gateway`, `mosquitto`, `nats`,
//! `nats-always`, or a command with `{port}` and `{data}` in it. Publishers send retained QoS 1 messages, each on a topic
//! of its own; at a random moment the power goes. Afterwards a message counts as lost only if neither a subscriber with a
//! session from before the cut nor a new subscriber (retained messages) gets it: a broker has two ways to keep it.

use std::collections::HashSet;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Parser;
use halo_tests::clock::{Stopwatch, pass, until};
use halo_tests::mqtt::{Client, Packet};
use halo_tests::process::{binary, free_address};
use halo_tests::random::Random;
use halo_tests::rig::{Disk, FileSystem, Setup, is_possible_or_skip};
use halo_tests::{Failure, evidence};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

const PUBLISHERS: usize = 4;
/// Unacknowledged messages of one publisher.
const WINDOW: usize = 32;
/// Messages of one publisher at most: what is read back stays small.
const MESSAGES_MAX: u32 = 2_000;
/// Longest wait for a broker to listen, to end, to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// A broker that sends nothing for so long has sent what it had.
const SILENCE: Duration = Duration::from_millis(1_500);
/// The session that collects from before the cut.
const READER: &str = "ackcheck-reader";

/// Power cuts under an MQTT broker.
#[derive(Parser)]
struct Arguments {
    /// `gateway`, `mosquitto`, `mosquitto-autosave`, `nats`, `nats-always`, or a shell command with {port} and {data}.
    #[arg(long)]
    broker: String,
    /// Power cuts.
    #[arg(long, default_value_t = 15)]
    cuts: u32,
    /// File system.
    #[arg(long, default_value = "ext4")]
    fs: FileSystem,
    /// Where all chance comes from.
    #[arg(long, default_value_t = 20_261_122)]
    seed: u64,
    /// Program to run for `nats` and `nats-always`.
    #[arg(long, default_value = "nats-server")]
    nats_server: String,
    /// Write the figures here, as JSON.
    #[arg(long)]
    evidence: Option<PathBuf>,
}

fn main() -> ExitCode {
    match work(&Arguments::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ackcheck: {error}");
            ExitCode::from(2)
        }
    }
}

/// What all cuts came to.
#[derive(Default)]
struct Sum {
    acknowledged: u64,
    lost: u64,
    cuts_with_loss: u32,
    sessions_kept: u32,
    messages_of_sessions: u64,
    messages_retained: u64,
    failed_starts: u32,
}

fn work(arguments: &Arguments) -> Result<u64, Failure> {
    if !is_possible_or_skip() {
        return Err("power cuts are not possible here".into());
    }
    let mut random = Random::new(arguments.seed);
    let mut disk = Disk::new(Setup::new(arguments.fs))?;
    let (mut sum, watch) = (Sum::default(), Stopwatch::new());
    let subject = Subject::new(&arguments.broker, &arguments.nats_server)?;
    for cut in 0..arguments.cuts {
        if cut > 0 {
            disk.format()?;
        }
        let (acknowledged, lost) = one_cut(&subject, &mut disk, &mut random, &mut sum)?;
        sum.acknowledged += acknowledged;
        sum.lost += lost;
        sum.cuts_with_loss += u32::from(lost > 0);
        println!("{}: cut {} of {}, {acknowledged} acknowledged, {lost} lost", subject.name, cut + 1, arguments.cuts);
    }
    let fields = json!({
        "what": "acknowledged QoS 1 messages after power cuts under an MQTT broker",
        "broker": subject.name, "version": subject.version(), "settings": subject.settings,
        "fs": arguments.fs.name(), "cuts": arguments.cuts, "seed": arguments.seed,
        "acknowledged": sum.acknowledged, "lost": sum.lost, "cuts_with_loss": sum.cuts_with_loss,
        "sessions_kept": sum.sessions_kept, "messages_from_sessions": sum.messages_of_sessions,
        "messages_from_retained": sum.messages_retained, "failed_starts_after_a_cut": sum.failed_starts,
        "seconds": watch.elapsed().as_secs(),
        "fairness": [
            "the disk is a RAM disk with a volatile write-back cache: a flush costs little and keeps everything",
            "each cut begins with a fresh file system; the reader's session is made before an orderly restart, so it is saved",
            "a message is lost only if neither the reader's session nor its retained copy is there afterwards",
            "load runs for 0.2 to 1 s before the cut; a broker that syncs rarely may keep more of a longer run",
            "MQTT does not say that PUBACK means durable; the table says what each broker makes of it",
        ],
    });
    let fields = fields.as_object().cloned().unwrap_or_default();
    println!("{:#}", evidence::write(arguments.evidence.as_deref(), fields)?);
    Ok(sum.lost)
}

/// Acknowledged and lost messages of one cut.
fn one_cut(subject: &Subject, disk: &mut Disk, random: &mut Random, sum: &mut Sum) -> Result<(u64, u64), Failure> {
    let (address, data) = (free_address()?, disk.path().join("data"));
    fs::create_dir_all(&data)?;
    let broker = Server::start(subject, &data, address)?;
    if subject.has_sessions {
        let (mut reader, _) = Client::connect(address, READER, false, PATIENCE)?;
        reader.subscribe("ack/#")?;
        reader.disconnect()?;
    }
    broker.stop()?;
    fs::File::open(&data)?.sync_all()?;
    rustix::fs::sync();
    let broker = Server::start(subject, &data, address)?;
    let over = AtomicBool::new(false);
    let acknowledged: HashSet<String> = std::thread::scope(|scope| {
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|index| {
                scope.spawn({
                    let over = &over;
                    move || publish(address, index, over)
                })
            })
            .collect();
        pass(Duration::from_millis(200 + random.below(800)));
        disk.cut_power();
        broker.kill();
        over.store(true, Ordering::Release);
        publishers.into_iter().flat_map(|it| it.join().unwrap_or_default()).collect()
    });
    disk.power_up()?;
    let found = match Server::start(subject, &data, address) {
        Ok(broker) => {
            let found = read_back(subject, address, &acknowledged, sum);
            broker.kill();
            found?
        }
        Err(error) => {
            println!("{} does not start after the cut: {error}", subject.name);
            sum.failed_starts += 1;
            HashSet::new()
        }
    };
    let lost = acknowledged.iter().filter(|name| !found.contains(*name)).count();
    Ok((acknowledged.len() as u64, lost as u64))
}

/// Publishes until told to stop or the connection ends; the topics whose PUBACK came.
fn publish(address: SocketAddr, index: usize, over: &AtomicBool) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let topic = |number: u32| format!("ack/{index}/{number}");
    let Ok((mut client, _)) = Client::connect(address, &format!("publisher-{index}"), true, Duration::from_secs(3))
    else {
        return acknowledged;
    };
    let (mut sent, mut open) = (0_u32, HashSet::new());
    while !over.load(Ordering::Acquire) || !open.is_empty() {
        while open.len() < WINDOW && sent < MESSAGES_MAX && !over.load(Ordering::Acquire) {
            sent += 1;
            let Ok(id) = u16::try_from(sent) else { return acknowledged };
            if client.publish(&topic(sent), sent.to_string().as_bytes(), true, id).is_err() {
                break;
            }
            open.insert(id);
        }
        if open.is_empty() {
            return acknowledged;
        }
        match client.read() {
            Ok(Packet::Acked(id)) if open.remove(&id) => acknowledged.push(topic(id.into())),
            Ok(_) => {}
            Err(_) => return acknowledged,
        }
    }
    acknowledged
}

/// The topics of all messages that are still there.
fn read_back(
    subject: &Subject,
    address: SocketAddr,
    wanted: &HashSet<String>,
    sum: &mut Sum,
) -> Result<HashSet<String>, Failure> {
    let mut found = HashSet::new();
    if subject.has_sessions {
        let (mut reader, kept) = Client::connect(address, READER, false, PATIENCE)?;
        reader.set_patience(SILENCE)?;
        sum.sessions_kept += u32::from(kept);
        collect(&mut reader, Vec::new(), &mut found, wanted);
        sum.messages_of_sessions += found.len() as u64;
    }
    let (mut reader, _) = Client::connect(address, "ackcheck-newcomer", true, PATIENCE)?;
    let mut retained = HashSet::new();
    let before = reader.subscribe("ack/#")?;
    reader.set_patience(SILENCE)?;
    collect(&mut reader, before, &mut retained, wanted);
    sum.messages_retained += retained.len() as u64;
    found.extend(retained);
    Ok(found)
}

/// Until everything wanted is there, or the broker falls silent.
fn collect(reader: &mut Client, before: Vec<Packet>, found: &mut HashSet<String>, wanted: &HashSet<String>) {
    let mut before = before.into_iter();
    while wanted.iter().any(|name| !found.contains(name)) {
        let Some(packet) = before.next().or_else(|| reader.read().ok()) else { return };
        if let Packet::Message(topic, _, id) = packet {
            found.insert(topic);
            if let Some(id) = id
                && reader.acknowledge(id).is_err()
            {
                return;
            }
        }
    }
}

/// A broker under test.
struct Subject {
    name: String,
    program: String,
    /// For humans.
    settings: String,
    /// Whether it keeps sessions; this gateway's retained messages are looked at instead.
    has_sessions: bool,
    kind: Kind,
}

enum Kind {
    Gateway,
    Mosquitto { autosave: &'static str },
    Nats { sync: &'static str },
    Command(String),
}

impl Subject {
    fn new(name: &str, nats_server: &str) -> Result<Self, Failure> {
        let (program, settings, kind) = match name {
            "gateway" => (binary()?.display().to_string(), "defaults", Kind::Gateway),
            "mosquitto" => ("mosquitto".to_owned(), "persistence true", Kind::Mosquitto { autosave: "" }),
            "mosquitto-autosave" => (
                "mosquitto".to_owned(),
                "persistence true, autosave_on_changes true, autosave_interval 1",
                Kind::Mosquitto { autosave: "autosave_on_changes true\nautosave_interval 1\n" },
            ),
            "nats" => (nats_server.to_owned(), "JetStream, defaults", Kind::Nats { sync: "" }),
            "nats-always" => (
                nats_server.to_owned(),
                "JetStream, sync_interval: always",
                Kind::Nats { sync: "sync_interval: always" },
            ),
            command => ("sh".to_owned(), command, Kind::Command(command.to_owned())),
        };
        let has_sessions = !matches!(kind, Kind::Gateway);
        Ok(Self { name: name.to_owned(), program, settings: settings.to_owned(), has_sessions, kind })
    }

    fn version(&self) -> String {
        let (argument, lines) = match self.kind {
            Kind::Gateway | Kind::Nats { .. } => ("--version", 1),
            Kind::Mosquitto { .. } => ("-h", 1),
            Kind::Command(_) => return String::new(),
        };
        let output = Command::new(&self.program).arg(argument).output();
        let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        said.lines().take(lines).collect::<Vec<_>>().join(" ")
    }

    fn command(&self, data: &Path, address: SocketAddr) -> Result<Command, Failure> {
        let (port, folder) = (address.port(), data.display());
        let mut command = Command::new(&self.program);
        let file = data.join("ackcheck.conf");
        match &self.kind {
            Kind::Gateway => {
                command.args(["--log", "warn", "run", "--mqtt", &address.to_string(), "--data-dir"]).arg(data);
            }
            Kind::Mosquitto { autosave } => {
                let text = format!(
                    "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\npersistence_location \
                     {folder}/\nmax_queued_messages 0\n{autosave}"
                );
                fs::write(&file, text)?;
                command.arg("-c").arg(&file);
            }
            Kind::Nats { sync } => {
                let text = format!(
                    "server_name: one\nlisten: 127.0.0.1:-1\njetstream {{ store_dir: \"{folder}\"\n{sync} }}\nmqtt {{ listen: \
                     \"127.0.0.1:{port}\" }}\n"
                );
                fs::write(&file, text)?;
                command.arg("-c").arg(&file);
            }
            Kind::Command(line) => {
                let line = line.replace("{port}", &port.to_string()).replace("{data}", &folder.to_string());
                command.args(["-c", &format!("exec {line}")]);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command)
    }
}

/// A broker that runs; killed on drop.
struct Server(Child);

impl Server {
    /// Returns once it answers a CONNECT.
    fn start(subject: &Subject, data: &Path, address: SocketAddr) -> Result<Self, Failure> {
        let mut server = Self(subject.command(data, address)?.spawn()?);
        until("a broker that answers", PATIENCE, || {
            if let Ok(Some(status)) = server.0.try_wait() {
                return Some(Err::<(), Failure>(format!("it has ended: {status}").into()));
            }
            TcpStream::connect(address).ok()?;
            Client::connect(address, "ackcheck-knocks", true, PATIENCE).ok().map(|_| Ok(()))
        })??;
        Ok(server)
    }

    fn stop(mut self) -> Result<(), Failure> {
        kill_process(Pid::from_child(&self.0), Signal::TERM)?;
        until("the broker's end", PATIENCE, || self.0.try_wait().ok().flatten()).map(drop)
    }

    fn kill(mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended and reaped already, or left behind by an error.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
