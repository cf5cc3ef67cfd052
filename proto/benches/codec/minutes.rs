//! The sample series, cut into minutes: what every format has to carry.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use halo_proto::chunk::{Clock, ROWS_MAX};
use halo_proto::schema::Schema;

const MINUTE_MS: i64 = 60_000;

/// A device's series.
pub(crate) struct Device {
    pub(crate) name: &'static str,
    pub(crate) schema: Schema,
    pub(crate) minutes: Vec<Minute>,
    /// Column names of each group, as the files have them.
    pub(crate) names: Vec<Vec<String>>,
    /// WIRE's figures: bytes a sample as JSON rows, SenML-CBOR, Sparkplug B, columnar postcard and TF1.
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

impl Minute {
    pub(crate) fn samples(&self) -> usize {
        self.groups.iter().map(|rows| rows.times.len() * rows.columns.len()).sum()
    }

    /// A number that depends on every value.
    pub(crate) fn sum(&self) -> i64 {
        let values = self.groups.iter().flat_map(|rows| rows.columns.iter().flatten());
        values.fold(0, |sum, value| sum.wrapping_add(*value))
    }
}

impl Device {
    pub(crate) fn samples(&self) -> usize {
        self.minutes.iter().map(Minute::samples).sum()
    }
}

/// Name, schema, one file per group, seconds used, WIRE's figures.
type Entry = (&'static str, u32, &'static [&'static str], Range<i64>, [f64; 5]);

const WRIST: [&str; 5] = ["wrist_hr", "wrist_rr", "wrist_slow10", "wrist_slow60", "wrist_acc"];

const DEVICES: [Entry; 7] = [
    ("wrist", 1, WRIST.split_at(4).0, 0..7200, [24.5, 10.1, 13.7, 1.39, 0.74]),
    ("wrist+acc", 2, &WRIST, 0..720, [7.37, 11.55, 2.99, 1.36, 0.92]),
    ("car", 4, &["car_main"], 0..3600, [20.3, 8.58, 13.9, 1.38, 0.75]),
    ("car, real OBD", 5, &["carobd_real"], 300..2700, [17.4, 7.52, 13.5, 1.15, 0.31]),
    ("engine", 7, &["engine_main"], 0..1800, [13.95, 8.81, 14.5, 1.41, 0.74]),
    ("C-MAPSS, real", 6, &["cmapss_fd001_real_1000rows"], 300..960, [13.94, 8.76, 14.4, 1.39, 0.66]),
    ("RR, real", 3, &["heartpy_rr_real"], 60..660, [28.0, 12.2, 14.1, 1.25, 1.08]),
];

/// Below `$HALO_DATA`, else beside the repository; `None`, said loudly, when the series are not there.
///
/// # Panics
/// When they are not there and `CI=true`.
pub(crate) fn folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("HALO_DATA").map_or_else(beside, PathBuf::from).join("wire/series");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "CI=true, but {} is absent", folder.display());
    eprintln!("\n*** SKIP: {} is absent; set HALO_DATA ***\n", folder.display());
    None
}

/// All seven devices, or the one of this name.
pub(crate) fn devices(folder: &Path, only: Option<&str>) -> Vec<Device> {
    let wanted = |entry: &&Entry| only.is_none_or(|name| name == entry.0);
    DEVICES.iter().filter(wanted).map(|entry| device(folder, entry)).collect()
}

fn device(folder: &Path, (name, schema, files, span_s, promised): &Entry) -> Device {
    let schema = Schema::from_registry(*schema).expect("registered");
    let series: Vec<Series> = files.iter().map(|file| Series::read(folder, file)).collect();
    let starts = (span_s.start * 1000..span_s.end * 1000).step_by(usize::try_from(MINUTE_MS).expect("positive"));
    let minute = |t0_ms| {
        let groups =
            series.iter().enumerate().flat_map(|(group, series)| series.rows(group, schema.groups[group].clock, t0_ms));
        Minute { t0_ms, groups: groups.collect() }
    };
    let minutes = starts.map(minute).collect();
    let names = series.into_iter().map(|series| series.names).collect();
    Device { name, minutes, names, schema, promised: *promised }
}

struct Series {
    names: Vec<String>,
    times: Vec<i64>,
    columns: Vec<Vec<i64>>,
}

impl Series {
    fn read(folder: &Path, name: &str) -> Self {
        let text = fs::read_to_string(folder.join(name).with_extension("csv")).expect("a series file");
        let mut lines = text.lines();
        let names = lines.next().expect("a heading").split(',').skip(1).map(str::to_owned).collect();
        let number = |cell: &str| cell.parse::<i64>().expect("whole numbers");
        let rows: Vec<Vec<i64>> = lines.map(|line| line.split(',').map(number).collect()).collect();
        let column = |index: usize| rows.iter().map(|row| row[index]).collect::<Vec<_>>();
        Self { names, times: column(0), columns: (1..rows[0].len()).map(column).collect() }
    }

    /// The rows of one minute, in as many pieces as chunks need.
    fn rows(&self, group: usize, clock: Clock, t0_ms: i64) -> Vec<Rows> {
        let place = |time: i64| self.times.partition_point(|at| *at < time);
        let (from, to) = (place(t0_ms), place(t0_ms + MINUTE_MS));
        let pieces = (from..to).step_by(ROWS_MAX).map(|start| start..to.min(start + ROWS_MAX));
        let rows = pieces.map(|piece| {
            let columns: Vec<Vec<i64>> = self.columns.iter().map(|all| all[piece.clone()].to_vec()).collect();
            let slots = columns.iter().map(|column| column.iter().copied().map(Some).collect()).collect();
            Rows { group, clock, times: self.times[piece].to_vec(), columns, slots }
        });
        rows.collect()
    }
}
