//! A fleet of simulated devices that publishes real frames to any MQTT broker, deterministic from one seed.
//!
//! ```text
//! kinds ──▶ sampler ─┐ batches          faults            faults               faults            ┌▶ broker
//! seconds            ├─────────▶ device ──────▶ framing ─────────▶ outbox ──▶ session ─▶ client ─┤
//! series ────────────┘           clock, boot     bytes             bounded    births, back-off   └◀ acks
//!                                   └─▶ truth                         └──────────▶ ledger
//! ```
//!
//! Nine kinds of devices ([`Kind`]), alone, mixed, or in named scenarios ([`scenarios`]); faults ([`Faults`]) can be added
//! to any of them. A device's stream depends on the seed and on its own name, not on who else is in the fleet. Two files
//! of JSON lines say what happened: the ledger, what was sent and acknowledged (fields below), and the truth, what was behind the readings.
//!
//! **Ledger** (`--ledger`): `e` (`sent`, `acked`, `refused`, `dropped`), `device`, `boot`, `seq`, `crc` (CRC-32C of the
//! payload), `len`, `qos`, `bad` (malformed on purpose), `n` (transmissions), `sent_ms`, `acked_ms`, `at_ms`, `reason`,
//! `payload`. The `acked` lines alone, each with `sent_ms` and `acked_ms`, say what the broker has promised to keep. Every
//! line is handed to the system when it is made and survives the simulator's own kill -9; the last may be cut short.
//!
//! **Truth** (`--truth`): `truth` (what), `device`, `kind`, `boot`, `uptime_ms` (as in the frames), `at_ms` (true Unix
//! time), and the facts: `boot` (`counter`, `offset_ms`, `claimed_offset_ms`, `drift_ppm`), `dead_zone`, `activity`,
//! `fast_heart`, `pulse` (`rate`), `off_skin`, `steps`, `speed_change`, `departure`, `appointment`,
//! `trip` (`driver`, `distance_m`, `fuel_l`, …), `harsh_brake`, `harsh_acceleration`, `dtc`, `engine` (`cycle`,
//! `remaining`, `health`), `leg`, `stop`, `excursion`, `shock`, `delivered`, `tap` (`reader`, `place`, `party`,
//! `waited_s`), `arrhythmia`, `pause`, `premature_beat`, `battery_low`, `rain`, `damp`; `from_ms` and `to_ms` are true Unix time.
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
//! [`stepped`] gives the devices of a fleet one by one, without a network and as fast as they can be computed: what each
//! delivers and when, and what was true meanwhile.
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
mod client;
mod config;
mod device;
mod truth;
mod crew;
mod stepped;
mod shared;
mod session;
mod fleet;
mod scenario;
mod catalogue;
#[cfg(target_os = "linux")]
pub mod bench;

pub use broker::Broker;
pub use catalogue::{list, list_json};
pub use client::Protocol;
pub use config::{Cast, Crew, FleetConfig, FleetError, Speed};
pub use crew::names as device_names;
pub use faults::Faults;
pub use fleet::{Fleet, FleetHandle};
pub use kind::{Kind, Twist};
pub use ledger::{Entry, FrameKey, Ledger, LedgerConfig, Summary};
pub use scenario::{Scenario, mixed, scenario, scenarios};
pub use series::{Series, SeriesError, read_cmapss, read_csv};
pub use shared::Progress;
pub use stepped::{Delivery, Step, Stepped, stepped};

/// Topic root unless configured otherwise.
pub const ROOT: &str = halo_proto::topic::ROOT_DEFAULT;
