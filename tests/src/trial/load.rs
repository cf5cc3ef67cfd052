//! What is published during a trial, and what of it was acknowledged: the ledgers, outside the ground.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use firmware_sim::{
    Broker, Cast, Entry, Faults, Fleet, FleetConfig, FleetHandle, FrameKey, Kind, LedgerConfig, Progress, Speed,
    Summary, mixed,
};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Failure;
use crate::clock::{pass, until};
use crate::mqtt::{Client, Packet};

/// A blow with fewer frames in flight would prove little.
pub const IN_FLIGHT_MIN: u64 = 100;
/// Frames of one device on the wire at once.
const WINDOW: usize = 20;
/// Longest wait for a rate of acknowledgements that takes a fraction of a second.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait for what is owed at the end.
const DRAIN: Duration = Duration::from_secs(60);
/// Topics of the retained messages: some are overwritten often, which is what retained topics are for.
const RETAINED_TOPICS: u64 = 8;
/// Between two of them where they only accompany a fleet.
const RETAINED_PAUSE: Duration = Duration::from_millis(100);
/// Where they are.
const RETAINED_ROOT: &str = "trial/retained/";

/// A fleet and a publisher of retained messages, with their ledgers. The publisher ends on drop.
pub struct Load {
    runtime: Runtime,
    fleet: FleetHandle,
    token: CancellationToken,
    retainer: Retainer,
}

impl Load {
    /// `devices` wristbands as fast as they are acknowledged, and retained messages one after the other.
    ///
    /// # Errors
    /// Threads or the fleet cannot be started.
    pub fn start(address: SocketAddr, devices: u32, seed: u64) -> Result<Self, Failure> {
        let cast = Cast::Simulated { kind: Kind::Wristband, devices, prefix: None, frames: Some(10_000_000) };
        let base = FleetConfig::new(Broker::from(address), devices);
        Self::with(address, FleetConfig { seed, cast, speed: Speed::Max, buffer: 2 * WINDOW, ..base }, Duration::ZERO)
    }

    /// `devices` of all kinds, a frame a second each where they have something to say, and ten retained messages a
    /// second.
    ///
    /// # Errors
    /// Threads or the fleet cannot be started.
    pub fn live(address: SocketAddr, devices: u32, seed: u64, faults: Faults) -> Result<Self, Failure> {
        let cast = Cast::Crews { crews: mixed(devices), lasting: None };
        let config = FleetConfig { seed, cast, faults, ..FleetConfig::new(Broker::from(address), devices) };
        Self::with(address, config, RETAINED_PAUSE)
    }

    fn with(address: SocketAddr, config: FleetConfig, retained_pause: Duration) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let ledger = LedgerConfig { keep_entries: true, ..LedgerConfig::default() };
        let config = FleetConfig { ledger, window: WINDOW, drain: DRAIN, ..config };
        let token = CancellationToken::new();
        let fleet = {
            let _entered = runtime.enter();
            Fleet::start(config, &TaskTracker::new(), &token)?
        };
        Ok(Self { runtime, fleet, token, retainer: Retainer::start(address, retained_pause)? })
    }

    /// The fleet's counts.
    pub fn progress(&self) -> Progress {
        self.fleet.progress()
    }

    /// Frames on the wire: at top speed a connected device keeps its window full as long as it has frames.
    pub fn in_flight(&self) -> u64 {
        let progress = self.fleet.progress();
        progress.counts.unacked.min(progress.connected * WINDOW as u64)
    }

    /// Until `more` frames more are acknowledged and enough are in flight.
    ///
    /// # Errors
    /// The fleet does not get on.
    pub fn wait_for_flight(&self, more: u64) -> Result<u64, Failure> {
        let wanted = self.progress().counts.acked + more;
        let reached = until("the load", PATIENCE, || {
            let in_flight = self.in_flight();
            (self.progress().counts.acked >= wanted && in_flight >= IN_FLIGHT_MIN).then_some(in_flight)
        });
        reached.map_err(|error| format!("{error}: {:?}, {:?}", self.progress(), self.fleet.last_error()).into())
    }

    /// Until every device has noticed that the gateway is gone: what it had acknowledged has then been read.
    ///
    /// # Errors
    /// They do not notice.
    pub fn wait_until_alone(&self) -> Result<(), Failure> {
        until("the end of all connections", PATIENCE, || (self.progress().connected == 0).then_some(()))
    }

    /// Every frame sent so far.
    pub fn frames(&self) -> BTreeMap<FrameKey, Entry> {
        self.fleet.ledger().entries()
    }

    /// Every acknowledged retained message: topic and payload.
    pub fn retained(&self) -> Vec<(String, Vec<u8>)> {
        let acked = self.retainer.acked.lock().unwrap_or_else(PoisonError::into_inner);
        acked.iter().map(|number| retained(*number)).collect()
    }

    /// Produces no more and waits for what is owed; the fleet's sum.
    pub fn drain(&mut self) -> Summary {
        self.retainer.stop();
        // `FleetHandle::stop` would take the handle, and with it the ledger.
        self.token.cancel();
        self.runtime.block_on(self.fleet.finished())
    }
}

/// Publishes retained messages one by one and keeps on trying.
struct Retainer {
    acked: Arc<Mutex<Vec<u64>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Retainer {
    fn start(address: SocketAddr, rest: Duration) -> Result<Self, Failure> {
        let (acked, over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (book, end) = (Arc::clone(&acked), Arc::clone(&over));
        let thread =
            thread::Builder::new().name("retainer".to_owned()).spawn(move || retain(address, &book, &end, rest))?;
        Ok(Self { acked, over, thread: Some(thread) })
    }

    fn stop(&mut self) {
        self.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // It only counts; a panic there shows as messages missing from the ledger, never as a loss.
            drop(thread.join());
        }
    }
}

impl Drop for Retainer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn retain(address: SocketAddr, acked: &Mutex<Vec<u64>>, over: &AtomicBool, rest: Duration) {
    let mut number = 0;
    while !over.load(Ordering::Acquire) {
        if let Ok((mut client, _)) = Client::connect(address, "retainer", true, Duration::from_secs(5)) {
            while !over.load(Ordering::Acquire) {
                number += 1;
                let (topic, payload) = retained(number);
                let sent = client.publish(&topic, &payload, true, 1).and_then(|()| client.read());
                if !matches!(sent, Ok(Packet::Acked(1))) {
                    break;
                }
                acked.lock().unwrap_or_else(PoisonError::into_inner).push(number);
                pass(rest);
            }
        }
        pass(Duration::from_millis(10));
    }
}

fn retained(number: u64) -> (String, Vec<u8>) {
    (format!("{RETAINED_ROOT}{}", number % RETAINED_TOPICS), number.to_string().into_bytes())
}
