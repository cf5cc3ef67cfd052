//! What a run shall do, and why it may not.

use std::io;
use std::time::Duration;

use crate::{Broker, Kind};

/// What is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// Frames of simulated devices to their telemetry topics.
    Frames {
        /// The device of number n is the n-th of these, over and over; at least one.
        kinds: Vec<Kind>,
        /// Device time in one frame; whole seconds.
        period: Duration,
        /// Device time from the start of one frame to that of the next; longer than `period`: pauses in between.
        step: Duration,
        /// Frames are filled up to this many bytes with an item that decoders skip.
        fill_to: Option<usize>,
    },
    /// Bytes without a meaning, at least 8, to `<prefix>/<device>`.
    Opaque {
        /// Of one payload.
        bytes: usize,
        /// First levels of the topics.
        prefix: String,
    },
}

/// What makes room for another publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credit {
    /// Its acknowledgement.
    Ack,
    /// Its arrival at the first subscriber to get it: what arrives nowhere is never replaced.
    Delivery,
}

/// When publishes leave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As many as each connection may have under way.
    Closed {
        /// Publishes under way on each connection.
        window: usize,
        /// What ends one.
        credit: Credit,
    },
    /// This many a second in all, evenly spread, whatever comes back.
    Open {
        /// Publishes a second.
        rate: f64,
    },
    /// None: connections are made and held.
    Idle,
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Where to.
    pub broker: Broker,
    /// User name and password of every connection.
    pub login: Option<(String, String)>,
    /// Publishing connections.
    pub connections: usize,
    /// Devices, spread evenly over the connections; at least as many.
    pub devices: usize,
    /// What is sent.
    pub load: Load,
    /// When.
    pub pace: Pace,
    /// Time to reach an even state, not measured.
    pub warm_up: Duration,
    /// Measured time.
    pub run_for: Duration,
    /// Stops sending after this many publishes in all, and measures until the last is answered.
    pub messages: Option<u64>,
    /// Longest wait for what is still owed after the last publish.
    pub drain: Duration,
    /// What each subscriber subscribes to; must select everything that is published, or what is made of it.
    pub subscribe: String,
    /// Subscribers.
    pub subscribers: usize,
    /// QoS of their subscriptions.
    pub subscribe_qos: u8,
    /// Further subscribers that read a byte a second.
    pub slow_readers: usize,
    /// Connections under way at once while connecting.
    pub connecting_max: usize,
    /// A connection that is refused is counted instead of ending the run.
    pub count_refusals: bool,
    /// Topic root of frames.
    pub root: String,
    /// Start of the devices' names; a number follows.
    pub prefix: String,
    /// Boot of all devices (2^21 to 2^27): another one for each run against the same gateway. None: from the wall clock.
    pub boot: Option<u32>,
}

impl Plan {
    /// 100 connections with a window of 20 and a device each, which send the mix of wristband, car and engine, 10 s a
    /// frame, for 5 s after 1 s; no subscribers.
    pub fn new(broker: Broker) -> Self {
        Self {
            broker,
            login: None,
            connections: 100,
            devices: 100,
            load: Load::frames(&[Kind::Wristband, Kind::CarDongle, Kind::Turbofan]),
            pace: Pace::Closed { window: 20, credit: Credit::Ack },
            warm_up: Duration::from_secs(1),
            run_for: Duration::from_secs(5),
            messages: None,
            drain: Duration::from_secs(10),
            subscribe: format!("{}/readings/#", crate::ROOT),
            subscribers: 0,
            subscribe_qos: 0,
            slow_readers: 0,
            connecting_max: 200,
            count_refusals: false,
            root: crate::ROOT.to_owned(),
            prefix: "bench-".to_owned(),
            boot: None,
        }
    }
}

impl Load {
    /// Frames of ten seconds, one after the other.
    pub fn frames(kinds: &[Kind]) -> Self {
        let period = Duration::from_secs(10);
        Self::Frames { kinds: kinds.to_vec(), period, step: period, fill_to: None }
    }
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The plan cannot be carried out.
    #[error("{0}")]
    Plan(String),
    /// The name of the broker means nothing.
    #[error("{broker}: {source}")]
    Resolve {
        /// As given.
        broker: Broker,
        /// What the system says.
        source: io::Error,
    },
    /// Nobody listens, or whoever does hung up.
    #[error("connect to {broker}: {source}")]
    Connect {
        /// Where.
        broker: Broker,
        /// What the system says.
        source: io::Error,
    },
    /// The broker does not want this client.
    #[error("{broker} answered CONNECT of {client:?} with code {code} ({meaning})")]
    Refused {
        /// Where.
        broker: Broker,
        /// Who.
        client: String,
        /// MQTT 3.1.1's return code.
        code: u8,
        /// What it means.
        meaning: &'static str,
    },
    /// The broker does not grant the subscription.
    #[error("{broker} refused the subscription to {filter:?}")]
    Subscription {
        /// Where.
        broker: Broker,
        /// To what.
        filter: String,
    },
    /// No answer to CONNECT or SUBSCRIBE.
    #[error("{missing} of {wanted} connections were not answered within {waited:?}")]
    Silent {
        /// How many.
        missing: usize,
        /// Of how many.
        wanted: usize,
        /// How long.
        waited: Duration,
    },
    /// The connection ended in the midst of it.
    #[error("the broker closed the connection of {client:?} after {acked} acknowledgements in all: {reason}")]
    Closed {
        /// Whose.
        client: String,
        /// Before that, on all connections.
        acked: u64,
        /// What the system says.
        reason: String,
    },
    /// What came is not MQTT, or an acknowledgement of nothing.
    #[error("the broker sent {client:?} {what}")]
    Protocol {
        /// To whom.
        client: String,
        /// What.
        what: &'static str,
    },
    /// An open loop the broker cannot follow.
    #[error("the broker is {behind} publishes behind on one connection: it cannot follow this rate")]
    Choked {
        /// Publishes without an acknowledgement.
        behind: usize,
    },
    /// The system refuses something.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What it says.
        source: io::Error,
    },
}

/// For `map_err`: what was tried when the system refused.
pub(super) fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> BenchError {
    move |source| BenchError::System { what, source: source.into() }
}
