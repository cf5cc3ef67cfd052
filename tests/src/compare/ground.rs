//! Where a row measures: fresh servers, and the loads that rows share.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use firmware_sim::bench::{self, Credit, Latency, Load, NullSink, Pace, Phase, Plan, Report};
use firmware_sim::{Broker, Kind};
use serde_json::Value;

use super::Options;
use super::goal::Skipped;
use crate::mosquitto::Mosquitto;
use crate::{Failure, process};

/// Time to reach an even state.
const WARM_UP: Duration = Duration::from_millis(700);
/// What all gateways are told. Subscribers' queues are as long as need be, since mosquitto's have no bound either, and
/// there is room for 10,000 clients and those that watch them.
pub(super) const CONFIGURED: [&str; 3] =
    ["broker.queue_messages_max=100000", "broker.queue_bytes_max=268435456", "broker.connections_max=20000"];
/// Of a gateway that is told nothing else.
const AS_ALL: &str = "as all";

/// Builds the gateway of this very source, so that no older one is measured. Not where another is named, nor in a build
/// for tests, which looks only at whether this program works.
pub(super) fn build() -> Result<(), Failure> {
    if cfg!(debug_assertions) || std::env::var_os("HALO_GATEWAY_BIN").is_some() {
        return Ok(());
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--package", "halo-gateway"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let built = cargo
        .status()
        .map_err(|error| format!("cargo build of the gateway: {error}; or name one in HALO_GATEWAY_BIN"))?;
    if built.success() { Ok(()) } else { Err("the gateway does not build".into()) }
}

/// A gateway of its own, with a fresh folder.
pub(super) struct Gateway {
    pub(super) process: process::Gateway,
    pub(super) folder: tempfile::TempDir,
}

impl Gateway {
    pub(super) fn address(&self) -> SocketAddr {
        self.process.address()
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// What the rows of one round have in common.
pub struct Ground {
    pub(super) folder: PathBuf,
    pub(super) run_for: Duration,
    pub(super) quick: bool,
    configured: RefCell<BTreeSet<String>>,
}

impl Ground {
    pub(super) fn new(folder: PathBuf, options: &Options) -> Result<Self, Failure> {
        std::fs::create_dir_all(&folder)?;
        let (run_for, configured) = (Duration::from_secs_f64(options.seconds), RefCell::default());
        Ok(Self { folder, run_for, quick: options.quick, configured })
    }

    /// `full`, or a few when it is only about whether it works.
    pub(super) fn many(&self, full: usize) -> usize {
        if self.quick { full.div_ceil(100).max(2).min(full) } else { full }
    }

    /// Told what all are told, and then `sets`.
    pub(super) fn gateway(&self, sets: &[&str]) -> Result<Gateway, Failure> {
        let folder = tempfile::tempdir_in(&self.folder)?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let told = if sets.is_empty() { AS_ALL.to_owned() } else { sets.join(", ") };
        self.configured.borrow_mut().insert(told);
        let sets: Vec<&str> = CONFIGURED.iter().chain(sets).copied().collect();
        let process = process::Gateway::start(&folder.path().join("data"), any, &sets)?;
        Ok(Gateway { process, folder })
    }

    /// How its gateways were configured, when not all of them were as all are.
    pub(super) fn configured(&self) -> BTreeSet<String> {
        let told = self.configured.borrow();
        if told.iter().all(|told| told == AS_ALL) { BTreeSet::new() } else { told.clone() }
    }

    pub(super) fn mosquitto(&self) -> Result<Mosquitto, Failure> {
        if Mosquitto::program().is_none() {
            return Err(Skipped("mosquitto is not installed".to_owned()).into());
        }
        Mosquitto::start(None)
    }

    /// A load on a gateway of its own, told what all are told, and then `sets`.
    pub(super) fn on_gateway(&self, sets: &[&str], plan: impl FnOnce(SocketAddr) -> Plan) -> Result<Loaded, Failure> {
        let gateway = self.gateway(sets)?;
        load(plan(gateway.address()))
    }

    /// The same on a mosquitto.
    pub(super) fn on_mosquitto(&self, plan: impl FnOnce(SocketAddr) -> Plan) -> Result<Loaded, Failure> {
        let broker = self.mosquitto()?;
        load(plan(broker.address()))
    }

    /// A load of this round's length.
    pub(super) fn plan(&self, address: SocketAddr) -> Plan {
        let run_for = self.run_for;
        Plan { warm_up: WARM_UP, run_for, drain: Duration::from_secs(20), ..Plan::new(Broker::from(address)) }
    }

    /// 200 B frames, window 20, until acknowledged.
    pub(super) fn acks(&self, address: SocketAddr, connections: usize) -> Plan {
        let ten = Duration::from_secs(10);
        let load = Load::Frames { kinds: vec![Kind::Wristband], period: ten, step: ten, fill_to: Some(200) };
        Plan { connections, devices: connections, load, ..self.plan(address) }
    }

    /// The mix, as fast as one subscriber gets it: 800 frames under way.
    pub(super) fn whole_job(&self, address: SocketAddr, subscribe: &str) -> Plan {
        let pace = Pace::Closed { window: 8, credit: Credit::Delivery };
        Plan { pace, subscribers: 1, subscribe: subscribe.to_owned(), ..self.plan(address) }
    }

    /// The mix at a rate, to one subscriber.
    pub(super) fn open_loop(&self, address: SocketAddr, rate: f64, subscribe: &str) -> Plan {
        let rate = if self.quick { rate / 10.0 } else { rate };
        Plan { pace: Pace::Open { rate }, subscribers: 1, subscribe: subscribe.to_owned(), ..self.plan(address) }
    }

    /// Flushes of 4 KB over old bytes on the disk in use, (p50, p99) in ms, as `halo-gateway check --disk` measures them.
    pub(super) fn flush_ms(&self) -> Result<(f64, f64), Failure> {
        let folder = self.folder.display().to_string();
        let output = process::run(&["check", "--disk", "--json", "--data-dir", &folder])?;
        let measured: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("check --disk: {error}; {}", String::from_utf8_lossy(&output.stderr)))?;
        let ms =
            |key: &str| measured["disk"]["in_place"][key].as_f64().ok_or_else(|| format!("check --disk says no {key}"));
        Ok((ms("p50_ms")?, ms("p99_ms")?))
    }

    pub(super) fn null_sink(&self) -> Result<NullSink, Failure> {
        Ok(NullSink::start()?)
    }
}

/// A load that was carried out, and what came of it.
pub(super) struct Loaded {
    pub(super) plan: Plan,
    pub(super) report: Report,
}

impl Loaded {
    pub(super) fn delivery_ms(&self) -> Result<Latency, Failure> {
        let nothing = || format!("nothing was delivered: {}", self.report.plan);
        Ok(self.report.delivery_ms.ok_or_else(nothing)?)
    }
}

/// Carries out a load.
pub(super) fn load(plan: Plan) -> Result<Loaded, Failure> {
    let report = bench::run(&plan, &mut |_| {})?;
    Ok(Loaded { plan, report })
}

/// Carries out a load and looks at something at the beginning of each phase.
pub(super) fn load_and<T>(plan: &Plan, look: impl Fn() -> Result<T, Failure>) -> Result<(Report, Looks<T>), Failure> {
    let mut looks = Vec::new();
    let report = bench::run(plan, &mut |phase| looks.push((phase, look())))?;
    let looks = looks.into_iter().map(|(phase, seen)| Ok((phase, seen?))).collect::<Result<_, Failure>>()?;
    Ok((report, Looks(looks)))
}

/// What was seen when.
pub(super) struct Looks<T>(Vec<(Phase, T)>);

impl<T: Copy> Looks<T> {
    pub(super) fn at(&self, wanted: Phase) -> Result<T, Failure> {
        let seen = self.0.iter().find(|(phase, _)| *phase == wanted);
        seen.map(|(_, seen)| *seen).ok_or_else(|| format!("no look at {wanted:?}").into())
    }
}
