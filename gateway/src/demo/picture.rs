//! The demo on a terminal: what an integrator would receive, the counts of this process, and the fleet's own account.

use std::time::Duration;

use halo_proto::topic::{Filter, Grammar, Topic};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::fleets::Fleets;
use super::{Failure, Options, over, play};
use crate::app::{App, StopSignal};
use crate::broker::{LocalSubscriber, Message, TooSlow, TopicError};
use crate::clock::Clock;
use crate::config::Config;
use crate::terminal::last_held;
use crate::view::{About, Disk, Fleet, Input, Model, Observed, Sample, Screen, Upstream, Wish};

/// Pictures a second: enough for dots that move.
const FRAME: Duration = Duration::from_millis(50);

/// Shows the picture until the time is over, somebody ends it or the gateway fails.
pub(super) async fn show(
    options: &Options,
    app: &App,
    fleet: &Fleets,
    config: &Config,
    stop: &mut StopSignal,
) -> Result<(), Failure> {
    let clock = Clock::system();
    let mut model = Model::new(about(options, app, config));
    let mut ears = Ears::listen(app, config)?;
    let mut pace = interval(FRAME);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Heard, so that the temporary folder goes also when the terminal's window is closed.
    let mut hangup = signal(SignalKind::hangup())?;
    let mut screen = Screen::open()?;
    // The newest spark, in a line.
    let mut told = None;
    let over = over(options);
    tokio::pin!(over);
    loop {
        tokio::select! {
            message = ears.next() => match message {
                Ok(Message { topic, payload, .. }) if ears.is_spark(&topic) => {
                    told = play::line(&topic, &payload).or(told);
                }
                Ok(Message { topic, payload, .. }) => model.observe(Observed::Message { topic: topic.to_string(), payload }),
                // The newest of everything comes again; what was missed is only not seen here.
                Err(TooSlow) => ears = Ears::listen(app, config)?,
            },
            _ = pace.tick() => {
                model.observe(Observed::Sample(Box::new(sample(app, fleet, &clock))));
                model.observe(Observed::Notice(last_held().or_else(|| told.clone())));
                model.step();
                screen.show(&model)?;
            }
            input = screen.input() => match input {
                Input::Key(key) if model.press(key) == Wish::Quit => return Ok(()),
                Input::Key(_) | Input::Resized => screen.show(&model)?,
                Input::Gone => return Ok(()),
            },
            () = &mut over => return Ok(()),
            _ = stop.heard() => return Ok(()),
            _ = hangup.recv() => return Ok(()),
            () = app.failed() => return Err("the gateway failed; its log lines say why".into()),
        }
    }
}

fn about(options: &Options, app: &App, config: &Config) -> About {
    let (address, halos) = (app.address(), config.grammar().filter(Filter::Halos).to_string());
    let notes = vec![
        String::new(),
        "An integrator would type:".to_owned(),
        format!("mosquitto_sub -h {} -p {} -t '{halos}' -v", address.ip(), address.port()),
    ];
    About {
        title: "halo-gateway demo".to_owned(),
        address: format!("mqtt://{address}"),
        notes,
        grammar: config.grammar(),
        ends_mono_ms: options.duration.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX)),
    }
}

/// What the picture is told over MQTT, without a socket.
struct Ears {
    halos: LocalSubscriber,
    readings: LocalSubscriber,
    births: LocalSubscriber,
    health: LocalSubscriber,
    sparks: LocalSubscriber,
    grammar: Grammar,
}

impl Ears {
    fn listen(app: &App, config: &Config) -> Result<Self, TopicError> {
        let root = config.grammar();
        let subscribe = |filter| app.router().subscribe(&root.filter(filter).to_string());
        Ok(Self {
            halos: subscribe(Filter::Halos)?,
            readings: subscribe(Filter::Readings)?,
            births: subscribe(Filter::Births)?,
            health: subscribe(Filter::Health)?,
            sparks: subscribe(Filter::Sparks)?,
            grammar: root,
        })
    }

    fn is_spark(&self, topic: &str) -> bool {
        matches!(self.grammar.parse(topic), Topic::Spark { .. })
    }

    /// Cancel safe.
    async fn next(&mut self) -> Result<Message, TooSlow> {
        tokio::select! {
            message = self.halos.recv() => message,
            message = self.readings.recv() => message,
            message = self.births.recv() => message,
            message = self.health.recv() => message,
            message = self.sparks.recv() => message,
        }
    }
}

/// The counts of this moment. The fleet is asked first: a frame is counted as stored before it is acknowledged.
fn sample(app: &App, fleet: &Fleets, clock: &Clock) -> Sample {
    let fleet = fleet.progress();
    let (metrics, now, disk) = (app.metrics(), clock.now(), app.budget().report());
    Sample {
        mono_ms: now.mono_ms,
        wall_ms: now.wall_ms,
        uptime_ms: now.mono_ms,
        connections: metrics.broker_connections_total.get().saturating_sub(metrics.broker_closed_total.get()),
        publishes: metrics.broker_publishes_total.get(),
        refused: metrics.broker_refused_total.get(),
        frames: metrics.ingest_frames_total.get(),
        duplicates: metrics.ingest_duplicates_total.get(),
        quarantined: metrics.ingest_quarantined_total.get(),
        records: metrics.store_records_total.get(),
        bytes: metrics.store_bytes_total.get(),
        folded_records: metrics.halo_records_total.get(),
        halos: metrics.forward_halos_total.get(),
        readings: metrics.forward_readings_total.get(),
        // In this order, so that nothing is folded before it is durable.
        folded: app.folded().0,
        durable: app.durable().0,
        disk: Some(Disk { used: disk.used, max: disk.max, mark: disk.mark.as_str().to_owned() }),
        upstreams: app.upstreams().list().iter().map(upstream).collect(),
        fleet: Some(Fleet {
            devices: fleet.counts.devices,
            connected: fleet.connected,
            sent: fleet.counts.sent,
            resent: fleet.counts.resent,
            acked: fleet.counts.acked,
            in_flight: fleet.in_flight,
        }),
    }
}

fn upstream(it: &crate::forward::upstream::Status) -> Upstream {
    Upstream { name: it.name.clone(), state: it.state.as_str().to_owned(), lag_ms: it.lag_ms, pending: it.pending }
}
