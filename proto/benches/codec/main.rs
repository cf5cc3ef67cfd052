//! What a sample costs: bytes, nanoseconds and instructions, to encode and to decode, beside four other formats, on the
//! seven sample series in frames of 60 s.
//!
//! `cargo bench -p halo-proto --bench codec` prints the table (`-- --json` for programs, `-- --device car` for one device,
//! `-- --fast` without valgrind). As a test it runs each format once and checks that what comes back is what went in.

mod formats;
mod instructions;
#[expect(dead_code, reason = "some of it is for those that measure nothing but sizes")]
mod minutes;
mod report;
mod stopwatch;

use formats::{NAMES, Seen};
use minutes::{Device, Entry, Minute};
use report::Line;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(run) = instructions::Run::of_arguments(&arguments) {
        return run.go();
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let after = |flag: &str| arguments.iter().skip_while(|argument| *argument != flag).nth(1).map(String::as_str);
    let Some(folder) = minutes::sample_data(minutes::SERIES) else { return };
    // `cargo bench` says so itself; `cargo test` does not.
    let measures = has("--bench");
    let counts = measures && !has("--fast") && instructions::valgrind_is_there();
    let mut lines = Vec::new();
    let only = after("--device");
    let wanted = |entry: &Entry| only.is_none_or(|name| name == entry.name);
    for device in minutes::devices(&folder, wanted).expect("the series are readable") {
        for (place, (format, _)) in NAMES.iter().enumerate() {
            eprintln!("{}: {format}", device.name);
            let bytes_per_sample = check(&device, format);
            let mut line = Line::new(&device, format, device.promised[place], bytes_per_sample);
            if measures {
                line.time(&device);
            }
            if counts {
                line.count(&device);
            }
            lines.push(line);
        }
    }
    assert!(!lines.is_empty(), "no such device");
    if has("--json") { report::json(&lines) } else { report::table(&lines) }
}

/// Carries every minute there and back; bytes a sample.
fn check(device: &Device, format: &str) -> f64 {
    let mut codec = formats::of_name(format, device).expect("a format");
    let (mut out, mut bytes) = (Vec::new(), 0);
    for minute in &device.minutes {
        codec.encode(minute, &mut out);
        let wanted = Seen { values: minute.samples(), sum: minute.sum() };
        assert_eq!(codec.decode(&out), wanted, "{} as {format}, minute at {} ms", device.name, minute.t0_ms);
        bytes += out.len();
    }
    bytes as f64 / device.samples() as f64
}

/// Encodes every minute once.
fn encode_all(codec: &mut dyn formats::Format, minutes: &[Minute], out: &mut Vec<u8>) {
    for minute in minutes {
        codec.encode(std::hint::black_box(minute), out);
        std::hint::black_box(&out);
    }
}

/// Decodes every frame once.
fn decode_all(codec: &mut dyn formats::Format, frames: &[Vec<u8>]) {
    for frame in frames {
        std::hint::black_box(codec.decode(std::hint::black_box(frame)));
    }
}

/// Every minute of a device, encoded.
fn frames_of(codec: &mut dyn formats::Format, device: &Device) -> Vec<Vec<u8>> {
    let frame = |minute| {
        let mut out = Vec::new();
        codec.encode(minute, &mut out);
        out
    };
    device.minutes.iter().map(frame).collect()
}
