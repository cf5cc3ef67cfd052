//! A gateway for one trial of a client, and the client's process.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use halo_gateway::app::App;
use halo_gateway::broker::LocalSubscriber;
use halo_gateway::config::Config;
use halo_gateway::record::{Body, Offset, Record};
use halo_gateway::store::fs::Disk;
use halo_gateway::store::{LOG_FOLDER, Reader};
use halo_proto::birth::{self, Head};
use halo_tests::Failure;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// Readings a device publishes: three, and after a reconnect two.
pub(crate) const READINGS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the programs for the clients are.
pub(crate) fn program(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(file)
}

/// Where `.ci/run` puts Node's modules: beside the build, out of the checkout's way.
pub(crate) fn node_modules() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("mqtt-js").join("node_modules")
}

/// Whether a command ends well.
pub(crate) fn is_there(command: &mut Command) -> bool {
    let ended = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    ended.is_ok_and(|status| status.success())
}

/// A gateway in this process, and what its own subscribers hear of the device `thing`.
pub(crate) struct Trial {
    pub(crate) address: SocketAddr,
    app: App,
    folder: tempfile::TempDir,
    readings: Mutex<LocalSubscriber>,
    states: Mutex<LocalSubscriber>,
}

impl Trial {
    pub(crate) async fn start() -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let mut config = Config::default();
        config.gateway.mqtt = SocketAddr::from(([127, 0, 0, 1], 0));
        config.gateway.data_dir = folder.path().join("data");
        let app = App::start(config).await?;
        let readings = Mutex::new(app.router().subscribe("halo/v1/readings/thing/thing")?);
        let states = Mutex::new(app.router().subscribe("halo/v1/d/thing/state")?);
        Ok(Self { address: app.address(), app, folder, readings, states })
    }

    pub(crate) fn host(&self) -> String {
        self.address.ip().to_string()
    }

    pub(crate) fn port(&self) -> String {
        self.address.port().to_string()
    }

    pub(crate) fn device(&self) -> String {
        "thing".to_owned()
    }

    pub(crate) fn topic(&self, last: &str) -> String {
        format!("halo/v1/d/thing/{last}")
    }

    pub(crate) fn payload(n: u32) -> String {
        format!("{{\"time\":{},\"hr\":{}}}", 1_700_000_000 + n, 60 + n)
    }

    /// A birth, in a file for whoever publishes it.
    pub(crate) fn birth_file(&self) -> Result<String, Failure> {
        let head = Head { kind: 0, schema: 1, boot: 1, t0_ms: 0, sync: None, firmware: "1" };
        let mut bytes = [0; 256];
        let path = self.folder.path().join("birth");
        std::fs::write(&path, birth::encode(&mut bytes, &head, &[]).map_err(|error| error.to_string())?)?;
        Ok(path.display().to_string())
    }

    /// Publishes one reading as the device, acknowledged.
    pub(crate) async fn reading(&self, n: u32) -> Result<(), Failure> {
        let options = MqttOptions::new("thing", self.host(), self.address.port());
        let (client, mut events) = AsyncClient::new(options, 16);
        client.publish(self.topic("t"), QoS::AtLeastOnce, false, Self::payload(n)).await?;
        while !matches!(events.poll().await?, Event::Incoming(Packet::PubAck(_))) {}
        Ok(())
    }

    /// That many readings come out.
    pub(crate) async fn heard(&self, readings: usize) -> Result<(), Failure> {
        let mut subscriber = self.readings.lock().await;
        for heard in 0..readings {
            let next = timeout(PATIENCE, subscriber.recv()).await;
            next.map_err(|_| format!("only {heard} readings came"))??;
        }
        Ok(())
    }

    /// The device's will is published.
    pub(crate) async fn will(&self) -> Result<(), Failure> {
        let will = timeout(PATIENCE, self.states.lock().await.recv()).await.map_err(|_| "no will came")??;
        assert_eq!((&will.payload[..], will.qos), (&b"offline"[..], 1));
        Ok(())
    }

    /// Stops the gateway; its log holds that many readings at QoS 1, and the birth if a program published one.
    pub(crate) async fn finish(self, readings: usize) -> Result<(), Failure> {
        // Where there is a file somebody was told to publish it.
        let born = self.folder.path().join("birth").exists();
        self.log_holds(readings, born).await
    }

    /// As [`Trial::finish`], of a device that says nothing of itself.
    pub(crate) async fn finish_without_birth(self, readings: usize) -> Result<(), Failure> {
        self.log_holds(readings, false).await
    }

    async fn log_holds(self, readings: usize, born: bool) -> Result<(), Failure> {
        assert!(self.app.stop().await.drained);
        let records = records(&self.folder.path().join("data"))?;
        let frames = records.iter().filter(|record| matches!(&record.body, Body::Frame(frame) if frame.qos == 1));
        assert_eq!(frames.count(), readings);
        let births = |record: &&Record| matches!(&record.body, Body::Retained(it) if it.topic.ends_with("/birth"));
        assert_eq!(records.iter().filter(births).count(), usize::from(born));
        Ok(())
    }
}

fn records(data: &Path) -> Result<Vec<Record>, Failure> {
    let (mut reader, _) = Reader::over(Disk, &data.join(LOG_FOLDER), Offset(1))?;
    let mut records = Vec::new();
    loop {
        let batch = reader.next(1 << 20)?;
        if batch.records.is_empty() {
            return Ok(records);
        }
        records.extend(batch.records);
    }
}

/// A client in a process of its own; ends with it.
pub(crate) struct Program {
    process: Child,
    lines: Receiver<String>,
}

impl Program {
    pub(crate) fn start(mut command: Command) -> Result<Self, Failure> {
        let mut process = command.stdout(Stdio::piped()).spawn()?;
        let stdout = process.stdout.take().ok_or("stdout is piped")?;
        let (sender, lines) = sync_channel(64);
        // Ends with the process, which ends with the program.
        drop(std::thread::Builder::new().spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        })?);
        Ok(Self { process, lines })
    }

    /// Writes to its standard input, which stays open.
    pub(crate) fn say(&mut self, text: &str) -> Result<(), Failure> {
        let stdin = self.process.stdin.as_mut().ok_or("stdin is piped")?;
        stdin.write_all(text.as_bytes())?;
        Ok(stdin.flush()?)
    }

    /// The next line that is wanted.
    pub(crate) fn line(&mut self, wanted: impl Fn(&str) -> bool) -> Result<String, Failure> {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).map_err(|error| format!("nothing more from it: {error}"))?;
            if wanted(&line) {
                return Ok(line);
            }
        }
    }

    /// kill -9: it says no goodbye.
    pub(crate) fn kill(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
