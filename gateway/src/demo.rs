//! `halo-gateway demo`: the gateway and a simulated fleet in one process, on loopback; the only place that names the
//! simulator. The fleet talks to the gateway over real sockets, and what it was promised is checked at the end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use firmware_sim::{Broker, Entry, Fleet, FleetConfig, FleetHandle, FrameKey, LedgerConfig, Summary};
use halo_proto::topic::Filter;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::{App, StartError, StopSignal, Stopped};
use crate::broker::{BindError, LocalSubscriber};
use crate::config::Config;
use crate::record::{Body, Offset, StartEpoch};
use crate::store::fs::Disk;
use crate::store::{LOG_FOLDER, Reader, StoreError};
use crate::terminal::say;

type Failure = Box<dyn std::error::Error>;

/// One line per this long: a pace to read along.
const LINE_PERIOD: Duration = Duration::from_millis(200);
/// Ports tried after the default one.
const PORTS_TRIED: u16 = 20;
/// Bytes of log read at a time when checking.
const READ_BYTES: usize = 1 << 20;

/// What a demo can be told.
#[derive(Args, Debug)]
pub struct Options {
    /// Address of the MQTT listener [default: 127.0.0.1:1883, or the next free port].
    #[arg(long, value_name = "ADDR")]
    mqtt: Option<SocketAddr>,
    /// Keep the data in this folder [default: a temporary one, removed at the end].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Simulated wristbands.
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    devices: u32,
    /// The one seed of everything the fleet does.
    #[arg(long, value_name = "S", default_value_t = 42)]
    seed: u64,
    /// End after this long, e.g. `20s` or `5m` [default: run until Ctrl-C].
    #[arg(long = "for", value_name = "DURATION", value_parser = crate::units::parse_duration)]
    duration: Option<Duration>,
    /// One JSON document per line: every halo, then the summary.
    #[arg(long)]
    json: bool,
}

/// What came of it. Only `lost` must be 0: frames acknowledged to a device that are not in the log, byte for byte.
struct Account {
    fleet: Summary,
    durable: u64,
    folded: Offset,
    halos: u64,
    lost: usize,
    drained: bool,
}

/// Runs the demo.
///
/// # Errors
/// When the gateway or the fleet does not start, or the log cannot be read back.
pub async fn run(options: Options) -> Result<ExitCode, Failure> {
    let temporary = match &options.data_dir {
        None => Some(tempfile::Builder::new().prefix("halo-demo-").tempdir()?),
        Some(_) => None,
    };
    let folder = options.data_dir.clone().or_else(|| Some(temporary.as_ref()?.path().to_owned())).unwrap_or_default();
    let mut stop = StopSignal::listen()?;
    let (app, config) = start(&options, &folder).await?;
    let halos = config.grammar().filter(Filter::Halos).to_string();
    let subscriber = app.router().subscribe(&halos)?;
    if !options.json {
        greet(&options, &app, &folder, &halos);
    }
    // The data folder may hold an earlier run: its frames carry lower boots.
    let epoch = app.epoch();
    let tracker = TaskTracker::new();
    let fleet = start_fleet(&options, app.address(), epoch.0, &config, &tracker)?;

    let shown = show(&options, &app, subscriber, &mut stop).await;
    if !options.json {
        say("stopping: the fleet sends what it holds and waits for its acknowledgements");
    }
    let ledger = fleet.ledger().clone();
    let fleet = fleet.stop().await;
    tracker.close();
    tracker.wait().await;
    let halos = app.metrics().forward_halos_total.get();
    let stopped = app.stop().await;
    let account = settle(&folder, &ledger.entries(), fleet, &stopped, epoch, halos)?;
    report(&account, options.json);
    shown?;
    Ok(if account.lost == 0 && account.drained { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts the gateway on the address asked for, or on the first free one from the default on.
async fn start(options: &Options, folder: &Path) -> Result<(App, Config), Failure> {
    let mut config = Config::default();
    config.gateway.id = "demo".to_owned();
    folder.clone_into(&mut config.gateway.data_dir);
    let first = options.mqtt.unwrap_or(config.gateway.mqtt);
    let tried = if options.mqtt.is_some() { 0 } else { PORTS_TRIED };
    for step in 0..=tried {
        config.gateway.mqtt = SocketAddr::new(first.ip(), first.port().saturating_add(step));
        match App::start(config.clone()).await {
            Err(StartError::Bind(BindError::Taken { .. })) if step < tried => {}
            started => return Ok((started?, config)),
        }
    }
    Err("no free port".into())
}

fn start_fleet(
    options: &Options,
    address: SocketAddr,
    boot: u32,
    config: &Config,
    tracker: &TaskTracker,
) -> Result<FleetHandle, Failure> {
    let mut fleet = FleetConfig::new(Broker::from(address), options.devices);
    fleet.seed = options.seed;
    fleet.boot = boot;
    fleet.root.clone_from(&config.gateway.root);
    fleet.ledger = LedgerConfig { keep_entries: true, ..LedgerConfig::default() };
    Ok(Fleet::start(fleet, tracker, &CancellationToken::new())?)
}

fn greet(options: &Options, app: &App, folder: &Path, halos: &str) {
    let address = app.address();
    println!(
        "halo-gateway demo: {} wristbands publish to mqtt://{address}, seed {}, data in {}",
        options.devices,
        options.seed,
        folder.display()
    );
    println!(
        "An integrator would type:\n\n    mosquitto_sub -h {} -p {} -t '{halos}' -v\n",
        address.ip(),
        address.port()
    );
    match options.duration {
        Some(duration) => println!("It ends after {duration:?}; Ctrl-C ends it now.\n"),
        None => println!("Ctrl-C ends it.\n"),
    }
}

/// Shows halos until the time is over, somebody presses Ctrl-C or the gateway fails.
async fn show(
    options: &Options,
    app: &App,
    mut subscriber: LocalSubscriber,
    stop: &mut StopSignal,
) -> Result<(), Failure> {
    let mut board = Board::default();
    let mut pace = interval(LINE_PERIOD);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let over = async {
        match options.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    loop {
        tokio::select! {
            message = subscriber.recv() => {
                let payload = message?.payload;
                if !options.json {
                    board.changed(serde_json::from_slice(&payload)?);
                } else if !say(String::from_utf8_lossy(&payload)) {
                    return Ok(());
                }
            }
            _ = pace.tick() => {
                if board.next_line().is_some_and(|line| !say(line)) {
                    return Ok(());
                }
            }
            () = &mut over => return Ok(()),
            _ = stop.heard() => return Ok(()),
            () = app.failed() => return Err("the gateway failed; its log lines say why".into()),
        }
    }
}

/// The newest halo of each subject that changed, shown in turn.
#[derive(Default)]
struct Board {
    changed: BTreeMap<String, Value>,
    shown: BTreeMap<String, u64>,
    turn: u64,
}

impl Board {
    fn changed(&mut self, halo: Value) {
        // A device that has only connected has nothing to show yet.
        if halo["signals"].as_object().is_none_or(serde_json::Map::is_empty) {
            return;
        }
        if let Some(subject) = halo["subject"].as_str().map(ToOwned::to_owned) {
            self.changed.insert(subject, halo);
        }
    }

    /// A line about the subject that has waited longest.
    fn next_line(&mut self) -> Option<String> {
        let waited = |subject: &String| self.shown.get(subject).copied().unwrap_or(0);
        let subject = self.changed.keys().min_by_key(|subject| waited(subject))?.clone();
        self.turn += 1;
        self.shown.insert(subject.clone(), self.turn);
        let halo = self.changed.remove(&subject)?;
        Some(line(&subject, &halo))
    }
}

fn line(subject: &str, halo: &Value) -> String {
    let value = |signal: &str| {
        let signal = &halo["signals"][signal];
        signal["value"].as_f64().map_or("-".to_owned(), |value| value.to_string())
    };
    let minute = &halo["signals"]["heart_rate"]["stats"]["1m"];
    let range = match (minute["min"].as_f64(), minute["max"].as_f64(), minute["mean"].as_f64()) {
        (Some(min), Some(max), Some(mean)) => format!("1 min {min:.0}–{max:.0}, mean {mean:.1}"),
        _ => "1 min -".to_owned(),
    };
    format!(
        "{subject:<10} heart rate {:>3} /min  {range:<26}  SpO2 {:>3} %  skin {:>5} °C  steps {:>6}  revision {}",
        value("heart_rate"),
        value("spo2"),
        value("skin_temperature"),
        value("steps"),
        halo["revision"]
    )
}

/// Compares what the devices were promised with what is in the log.
fn settle(
    folder: &Path,
    promised: &BTreeMap<FrameKey, Entry>,
    fleet: Summary,
    stopped: &Stopped,
    epoch: StartEpoch,
    halos: u64,
) -> Result<Account, StoreError> {
    let (mut reader, _) = Reader::over(Disk, &folder.join(LOG_FOLDER), Offset(1))?;
    let mut missing: BTreeMap<&FrameKey, &Entry> =
        promised.iter().filter(|(_, entry)| entry.acked_ms.is_some()).collect();
    let mut durable = 0;
    loop {
        let batch = reader.next(READ_BYTES)?;
        if batch.is_empty() {
            break;
        }
        for record in batch.records {
            // The folder may hold earlier runs.
            let (Body::Frame(frame), true) = (record.body, record.epoch == epoch) else { continue };
            durable += 1;
            let Some(identity) = frame.identity else { continue };
            let key = FrameKey { device: frame.device.clone(), boot: identity.boot, seq: identity.seq };
            if missing.get(&key).is_some_and(|entry| entry.payload == frame.payload) {
                missing.remove(&key);
            }
        }
    }
    let (lost, drained) = (missing.len(), stopped.drained);
    Ok(Account { fleet, durable, folded: stopped.folded, halos, lost, drained })
}

fn report(account: &Account, as_json: bool) {
    let Account { fleet, durable, folded, halos, lost, drained } = account;
    if as_json {
        let summary = json!({
            "schema": "demo-summary/1", "devices": fleet.devices, "sent": fleet.sent, "acknowledged": fleet.acked,
            "unacknowledged": fleet.unacked, "durable": durable, "folded": folded.0, "halos": halos,
            "lost": lost, "drained": drained,
        });
        say(summary);
        return;
    }
    let lines = [
        format!("\n  sent             {:>8} frames by {} devices", fleet.sent, fleet.devices),
        format!("  acknowledged     {:>8} (still unacknowledged: {})", fleet.acked, fleet.unacked),
        format!("  durable          {durable:>8} frames in the log"),
        format!("  folded           {:>8} records, all kinds", folded.0),
        format!("  halos published  {halos:>8}"),
        format!("  lost             {lost:>8}"),
    ];
    // What nobody reads need not be said to its end.
    lines.iter().all(say);
}
