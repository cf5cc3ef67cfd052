//! `firmware-sim bench`: the command line of a [`Plan`].

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::engine::{Phase, run};
use super::plan::{BenchError, Credit, Load, Pace, Plan, system};
use super::report::Report;
use super::sink::NullSink;
use crate::{Broker, Kind};

const EXAMPLES: &str = "\
Examples:
  firmware-sim bench                                   100 connections, window 20, frames of wristband, car and engine
  firmware-sim bench --payload-bytes 200 --kind wristband --connections 1000
  firmware-sim bench --subscribers 1 --window 8 --until delivery       the whole job: no frame more than arrives
  firmware-sim bench --rate 5000 --subscribers 1       latency from the scheduled moment (no coordinated omission)
  firmware-sim bench --subscribers 1 --subscribe 'halo/v1/d/#'         the same against a broker that only relays
  firmware-sim bench --rate 5000 --connections 5000 --subscribers 1 --subscribe 'halo/v1/halos/#'
  firmware-sim bench --opaque bench --payload-bytes 200 --subscribe 'bench/#' --subscribers 5
  firmware-sim bench --idle --connections 10000 --at-once              a storm of connects
  firmware-sim bench --null-sink                       how fast the generator is by itself

What is sent: QoS 1 publishes over MQTT 3.1.1. Frames go to <root>/d/bench-<n>/t, encoded beforehand; boot, sequence and
uptime are written into each as it leaves, so that a gateway takes every one as new, makes it durable and then
acknowledges it. With --opaque, bytes without a meaning go to <PREFIX>/bench-<n>, outside of the telemetry topics.
Latencies count from the moment a publish was due. The generator is one thread; the last line says what it used.

Exit codes: 0 everything sent was acknowledged and delivered; 1 an error, or something is missing; 2 the command line
is wrong.";

/// What can be typed after `firmware-sim bench`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Broker: host, host:port or [v6]:port
    #[arg(long, env = "HALO_BROKER", default_value = "127.0.0.1:1883")]
    broker: Broker,
    /// User name
    #[arg(long, requires = "password")]
    user: Option<String>,
    /// Password; better given in the environment
    #[arg(long, env = "HALO_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Measure the generator alone, against a server of its own that acknowledges at once
    #[arg(long, conflicts_with = "broker")]
    null_sink: bool,
    /// Publishing connections
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    connections: u32,
    /// Devices, spread over the connections [default: one each]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    devices: Option<u32>,
    /// Kinds of devices in turn, separated by commas
    #[arg(long = "kind", value_delimiter = ',', default_value = "wristband,car-dongle,turbofan")]
    kinds: Vec<Kind>,
    /// Device time in one frame, whole seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    period: u64,
    /// Device time from one frame to the next, seconds [default: the period]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    step: Option<u64>,
    /// Frames are filled to this length with an item that decoders skip; opaque payloads have it
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(8..=60_000))]
    payload_bytes: Option<u32>,
    /// Send bytes without a meaning to <PREFIX>/bench-<n> instead of frames
    #[arg(long, value_name = "PREFIX", requires = "payload_bytes")]
    opaque: Option<String>,
    /// Publishes under way on each connection
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=16_000))]
    window: u16,
    /// What ends a publish under way
    #[arg(long, value_enum, default_value = "ack")]
    until: Until,
    /// Publishes a second in all, whatever comes back, instead of a window
    #[arg(long, conflicts_with_all = ["window", "until"], value_parser = rate)]
    rate: Option<f64>,
    /// Send nothing: make the connections and hold them
    #[arg(long, conflicts_with_all = ["window", "until", "rate"])]
    idle: bool,
    /// Begin all connections at once, and count those that are refused
    #[arg(long)]
    at_once: bool,
    /// Subscribers
    #[arg(long, default_value_t = 0)]
    subscribers: u32,
    /// What each of them subscribes to [default: <root>/readings/#]
    #[arg(long, value_name = "FILTER")]
    subscribe: Option<String>,
    /// QoS of their subscriptions
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=1))]
    subscribe_qos: u8,
    /// Further subscribers that read a byte a second
    #[arg(long, default_value_t = 0)]
    slow_readers: u32,
    /// Seconds before it is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    warm_up: f64,
    /// Seconds measured
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 5.0, value_parser = seconds)]
    run_for: f64,
    /// Stop after this many publishes in all, instead of after a time
    #[arg(long, conflicts_with_all = ["run_for", "warm_up"])]
    messages: Option<u64>,
    /// Longest wait for what is owed at the end, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds)]
    drain: f64,
    /// Topic root
    #[arg(long, default_value = crate::ROOT)]
    root: String,
    /// Boot of all devices, 2097152 to 134217727; another for each run against one gateway [default: from the clock]
    #[arg(long)]
    boot: Option<u32>,
    /// Print the report as one JSON object, and no progress
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Until {
    /// Its acknowledgement
    Ack,
    /// Its arrival at a subscriber
    Delivery,
}

/// Carries it out and prints the report; the exit code.
///
/// # Errors
/// [`BenchError`].
pub fn execute(arguments: &Arguments) -> Result<ExitCode, BenchError> {
    let sink = arguments.null_sink.then(NullSink::start).transpose()?;
    let broker = sink.as_ref().map_or_else(|| arguments.broker.clone(), |sink| sink.address().into());
    let plan = arguments.plan(broker);
    let shows = !arguments.json && io::stderr().is_terminal();
    let report = run(&plan, &mut |phase| {
        if shows {
            eprintln!("{}", phase.words());
        }
    })?;
    print(&report, arguments.json).map_err(system("write to stdout"))?;
    Ok(if report.is_complete() && report.refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report, json: bool) -> io::Result<()> {
    if json { writeln!(io::stdout(), "{}", serde_json::to_string(report)?) } else { writeln!(io::stdout(), "{report}") }
}

impl Phase {
    fn words(self) -> &'static str {
        match self {
            Self::Connected => "connected; warming up",
            Self::Measuring => "measuring",
            Self::Measured => "measured; waiting for what is owed",
            Self::Drained => "done",
        }
    }
}

impl Arguments {
    fn plan(&self, broker: Broker) -> Plan {
        let credit = match self.until {
            Until::Ack => Credit::Ack,
            Until::Delivery => Credit::Delivery,
        };
        let pace = match self.rate {
            Some(rate) => Pace::Open { rate },
            None if self.idle => Pace::Idle,
            None => Pace::Closed { window: usize::from(self.window), credit },
        };
        let bytes = self.payload_bytes.map(|bytes| bytes as usize);
        let period = Duration::from_secs(self.period);
        let load = match (&self.opaque, bytes) {
            (Some(prefix), Some(bytes)) => Load::Opaque { bytes, prefix: prefix.clone() },
            _ => Load::Frames {
                kinds: self.kinds.clone(),
                period,
                step: self.step.map_or(period, Duration::from_secs),
                fill_to: bytes,
            },
        };
        Plan {
            login: self.user.clone().zip(self.password.clone()),
            connections: self.connections as usize,
            devices: self.devices.unwrap_or(self.connections) as usize,
            load,
            pace,
            warm_up: Duration::from_secs_f64(self.warm_up),
            run_for: Duration::from_secs_f64(self.run_for),
            messages: self.messages,
            drain: Duration::from_secs_f64(self.drain),
            subscribe: self.subscribe.clone().unwrap_or_else(|| format!("{}/readings/#", self.root)),
            subscribers: self.subscribers as usize,
            subscribe_qos: self.subscribe_qos,
            slow_readers: self.slow_readers as usize,
            connecting_max: if self.at_once { usize::MAX } else { Plan::new(broker.clone()).connecting_max },
            count_refusals: self.at_once,
            root: self.root.clone(),
            boot: self.boot,
            ..Plan::new(broker)
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| (0.1..=10_000_000.0).contains(rate));
    rate.ok_or_else(|| format!("rate is {text:?}, wanted a number from 0.1 to 10000000"))
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| (0.0..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| format!("time is {text:?}, wanted a number of seconds up to 86400"))
}
