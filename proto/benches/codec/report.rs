//! What comes out: a table for people, JSON for programs.

use serde_json::json;

use crate::formats::{self, NAMES};
use crate::instructions::{self, Way};
use crate::minutes::Device;
use crate::stopwatch::nanoseconds;
use crate::{decode_all, encode_all, frames_of};

/// One format on one device; everything per sample.
pub(crate) struct Line {
    device: &'static str,
    format: &'static str,
    samples: usize,
    bytes: f64,
    bytes_promised: f64,
    encode_ns: Option<f64>,
    decode_ns: Option<f64>,
    encode_instructions: Option<f64>,
    decode_instructions: Option<f64>,
}

impl Line {
    pub(crate) fn new(device: &Device, format: &'static str, bytes_promised: f64, bytes: f64) -> Self {
        Self {
            device: device.name,
            format,
            samples: device.samples(),
            bytes,
            bytes_promised,
            encode_ns: None,
            decode_ns: None,
            encode_instructions: None,
            decode_instructions: None,
        }
    }

    pub(crate) fn time(&mut self, device: &Device) {
        let mut codec = formats::of_name(self.format, device).expect("a format");
        let (frames, mut out) = (frames_of(&mut *codec, device), Vec::new());
        let samples = self.samples as f64;
        self.encode_ns = Some(nanoseconds(|| encode_all(&mut *codec, &device.minutes, &mut out)) / samples);
        self.decode_ns = Some(nanoseconds(|| decode_all(&mut *codec, &frames)) / samples);
    }

    pub(crate) fn count(&mut self, device: &Device) {
        self.encode_instructions = instructions::per_sample(device, self.format, Way::Encode);
        self.decode_instructions = instructions::per_sample(device, self.format, Way::Decode);
    }
}

pub(crate) fn json(lines: &[Line]) {
    let rows: Vec<_> = lines
        .iter()
        .map(|line| {
            json!({
                "device": line.device, "format": line.format, "samples": line.samples, "bytes": line.bytes,
                "bytes_in_wire_md": line.bytes_promised, "encode_ns": line.encode_ns, "decode_ns": line.decode_ns,
                "encode_instructions": line.encode_instructions, "decode_instructions": line.decode_instructions,
            })
        })
        .collect();
    let formats: serde_json::Map<String, serde_json::Value> =
        NAMES.iter().map(|(name, setup)| ((*name).to_owned(), (*setup).into())).collect();
    println!("{}", json!({"machine": machine(), "frame_s": 60, "per": "sample", "formats": formats, "rows": rows}));
}

pub(crate) fn table(lines: &[Line]) {
    println!("machine: {}", machine());
    println!("frames of 60 s; everything per sample; instructions by callgrind\n");
    let setups = NAMES.iter().map(|(name, setup)| format!("  {name:10} {setup}\n"));
    println!("{}", setups.collect::<String>());
    println!(
        "{:14} {:10} {:>9} {:>9} {:>10} {:>10} {:>12} {:>12}",
        "device", "format", "bytes", "WIRE.md", "encode ns", "decode ns", "encode ins.", "decode ins."
    );
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    for line in lines {
        println!(
            "{:14} {:10} {:>9.3} {:>9} {:>10} {:>10} {:>12} {:>12}",
            line.device,
            line.format,
            line.bytes,
            line.bytes_promised,
            number(line.encode_ns),
            number(line.decode_ns),
            number(line.encode_instructions),
            number(line.decode_instructions),
        );
    }
}

fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    format!("{}, {cores} cores, {profile} build", model.unwrap_or("unknown processor"))
}
