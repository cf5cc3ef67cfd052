//! An integrator's subscriber: paho-mqtt in a Python process of its own.

use std::io::{BufRead, BufReader, Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Longest wait for a line: with everything on a loaded machine, a subscriber that is silent for this long waits in vain.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lines read ahead; above it the process waits.
const LINES_MAX: usize = 64;

/// Prints `ready` once subscribed, then one line per message: topic, a space, the payload.
const PROGRAM: &str = r#"
import sys, paho.mqtt.client as mqtt
host, port, topic, version = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="", protocol=version)
def connected(client, userdata, flags, reason, properties):
    if reason.is_failure:
        print("refused:" + str(reason).replace(" ", "-"), flush=True)
    client.subscribe(topic, qos=1)
def disconnected(client, userdata, flags, reason, properties):
    print("disconnected:" + str(reason).replace(" ", "-"), flush=True)
def subscribed(client, userdata, mid, codes, properties):
    print("ready" if not codes[0].is_failure else "refused", flush=True)
def message(client, userdata, message):
    sys.stdout.write(message.topic + " " + message.payload.decode() + "\n")
    sys.stdout.flush()
client.on_connect, client.on_disconnect = connected, disconnected
client.on_subscribe, client.on_message = subscribed, message
client.connect(host, port, keepalive=30)
client.loop_forever(retry_first_connection=False)
"#;

/// Whether Python with paho-mqtt is there.
pub fn is_installed() -> bool {
    let asked = Command::new("python3").args(["-c", "import paho.mqtt.client"]).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// The MQTT version a subscriber speaks, by its protocol level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// MQTT 3.1.1.
    V311 = 4,
    /// MQTT 5.
    V5 = 5,
}

/// A running subscriber; ends with it.
pub struct Subscriber {
    process: Child,
    lines: Receiver<String>,
}

impl Subscriber {
    /// Subscribes to `filter` with QoS 1 and returns once the gateway has granted it.
    ///
    /// # Errors
    /// When the process cannot be started or is refused.
    pub fn start(gateway: SocketAddr, filter: &str, version: Version) -> Result<Self> {
        let level = (version as u8).to_string();
        let arguments = [gateway.ip().to_string(), gateway.port().to_string(), filter.to_owned(), level];
        let mut process =
            Command::new("python3").args(["-c", PROGRAM]).args(arguments).stdout(Stdio::piped()).spawn()?;
        let stdout = process.stdout.take().ok_or(ErrorKind::BrokenPipe)?;
        let (sender, lines) = sync_channel(LINES_MAX);
        // Ends with the process, which ends with the subscriber.
        drop(thread::Builder::new().name("paho".to_owned()).spawn(move || read_lines(stdout, &sender))?);
        let mut subscriber = Self { process, lines };
        match subscriber.line()?.as_str() {
            "ready" => Ok(subscriber),
            other => Err(Error::other(format!("the subscriber says {other:?}"))),
        }
    }

    /// The next message: topic and payload. Blocks, for a minute at most.
    ///
    /// # Errors
    /// When the subscriber has ended or has lost its connection, or nothing comes.
    pub fn receive(&mut self) -> Result<(String, String)> {
        let line = self.line()?;
        let message = line.split_once(' ').ok_or_else(|| Error::other(format!("the subscriber says {line:?}")))?;
        Ok((message.0.to_owned(), message.1.to_owned()))
    }

    fn line(&mut self) -> Result<String> {
        self.lines.recv_timeout(PATIENCE).map_err(|error| match error {
            RecvTimeoutError::Timeout => {
                Error::new(ErrorKind::TimedOut, format!("nothing from the subscriber for {PATIENCE:?}"))
            }
            RecvTimeoutError::Disconnected => Error::new(ErrorKind::UnexpectedEof, "the subscriber has ended"),
        })
    }
}

fn read_lines(stdout: ChildStdout, lines: &SyncSender<String>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if lines.send(line).is_err() {
            return;
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is reaped.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
