//! A whole run in one process: recordings → simulator → MQTT → log → fold → paho-mqtt subscriber.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use firmware_sim::{Broker, Cast, Fleet, FleetConfig, Series, Summary, read_csv};
use halo_gateway::app::App;
use halo_gateway::config::Config;
use halo_proto::topic::{Filter, Grammar, Topic};
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Failure;
use crate::paho::{Subscriber, Version};
use crate::readings::Message;

/// Longest wait for a fleet to have everything acknowledged: a run takes seconds, a loaded machine is given minutes.
const PATIENCE: Duration = Duration::from_secs(180);
/// The device that speaks when all others have left: its readings are behind theirs in the log, and so on every topic.
const LAST: &str = "last";

/// What came out.
pub struct Run {
    /// The simulator's account.
    pub fleet: Summary,
    /// Every message on the readings' topics, in the order of their arrival at the subscriber.
    pub messages: Vec<Message>,
    /// The retained halo of each subject, as it stood after the last frame.
    pub halos: BTreeMap<String, Value>,
}

/// Runs `fleet` against a gateway with `config`, both of which get each other's address here; the subscriber, which
/// speaks `version`, is there before the first device.
///
/// # Errors
/// When a part does not start, ends early or does not get on.
pub async fn run(mut config: Config, mut fleet: FleetConfig, version: Version) -> Result<Run, Failure> {
    let folder = tempfile::tempdir()?;
    config.gateway.mqtt = SocketAddr::from(([127, 0, 0, 1], 0));
    config.gateway.data_dir = folder.path().join("data");
    let app = App::start(config).await?;
    let address = app.address();
    fleet.broker = address.into();

    let subscriber = spawn_blocking(move || subscribe(address, Filter::Readings, version)).await??;
    let collected = spawn_blocking(move || collect(subscriber));
    let summary = finished(fleet).await?;
    finished(FleetConfig { cast: Cast::Recorded(vec![last(folder.path())?]), ..FleetConfig::new(address.into(), 0) })
        .await?;
    let messages = collected.await??;
    let subjects = messages.iter().map(|message| message.subject.clone()).collect();
    let halos = spawn_blocking(move || halos(address, version, &subjects)).await??;

    let stopped = app.stop().await;
    if !stopped.drained {
        return Err(format!("the gateway did not drain: {stopped:?}").into());
    }
    Ok(Run { fleet: summary, messages, halos })
}

/// A fleet's configuration for `series`; its broker is filled in by [`run`].
pub fn recorded(series: Vec<Series>) -> FleetConfig {
    FleetConfig { cast: Cast::Recorded(series), ..FleetConfig::new(Broker::new("", 0), 0) }
}

async fn finished(config: FleetConfig) -> Result<Summary, Failure> {
    let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
    let fleet = Fleet::start(config, &tracker, &token)?;
    let Ok(summary) = timeout(PATIENCE, fleet.finished()).await else {
        return Err(format!("not finished after {PATIENCE:?}: {:?}, {:?}", fleet.progress(), fleet.last_error()).into());
    };
    tracker.close();
    tracker.wait().await;
    Ok(summary)
}

fn last(folder: &Path) -> Result<Series, Failure> {
    let path = folder.join("last.csv");
    std::fs::write(&path, "t_ms,heart_rate\n0,70\n")?;
    Ok(read_csv(LAST, &[path])?)
}

fn subscribe(gateway: SocketAddr, filter: Filter<'_>, version: Version) -> Result<Subscriber, Failure> {
    Ok(Subscriber::start(gateway, &Grammar::default().filter(filter).to_string(), version)?)
}

/// Every message up to the last device's.
fn collect(mut subscriber: Subscriber) -> Result<Vec<Message>, Failure> {
    let mut messages = Vec::new();
    loop {
        let next = subscriber.receive().map_err(|error| format!("after {} messages: {error}", messages.len()))?;
        let message = Message::read(&next.0, &next.1)?;
        if message.device == LAST {
            return Ok(messages);
        }
        messages.push(message);
    }
}

/// The halos of `subjects`, as a new subscriber gets them.
fn halos(
    gateway: SocketAddr,
    version: Version,
    subjects: &BTreeSet<String>,
) -> Result<BTreeMap<String, Value>, Failure> {
    let mut subscriber = subscribe(gateway, Filter::Halos, version)?;
    let mut halos = BTreeMap::new();
    while halos.len() < subjects.len() {
        let (topic, payload) = subscriber.receive().map_err(|error| format!("after {} halos: {error}", halos.len()))?;
        if let Topic::Halo { subject } = Grammar::default().parse(&topic)
            && subjects.contains(subject)
        {
            halos.insert(subject.to_owned(), serde_json::from_str(&payload)?);
        }
    }
    Ok(halos)
}
