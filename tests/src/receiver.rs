//! Somebody at the far end: subscribes to everything, comes back when thrown out, and keeps what it got.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, Publish, QoS, SubscribeFilter};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Failure;

/// Longest wait for something to be as it should.
const PATIENCE: Duration = Duration::from_secs(90);
const PACKET_MAX: usize = 1 << 20;
/// Between two tries to connect.
const PAUSE: Duration = Duration::from_millis(20);

/// What came.
#[derive(Clone, Debug, Default)]
pub struct Got {
    /// Of each message id: how often it came, and on which lanes.
    pub readings: BTreeMap<String, Vec<String>>,
    /// Message ids in the order of their arrival, by lane.
    pub order: BTreeMap<String, Vec<String>>,
    /// The newest halo of each topic.
    pub halos: BTreeMap<String, Value>,
    /// Losses by message id.
    pub losses: BTreeMap<String, Value>,
    /// Sparks by message id.
    pub sparks: BTreeMap<String, Value>,
}

/// A subscriber that runs until it is dropped.
pub struct Receiver {
    got: Arc<Mutex<Got>>,
    /// Subscriptions granted; messages received.
    seen: watch::Receiver<(u64, u64)>,
    _tasks: JoinSet<()>,
}

impl Receiver {
    /// Subscribes at `broker`, and returns when that is granted.
    ///
    /// # Errors
    /// When it is not granted in time.
    pub async fn start(broker: SocketAddr, id: &str) -> Result<Self, Failure> {
        let mut options = MqttOptions::new(id, broker.ip().to_string(), broker.port());
        options.set_max_packet_size(PACKET_MAX, PACKET_MAX).set_keep_alive(Duration::from_secs(30));
        let (client, events) = AsyncClient::new(options, 16);
        let (got, (tell, seen)) = (Arc::<Mutex<Got>>::default(), watch::channel((0, 0)));
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(client, events, Arc::clone(&got), tell));
        let receiver = Self { got, seen, _tasks: tasks };
        receiver.subscribed(1).await?;
        Ok(receiver)
    }

    /// Waits until so many subscriptions were granted: one a connection.
    ///
    /// # Errors
    /// When they are not in time.
    pub async fn subscribed(&self, times: u64) -> Result<(), Failure> {
        let mut seen = self.seen.clone();
        let granted = seen.wait_for(|(granted, _)| *granted >= times);
        drop(tokio::time::timeout(PATIENCE, granted).await.map_err(|_| format!("not subscribed {times} times"))??);
        Ok(())
    }

    /// Subscriptions granted so far.
    pub fn subscriptions(&self) -> u64 {
        self.seen.borrow().0
    }

    /// What came so far.
    pub fn got(&self) -> MutexGuard<'_, Got> {
        self.got.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until what came is as it should be.
    ///
    /// # Errors
    /// When it is not in time.
    pub async fn until(&self, what: &str, is: impl Fn(&Got) -> bool) -> Result<(), Failure> {
        let mut seen = self.seen.clone();
        let waited = tokio::time::timeout(PATIENCE, async {
            while !is(&self.got()) {
                if seen.changed().await.is_err() {
                    return;
                }
            }
        });
        match waited.await {
            Ok(()) => Ok(()),
            Err(_) => Err(format!("not in {PATIENCE:?}: {what}; {} readings came", self.got().readings.len()).into()),
        }
    }
}

async fn listen(client: AsyncClient, mut events: EventLoop, got: Arc<Mutex<Got>>, tell: watch::Sender<(u64, u64)>) {
    let filters = ["halo/v1/readings/#", "halo/v1/halos/#", "halo/v1/sparks/#", "halo/v1/gateway/+/losses"];
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                let filters = filters.map(|filter| SubscribeFilter::new(filter.to_owned(), QoS::AtLeastOnce));
                drop(client.subscribe_many(filters).await);
            }
            Ok(Event::Incoming(Packet::SubAck(_))) => tell.send_modify(|seen| seen.0 += 1),
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                keep(&mut got.lock().unwrap_or_else(PoisonError::into_inner), &publish);
                tell.send_modify(|seen| seen.1 += 1);
            }
            Ok(_) => {}
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn keep(got: &mut Got, publish: &Publish) {
    let Ok(json) = serde_json::from_slice::<Value>(&publish.payload) else { return };
    let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
    match json["schema"].as_str() {
        Some("readings/1") => {
            got.order.entry(text("lane")).or_default().push(text("mid"));
            got.readings.entry(text("mid")).or_default().push(text("lane"));
        }
        Some("halo/1") => drop(got.halos.insert(publish.topic.clone(), json)),
        Some("losses/1") => drop(got.losses.insert(text("mid"), json)),
        Some("spark/1") => {
            got.order.entry("sparks".to_owned()).or_default().push(text("mid"));
            got.sparks.insert(text("mid"), json);
        }
        _ => {}
    }
}
