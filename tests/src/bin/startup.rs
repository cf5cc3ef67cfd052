//! How long a gateway with a long log needs until it serves: `cargo run --release -p halo-tests --bin startup`.
//!
//! It fills a data folder through MQTT with frames of a 24-signal engine, kills the gateway (kill -9), and times the
//! next starts from the start of the process to the line that says where it listens, and to the first acknowledgement.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use halo_proto::chunk::Times;
use halo_proto::frame::Header;
use halo_proto::schema::{FrameBuilder, Schema};
use halo_tests::Failure;

/// The turbofan of the registry.
const SCHEMA: u32 = 6;
/// Rows in one frame: ten seconds of one reading a second.
const ROWS: usize = 10;
/// Publishes sent before their acknowledgements are awaited.
const WINDOW: usize = 512;

/// Times the starts of a gateway with a long log.
#[derive(Parser)]
struct Options {
    /// Megabytes of log to fill before the starts are timed.
    #[arg(long, default_value_t = 1_000)]
    megabytes: u64,
    /// Devices that fill it, in turn.
    #[arg(long, default_value_t = 100)]
    devices: u32,
    /// Starts to time after a kill -9, and as many after a stop in order.
    #[arg(long, default_value_t = 3)]
    starts: u32,
}

fn main() -> Result<(), Failure> {
    let options = Options::parse();
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let mut gateway = Gateway::start(&data)?;
    let frames = fill(gateway.address, &data, &options)?;
    println!("{frames} frames, {} MB of log, {} devices", log_bytes(&data) / 1_000_000, options.devices);
    for ending in ["kill -9", "SIGTERM"] {
        let mut listening = Vec::new();
        let mut acknowledged = Vec::new();
        for _ in 0..options.starts {
            gateway.end(ending)?;
            gateway = Gateway::start(&data)?;
            listening.push(gateway.started_in);
            let begun = now();
            publish(gateway.address, "late", std::slice::from_ref(&b"{\"heart_rate\":72}".to_vec()))?;
            acknowledged.push(gateway.started_in + begun.elapsed());
        }
        println!("after {ending:7}: listens after {listening:.0?}, first acknowledgement after {acknowledged:.0?}");
    }
    gateway.end("SIGTERM")
}

struct Gateway {
    child: Child,
    address: SocketAddr,
    started_in: Duration,
}

impl Gateway {
    fn start(data: &Path) -> Result<Self, Failure> {
        let begun = now();
        let mut child = Command::new(program()?)
            .args(["--log", "warn", "run", "--mqtt", "127.0.0.1:0", "--data-dir"])
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no stdout")?).read_line(&mut line)?;
        let started_in = begun.elapsed();
        let address = line.trim().strip_prefix("halo-gateway listens on mqtt://");
        let address = address.ok_or_else(|| format!("instead of an address it said {line:?}"))?.parse()?;
        Ok(Self { child, address, started_in })
    }

    fn end(&mut self, how: &str) -> Result<(), Failure> {
        let signal = if how == "SIGTERM" { rustix::process::Signal::TERM } else { rustix::process::Signal::KILL };
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Ended already, unless something failed before.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The gateway of the same build.
fn program() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?.with_file_name("halo-gateway");
    if program.exists() {
        return Ok(program);
    }
    Err(format!("{} is not there; build it first: cargo build --release", program.display()).into())
}

/// Publishes until the log is long enough; how many frames that took.
fn fill(address: SocketAddr, data: &Path, options: &Options) -> Result<u64, Failure> {
    let mut frames = 0;
    let mut shown = 0;
    for round in 0u32.. {
        for device in 0..options.devices {
            let payloads =
                (0..WINDOW as u32).map(|n| frame(round * WINDOW as u32 + n, device)).collect::<Result<Vec<_>, _>>()?;
            publish(address, &format!("engine-{device}"), &payloads)?;
            frames += payloads.len() as u64;
            let megabytes = log_bytes(data) / 1_000_000;
            if megabytes >= options.megabytes {
                return Ok(frames);
            }
            if megabytes / 100 > shown {
                shown = megabytes / 100;
                eprintln!("{megabytes} of {} MB", options.megabytes);
            }
        }
    }
    Ok(frames)
}

/// Publishes at QoS 1 over a connection of its own and waits for every acknowledgement.
fn publish(address: SocketAddr, device: &str, payloads: &[Vec<u8>]) -> Result<(), Failure> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut bytes =
        vec![0x10, 12 + device.len() as u8, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, device.len() as u8];
    bytes.extend_from_slice(device.as_bytes());
    let topic = format!("halo/v1/d/{device}/t");
    for (n, payload) in payloads.iter().enumerate() {
        bytes.push(0x32);
        let mut length = 2 + topic.len() + 2 + payload.len();
        while length >= 0x80 {
            bytes.push((length as u8) | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend_from_slice(&(topic.len() as u16).to_be_bytes());
        bytes.extend_from_slice(topic.as_bytes());
        bytes.extend_from_slice(&(n as u16 + 1).to_be_bytes());
        bytes.extend_from_slice(payload);
    }
    stream.write_all(&bytes)?;
    // A CONNACK, and a PUBACK each: four bytes all of them.
    let mut answers = vec![0; 4 * (1 + payloads.len())];
    stream.read_exact(&mut answers)?;
    Ok(())
}

fn frame(seq: u32, device: u32) -> Result<Vec<u8>, Failure> {
    let schema = Schema::from_registry(SCHEMA).ok_or("the turbofan is registered")?;
    let group = schema.groups.first().ok_or("it has a group")?;
    let columns: Vec<Vec<Option<i64>>> =
        group.columns.iter().zip(0..).map(|(column, at)| walk(column.bias, seq, at, device)).collect();
    let columns: Vec<&[Option<i64>]> = columns.iter().map(Vec::as_slice).collect();
    let t0_ms = u64::from(seq) * 10_000;
    let mut builder = FrameBuilder::new();
    let begun = builder.begin(&Header { schema: SCHEMA, boot: 1, seq, t0_ms });
    begun
        .and_then(|it| it.chunk(&schema, 0, Times::From(t0_ms.cast_signed()), &columns))
        .map_err(|error| format!("{error:?}"))?;
    Ok(builder.finish().to_vec())
}

/// A column that moves a few units a row.
fn walk(start: i64, seq: u32, column: u64, device: u32) -> Vec<Option<i64>> {
    let mut random = (u64::from(seq) << 32 | u64::from(device) << 8 | column).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut value = start;
    let step = |_| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        value += (random >> 60) as i64 - 7;
        Some(value)
    };
    (0..ROWS).map(step).collect()
}

fn log_bytes(data: &Path) -> u64 {
    let entries = std::fs::read_dir(data.join("log")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

#[expect(clippy::disallowed_methods, reason = "a stopwatch, not a part of the program")]
fn now() -> Instant {
    Instant::now()
}
