//! Frames and series of the sample data: 601 frames with their values, golden frames of seven devices, and the sizes that
//! the format promises.

mod common;

use std::fs;
use std::ops::Range;
use std::path::Path;

use common::{group, hex, same_as_golden, sample_data};
use halo_proto::chunk::{Clock, Times};
use halo_proto::frame::{Frame, Header};
use halo_proto::schema::{Decoded, FrameBuilder, Group, Schema, decode_into};
use serde_json::Value;

fn ints(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|value| value.as_i64().unwrap()).collect()
}

fn dumped_group(dumped: &Value) -> Group {
    let clock = match dumped["ck"].as_i64().unwrap() {
        -1 => Clock::Interval,
        dt_ms => Clock::Regular { dt_ms: dt_ms as u32 },
    };
    let columns: Vec<(i64, u8)> =
        dumped["cols"].as_array().unwrap().iter().map(|column| (ints(column)[0], ints(column)[1] as u8)).collect();
    group(clock, &columns)
}

#[test]
fn dumped_frames_decode_to_their_values_and_encode_back() {
    let Some(path) = sample_data("wire/dump.jsonl") else { return };
    let (mut frames, mut values) = (0, 0);
    for line in fs::read_to_string(path).unwrap().lines() {
        let dumped: Value = serde_json::from_str(line).unwrap();
        let groups = dumped["groups"].as_array().unwrap();
        let bytes = hex(dumped["hex"].as_str().unwrap());
        let schema = Schema { id: 3, groups: groups.iter().map(dumped_group).collect() };
        let frame = Frame::new_checked(&bytes).unwrap();
        assert_eq!(u64::from(frame.header().seq), dumped["seq"].as_u64().unwrap());
        let mut decoded = Decoded::default();
        decode_into(&frame, &schema, &mut decoded).unwrap();
        for (index, wanted) in groups.iter().enumerate() {
            // One group may be cut into several chunks.
            let chunks: Vec<_> = decoded.chunks().filter(|rows| rows.group == index).collect();
            let times: Vec<i64> = chunks.iter().flat_map(|rows| rows.times.iter().copied()).collect();
            assert_eq!(times, ints(&wanted["t"]));
            for (column, wanted) in wanted["v"].as_array().unwrap().iter().enumerate() {
                let of_column = |rows: &halo_proto::schema::Rows<'_>| rows.columns().nth(column).unwrap().to_vec();
                let got: Vec<i64> = chunks.iter().flat_map(of_column).flatten().collect();
                assert_eq!(got, ints(wanted));
                values += got.len();
            }
        }
        same_as_golden(&bytes, &schema);
        frames += 1;
    }
    assert_eq!((frames, values), (601, 171_609));
}

/// `gN name t=[…] v=[…] (bias B k0 K)`, of golden.txt.
fn golden_column(line: &str) -> (usize, String, Vec<i64>, Vec<i64>, (i64, u8)) {
    let list = |from: &str| -> Vec<i64> {
        let inside = line.split(from).nth(1).unwrap().split(']').next().unwrap();
        inside.split(", ").map(|number| number.parse().unwrap()).collect()
    };
    let mut words = line.split_whitespace();
    let group = words.next().unwrap()[1..].parse().unwrap();
    let name = words.next().unwrap().to_owned();
    let coding: Vec<&str> = line.split("(bias ").nth(1).unwrap().trim_end_matches(')').split(" k0 ").collect();
    (group, name, list("t=["), list("v=["), (coding[0].parse().unwrap(), coding[1].parse().unwrap()))
}

#[test]
fn golden_frames_of_seven_devices_decode_to_their_values_and_encode_back() {
    let Some(path) = sample_data("wire/golden.txt") else { return };
    let text = fs::read_to_string(path).unwrap();
    let mut checked = 0;
    for frame in text.split("\n").collect::<Vec<_>>().chunk_by(|_, next| next.starts_with(' ')) {
        let columns: Vec<_> =
            frame.iter().filter(|line| line.starts_with("    g")).map(|line| golden_column(line)).collect();
        if columns.is_empty() || !frame[0].ends_with("samples") {
            continue;
        }
        let clock = |group: usize, name: &str| match name {
            "rr_interval" => Clock::Interval,
            _ if group == 2 => Clock::Regular { dt_ms: 10_000 },
            _ if group == 3 => Clock::Regular { dt_ms: 60_000 },
            _ if group == 4 => Clock::Regular { dt_ms: 40 },
            _ => Clock::Regular { dt_ms: 1000 },
        };
        let groups = columns.iter().map(|column| column.0).max().unwrap() + 1;
        let mut schema = Schema { id: 3, groups: vec![group(Clock::Interval, &[]); groups] };
        for (group, name, _, _, coding) in &columns {
            schema.groups[*group].clock = clock(*group, name);
            schema.groups[*group].columns.push(common::column(coding.0, coding.1));
        }
        let bytes = hex(frame[1]);
        let mut decoded = Decoded::default();
        decode_into(&Frame::new_checked(&bytes).unwrap(), &schema, &mut decoded).unwrap();
        let mut wanted = columns.iter();
        for rows in decoded.chunks() {
            for column in rows.columns() {
                let (group, _, times, values, _) = wanted.next().unwrap();
                // The file lists the first ten rows only.
                assert_eq!((rows.group, &rows.times[..times.len()]), (*group, times.as_slice()));
                let column: Vec<i64> = column.iter().flatten().copied().collect();
                assert_eq!(column[..values.len()], *values);
            }
        }
        assert!(wanted.next().is_none());
        same_as_golden(&bytes, &schema);
        checked += 1;
    }
    assert_eq!(checked, 12, "of 13 frames, engine's 10 s one has no values beside it");
}

/// Times and columns of a series file.
struct Series {
    times: Vec<i64>,
    columns: Vec<Vec<Option<i64>>>,
}

impl Series {
    fn read(folder: &Path, name: &str) -> Self {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        let rows: Vec<Vec<i64>> =
            text.lines().skip(1).map(|row| row.split(',').map(|cell| cell.parse().unwrap()).collect()).collect();
        let column = |index| rows.iter().map(move |row: &Vec<i64>| row[index]);
        let columns = (1..rows[0].len()).map(|index| column(index).map(Some).collect()).collect();
        Self { times: column(0).collect(), columns }
    }

    /// The rows whose times lie in `span_ms`.
    fn rows(&self, span_ms: &Range<i64>) -> Range<usize> {
        let before = |end: i64| self.times.partition_point(|time| *time < end);
        before(span_ms.start)..before(span_ms.end)
    }
}

/// Bytes per sample of `files` (one per group) in 60 s frames within `span_s`.
fn bytes_per_sample(folder: &Path, schema: u32, files: &[&str], span_s: Range<i64>) -> f64 {
    let schema = Schema::from_registry(schema).unwrap();
    let series: Vec<Series> = files.iter().map(|name| Series::read(folder, name)).collect();
    let (mut builder, mut decoded) = (FrameBuilder::new(), Decoded::default());
    let (mut bytes, mut samples) = (0, 0);
    for (index, t0) in (span_s.start * 1000..span_s.end * 1000).step_by(60_000).enumerate() {
        let header = Header { schema: schema.id, boot: 7, seq: index as u32, t0_ms: t0 as u64 };
        builder.begin(&header).unwrap();
        let mut wanted = Vec::new();
        for (group, series) in series.iter().enumerate() {
            let rows = series.rows(&(t0..t0 + 60_000));
            for start in rows.clone().step_by(halo_proto::chunk::ROWS_MAX) {
                let rows = start..rows.end.min(start + halo_proto::chunk::ROWS_MAX);
                let columns: Vec<&[Option<i64>]> = series.columns.iter().map(|all| &all[rows.clone()]).collect();
                samples += rows.len() * columns.len();
                let times = &series.times[rows];
                builder.chunk(&schema, group, Times::Each(times), &columns).unwrap();
                wanted.push((times, columns));
            }
        }
        decode_into(&Frame::new_checked(builder.bytes()).unwrap(), &schema, &mut decoded).unwrap();
        let got: Vec<_> = decoded.chunks().map(|rows| (rows.times, rows.columns().collect::<Vec<_>>())).collect();
        assert_eq!(got, wanted);
        bytes += builder.bytes().len();
    }
    bytes as f64 / samples as f64
}

/// Device, schema, files, seconds to send, bytes a sample.
type Promise<'a> = (&'a str, u32, &'a [&'a str], Range<i64>, f64);

#[test]
fn a_minute_of_each_device_takes_no_more_bytes_a_sample_than_promised() {
    let Some(folder) = sample_data("wire/series") else { return };
    let wrist = ["wrist_hr.csv", "wrist_rr.csv", "wrist_slow10.csv", "wrist_slow60.csv", "wrist_acc.csv"];
    // The engine's series is one flight of half an hour, half of it climb and descent; its promise of 0.74 was made on two
    // other hours, and is kept on the frames of those (the test below). Here stands what the short flight takes.
    let table: [Promise<'_>; 7] = [
        ("wrist", 1, &wrist[..4], 0..7200, 0.74),
        ("wrist+acc", 2, &wrist, 0..720, 0.92),
        ("car", 4, &["car_main.csv"], 0..3600, 0.75),
        ("car, real OBD", 5, &["carobd_real.csv"], 300..2700, 0.31),
        ("engine", 7, &["engine_main.csv"], 0..1800, 0.77),
        ("C-MAPSS, real", 6, &["cmapss_fd001_real_1000rows.csv"], 300..960, 0.66),
        ("RR, real", 3, &["heartpy_rr_real.csv"], 60..660, 1.08),
    ];
    let mut over = Vec::new();
    for (name, schema, files, span_s, promised) in table {
        let got = bytes_per_sample(&folder, schema, files, span_s);
        println!("{name:14} {got:.4} bytes/sample, promised {promised}");
        if (got * 100.0).round() > (promised * 100.0_f64).round() {
            over.push(name);
        }
    }
    assert!(over.is_empty(), "over: {over:?}");
}

#[test]
fn a_minute_of_the_promised_engine_flights_takes_no_more_bytes_a_sample_than_promised() {
    let Some(path) = sample_data("wire/dump.jsonl") else { return };
    let schema = Schema::from_registry(7).unwrap();
    let (mut builder, mut bytes, mut samples) = (FrameBuilder::new(), 0, 0);
    for line in fs::read_to_string(path).unwrap().lines() {
        let dumped: Value = serde_json::from_str(line).unwrap();
        let group = &dumped["groups"][0];
        let times = ints(&group["t"]);
        if dumped["dev"] != "engine" || times.len() < 60 {
            continue;
        }
        let header = Frame::new_checked(&hex(dumped["hex"].as_str().unwrap())).unwrap().header();
        let some = |column: &Value| ints(column).into_iter().map(Some).collect();
        let columns: Vec<Vec<Option<i64>>> = group["v"].as_array().unwrap().iter().map(some).collect();
        let columns: Vec<&[Option<i64>]> = columns.iter().map(Vec::as_slice).collect();
        builder.begin(&Header { schema: 7, ..header }).unwrap();
        builder.chunk(&schema, 0, Times::Each(&times), &columns).unwrap();
        bytes += builder.bytes().len();
        samples += times.len() * columns.len();
    }
    let got = bytes as f64 / samples as f64;
    println!("engine, two hours {got:.4} bytes/sample, promised 0.74");
    assert!((got * 100.0).round() <= 74.0);
}
