//! What a fleet is asked to do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::broker::Broker;
use crate::client::Protocol;
use crate::faults::Faults;
use crate::kind::{Kind, Twist};
use crate::ledger::LedgerConfig;
use crate::series::Series;

/// What the devices of a fleet send.
#[derive(Clone, Debug)]
pub enum Cast {
    /// Simulated devices of one kind, named `<prefix>-01`, `<prefix>-02` …
    Simulated {
        /// What they are.
        kind: Kind,
        /// How many.
        devices: u32,
        /// Start of all their names; `None` = the kind's own, such as `wrist`.
        prefix: Option<String>,
        /// Frames each device sends before it leaves, fewer where a kind has nothing to say; `None` = until stopped.
        frames: Option<u64>,
    },
    /// Simulated devices of several kinds.
    Crews {
        /// Who.
        crews: Vec<Crew>,
        /// Device time after which each device leaves; `None` = when stopped.
        lasting: Option<Duration>,
    },
    /// Recorded series, one device each, each sent once.
    Recorded(Vec<Series>),
}

/// Devices of one kind among others.
#[derive(Clone, Debug)]
pub struct Crew {
    /// What they are.
    pub kind: Kind,
    /// How many.
    pub devices: u32,
    /// Number of the first one, from 0: crews of one kind continue each other's names.
    pub first: u32,
    /// What goes wrong with them; `None` = as in the rest of the fleet.
    pub faults: Option<Faults>,
    /// What is unlike usual in their lives.
    pub twist: Twist,
}

impl Crew {
    /// The first `devices` of a kind.
    pub fn new(kind: Kind, devices: u32) -> Self {
        Self { kind, devices, first: 0, faults: None, twist: Twist::None }
    }
}

/// How device time runs against real time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// Device time is real time: the devices measure now. A full offline buffer loses its oldest frame.
    Live,
    /// The devices bring a finished recording that ends now and is sent this many times faster than it was measured.
    Times(f64),
    /// The same, as fast as the broker acknowledges.
    Max,
}

/// A fleet and where it connects. Start from [`FleetConfig::new`] and change what differs.
#[derive(Clone, Debug)]
pub struct FleetConfig {
    /// Broker to connect to.
    pub broker: Broker,
    /// What is sent, and by whom.
    pub cast: Cast,
    /// The one seed: same seed, same frames. Default 42.
    pub seed: u64,
    /// Device time in one frame; whole seconds for simulated devices, and at least what their kind needs to have
    /// something to say (a parcel 5 s). Default 1 s.
    pub period: Duration,
    /// Default [`Speed::Live`]; any other needs a number of frames or a recording.
    pub speed: Speed,
    /// Boot counter all devices start with, below 2^27; a second run against the same gateway needs one above all that
    /// the first has reached by reboots. Default 1.
    pub boot: u32,
    /// Topic root. Default `halo/v1`.
    pub root: String,
    /// MQTT version. Default 3.1.1.
    pub protocol: Protocol,
    /// User name and password; `None` = anonymous.
    pub credentials: Option<(String, String)>,
    /// Unacknowledged frames per device on the wire. Default 20.
    pub window: usize,
    /// Frames a device holds while it cannot deliver. Default 3,600: an hour at one a second.
    pub buffer: usize,
    /// Longest wait for acknowledgements after a stop. Default 10 s.
    pub drain: Duration,
    /// What is written down.
    pub ledger: LedgerConfig,
    /// What goes wrong. Default: nothing.
    pub faults: Faults,
    /// Write what is true behind the readings to this file, as JSON lines; an existing file is replaced.
    pub truth: Option<PathBuf>,
    /// Added to the numbers in the names of simulated devices: `wrist-01` is named `wrist-101`, and lives through what
    /// `wrist-01` would. Fleets beside each other have names of their own. Default 0.
    pub shift: u32,
}

/// Why a fleet did not start.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// A value of the configuration cannot work.
    #[error("{0}")]
    Config(String),
    /// The ledger's or the truth's file could not be created.
    #[error("ledger or truth file: {0}")]
    Ledger(#[from] io::Error),
}

impl FleetConfig {
    /// `devices` simulated wristbands, one frame a second each.
    pub fn new(broker: Broker, devices: u32) -> Self {
        Self {
            broker,
            cast: Cast::Simulated { kind: Kind::Wristband, devices, prefix: None, frames: None },
            seed: 42,
            period: Duration::from_secs(1),
            speed: Speed::Live,
            boot: 1,
            root: crate::ROOT.to_owned(),
            protocol: Protocol::default(),
            credentials: None,
            window: 20,
            buffer: 3_600,
            drain: Duration::from_secs(10),
            ledger: LedgerConfig::default(),
            faults: Faults::NONE,
            truth: None,
            shift: 0,
        }
    }
}
