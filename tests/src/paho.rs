//! An integrator's subscriber: paho-mqtt in a Python process of its own.

use std::io::{BufRead, BufReader, Error, ErrorKind, Lines, Result};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Prints `ready` once subscribed, then one line per message: topic, a space, the payload.
const PROGRAM: &str = r#"
import sys, paho.mqtt.client as mqtt
host, port, topic, version = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="", protocol=version)
def connected(client, userdata, flags, reason, properties):
    if reason.is_failure:
        print("refused:", reason, flush=True)
    client.subscribe(topic, qos=1)
def subscribed(client, userdata, mid, codes, properties):
    print("ready" if not codes[0].is_failure else "refused", flush=True)
def message(client, userdata, message):
    sys.stdout.write(message.topic + " " + message.payload.decode() + "\n")
    sys.stdout.flush()
client.on_connect, client.on_subscribe, client.on_message = connected, subscribed, message
client.connect(host, port, keepalive=30)
client.loop_forever(retry_first_connection=False)
"#;

/// Whether Python with paho-mqtt is there.
pub fn is_installed() -> bool {
    let asked = Command::new("python3").args(["-c", "import paho.mqtt.client"]).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// A running subscriber; ends with it.
pub struct Subscriber {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Subscriber {
    /// Subscribes to `filter` with QoS 1 and returns once the gateway has granted it. `version`: 4 = 3.1.1, 5 = 5.
    ///
    /// # Errors
    /// When the process cannot be started or is refused.
    pub fn start(gateway: SocketAddr, filter: &str, version: u8) -> Result<Self> {
        let arguments = [gateway.ip().to_string(), gateway.port().to_string(), filter.to_owned(), version.to_string()];
        let mut process =
            Command::new("python3").args(["-c", PROGRAM]).args(arguments).stdout(Stdio::piped()).spawn()?;
        let stdout = process.stdout.take().ok_or(ErrorKind::BrokenPipe)?;
        let mut subscriber = Self { process, lines: BufReader::new(stdout).lines() };
        match subscriber.line()?.as_str() {
            "ready" => Ok(subscriber),
            other => Err(Error::other(format!("the subscriber says {other:?}"))),
        }
    }

    /// The next message: topic and payload. Blocks.
    ///
    /// # Errors
    /// When the subscriber has ended.
    pub fn next(&mut self) -> Result<(String, String)> {
        let line = self.line()?;
        let (topic, payload) = line.split_once(' ').ok_or(ErrorKind::InvalidData)?;
        Ok((topic.to_owned(), payload.to_owned()))
    }

    fn line(&mut self) -> Result<String> {
        self.lines.next().unwrap_or_else(|| Err(ErrorKind::UnexpectedEof.into()))
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is reaped.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
