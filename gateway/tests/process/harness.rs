//! A gateway in a process of its own, and MQTT clients to talk to it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rumqttc::{AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, Packet, QoS};

/// Longest anything here may take; a hang becomes a failure that says where.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running gateway; killed when it goes out of scope.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Gateway {
    /// Starts it on `address` (port 0: any) and returns once it listens.
    pub(crate) fn start(data: &Path, address: &str, sets: &[&str]) -> Self {
        let mut command = binary();
        command.args(["--log", "warn", "run", "--mqtt", address, "--data-dir"]).arg(data);
        for set in sets {
            command.args(["--set", set]);
        }
        Self::spawn(command)
    }

    /// Starts it with a configuration file, on any port.
    pub(crate) fn start_with(config: &Path, data: &Path) -> Self {
        let mut command = binary();
        command
            .args(["--log", "warn", "run", "--mqtt", "127.0.0.1:0", "--config"])
            .arg(config)
            .arg("--data-dir")
            .arg(data);
        Self::spawn(command)
    }

    /// Starts it on any port with a variable in its environment.
    #[cfg(debug_assertions)]
    pub(crate) fn start_with_variable(data: &Path, name: &str, value: &str) -> Self {
        let mut command = binary();
        command.env(name, value).args(["--log", "error", "run", "--mqtt", "127.0.0.1:0", "--data-dir"]).arg(data);
        Self::spawn(command)
    }

    /// Starts what may be any command line of `run`.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("stdout is readable");
        let address = line.trim().strip_prefix("halo-gateway listens on mqtt://");
        let address = address.unwrap_or_else(|| panic!("instead of an address it said {line:?}"));
        Self { address: address.parse().expect("an address"), child }
    }

    /// kill -9.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it was running");
        self.child.wait().expect("it is reaped");
    }

    /// Waits until it ends by itself; the exit code.
    #[cfg(debug_assertions)]
    pub(crate) fn exit_code(mut self) -> Option<i32> {
        self.child.wait().expect("it is reaped").code()
    }

    /// SIGTERM; the exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it was running");
        self.child.wait().expect("it is reaped").code()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Already ended and reaped by `kill` or `stop`, or ended by a failing test.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The binary under test, without the environment's configuration.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_halo-gateway"));
    let mirrored = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HALO_GATEWAY__"));
    for (name, _) in mirrored {
        command.env_remove(name);
    }
    command
}

/// Runs a command that ends by itself.
pub(crate) fn run(arguments: &[&str]) -> Output {
    binary().args(arguments).output().expect("the binary runs")
}

/// What a failed command said.
pub(crate) fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An MQTT client of another make.
pub(crate) struct Client {
    pub(crate) handle: AsyncClient,
    events: EventLoop,
}

impl Client {
    /// Connects with a clean session.
    pub(crate) async fn connect(address: SocketAddr, id: &str) -> Self {
        let mut options = MqttOptions::new(id, address.ip().to_string(), address.port());
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (handle, events) = AsyncClient::new(options, 64);
        let mut client = Self { handle, events };
        client.until(|packet| matches!(packet, Packet::ConnAck(_))).await;
        client
    }

    /// Connects as somebody; the code of the refusal if it is refused.
    pub(crate) async fn login(address: SocketAddr, name: &str, password: &str) -> Result<Self, ConnectReturnCode> {
        let mut options = MqttOptions::new(format!("client-of-{name}"), "127.0.0.1", address.port());
        options.set_credentials(name, password);
        Self::try_connect(options).await
    }

    /// Connects; the code of the refusal if it is refused.
    pub(crate) async fn try_connect(options: MqttOptions) -> Result<Self, ConnectReturnCode> {
        let (handle, events) = AsyncClient::new(options, 64);
        let mut client = Self { handle, events };
        let answered = async {
            loop {
                match client.events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => return Ok(()),
                    Ok(_) => {}
                    Err(ConnectionError::ConnectionRefused(code)) => return Err(code),
                    Err(error) => panic!("the connection broke: {error}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, answered).await.expect("no answer to the CONNECT")?;
        Ok(client)
    }

    /// The next packet that `wanted` accepts; everything before it is dropped.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Packet) -> bool) -> Packet {
        let found = async {
            loop {
                match self.events.poll().await {
                    Ok(Event::Incoming(packet)) if wanted(&packet) => return packet,
                    Ok(_) => {}
                    Err(error) => panic!("the connection broke: {error}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.expect("the awaited packet never came")
    }

    /// Whether the gateway ends the connection instead of answering.
    pub(crate) async fn is_cut_off(&mut self) -> bool {
        let ended = async { while self.events.poll().await.is_ok() {} };
        tokio::time::timeout(PATIENCE, ended).await.is_ok()
    }

    /// Publishes with QoS 1 and waits for the PUBACK.
    pub(crate) async fn publish(&mut self, topic: &str, retain: bool, payload: impl Into<Vec<u8>>) {
        self.handle.publish(topic, QoS::AtLeastOnce, retain, payload).await.expect("queued");
        self.until(|packet| matches!(packet, Packet::PubAck(_))).await;
    }

    /// Publishes with QoS 1; whether it was acknowledged before the connection ended.
    pub(crate) async fn try_publish(&mut self, topic: &str, retain: bool, payload: Vec<u8>) -> bool {
        self.handle.publish(topic, QoS::AtLeastOnce, retain, payload).await.expect("queued");
        let settled = async {
            loop {
                match self.events.poll().await {
                    Ok(Event::Incoming(Packet::PubAck(_))) => return true,
                    Ok(_) => {}
                    Err(_) => return false,
                }
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("neither acknowledged nor refused")
    }

    /// Subscribes and waits for the SUBACK.
    pub(crate) async fn subscribe(&mut self, filter: &str) {
        self.handle.subscribe(filter, QoS::AtLeastOnce).await.expect("queued");
        self.until(|packet| matches!(packet, Packet::SubAck(_))).await;
    }

    /// The next message: topic and payload.
    pub(crate) async fn message(&mut self) -> (String, Vec<u8>) {
        match self.until(|packet| matches!(packet, Packet::Publish(_))).await {
            Packet::Publish(publish) => (publish.topic, publish.payload.to_vec()),
            other => panic!("{other:?} is no message"),
        }
    }
}

/// A runtime for one test.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// Whether a program is there; a loud skip, or with CI=true a failure, when it is not.
pub(crate) fn is_installed_or_skip(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(found || !in_ci, "CI=true, but {program} is not installed");
    if !found {
        eprintln!("\n*** SKIP: {program} is not installed ***\n");
    }
    found
}
