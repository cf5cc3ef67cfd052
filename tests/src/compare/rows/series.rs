//! Bytes a sample of the seven series the format was designed on, header and time included, in frames of a minute. They
//! are not part of the project.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use halo_proto::chunk::{ROWS_MAX, Times};
use halo_proto::frame::Header;
use halo_proto::schema::{FrameBuilder, Schema};
use serde_json::Value;

use super::super::goal::{Figures, Goal, Skipped};
use super::super::ground::Ground;
use super::at_most;
use crate::{Failure, data};

const MINUTE_MS: i64 = 60_000;

/// Name, schema, one file for each group, seconds used.
type Entry = (&'static str, u32, &'static [&'static str], Range<i64>);

const WRIST: [&str; 5] = ["wrist_hr", "wrist_rr", "wrist_slow10", "wrist_slow60", "wrist_acc"];
const CSV: [Entry; 6] = [
    ("wrist", 1, WRIST.split_at(4).0, 0..7200),
    ("wrist+acc", 2, &WRIST, 0..720),
    ("car", 4, &["car_main"], 0..3600),
    ("car, real OBD", 5, &["carobd_real"], 300..2700),
    ("C-MAPSS, real", 6, &["cmapss_fd001_real_1000rows"], 300..960),
    ("RR, real", 3, &["heartpy_rr_real"], 60..660),
];
/// The engine's figure is of two hours of flights that are there only as frames with their values.
const ENGINE: (&str, u32) = ("engine", 7);
const ENGINE_FRAMES: &str = "wire/dump.jsonl";
/// Shorter ones are not frames of a minute.
const ENGINE_ROWS: usize = 60;

/// What the format was designed to take, to two digits.
macro_rules! goal {
    ($name:literal, $bytes:literal) => {
        at_most(
            concat!($name, ", bytes a sample"),
            |_| Some($bytes),
            |it| it.get($name).map(|bytes| (bytes * 100.0).round() / 100.0),
        )
    };
}

pub(super) static GOALS: [Goal; 7] = [
    goal!("wrist", 0.74),
    goal!("wrist+acc", 0.92),
    goal!("car", 0.75),
    goal!("car, real OBD", 0.31),
    goal!("engine", 0.74),
    goal!("C-MAPSS, real", 0.66),
    goal!("RR, real", 1.08),
];

pub(super) fn bytes_a_sample(_: &Ground) -> Result<Figures, Failure> {
    let (folder, engine) = (find("wire/series")?, find(ENGINE_FRAMES)?);
    let mut figures = Figures::new();
    for (name, schema, files, span_s) in CSV {
        figures.insert(name, of_files(&folder, schema, files, span_s)?);
    }
    figures.insert(ENGINE.0, of_engine(&engine)?);
    Ok(figures)
}

fn find(relative: &str) -> Result<PathBuf, Failure> {
    let absent = || Skipped(format!("{relative} is neither below $HALO_DATA nor in ../shared/data"));
    Ok(data::find(relative).ok_or_else(absent)?)
}

/// Rows of one group.
#[derive(Default)]
struct Series {
    times: Vec<i64>,
    columns: Vec<Vec<Option<i64>>>,
}

impl Series {
    /// A heading, then a row in each line: its time, its values.
    fn read(file: &Path) -> Result<Self, Failure> {
        let mut series = Self::default();
        for line in fs::read_to_string(file)?.lines().skip(1) {
            let mut cells = line.split(',').map(str::parse::<i64>);
            series.times.push(cells.next().ok_or("an empty line")??);
            for (column, cell) in cells.enumerate() {
                if series.columns.len() == column {
                    series.columns.push(Vec::new());
                }
                series.columns[column].push(Some(cell?));
            }
        }
        Ok(series)
    }

    /// The rows of a minute, in as many pieces as chunks need.
    fn minute(&self, t0_ms: i64) -> impl Iterator<Item = Range<usize>> {
        let place = |time| self.times.partition_point(|at| *at < time);
        let (from, to) = (place(t0_ms), place(t0_ms + MINUTE_MS));
        (from..to).step_by(ROWS_MAX).map(move |start| start..to.min(start + ROWS_MAX))
    }
}

/// Bytes and samples of the frames made so far.
struct Tally {
    builder: FrameBuilder,
    schema: Schema,
    frames: u32,
    bytes: usize,
    samples: usize,
}

impl Tally {
    fn new(schema: u32) -> Result<Self, Failure> {
        let schema = Schema::from_registry(schema).ok_or("an unregistered schema")?;
        Ok(Self { builder: FrameBuilder::new(), schema, frames: 0, bytes: 0, samples: 0 })
    }

    fn begin(&mut self, t0_ms: i64) -> Result<(), Failure> {
        let header = Header { schema: self.schema.id, boot: 7, seq: self.frames, t0_ms: u64::try_from(t0_ms)? };
        self.builder.begin(&header).map_err(|error| format!("{error:?}"))?;
        self.frames += 1;
        Ok(())
    }

    fn chunk(&mut self, group: usize, series: &Series, rows: Range<usize>) -> Result<(), Failure> {
        let columns: Vec<&[Option<i64>]> = series.columns.iter().map(|column| &column[rows.clone()]).collect();
        self.samples += rows.len() * columns.len();
        let times = Times::Each(&series.times[rows]);
        self.builder.chunk(&self.schema, group, times, &columns).map_err(|error| format!("{error:?}"))?;
        Ok(())
    }

    fn end(&mut self) {
        self.bytes += self.builder.bytes().len();
    }

    fn bytes_a_sample(&self) -> f64 {
        self.bytes as f64 / self.samples.max(1) as f64
    }
}

fn of_files(folder: &Path, schema: u32, files: &[&str], span_s: Range<i64>) -> Result<f64, Failure> {
    let path = |file: &&str| folder.join(file).with_extension("csv");
    let all: Vec<Series> = files.iter().map(|file| Series::read(&path(file))).collect::<Result<_, _>>()?;
    let mut tally = Tally::new(schema)?;
    for t0_ms in (span_s.start * 1_000..span_s.end * 1_000).step_by(MINUTE_MS as usize) {
        tally.begin(t0_ms)?;
        for (group, series) in all.iter().enumerate() {
            for rows in series.minute(t0_ms) {
                tally.chunk(group, series, rows)?;
            }
        }
        tally.end();
    }
    Ok(tally.bytes_a_sample())
}

/// A frame a line, with the values it was made of.
fn of_engine(path: &Path) -> Result<f64, Failure> {
    let mut tally = Tally::new(ENGINE.1)?;
    for line in fs::read_to_string(path)?.lines() {
        let frame: Value = serde_json::from_str(line)?;
        let group = &frame["groups"][0];
        let series = Series {
            times: serde_json::from_value(group["t"].clone())?,
            columns: serde_json::from_value(group["v"].clone())?,
        };
        if frame["dev"] != ENGINE.0 || series.times.len() < ENGINE_ROWS {
            continue;
        }
        tally.begin(series.times[0])?;
        tally.chunk(0, &series, 0..series.times.len())?;
        tally.end();
    }
    Ok(tally.bytes_a_sample())
}
