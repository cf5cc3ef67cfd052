//! What a source does, worked out once from its configuration; every connection goes by it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use halo_proto::frame::MAGIC;
use halo_proto::topic::{Grammar, Topic};

use super::config::Config;
use super::mqtt::{Options, Publish};
use crate::broker::reason::{NOT_AUTHORIZED, PACKET_TOO_LARGE, TOPIC_NAME_INVALID};
use crate::broker::{Router, Sink};
use crate::clock::Clock;
use crate::tls::{self, TlsError};
use crate::units::Secret;

/// What is on this side of every source.
#[derive(Clone)]
pub(crate) struct Local {
    /// Where publishes go.
    pub(crate) sink: Arc<dyn Sink>,
    /// Who hears of them once they are durable.
    pub(crate) router: Router,
    /// When.
    pub(crate) clock: Clock,
    /// How topics are built here.
    pub(crate) grammar: Grammar,
    /// This gateway's name.
    pub(crate) gateway_id: String,
    /// Longest packet taken.
    pub(crate) packet_bytes_max: u32,
}

/// Why a source cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Its password file.
    #[error("source {name}: password file {path}: {error}")]
    Password {
        /// The source.
        name: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Its certificates.
    #[error("source {name}: {error}")]
    Tls {
        /// The source.
        name: String,
        /// What is wrong.
        error: TlsError,
    },
    /// Its address.
    #[error("source {name}: {problem}")]
    Url {
        /// The source.
        name: String,
        /// What is wrong, and what would do.
        problem: String,
    },
}

/// One SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) filters: Vec<String>,
    /// Whether the connection is of no use without it.
    pub(super) needed: bool,
}

/// What is done with a delivered publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// To the log, under this gateway's own topic.
    Store { topic: Arc<str>, retain: bool },
    /// A retained telemetry message without an identity: it cannot be told from a new reading.
    Replay,
    /// Not taken, for this reason.
    Refuse(u8),
}

pub(super) struct Plan {
    pub(super) name: Arc<str>,
    pub(super) client_id: Arc<str>,
    pub(super) options: Options,
    pub(super) retry_max: Duration,
    /// Time between two probes; `None` = none are sent.
    pub(super) probe: Option<Duration>,
    pub(super) probe_topic: String,
    steps: Vec<Step>,
    root: String,
    grammar: Grammar,
    packet_bytes_max: usize,
}

impl Plan {
    pub(super) fn new(config: &Config, local: &Local) -> Result<Self, SourceError> {
        let name = || config.name.clone();
        let address = config.address().map_err(|problem| SourceError::Url { name: name(), problem })?;
        let files = [&config.ca, &config.cert, &config.key].map(|file| file.as_deref());
        let [ca, cert, key] = files;
        let tls = address.tls.then(|| tls::client_config(ca, cert, key)).transpose();
        let tls = tls.map_err(|error| SourceError::Tls { name: name(), error })?;
        let client_id = config.client_id.clone();
        let client_id = client_id.unwrap_or_else(|| format!("halo-{}-{}", local.gateway_id, config.name));
        let root = config.root.clone().unwrap_or_else(|| local.grammar.root().to_owned());
        let options = Options {
            version: config.version,
            host: address.host,
            port: address.port,
            tls,
            client_id: client_id.clone(),
            credentials: credentials(config)?,
            keep_alive: config.keep_alive,
            session_expiry_s: u32::try_from(config.session_expiry.as_secs()).unwrap_or(u32::MAX),
            in_flight: config.in_flight,
            packet_bytes_max: local.packet_bytes_max,
        };
        Ok(Self {
            name: Arc::from(config.name.as_str()),
            options,
            retry_max: config.retry_max,
            probe: Some(config.probe).filter(|probe| !probe.is_zero()),
            probe_topic: format!("halo-probe/{client_id}"),
            client_id: client_id.into(),
            steps: steps(&root, &config.filters, config.group.as_deref()),
            root,
            grammar: local.grammar,
            packet_bytes_max: usize::try_from(local.packet_bytes_max).unwrap_or(usize::MAX),
        })
    }

    /// Births before telemetry, so that what describes a frame is there before it; the probe last, it may be refused.
    pub(super) fn steps(&self, probing: bool) -> Vec<Step> {
        let probe = Step { filters: vec![self.probe_topic.clone()], needed: false };
        self.steps.iter().cloned().chain(probing.then_some(probe)).collect()
    }

    /// Which of this gateway's topics a publish belongs to. That broker says whether it was retained only of replays; births
    /// and states always are.
    pub(super) fn place(&self, publish: &Publish) -> Place {
        let below = std::str::from_utf8(&publish.topic).ok().and_then(|topic| topic.strip_prefix(self.root.as_str()));
        let Some(below) = below.filter(|below| below.starts_with('/')) else {
            return Place::Refuse(TOPIC_NAME_INVALID);
        };
        let topic = format!("{}{below}", self.grammar.root());
        let retain = match self.grammar.parse(&topic) {
            Topic::Telemetry { .. } if publish.retain && publish.payload.first() != Some(&MAGIC) => {
                return Place::Replay;
            }
            Topic::Telemetry { .. } => false,
            Topic::Birth { .. } | Topic::State { .. } => true,
            // Nobody elsewhere speaks in this gateway's name.
            topic if topic.is_gateway_owned() => return Place::Refuse(NOT_AUTHORIZED),
            _ => return Place::Refuse(TOPIC_NAME_INVALID),
        };
        // The header and the topic's length are the rest of a packet.
        if topic.len() + publish.payload.len() + 16 > self.packet_bytes_max {
            return Place::Refuse(PACKET_TOO_LARGE);
        }
        Place::Store { topic: Arc::from(topic), retain }
    }
}

fn steps(root: &str, filters: &[String], group: Option<&str>) -> Vec<Step> {
    let speaks = |filter: &&String| matches!(filter.rsplit('/').next(), Some("birth" | "state"));
    let (first, then): (Vec<_>, Vec<_>) = filters.iter().partition(speaks);
    let whole = |filter: &String| format!("{root}/{filter}");
    let shared = |filter: &String| match group {
        Some(group) => format!("$share/{group}/{root}/{filter}"),
        None => whole(filter),
    };
    let first = first.into_iter().map(whole).collect();
    let then = then.into_iter().map(shared).collect();
    let steps = [first, then].map(|filters| Step { filters, needed: true });
    steps.into_iter().filter(|step| !step.filters.is_empty()).collect()
}

fn credentials(config: &Config) -> Result<Option<(String, Secret)>, SourceError> {
    let Some(username) = config.username.clone() else { return Ok(None) };
    let password = match &config.password_file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                let (name, path) = (config.name.clone(), path.clone());
                SourceError::Password { name, path, error }
            })?;
            Secret::from(text.trim_end_matches(['\r', '\n']).to_owned())
        }
        None => config.password.clone().unwrap_or_else(|| Secret::from(String::new())),
    };
    Ok(Some((username, password)))
}

#[cfg(test)]
pub(super) mod tests;
