//! A mosquitto far away behind a proxy, and somebody who writes down what arrives there.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::Failure;
use crate::clock::{pass, until};
use crate::mosquitto::Mosquitto;
use crate::mqtt::{Client, Packet};
use crate::proxy::{Mode, Proxy};

/// Longest wait for what takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// The receiver waits this long for the next message: longer than anything here lasts, because what arrives while it is
/// away counts as received by mosquitto alone.
const SILENCE_MAX: Duration = Duration::from_secs(3_600);
/// Between two tries to connect.
const PAUSE: Duration = Duration::from_millis(20);
/// What asks the receiver how far it is.
const MARKER: &str = "soak/marker";

/// How mosquitto goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// SIGTERM.
    Stopped,
    /// SIGKILL.
    Killed,
}

/// The far end. Ends when dropped.
pub struct Far {
    broker: Mosquitto,
    proxy: Proxy,
    file: PathBuf,
    seen: Arc<Seen>,
    receiver: Option<JoinHandle<()>>,
    markers: u64,
}

#[derive(Default)]
struct Seen {
    subscriptions: AtomicU64,
    marker: AtomicU64,
    over: AtomicBool,
    complaint: Mutex<Option<String>>,
}

impl Far {
    /// Starts all three; what arrives goes to `file`, a document a line.
    ///
    /// # Errors
    /// One of them does not start.
    pub fn start(runtime: &Runtime, file: &Path) -> Result<Self, Failure> {
        let broker = Mosquitto::start(None)?;
        let proxy = runtime.block_on(Proxy::start(broker.address()))?;
        let (seen, lines, address) = (Arc::<Seen>::default(), File::create(file)?, broker.address());
        let of_thread = Arc::clone(&seen);
        let receiver =
            thread::Builder::new().name("receiver".to_owned()).spawn(move || receive(address, lines, &of_thread))?;
        let far = Self { broker, proxy, file: file.to_owned(), seen, receiver: Some(receiver), markers: 0 };
        far.wait_for_subscription(1)?;
        Ok(far)
    }

    /// Where the gateway connects.
    pub fn address(&self) -> SocketAddr {
        self.proxy.address()
    }

    /// Where mosquitto itself listens.
    pub fn broker(&self) -> SocketAddr {
        self.broker.address()
    }

    /// The link between.
    pub fn link(&self) -> &Proxy {
        &self.proxy
    }

    /// What arrived, a document a line.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Until the receiver has written down everything that mosquitto has acknowledged so far.
    ///
    /// # Errors
    /// It does not get there, or could not write.
    pub fn catch_up(&mut self) -> Result<(), Failure> {
        self.markers += 1;
        let (mut client, _) = Client::connect(self.broker.address(), "marker", true, PATIENCE)?;
        client.publish(MARKER, self.markers.to_string().as_bytes(), false, 1)?;
        client.read()?;
        client.disconnect()?;
        let seen = || (self.seen.marker.load(Ordering::Acquire) >= self.markers).then_some(());
        until("the receiver's marker", PATIENCE, seen)?;
        match &*self.seen.complaint.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(complaint) => Err(format!("the receiver: {complaint}").into()),
            None => Ok(()),
        }
    }

    /// Takes mosquitto away. Its connections are cut first, then the receiver gets everything it has acknowledged, so
    /// that a mosquitto without persistence loses nothing it has answered for.
    ///
    /// # Errors
    /// The receiver does not get it.
    pub fn take_away(&mut self, outage: Outage) -> Result<(), Failure> {
        self.proxy.set(Mode::Refuse);
        until("the end of all connections", PATIENCE, || self.proxy.is_idle().then_some(()))?;
        self.catch_up()?;
        match outage {
            Outage::Stopped => self.broker.stop(),
            Outage::Killed => self.broker.kill(),
        }
        Ok(())
    }

    /// Brings mosquitto back, knowing nothing; the receiver is there before the gateway is.
    ///
    /// # Errors
    /// One of them does not come back.
    pub fn bring_back(&mut self) -> Result<(), Failure> {
        let subscriptions = self.seen.subscriptions.load(Ordering::Acquire);
        self.broker.restart()?;
        self.wait_for_subscription(subscriptions + 1)?;
        self.proxy.set(Mode::Pass);
        Ok(())
    }

    fn wait_for_subscription(&self, nth: u64) -> Result<(), Failure> {
        until("a subscription", PATIENCE, || (self.seen.subscriptions.load(Ordering::Acquire) >= nth).then_some(()))
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        self.seen.over.store(true, Ordering::Release);
        self.broker.kill();
        if let Some(receiver) = self.receiver.take() {
            // What it wrote is on disk already.
            drop(receiver.join());
        }
    }
}

fn receive(address: SocketAddr, mut lines: File, seen: &Seen) {
    while !seen.over.load(Ordering::Acquire) {
        if let Ok((client, _)) = Client::connect(address, "receiver", false, PATIENCE) {
            // The connection has ended, as it does when mosquitto goes, or a line could not be written.
            if let Err(error) = listen(client, &mut lines, seen)
                && error.kind() == std::io::ErrorKind::WriteZero
            {
                *seen.complaint.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
            }
        }
        pass(PAUSE);
    }
}

fn listen(mut client: Client, lines: &mut File, seen: &Seen) -> std::io::Result<()> {
    client.set_patience(SILENCE_MAX)?;
    let mut before = client.subscribe("#")?.into_iter();
    seen.subscriptions.fetch_add(1, Ordering::AcqRel);
    loop {
        let packet = match before.next() {
            Some(packet) => packet,
            None => client.read()?,
        };
        let Packet::Message(topic, payload, id) = packet else { continue };
        if topic == MARKER {
            let number = std::str::from_utf8(&payload).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
            seen.marker.fetch_max(number, Ordering::AcqRel);
        } else if std::str::from_utf8(&payload).is_ok_and(|text| text.contains("\"mid\"")) {
            let mut line = payload;
            line.push(b'\n');
            lines.write_all(&line).map_err(|error| std::io::Error::new(std::io::ErrorKind::WriteZero, error))?;
        }
        if let Some(id) = id {
            client.acknowledge(id)?;
        }
    }
}
