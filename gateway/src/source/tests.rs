//! A source against a real mosquitto, with a log that does what the test says.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use halo_proto::topic::Grammar;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::broker::{self, Disposition, Inbound, Outcome, Pending, Router, SessionKey, Sink};
use crate::clock::Clock;
use crate::ingest::policy::LoopbackPolicy;
use crate::metrics::Metrics;

const PATIENCE: Duration = Duration::from_secs(30);

/// A mosquitto without persistence of its own; ends with it.
struct Mosquitto {
    process: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Mosquitto {
    /// `None`, loudly, when there is none on this machine.
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = folder.path().join("mosquitto.conf");
        let text = format!("listener {} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n", address.port());
        std::fs::write(&config, text).unwrap();
        let path = format!("/usr/sbin:{}", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("mosquitto");
        command.env("PATH", path).arg("-c").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(process) = command.spawn() else {
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI=true, but mosquitto is not installed");
            eprintln!("\n*** SKIP: mosquitto is not installed ***\n");
            return None;
        };
        let started = Self { process, address, _folder: folder };
        while TcpStream::connect(address).is_err() {
            std::thread::yield_now();
        }
        Some(started)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A log that takes what it is told to take.
#[derive(Default)]
struct Script {
    /// What becomes of the next publishes; after that they wait in `held`.
    verdicts: Mutex<VecDeque<Outcome>>,
    closed: Mutex<bool>,
    held: Mutex<Vec<Inbound>>,
    /// Payload and session of every publish offered and taken.
    offered: Mutex<Vec<(String, SessionKey)>>,
    happened: Notify,
    opened: Notify,
}

impl Sink for Script {
    fn publish(&self, inbound: Inbound) -> Result<Disposition, Inbound> {
        if *self.closed.lock().unwrap() {
            return Err(inbound);
        }
        let payload = String::from_utf8_lossy(&inbound.payload).into_owned();
        self.offered.lock().unwrap().push((payload, inbound.session));
        match self.verdicts.lock().unwrap().pop_front() {
            Some(outcome) => inbound.receipt.settle(outcome),
            None => self.held.lock().unwrap().push(inbound),
        }
        self.happened.notify_one();
        Ok(Disposition::Logged)
    }

    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(self.opened.notified())
    }

    fn session_ended(&self, _: SessionKey) {}
}

impl Script {
    fn then(&self, outcomes: &[Outcome]) {
        self.verdicts.lock().unwrap().extend(outcomes.iter().cloned());
    }

    fn payloads(&self) -> Vec<String> {
        self.offered.lock().unwrap().iter().map(|(payload, _)| payload.clone()).collect()
    }

    /// Until that many publishes were offered.
    async fn until(&self, offered: usize) {
        let reached = async {
            while self.offered.lock().unwrap().len() < offered {
                self.happened.notified().await;
            }
        };
        let reached = timeout(PATIENCE, reached).await;
        reached.unwrap_or_else(|_| panic!("waiting for {offered}, got {:?}", self.payloads()));
    }
}

struct Rig {
    sources: Sources,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Rig {
    fn start(script: &Arc<Script>, config: &Config) -> Self {
        let grammar = Grammar::default();
        let policy = Arc::new(LoopbackPolicy::new(grammar));
        let local = Local {
            sink: Arc::clone(script) as Arc<dyn Sink>,
            router: Router::new(&broker::Config::default(), policy, Arc::new(Metrics::default())),
            clock: Clock::system(),
            grammar,
            gateway_id: "gw".to_owned(),
            packet_bytes_max: 65_536,
        };
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let sources = Sources::prepare(std::slice::from_ref(config), &local).unwrap().start(&tracker, &stop);
        Self { sources, tracker, stop }
    }

    fn status(&self) -> Status {
        self.sources.list().remove(0)
    }

    async fn until(&self, wanted: impl Fn(&Status) -> bool) {
        let reached = async {
            while !wanted(&self.status()) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{:?}", self.status()));
    }

    async fn stop(self) -> Status {
        self.stop.cancel();
        self.tracker.close();
        timeout(PATIENCE, self.tracker.wait()).await.unwrap();
        self.status()
    }
}

fn config(mosquitto: &Mosquitto, version: u8) -> Config {
    let retry_max = Duration::from_millis(50);
    Config { version, retry_max, ..Config::new("site", &format!("mqtt://{}", mosquitto.address)) }
}

struct Device {
    client: AsyncClient,
    events: EventLoop,
}

impl Device {
    fn connect(mosquitto: &Mosquitto) -> Self {
        let options = MqttOptions::new("device", "127.0.0.1", mosquitto.address.port());
        let (client, events) = AsyncClient::new(options, 64);
        Self { client, events }
    }

    /// Returns once mosquitto has acknowledged it.
    async fn publish(&mut self, topic: &str, retain: bool, payload: &str) {
        self.client.publish(topic, QoS::AtLeastOnce, retain, payload).await.unwrap();
        let acknowledged =
            async { while !matches!(self.events.poll().await.unwrap(), Event::Incoming(Packet::PubAck(_))) {} };
        timeout(PATIENCE, acknowledged).await.unwrap();
    }
}

#[tokio::test]
async fn what_the_log_lost_comes_again_and_what_it_stored_does_not() {
    for version in [4, 5] {
        let Some(mosquitto) = Mosquitto::start() else { return };
        let script = Arc::new(Script::default());
        script.then(&[Outcome::Lost, Outcome::Stored, Outcome::Stored]);
        let config = config(&mosquitto, version);
        let rig = Rig::start(&script, &config);
        rig.until(|status| status.state == State::Flowing).await;
        let mut device = Device::connect(&mosquitto);
        device.publish("halo/v1/d/w/t", false, "{\"n\":1}").await;
        script.until(2).await;
        device.publish("halo/v1/d/w/t", false, "{\"n\":2}").await;
        rig.until(|status| status.stored == 2).await;
        let status = rig.stop().await;
        assert_eq!(script.payloads(), ["{\"n\":1}", "{\"n\":1}", "{\"n\":2}"], "version {version}");
        assert_eq!((status.received, status.repeated, status.stored), (3, 1, 2));
        assert!(status.last_error.is_none_or(|error| error.contains("could not store")));

        // A process that never acknowledged, and one after it: the session at that broker holds what is owed, in order.
        device.publish("halo/v1/d/w/t", false, "{\"n\":3}").await;
        let rig = Rig::start(&script, &config);
        script.until(4).await;
        device.publish("halo/v1/d/w/t", false, "{\"n\":4}").await;
        script.until(5).await;
        drop(rig.stop().await);
        script.held.lock().unwrap().clear();
        script.then(&[Outcome::Stored, Outcome::Stored]);
        let rig = Rig::start(&script, &config);
        rig.until(|status| status.stored == 2).await;
        drop(rig.stop().await);
        assert_eq!(script.payloads()[3..], ["{\"n\":3}", "{\"n\":4}", "{\"n\":3}", "{\"n\":4}"], "version {version}");
    }
}

#[tokio::test]
async fn a_refused_publish_is_acknowledged_and_counted_and_one_there_is_no_room_for_stays_at_that_broker() {
    let Some(mosquitto) = Mosquitto::start() else { return };
    let script = Arc::new(Script::default());
    script.then(&[Outcome::Refused(0x97), Outcome::Stored, Outcome::Refused(0x95), Outcome::Stored]);
    let rig = Rig::start(&script, &config(&mosquitto, 5));
    rig.until(|status| status.state == State::Flowing).await;
    let mut device = Device::connect(&mosquitto);
    device.publish("halo/v1/d/w/t", false, "no room yet").await;
    rig.until(|status| status.stored == 1).await;
    for payload in ["too long", "good"] {
        device.publish("halo/v1/d/w/t", false, payload).await;
    }
    rig.until(|status| status.stored == 2).await;
    assert_eq!(script.payloads(), ["no room yet", "no room yet", "too long", "good"]);
    assert_eq!(rig.stop().await.refused, 2);
}

#[tokio::test]
async fn a_replayed_birth_is_news_once_and_no_sign_of_life() {
    for version in [4, 5] {
        let Some(mosquitto) = Mosquitto::start() else { return };
        let mut device = Device::connect(&mosquitto);
        device.publish("halo/v1/d/w/birth", true, "born").await;
        device.publish("halo/v1/d/w/t", true, "{\"timeless\":1}").await;
        let script = Arc::new(Script::default());
        script.then(&[const { Outcome::Stored }; 3]);
        // A subscription to births alone replays them at each SUBSCRIBE, so the second connection hears it again.
        let rig = Rig::start(&script, &config(&mosquitto, version));
        rig.until(|status| (status.stored, status.known) == (1, 1)).await;
        assert_eq!(*script.offered.lock().unwrap(), [("born".to_owned(), SessionKey::NONE)]);
        script.then(&[Outcome::Lost]);
        script.verdicts.lock().unwrap().rotate_right(1);
        device.publish("halo/v1/d/w/t", false, "lost").await;
        rig.until(|status| status.repeated >= 1 && status.stored == 2).await;
        // The birth and the timeless reading again, both known.
        rig.until(|status| status.known >= 3).await;
        device.publish("halo/v1/d/w/birth", true, "born again").await;
        script.until(4).await;
        let offered = script.offered.lock().unwrap().clone();
        assert!(
            offered.last().is_some_and(|(payload, session)| payload == "born again" && *session != SessionKey::NONE)
        );
        drop(rig.stop().await);
    }
}

#[tokio::test]
async fn a_log_without_room_ends_the_connection_before_its_keep_alive_and_nothing_is_lost() {
    let Some(mosquitto) = Mosquitto::start() else { return };
    let script = Arc::new(Script::default());
    *script.closed.lock().unwrap() = true;
    let keep_alive = Duration::from_secs(5);
    let rig = Rig::start(&script, &Config { in_flight: 1, keep_alive, probe: Duration::ZERO, ..config(&mosquitto, 4) });
    rig.until(|status| status.state == State::Connected).await;
    let mut device = Device::connect(&mosquitto);
    for n in 0..5 {
        device.publish("halo/v1/d/w/t", false, &format!("{n}")).await;
    }
    rig.until(|status| status.last_error.as_ref().is_some_and(|error| error.contains("no room"))).await;
    script.then(&[const { Outcome::Stored }; 5]);
    *script.closed.lock().unwrap() = false;
    script.opened.notify_one();
    rig.until(|status| status.stored == 5).await;
    assert_eq!(script.payloads(), ["0", "1", "2", "3", "4"]);
    drop(rig.stop().await);
}

#[tokio::test]
async fn flowing_is_said_when_a_message_went_through_that_broker_and_a_dead_one_is_named() {
    let Some(mosquitto) = Mosquitto::start() else { return };
    let script = Arc::new(Script::default());
    let rig = Rig::start(&script, &config(&mosquitto, 5));
    rig.until(|status| status.state == State::Flowing).await;
    assert!(rig.status().round_trip.is_some_and(|round_trip| round_trip < PATIENCE));
    drop(mosquitto);
    rig.until(|status| status.state == State::Waiting && status.last_error.is_some()).await;
    assert_eq!(rig.status().round_trip, None);
    assert_eq!(rig.stop().await.state, State::Stopped);
}
