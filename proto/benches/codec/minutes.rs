//! The series the format was designed on, cut into minutes: what every format has to carry, and what is promised of it.
//! Here for the bench, the tests of this crate and the table of speed and size alike; the series are not part of the
//! project.

use std::error::Error;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use halo_proto::chunk::{Clock, ROWS_MAX, Times};
use halo_proto::frame::Header;
use halo_proto::schema::{FrameBuilder, Schema};
use serde_json::Value;

type Failure = Box<dyn Error + Send + Sync>;

const MINUTE_MS: i64 = 60_000;

/// A device's series.
pub(crate) struct Device {
    pub(crate) name: &'static str,
    pub(crate) schema: Schema,
    pub(crate) minutes: Vec<Minute>,
    /// Column names of each group, as the files have them.
    pub(crate) names: Vec<Vec<String>>,
    pub(crate) promised: [f64; 5],
}

/// What one frame carries.
pub(crate) struct Minute {
    pub(crate) t0_ms: i64,
    pub(crate) groups: Vec<Rows>,
}

/// Rows of one group.
pub(crate) struct Rows {
    /// Which group of the schema.
    pub(crate) group: usize,
    pub(crate) clock: Clock,
    pub(crate) times: Vec<i64>,
    /// In the wire's fixed point, without nulls.
    pub(crate) columns: Vec<Vec<i64>>,
    /// The same, as the codec takes them.
    pub(crate) slots: Vec<Vec<Option<i64>>>,
}

/// Where a series is, and what was promised of it.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    schema: u32,
    /// One for each group.
    files: &'static [&'static str],
    /// Seconds used.
    span_s: Range<i64>,
    /// Bytes a sample as JSON rows, SenML-CBOR, Sparkplug B, columnar postcard and TF1.
    pub(crate) promised: [f64; 5],
}

/// TF1's place among what is promised.
pub(crate) const TF1: usize = 4;

const WRIST: [&str; 5] = ["wrist_hr", "wrist_rr", "wrist_slow10", "wrist_slow60", "wrist_acc"];

pub(crate) const DEVICES: [Entry; 7] = [
    entry("wrist", 1, WRIST.split_at(4).0, 0..7200, [24.5, 10.1, 13.7, 1.39, 0.74]),
    entry("wrist+acc", 2, &WRIST, 0..720, [7.37, 11.55, 2.99, 1.36, 0.92]),
    entry("car", 4, &["car_main"], 0..3600, [20.3, 8.58, 13.9, 1.38, 0.75]),
    entry("car, real OBD", 5, &["carobd_real"], 300..2700, [17.4, 7.52, 13.5, 1.15, 0.31]),
    entry("engine", 7, &["engine_main"], 0..1800, [13.95, 8.81, 14.5, 1.41, 0.74]),
    entry("C-MAPSS, real", 6, &["cmapss_fd001_real_1000rows"], 300..960, [13.94, 8.76, 14.4, 1.39, 0.66]),
    entry("RR, real", 3, &["heartpy_rr_real"], 60..660, [28.0, 12.2, 14.1, 1.25, 1.08]),
];
pub(crate) const SERIES: &str = "wire/series";
/// Frames with their values. The engine's promise was made on two hours of flights that are only there; its series is one
/// flight of half an hour, half of it climb and descent.
pub(crate) const DUMP: &str = "wire/dump.jsonl";
const FLIES: &str = "engine";
/// Shorter ones are not frames of a minute.
const FLIGHT_ROWS: usize = 60;

const fn entry(
    name: &'static str,
    schema: u32,
    files: &'static [&'static str],
    span_s: Range<i64>,
    promised: [f64; 5],
) -> Entry {
    Entry { name, schema, files, span_s, promised }
}

/// A file or folder of the sample data, below `$HALO_DATA`, else beside the repository; `None`, said loudly, when it is not
/// there.
///
/// # Panics
/// When it is not there and `CI=true`.
pub(crate) fn sample_data(path: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let found = std::env::var_os("HALO_DATA").map_or_else(beside, PathBuf::from).join(path);
    if found.exists() {
        return Some(found);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "CI=true, but {} is absent", found.display());
    eprintln!("\n*** SKIP: {} is absent; set HALO_DATA ***\n", found.display());
    None
}

/// The devices of these series.
pub(crate) fn devices(folder: &Path, wanted: impl Fn(&Entry) -> bool) -> Result<Vec<Device>, Failure> {
    DEVICES.into_iter().filter(wanted).map(|entry| Device::of_series(folder, entry)).collect()
}

impl Device {
    fn of_series(folder: &Path, entry: Entry) -> Result<Self, Failure> {
        let schema = Schema::from_registry(entry.schema).ok_or("an unregistered schema")?;
        let path = |file: &&str| folder.join(file).with_extension("csv");
        let series: Vec<Series> = entry.files.iter().map(|file| Series::read(&path(file))).collect::<Result<_, _>>()?;
        let starts = (entry.span_s.start * 1_000..entry.span_s.end * 1_000).step_by(MINUTE_MS.unsigned_abs() as usize);
        let minute = |t0_ms| {
            let groups = series.iter().zip(&schema.groups).enumerate();
            let groups = groups.flat_map(|(place, (series, group))| series.rows(place, group.clock, t0_ms));
            Minute { t0_ms, groups: groups.collect() }
        };
        let minutes = starts.map(minute).collect();
        let names = series.into_iter().map(|series| series.names).collect();
        Ok(Self { name: entry.name, minutes, names, schema, promised: entry.promised })
    }

    /// The engine on the flights that its promise was made on.
    pub(crate) fn of_flights(path: &Path) -> Result<Self, Failure> {
        let entry = DEVICES.into_iter().find(|entry| entry.name == FLIES).ok_or("no engine")?;
        let schema = Schema::from_registry(entry.schema).ok_or("an unregistered schema")?;
        let mut minutes = Vec::new();
        for line in fs::read_to_string(path)?.lines() {
            let frame: Value = serde_json::from_str(line)?;
            let group = &frame["groups"][0];
            let times: Vec<i64> = serde_json::from_value(group["t"].clone())?;
            if frame["dev"] == FLIES && times.len() >= FLIGHT_ROWS {
                let columns = serde_json::from_value(group["v"].clone())?;
                let (t0_ms, clock) = (times[0], schema.groups[0].clock);
                minutes.push(Minute { t0_ms, groups: vec![Rows::new(0, clock, times, columns)] });
            }
        }
        Ok(Self { name: entry.name, schema, minutes, names: Vec::new(), promised: entry.promised })
    }

    pub(crate) fn samples(&self) -> usize {
        self.minutes.iter().map(Minute::samples).sum()
    }

    /// Its minutes as TF1 frames, numbered from `seq` on.
    pub(crate) fn frames(&self, boot: u32, seq: u32) -> Result<Vec<Vec<u8>>, Failure> {
        let mut builder = FrameBuilder::new();
        let frame = |(minute, seq): (&Minute, u32)| {
            minute.encode(&self.schema, boot, seq, &mut builder)?;
            Ok(builder.bytes().to_vec())
        };
        self.minutes.iter().zip(seq..).map(frame).collect()
    }

    /// Header and times included.
    pub(crate) fn bytes_a_sample(&self, frames: &[Vec<u8>]) -> f64 {
        frames.iter().map(Vec::len).sum::<usize>() as f64 / self.samples().max(1) as f64
    }
}

impl Minute {
    /// As a TF1 frame, which is what the builder holds then.
    pub(crate) fn encode(
        &self,
        schema: &Schema,
        boot: u32,
        seq: u32,
        builder: &mut FrameBuilder,
    ) -> Result<(), Failure> {
        let header = Header { schema: schema.id, boot, seq, t0_ms: self.t0_ms.unsigned_abs() };
        builder.begin(&header).map_err(|error| format!("{error:?}"))?;
        let mut columns: Vec<&[Option<i64>]> = Vec::new();
        for rows in &self.groups {
            columns.clear();
            columns.extend(rows.slots.iter().map(Vec::as_slice));
            let times = Times::Each(&rows.times);
            builder.chunk(schema, rows.group, times, &columns).map_err(|error| format!("{error:?}"))?;
        }
        Ok(())
    }

    pub(crate) fn samples(&self) -> usize {
        self.groups.iter().map(|rows| rows.times.len() * rows.columns.len()).sum()
    }

    /// A number that depends on every value.
    pub(crate) fn sum(&self) -> i64 {
        let values = self.groups.iter().flat_map(|rows| rows.columns.iter().flatten());
        values.fold(0, |sum, value| sum.wrapping_add(*value))
    }
}

impl Rows {
    fn new(group: usize, clock: Clock, times: Vec<i64>, columns: Vec<Vec<i64>>) -> Self {
        let slots = columns.iter().map(|column| column.iter().copied().map(Some).collect()).collect();
        Self { group, clock, times, columns, slots }
    }
}

struct Series {
    names: Vec<String>,
    times: Vec<i64>,
    columns: Vec<Vec<i64>>,
}

impl Series {
    /// A heading, then a row in each line: its time, its values.
    fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut lines = text.lines();
        let names: Vec<String> = lines.next().ok_or("no heading")?.split(',').skip(1).map(str::to_owned).collect();
        let row = |line: &str| line.split(',').map(str::parse).collect::<Result<Vec<i64>, _>>();
        let rows: Vec<Vec<i64>> = lines.map(row).collect::<Result<_, _>>()?;
        let column = |index: usize| rows.iter().map(|row| row[index]).collect::<Vec<_>>();
        Ok(Self { times: column(0), columns: (1..=names.len()).map(column).collect(), names })
    }

    /// The rows of one minute, in as many pieces as chunks need.
    fn rows(&self, group: usize, clock: Clock, t0_ms: i64) -> Vec<Rows> {
        let place = |time: i64| self.times.partition_point(|at| *at < time);
        let (from, to) = (place(t0_ms), place(t0_ms + MINUTE_MS));
        let pieces = (from..to).step_by(ROWS_MAX).map(|start| start..to.min(start + ROWS_MAX));
        let rows = pieces.map(|piece| {
            let columns = self.columns.iter().map(|all| all[piece.clone()].to_vec()).collect();
            Rows::new(group, clock, self.times[piece].to_vec(), columns)
        });
        rows.collect()
    }
}
