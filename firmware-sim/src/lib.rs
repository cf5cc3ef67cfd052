//! A fleet of simulated devices that publishes real frames to any MQTT broker, deterministic from one seed.
//!
//! ```text
//! wristband ─┐ seconds                                                              ┌▶ broker
//!            ├─▶ rows ─▶ framing ─▶ device ─▶ outbox ─▶ session ─▶ client ─ MQTT ───┤
//! series ────┘ batches   bytes      clocks,   bounded    births,    one connection  └◀ acks ─▶ ledger
//!                                   boot      in order   back-off
//! ```
//!
//! Start a fleet with [`Fleet::start`], look at it with [`FleetHandle::progress`], end it with [`FleetHandle::stop`]:
//!
//! ```no_run
//! use firmware_sim::{Broker, Fleet, FleetConfig};
//! use tokio_util::{sync::CancellationToken, task::TaskTracker};
//!
//! # async fn run() -> Result<(), firmware_sim::FleetError> {
//! let config = FleetConfig { seed: 7, ..FleetConfig::new(Broker::new("127.0.0.1", 1883), 15) };
//! let fleet = Fleet::start(config, &TaskTracker::new(), &CancellationToken::new())?;
//! println!("{} connected", fleet.progress().connected);
//! println!("{}", fleet.stop().await);
//! # Ok(())
//! # }
//! ```
//!
//! The simulator knows the wire format (`halo-proto`) and nothing of the gateway.

mod clock;
mod random;
mod broker;
mod lines;
mod kinds;
mod rows;
mod framing;
mod sampler;
mod series;
mod kind;
mod faults;
mod outbox;
mod ledger;
mod truth;
mod client;
mod config;
mod device;
mod crew;
mod shared;
mod session;
mod fleet;
mod scenario;
mod catalogue;

pub use broker::Broker;
pub use catalogue::{list, list_json};
pub use client::Protocol;
pub use config::{Cast, Crew, FleetConfig, FleetError, Speed};
pub use faults::Faults;
pub use fleet::{Fleet, FleetHandle};
pub use kind::Kind;
pub use ledger::{Entry, FrameKey, Ledger, LedgerConfig, Summary};
pub use series::{Series, SeriesError, read_cmapss, read_csv};
pub use scenario::{Scenario, mixed, scenario, scenarios};
pub use shared::Progress;

/// Topic root unless configured otherwise.
pub const ROOT: &str = halo_proto::topic::ROOT_DEFAULT;
