//! `halo-gateway demo`: the gateway and a simulated fleet in one process, on loopback; the only place that names the
//! simulator. The fleet talks to the gateway over real sockets, and what it was promised is checked at the end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use firmware_sim::{
    Broker, Cast, Crew, Entry, Faults, Fleet, FleetConfig, FleetHandle, FrameKey, Kind, LedgerConfig, Summary, mixed,
};
use halo_proto::topic::Filter;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::{App, StartError, StopSignal};
use crate::broker::{BindError, LocalSubscriber, Message};
use crate::config::Config;
use crate::record::{Body, Offset, StartEpoch};
use crate::situations::Situation;
use crate::store::fs::Disk;
use crate::store::{LOG_FOLDER, Reader, StoreError};
use crate::terminal::say;
use crate::units::count;
use crate::view;

mod board;
mod fleets;
mod picture;
mod play;
mod town;
use board::Board;
use fleets::{Fleets, Outcome};

type Failure = Box<dyn std::error::Error>;

/// One line per this long: a pace to read along.
const LINE_PERIOD: Duration = Duration::from_millis(200);
/// What goes wrong in a demo, so that it shows: each with one device in five, the first of them within seconds.
const FAULTS: [Faults; 3] = [
    Faults { duplicates: 0.3, ..Faults::NONE },
    Faults { reboots: 180.0, ..Faults::NONE },
    Faults { dead_zones: 300.0, dead_zone_s: 4.0, ..Faults::NONE },
];
/// Highest boot a device may start with; far above it lie boots without a counter.
const BOOT_MAX: u32 = (1 << 27) - BOOTS_A_START;
/// Boots that one start of the demo may use up: the next start on the same folder begins above them.
const BOOTS_A_START: u32 = 1_000;
/// Ports tried after the default one.
const PORTS_TRIED: u16 = 20;
/// Bytes of log read at a time when checking.
const READ_BYTES: usize = 1 << 20;

/// What a demo can be told.
#[derive(Args, Debug)]
pub struct Options {
    /// Address and port of the MQTT listener [default: 127.0.0.1:1883, or the next free port].
    #[arg(long, value_name = "ADDR")]
    mqtt: Option<SocketAddr>,
    /// Keep the data in this folder [default: a temporary one, removed at the end].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Play one situation and show its sparks; `list` names them [default: a town in which all of them happen, one after the other].
    #[arg(long, value_name = "NAME", value_parser = play::parse, conflicts_with_all = ["devices"])]
    scenario: Option<play::Wanted>,
    /// Simulated devices, of all kinds; 1 to 10,000.
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    devices: u32,
    /// The one seed of everything the fleet does.
    #[arg(long, value_name = "S", default_value_t = 42)]
    seed: u64,
    /// End after this long, e.g. `20s` or `5m` [default: run until Ctrl-C].
    #[arg(long = "for", value_name = "DURATION", value_parser = crate::units::parse_duration)]
    duration: Option<Duration>,
    /// Lines instead of the picture, as there are without a terminal.
    #[arg(long, conflicts_with = "json")]
    plain: bool,
    /// One JSON document per line: every halo, then the summary.
    #[arg(long)]
    json: bool,
}

/// What came of it. Only `lost` must be 0: frames acknowledged to a device that are not in the log, byte for byte.
struct Account {
    fleet: Summary,
    kinds: BTreeMap<&'static str, PerKind>,
    durable: u64,
    folded: Offset,
    halos: u64,
    lost: usize,
    drained: bool,
}

/// One kind's part in it.
#[derive(Clone, Copy, Default)]
struct PerKind {
    devices: u64,
    sent: u64,
    acknowledged: u64,
}

/// Runs the demo.
///
/// # Errors
/// When the gateway or the fleet does not start, or the log cannot be read back.
pub async fn run(options: Options) -> Result<ExitCode, Failure> {
    let one = match options.scenario {
        Some(play::Wanted::List) => return Ok(play::list()),
        Some(play::Wanted::One(situation)) => Some(situation),
        None => None,
    };
    let temporary = match &options.data_dir {
        None => Some(tempfile::Builder::new().prefix("halo-demo-").tempdir()?),
        Some(_) => None,
    };
    let folder = options.data_dir.clone().or_else(|| Some(temporary.as_ref()?.path().to_owned())).unwrap_or_default();
    let mut stop = StopSignal::listen()?;
    let files = tempfile::Builder::new().prefix("halo-demo-").tempdir()?;
    let quarters = match one {
        Some(_) => Vec::new(),
        None => town::quarters(options.devices)?,
    };
    let config = match one {
        Some(situation) => situation.load(files.path())?,
        None => town::config(&quarters, files.path())?,
    };
    let (app, config) = start(&options, config, &folder).await?;
    if let Some(situation) = one {
        play::tell_all(situation.commands()?, &folder).await?;
    }
    let halos = config.grammar().filter(Filter::Halos).to_string();
    let subscriber = app.router().subscribe(&halos)?;
    if !options.json {
        greet(&options, &app, &folder, &halos);
    }
    // The data folder may hold an earlier run: its frames carry lower boots.
    let epoch = app.epoch();
    let tracker = TaskTracker::new();
    let base = base(&options, app.address(), epoch.0, &config);
    let fleets = Fleets::new(start_fleet(&options, base.clone(), &tracker)?);
    let paints = !options.json && !options.plain && view::can_show();
    let (shows, later) = (!options.json && !paints, CancellationToken::new());
    let stop_later = later.clone();
    let town = match one {
        Some(situation) => tracker.spawn(play::go_on(situation.later()?, folder.clone(), shows, stop_later)),
        None => {
            let (folder, fleets, beside) = (folder.clone(), fleets.clone(), tracker.clone());
            let place = town::Place { folder, base, fleets, tracker: beside, stop: stop_later, shows };
            tracker.spawn(town::play_all(quarters, place))
        }
    };

    let shown = if paints {
        drop(subscriber);
        picture::show(&options, &app, &fleets, &config, &mut stop).await
    } else {
        show(&options, &app, (&fleets, &config), subscriber, &mut stop).await
    };
    if !options.json {
        say("stopping: the fleet sends what it holds and waits for its acknowledgements");
    }
    later.cancel();
    town.await?;
    let Outcome { summary: fleet, devices, entries } = fleets.stop().await;
    tracker.close();
    tracker.wait().await;
    let halos = app.metrics().forward_halos_total.get();
    let stopped = app.stop().await;
    let kinds = per_kind(&devices, &entries);
    let (durable, lost) = settle(&folder, &entries, epoch)?;
    let account = Account { fleet, kinds, durable, folded: stopped.folded, halos, lost, drained: stopped.drained };
    report(&account, options.json);
    shown?;
    Ok(if account.lost == 0 && account.drained { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts the gateway on the address asked for, or on the first free one from the default on.
async fn start(options: &Options, mut config: Config, folder: &Path) -> Result<(App, Config), Failure> {
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

/// What all fleets of the demo have in common.
fn base(options: &Options, address: SocketAddr, boot: u32, config: &Config) -> FleetConfig {
    FleetConfig {
        seed: options.seed,
        boot: boot.saturating_mul(BOOTS_A_START).min(BOOT_MAX),
        root: config.gateway.root.clone(),
        ledger: LedgerConfig { keep_entries: true, ..LedgerConfig::default() },
        ..FleetConfig::new(Broker::from(address), 0)
    }
}

fn start_fleet(options: &Options, base: FleetConfig, tracker: &TaskTracker) -> Result<FleetHandle, Failure> {
    let fleet = match options.scenario {
        Some(play::Wanted::One(Situation { fleet: Some(cast), .. })) => play::cast(*cast, base)?,
        _ => FleetConfig { cast: Cast::Crews { crews: crews(options.devices), lasting: None }, ..base },
    };
    Ok(Fleet::start(fleet, tracker, &CancellationToken::new())?)
}

/// Devices of all kinds; the last of the first kinds have something wrong with them.
fn crews(devices: u32) -> Vec<Crew> {
    let mut crews = mixed(devices);
    for (at, faults) in FAULTS.into_iter().enumerate() {
        let Some(whole) = crews.get_mut(at).filter(|crew| crew.devices > 1) else { continue };
        whole.devices -= 1;
        let spoilt = Crew { first: whole.first + whole.devices, faults: Some(faults), ..Crew::new(whole.kind, 1) };
        crews.push(spoilt);
    }
    crews
}

fn greet(options: &Options, app: &App, folder: &Path, halos: &str) {
    let address = app.address();
    match options.scenario {
        Some(play::Wanted::One(situation)) => say(format_args!(
            "halo-gateway demo: {}, to mqtt://{address}, seed {}\n{}\ndata in {}",
            situation.name,
            options.seed,
            situation.says,
            folder.display()
        )),
        _ => say(format_args!(
            "halo-gateway demo: {} of {} {} to mqtt://{address}, seed {}\ndata in {}",
            count(options.devices.into(), "device"),
            count(mixed(options.devices).len() as u64, "kind"),
            if options.devices == 1 { "publishes" } else { "publish" },
            options.seed,
            folder.display()
        )),
    };
    say(format_args!(
        "An integrator would type:\n\n    mosquitto_sub -h {} -p {} -t '{halos}' -v\n",
        address.ip(),
        address.port()
    ));
    match options.duration {
        Some(duration) => say(format_args!("It ends after {duration:?}; Ctrl-C ends it now.\n")),
        None => say("Ctrl-C ends it.\n"),
    };
}

/// Shows halos until the time is over, somebody presses Ctrl-C or the gateway fails.
async fn show(
    options: &Options,
    app: &App,
    (fleet, config): (&Fleets, &Config),
    mut subscriber: LocalSubscriber,
    stop: &mut StopSignal,
) -> Result<(), Failure> {
    let ends = options.scenario.is_some();
    let mut board = Board::default();
    let mut sparks = app.router().subscribe(&config.grammar().filter(Filter::Sparks).to_string())?;
    let mut cmds = app.router().subscribe(&format!("{}/d/+/cmd", config.grammar().root()))?;
    let mut pace = interval(LINE_PERIOD);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let over = over(options);
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
            spark = sparks.recv() => {
                let Message { topic, payload, .. } = spark?;
                let json = options.json.then(|| String::from_utf8_lossy(&payload).into_owned());
                let line = json.or_else(|| play::line(&topic, &payload));
                if line.is_some_and(|line| !say(line)) {
                    return Ok(());
                }
            }
            cmd = cmds.recv() => {
                let Message { topic, payload, .. } = cmd?;
                if !options.json && play::line(&topic, &payload).is_some_and(|line| !say(line)) {
                    return Ok(());
                }
            }
            _ = fleet.finished(), if ends => return Ok(()),
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

/// Resolves when the time is over, if there is an end to it.
async fn over(options: &Options) {
    match options.duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

fn per_kind(
    devices: &[(Arc<str>, Option<Kind>)],
    entries: &BTreeMap<FrameKey, Entry>,
) -> BTreeMap<&'static str, PerKind> {
    let kinds: BTreeMap<&str, Kind> = devices.iter().filter_map(|(id, kind)| Some((&**id, (*kind)?))).collect();
    let mut counts: BTreeMap<&'static str, PerKind> = BTreeMap::new();
    for kind in kinds.values() {
        counts.entry(kind.name()).or_default().devices += 1;
    }
    for (key, entry) in entries {
        if let Some(counts) = kinds.get(&*key.device).and_then(|kind| counts.get_mut(kind.name())) {
            counts.sent += u64::from(entry.sent);
            counts.acknowledged += u64::from(entry.acked_ms.is_some());
        }
    }
    counts
}

/// Compares what the devices were promised with what is in the log: frames there, and promised frames that are not.
fn settle(folder: &Path, promised: &BTreeMap<FrameKey, Entry>, epoch: StartEpoch) -> Result<(u64, usize), StoreError> {
    let (mut reader, _) = Reader::over(Disk, &folder.join(LOG_FOLDER), Offset(1))?;
    let mut missing: BTreeMap<&FrameKey, &Entry> =
        promised.iter().filter(|(_, entry)| entry.acked_ms.is_some()).collect();
    let mut durable = 0;
    loop {
        let batch = reader.next(READ_BYTES)?;
        if batch.is_empty() {
            return Ok((durable, missing.len()));
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
}

fn report(account: &Account, as_json: bool) {
    let Account { fleet, kinds, durable, folded, halos, lost, drained } = account;
    if as_json {
        let kinds: serde_json::Map<String, Value> = kinds
            .iter()
            .map(|(kind, PerKind { devices, sent, acknowledged })| {
                ((*kind).to_owned(), json!({"devices": devices, "sent": sent, "acknowledged": acknowledged}))
            })
            .collect();
        let summary = json!({
            "schema": "demo-summary/1", "devices": fleet.devices, "sent": fleet.sent, "acknowledged": fleet.acked,
            "unacknowledged": fleet.unacked, "durable": durable, "folded": folded.0, "halos": halos,
            "lost": lost, "drained": drained, "sent_again": fleet.resent, "connections": fleet.connects,
            "kinds": kinds,
        });
        say(summary);
        return;
    }
    let of_kinds = kinds.iter().map(|(kind, PerKind { devices, sent, acknowledged })| {
        format!("  {kind:<16} {devices:>7} devices {sent:>9} frames sent {acknowledged:>9} acknowledged")
    });
    let lines = [
        String::new(),
        format!(
            "  sent             {:>8} frames by {}, {} of them again, over {}",
            fleet.sent,
            count(fleet.devices, "device"),
            fleet.resent,
            count(fleet.connects, "connection")
        ),
        format!("  acknowledged     {:>8} (still unacknowledged: {})", fleet.acked, fleet.unacked),
        format!("  durable          {durable:>8} frames in the log"),
        format!("  folded           {:>8} records, all kinds", folded.0),
        format!("  halos published  {halos:>8}"),
        format!("  lost             {lost:>8}"),
    ];
    let lines: Vec<String> = std::iter::once(String::new()).chain(of_kinds).chain(lines).collect();
    // What nobody reads need not be said to its end.
    lines.iter().all(say);
}
