//! A long run under faults on every side: devices that reboot, repeat themselves and drive through dead zones, a gateway
//! that is killed and stopped, a link that is cut, stalls and swallows, a mosquitto that goes away; retention deletes all
//! the while.
//!
//! `cargo run --release -p halo-tests --bin soak -- --devices 200 --for 30m --evidence FILE`. At quiet points the fleet is
//! held back until everything is forwarded, and everything so far is judged. In the first half the gateway itself is
//! struck as well; in the second half only what is around it, so that a leak shows as a slope. Exit code 1 when a rule
//! of the checker is broken, an account does not add up, the disk is over its bound, or memory or open files rise.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use firmware_sim::{Faults, Progress};
use halo_tests::clock::{pass, until};
use halo_tests::process::{Gateway, free_address, run};
use halo_tests::proxy::{Mode, Proxy};
use halo_tests::random::Random;
use halo_tests::soak::{Book, Far, Growth, Judgement, Outage, UPSTREAM, Watch, is_drained, status};
use halo_tests::trial::Load;
use halo_tests::{Failure, evidence};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

/// Between two faults, milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 2_000..12_000;
/// How long a fault lasts, milliseconds.
const FAULT_MS: std::ops::Range<u64> = 500..8_000;
/// How long one in so many lasts.
const LONG_FAULT_EVERY: u64 = 10;
const LONG_FAULT_MS: std::ops::Range<u64> = 20_000..45_000;
/// Longest wait for everything to be forwarded.
const DRAIN: Duration = Duration::from_secs(120);
/// Between two looks into the log.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// Complaints of the gateway that are kept.
const COMPLAINTS_MAX: usize = 20;

/// What goes wrong with the devices.
const FLEET: Faults = Faults {
    noise: 0.5,
    dropouts: 0.01,
    out_of_range: 0.002,
    wrong_clocks: 0.05,
    reboots: 6.0,
    random_boots: 0.2,
    duplicates: 0.02,
    reordered: 0.02,
    dead_zones: 12.0,
    dead_zone_s: 8.0,
    newest_first: 0.2,
    malformed: 0.002,
    lost_acks: 0.001,
    slow_links: 0.05,
    slow_bytes: 2_000.0,
    storms: 20.0,
    ..Faults::NONE
};

/// A long run under faults.
#[derive(Parser)]
struct Arguments {
    /// Devices of all kinds.
    #[arg(long, default_value_t = 200)]
    devices: u32,
    /// How long, such as 2m or 1h.
    #[arg(long = "for", default_value = "30m", value_parser = halo_gateway::units::parse_duration)]
    duration: Duration,
    /// Where all chance comes from.
    #[arg(long, default_value_t = 20_261_122)]
    seed: u64,
    /// Bytes the gateway may take on disk.
    #[arg(long, default_value_t = 40_000_000)]
    disk_max: u64,
    /// How long what is confirmed is kept while there is room.
    #[arg(long, default_value = "168h")]
    disk_keep: String,
    /// Share of devices whose schema is announced only after their first frames.
    #[arg(long, default_value_t = 0.1)]
    late_births: f64,
    /// Looks at everything: quiet points, and the one at the end.
    #[arg(long, default_value_t = 6)]
    quiet_points: u32,
    /// Write the figures here, as JSON, and beside it as text.
    #[arg(long)]
    evidence: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let _commit = evidence::commit();
    match Soak::start(&arguments).and_then(|soak| soak.run(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::from(2)
        }
    }
}

/// Everything that runs.
struct Soak {
    watch: Watch,
    gateway: Option<Gateway>,
    address: SocketAddr,
    sets: Vec<String>,
    data: PathBuf,
    load: Load,
    /// Between the devices and the gateway.
    field: Proxy,
    far: Far,
    book: Book,
    random: Random,
    faults: BTreeMap<&'static str, u32>,
    judgements: Vec<Judgement>,
    complaints: Vec<String>,
    _runtime: Runtime,
    folder: tempfile::TempDir,
}

impl Soak {
    fn start(arguments: &Arguments) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let far = Far::start(&runtime, &folder.path().join("received.jsonl"))?;
        let upstream = format!(
            "upstream=[{{name=\"{UPSTREAM}\",url=\"mqtt://{}\",from=\"oldest\",window=256,stall_after=\"2s\",\
             backoff_min=\"100ms\",backoff_max=\"2s\",keep_alive=\"5s\"}}]",
            far.address()
        );
        let (max, keep) = (arguments.disk_max, &arguments.disk_keep);
        let disk = [format!("disk.max={max}"), format!("disk.keep=\"{keep}\"")];
        let sets = [vec![upstream, "store.segment_bytes=262144".to_owned()], disk.to_vec()].concat();
        let address = free_address()?;
        let watch = Watch::start(&data)?;
        let gateway = launch(&data, address, &sets, &watch)?;
        let field = runtime.block_on(Proxy::start(address))?;
        let load = Load::live(field.address(), arguments.devices, arguments.seed, faults(arguments))?;
        Ok(Self {
            watch,
            gateway: Some(gateway),
            address,
            sets,
            data,
            load,
            field,
            far,
            book: Book::default(),
            random: Random::new(arguments.seed),
            faults: BTreeMap::new(),
            judgements: Vec::new(),
            complaints: Vec::new(),
            _runtime: runtime,
            folder,
        })
    }

    fn run(mut self, arguments: &Arguments) -> Result<bool, Failure> {
        let duration = arguments.duration;
        let between = duration / arguments.quiet_points.max(1);
        let ran = self.strikes_until(duration, between).and_then(|()| {
            // What the devices hold is owed to them before the last look.
            let summary = self.load.drain();
            self.look(self.watch.elapsed())?;
            Ok(summary)
        });
        let summary = match ran {
            Ok(summary) => summary,
            Err(error) => {
                self.hear();
                let copy = self.keep_a_copy(arguments.seed)?;
                return Err(format!("{error}; the gateway said {:?}; kept in {copy}", self.complaints).into());
            }
        };
        let bounds = self.watch.disk_most() <= arguments.disk_max;
        self.hear();
        let stopped = self.gateway.take().ok_or("the gateway is gone")?.stop()?;
        let verified = run(&["log", "verify", "--json", &self.data.display().to_string()])?;
        let verified = String::from_utf8(verified.stdout)?;
        let damage = verified.lines().filter(|line| line.contains("\"finding\"")).count();
        let growth = Growth::of(&self.watch.samples(), duration * 6 / 10);
        let verdicts = [
            ("every quiet point holds", self.judgements.iter().all(Judgement::holds) && !self.judgements.is_empty()),
            ("disk.max is kept", bounds),
            ("memory and open files are flat", growth.is_flat()),
            ("nothing is owed to devices", summary.unacked == 0 && summary.refused == 0 && summary.dropped == 0),
            ("retention has deleted", self.judgements.last().is_some_and(|last| last.first_kept > 1)),
            ("no damage in the log", damage == 0),
            ("the last stop drained", stopped.success()),
            ("no error or panic in the gateway's log", self.complaints.is_empty()),
        ];
        let holds = verdicts.iter().all(|(_, holds)| *holds);
        let samples = self.watch.samples();
        let fields = json!({
            "what": "a long run under faults on every side", "holds": holds,
            "verdicts": verdicts.iter().map(|(name, holds)| ((*name).to_owned(), json!(holds))).collect::<Map<_, _>>(),
            "devices": arguments.devices, "seed": arguments.seed, "seconds": duration.as_secs(),
            "device_faults": faults(arguments).describe(), "fleet": summary, "faults": self.faults, "growth": growth,
            "growth_is": "least squares over one life of the gateway, from 60 % of the run on, a sample a second, quiet \
                          points left out",
            "disk_max": arguments.disk_max, "disk_most": self.watch.disk_most(), "quiet_points": self.judgements,
            "complaints": self.complaints, "sets": self.sets.iter().skip(1).collect::<Vec<_>>(),
            "samples": samples.iter().step_by((samples.len() / 120).max(1)).collect::<Vec<_>>(),
        });
        let fields = fields.as_object().cloned().unwrap_or_default();
        let document = evidence::write(arguments.evidence.as_deref(), fields)?;
        let text = text(&document, &self.judgements);
        print!("{text}");
        if let Some(file) = &arguments.evidence {
            std::fs::write(file.with_extension("txt"), text)?;
        }
        if !holds {
            println!("kept in {}", self.keep_a_copy(arguments.seed)?);
        }
        Ok(holds)
    }

    fn strikes_until(&mut self, end: Duration, between: Duration) -> Result<(), Failure> {
        let mut next_quiet = between;
        loop {
            let pause = Duration::from_millis(self.between(PAUSE_MS));
            self.wait(pause.min(next_quiet.min(end).saturating_sub(self.watch.elapsed())))?;
            if self.watch.elapsed() >= end {
                return Ok(());
            }
            if self.watch.elapsed() >= next_quiet {
                self.come_to_rest()?;
                next_quiet += between;
                continue;
            }
            self.strike(self.watch.elapsed() * 2 < end)?;
        }
    }

    /// One fault, from beginning to end.
    fn strike(&mut self, strikes_the_gateway: bool) -> Result<(), Failure> {
        let is_long = self.random.below(LONG_FAULT_EVERY) == 0;
        let lasting = Duration::from_millis(self.between(if is_long { LONG_FAULT_MS } else { FAULT_MS }));
        let name = match self.random.below(if strikes_the_gateway { 13 } else { 10 }) {
            0 => {
                self.far.link().cut();
                "link cut"
            }
            1 => self.impair(Mode::Stall, lasting, strikes_the_gateway, "link stalled")?,
            2 => self.impair(Mode::StallAnswers, lasting, strikes_the_gateway, "answers on the link stalled")?,
            3 => self.impair(Mode::Swallow, lasting, strikes_the_gateway, "link swallowed")?,
            4 => {
                let rate = u32::try_from(2_000 + self.random.below(60_000))?;
                self.impair(Mode::Slow(rate), lasting, strikes_the_gateway, "link slow")?
            }
            5 => self.impair(Mode::Refuse, lasting, strikes_the_gateway, "link refused")?,
            6 | 7 => {
                self.go_without(Outage::Killed, lasting)?;
                "mosquitto killed"
            }
            8 => {
                self.go_without(Outage::Stopped, lasting)?;
                "mosquitto stopped"
            }
            9 => {
                self.field.cut();
                "devices cut off"
            }
            10 | 11 => {
                self.kill()?;
                "gateway killed"
            }
            _ => {
                self.stop()?;
                "gateway stopped"
            }
        };
        *self.faults.entry(name).or_default() += 1;
        Ok(())
    }

    /// The link does something else for a while; meanwhile the gateway may be killed.
    fn impair(
        &mut self,
        mode: Mode,
        lasting: Duration,
        may_kill: bool,
        name: &'static str,
    ) -> Result<&'static str, Failure> {
        self.far.link().set(mode);
        self.wait(lasting / 2)?;
        if may_kill && self.random.below(3) == 0 {
            self.kill()?;
            *self.faults.entry("gateway killed while the link was impaired").or_default() += 1;
        }
        self.wait(lasting / 2)?;
        self.far.link().set(Mode::Pass);
        Ok(name)
    }

    fn go_without(&mut self, outage: Outage, lasting: Duration) -> Result<(), Failure> {
        self.far.take_away(outage)?;
        self.wait(lasting)?;
        self.far.bring_back()
    }

    /// Lets time pass and follows the log meanwhile: retention deletes soon what is confirmed.
    fn wait(&mut self, time: Duration) -> Result<(), Failure> {
        let end = self.watch.elapsed() + time;
        while self.watch.elapsed() < end {
            pass(FOLLOW_EVERY.min(end.saturating_sub(self.watch.elapsed())));
            self.book.follow(&self.data)?;
        }
        Ok(())
    }

    fn kill(&mut self) -> Result<(), Failure> {
        self.hear();
        self.watch.is_process(0);
        self.gateway.take().ok_or("the gateway is gone")?.kill();
        self.gateway = Some(launch(&self.data, self.address, &self.sets, &self.watch)?);
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Failure> {
        self.hear();
        let gateway = self.gateway.take().ok_or("the gateway is gone")?;
        let ended = gateway.stop()?;
        self.watch.is_process(0);
        if !ended.success() {
            return Err(format!("SIGTERM does not drain: {ended}").into());
        }
        self.gateway = Some(launch(&self.data, self.address, &self.sets, &self.watch)?);
        Ok(())
    }

    /// Holds the fleet back for a look at everything.
    fn come_to_rest(&mut self) -> Result<(), Failure> {
        self.watch.is_live(false);
        self.field.set(Mode::Refuse);
        self.load.wait_until_alone()?;
        self.look(self.watch.elapsed())?;
        self.field.set(Mode::Pass);
        let is_back = |fleet: Progress| fleet.connected * 2 > fleet.counts.devices;
        until("the fleet's return", DRAIN, || is_back(self.load.progress()).then_some(()))?;
        self.watch.is_live(true);
        Ok(())
    }

    /// Waits until everything is forwarded and received, and judges all of it; nobody sends.
    fn look(&mut self, at: Duration) -> Result<(), Failure> {
        until("a gateway that has forwarded everything", DRAIN, || match is_drained(&self.data) {
            Ok(true) => Some(Ok(())),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        })
        .map_err(|error| format!("{error}: {:?}", status(&self.data)))??;
        self.far.catch_up()?;
        self.book.follow(&self.data)?;
        self.book.receive(self.far.file())?;
        let judgement = self.book.judge(at, &self.data, &self.load.frames())?;
        println!(
            "{:>5} s: {}; {} frames stored, {} messages received, kept from offset {}, disk at most {}; {:?}",
            at.as_secs(),
            if judgement.holds() { "holds" } else { "DOES NOT HOLD" },
            self.book.frames(),
            self.book.messages(),
            judgement.first_kept,
            self.watch.disk_most(),
            self.faults,
        );
        if !judgement.holds() {
            println!("{}{:?}\n{}\n{}", judgement.report, judgement.differences, judgement.frames, judgement.upstream);
        }
        self.judgements.push(judgement);
        Ok(())
    }

    /// Keeps what the gateway complains of.
    fn hear(&mut self) {
        let lines = self.gateway.iter().flat_map(Gateway::log_lines);
        let bad = lines.filter(|line| line.contains("ERROR") || line.contains("panicked"));
        self.complaints.extend(bad);
        self.complaints.truncate(COMPLAINTS_MAX);
    }

    fn keep_a_copy(&self, seed: u64) -> Result<String, Failure> {
        let copy = std::env::temp_dir().join(format!("halo-soak-{seed}"));
        let copied = std::process::Command::new("cp").arg("-a").arg(self.folder.path()).arg(&copy).status()?;
        if copied.success() { Ok(copy.display().to_string()) } else { Err("no copy could be made".into()) }
    }

    fn between(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.random.below(range.end - range.start)
    }
}

fn launch(data: &Path, address: SocketAddr, sets: &[String], watch: &Watch) -> Result<Gateway, Failure> {
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    let gateway = Gateway::start(data, address, &sets)?;
    watch.is_process(gateway.pid());
    Ok(gateway)
}

fn faults(arguments: &Arguments) -> Faults {
    Faults { late_births: arguments.late_births, ..FLEET }
}

/// The figures as a human reads them.
fn text(document: &Value, judgements: &[Judgement]) -> String {
    let mut text = String::new();
    for key in ["what", "holds", "verdicts", "devices", "seed", "seconds", "machine", "commit"] {
        text += &format!("{key}: {}\n", document[key]);
    }
    for key in ["device_faults", "fleet", "faults", "growth", "growth_is", "disk_max", "disk_most", "complaints"] {
        text += &format!("{key}: {}\n", document[key]);
    }
    for judgement in judgements {
        text += &format!("\nafter {} s, kept from offset {}\n", judgement.at_s, judgement.first_kept);
        text += &judgement.report.to_string();
        text += &format!("differences: {:?}\n", judgement.differences);
    }
    text
}
