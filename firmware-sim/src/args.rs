//! The command line: what can be typed, and the fleet it means.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use firmware_sim::{
    Broker, Cast, Faults, FleetConfig, Kind, LedgerConfig, Protocol, Scenario, Series, SeriesError, Speed,
};

/// A deterministic fleet of simulated devices that publishes real frames to any MQTT broker.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 every frame was acknowledged; 1 an error, or a frame was dropped, refused or left unacknowledged; \
2 the command line is wrong.";

const FLEET_EXAMPLES: &str = "\
Examples:
  firmware-sim fleet                                   15 wristbands to 127.0.0.1:1883 until Ctrl-C
  firmware-sim fleet --kind car-dongle --devices 500 --period 10s --for 5m --json
  firmware-sim fleet --fault duplicates=0.05 --fault reboots=20 --truth truth.jsonl
  firmware-sim fleet --frames 3600 --speed max         an hour of recordings, as fast as they are acknowledged
  firmware-sim fleet --for 20s --ledger sent.jsonl --ledger-payloads";

const SCENARIO_EXAMPLES: &str = "\
Examples:
  firmware-sim scenario mixed                          15 devices of all kinds, live, until Ctrl-C
  firmware-sim scenario parcel-week --truth truth.jsonl --ledger sent.jsonl
  firmware-sim scenario cardiac --compress 1000 --devices 2 --json
  firmware-sim list                                    all scenarios, with a sentence each

Compressed scenarios end now: their readings lie in the past, as from devices that were offline.";

const REPLAY_EXAMPLES: &str = "\
Examples:
  firmware-sim replay --series wrist_hr.csv --series wrist_rr.csv --device wrist-17
  firmware-sim replay --cmapss test_FD001.txt          100 devices fd001-001 … fd001-100, a cycle a second
  firmware-sim replay --cmapss train_FD001.txt --unit 1 --speed 60 --period 1s

Recordings sent at any speed but 1 end now: their readings lie in the past, as from a device that was offline.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run simulated devices.
    #[command(after_help = FLEET_EXAMPLES)]
    Fleet(FleetArguments),
    /// Run a named scenario.
    #[command(after_help = SCENARIO_EXAMPLES)]
    Scenario(ScenarioArguments),
    /// Send recorded series as frames.
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(ReplayArguments),
    /// Measure a broker: how many publishes it acknowledges, and how long answers and deliveries take.
    #[cfg(target_os = "linux")]
    Bench(firmware_sim::bench::Arguments),
    /// Show what can be run and replayed: scenarios, kinds, faults, signals, schemas, bytes a sample.
    List {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ScenarioArguments {
    /// One of those that `firmware-sim list` shows
    #[arg(value_parser = scenario)]
    name: &'static Scenario,
    /// Number of devices [default: the scenario's]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    devices: Option<u32>,
    /// Times faster than real time; 1 = measure now [default: the scenario's]
    #[arg(long, value_name = "FACTOR", value_parser = compression)]
    compress: Option<f64>,
    /// Device time it takes, e.g. 30m [default: the scenario's]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    lasting: Option<Duration>,
    /// Same seed, same frames
    #[arg(long, default_value_t = 42)]
    seed: u64,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Debug, Args)]
pub(crate) struct FleetArguments {
    /// Kind of device
    #[arg(long, default_value = "wristband")]
    kind: Kind,
    /// Number of devices
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    devices: u32,
    /// Start of the devices' names [default: the kind's own]
    #[arg(long)]
    prefix: Option<String>,
    /// Same seed, same frames
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Device time in one frame, whole seconds
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    period: Duration,
    /// Frames each device sends before it leaves [default: until stopped]
    #[arg(long)]
    frames: Option<u64>,
    /// 1 = measure now; another factor or max = hand over a recording that ends now (needs --frames)
    #[arg(long, default_value = "1", value_parser = speed)]
    speed: Speed,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    /// CSV file with integers in the wire's fixed point; several files of one schema make one device
    #[arg(long, value_name = "FILE", required_unless_present = "cmapss", conflicts_with = "cmapss")]
    series: Vec<PathBuf>,
    /// C-MAPSS text file: a device for each unit, a row for each cycle
    #[arg(long, value_name = "FILE")]
    cmapss: Option<PathBuf>,
    /// Name of the device [default: the first file's name], or start of the units' names [default: such as fd001]
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Only this C-MAPSS unit
    #[arg(long, requires = "cmapss")]
    unit: Option<u32>,
    /// Device time of one C-MAPSS cycle
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration, requires = "cmapss")]
    cycle: Duration,
    /// Device time in one frame
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    period: Duration,
    /// Times faster than it was measured, or max = as fast as it is acknowledged
    #[arg(long, default_value = "max", value_parser = speed)]
    speed: Speed,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Version {
    /// MQTT 3.1.1
    #[value(name = "3.1.1")]
    V4,
    /// MQTT 5
    #[value(name = "5")]
    V5,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Connection and result")]
pub(crate) struct RunArguments {
    /// Broker: host, host:port or [v6]:port
    #[arg(long, env = "HALO_BROKER", default_value = "127.0.0.1:1883")]
    broker: Broker,
    /// MQTT version
    #[arg(long, value_enum, default_value = "3.1.1")]
    mqtt: Version,
    /// User name
    #[arg(long, requires = "password")]
    user: Option<String>,
    /// Password; better given in the environment
    #[arg(long, env = "HALO_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// Topic root
    #[arg(long, default_value = firmware_sim::ROOT)]
    root: String,
    /// Boot counter of all devices; raise it for another run against the same gateway
    #[arg(long, default_value_t = 1)]
    boot: u32,
    /// Unacknowledged frames a device may have on the wire
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=16_000))]
    window: u16,
    /// Frames a device holds while it cannot deliver; the oldest leave first
    #[arg(long, default_value_t = 3_600)]
    buffer: usize,
    /// Stop after this long, e.g. 20s or 5m [default: at the end of the recording, or at Ctrl-C]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub(crate) run_for: Option<Duration>,
    /// Longest wait for acknowledgements after a stop
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    drain: Duration,
    /// Write what was sent and acknowledged to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Write the frames' bytes there too, in hex
    #[arg(long, requires = "ledger")]
    ledger_payloads: bool,
    /// Write what is true behind the readings to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Let something go wrong; may be repeated. `firmware-sim list` shows names and units
    #[arg(long = "fault", value_name = "NAME=NUMBER", value_parser = fault)]
    faults: Vec<String>,
    /// Print the summary as one JSON object, and no progress
    #[arg(long)]
    pub(crate) json: bool,
}

impl ScenarioArguments {
    pub(crate) fn into_config(self) -> (FleetConfig, RunArguments) {
        let base = self.run.config(Cast::Recorded(Vec::new()), Duration::ZERO, Speed::Live);
        let base = FleetConfig { seed: self.seed, ..base };
        let mut config = self.name.config(self.devices, self.compress, self.lasting, base);
        self.run.spoil(&mut config.faults);
        (config, self.run)
    }
}

impl FleetArguments {
    pub(crate) fn into_config(self) -> (FleetConfig, RunArguments) {
        let cast = Cast::Simulated { kind: self.kind, devices: self.devices, prefix: self.prefix, frames: self.frames };
        let config = FleetConfig { seed: self.seed, ..self.run.config(cast, self.period, self.speed) };
        (config, self.run)
    }
}

impl ReplayArguments {
    /// Reads the files.
    pub(crate) fn into_config(self) -> Result<(FleetConfig, RunArguments), SeriesError> {
        let series = match &self.cmapss {
            Some(path) => self.units(path)?,
            None => vec![firmware_sim::read_csv(&self.csv_device(), &self.series)?],
        };
        let config = self.run.config(Cast::Recorded(series), self.period, self.speed);
        Ok((config, self.run))
    }

    fn units(&self, path: &std::path::Path) -> Result<Vec<Series>, SeriesError> {
        let mut units = firmware_sim::read_cmapss(path, self.device.as_deref(), self.cycle)?;
        if let Some(wanted) = self.unit {
            let suffix = format!("-{wanted:03}");
            units.retain(|unit| unit.device().ends_with(&suffix));
        }
        Ok(units)
    }

    fn csv_device(&self) -> String {
        let stem = || self.series.first().and_then(|path| path.file_stem()).map(|stem| stem.to_string_lossy().into());
        self.device.clone().or_else(stem).unwrap_or_default()
    }
}

impl RunArguments {
    fn spoilt(&self) -> Faults {
        let mut faults = Faults::NONE;
        self.spoil(&mut faults);
        faults
    }

    fn spoil(&self, faults: &mut Faults) {
        for text in &self.faults {
            faults.set(text).expect("the command line's parser has set it once");
        }
    }

    fn config(&self, cast: Cast, period: Duration, speed: Speed) -> FleetConfig {
        FleetConfig {
            cast,
            period,
            speed,
            boot: self.boot,
            root: self.root.clone(),
            protocol: match self.mqtt {
                Version::V4 => Protocol::V4,
                Version::V5 => Protocol::V5,
            },
            credentials: self.user.clone().zip(self.password.clone()),
            window: usize::from(self.window),
            buffer: self.buffer,
            drain: self.drain,
            faults: self.spoilt(),
            truth: self.truth.clone(),
            ledger: LedgerConfig { keep_entries: false, file: self.ledger.clone(), payloads: self.ledger_payloads },
            ..FleetConfig::new(self.broker.clone(), 0)
        }
    }
}

fn scenario(name: &str) -> Result<&'static Scenario, String> {
    firmware_sim::scenario(name).ok_or_else(|| {
        let known: Vec<&str> = firmware_sim::scenarios().iter().map(|scenario| scenario.name).collect();
        format!("scenario is {name:?}, wanted one of: {}", known.join(", "))
    })
}

fn fault(text: &str) -> Result<String, String> {
    Faults::NONE.clone().set(text).map(|()| text.to_owned())
}

fn compression(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok().filter(|factor: &f64| factor.is_finite() && *factor > 0.0);
    factor.ok_or_else(|| format!("factor is {text:?}, wanted a positive number"))
}

/// `250ms`, `20s`, `5m`, `2h`.
fn duration(text: &str) -> Result<Duration, String> {
    let wanted = || format!("duration is {text:?}, wanted a whole number with ms, s, m or h, such as 20s");
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wanted)?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().map_err(|_not_a_number| wanted())?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wanted()),
    };
    number.checked_mul(unit_ms).filter(|ms| *ms > 0).map(Duration::from_millis).ok_or_else(wanted)
}

fn speed(text: &str) -> Result<Speed, String> {
    match text.parse::<f64>() {
        _ if text == "max" => Ok(Speed::Max),
        Ok(1.0) => Ok(Speed::Live),
        Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(Speed::Times(factor)),
        _ => Err(format!("speed is {text:?}, wanted a positive number or max")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn durations_need_a_number_and_a_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7_200)));
        for text in ["", "20", "s", "0s", "1.5s", "-1s", "1 s", "99999999999999999999s", "18446744073709551615h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn speed_one_is_live_and_max_is_a_word() {
        assert_eq!(speed("1"), Ok(Speed::Live));
        assert_eq!(speed("60"), Ok(Speed::Times(60.0)));
        assert_eq!(speed("max"), Ok(Speed::Max));
        for text in ["0", "-1", "inf", "NaN", "fast"] {
            assert!(speed(text).is_err(), "{text}");
        }
    }
}
