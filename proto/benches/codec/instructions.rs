//! Instructions, counted by callgrind: this program runs itself under valgrind with one round and with three, and the
//! difference of the two counts is two rounds of nothing but the codec.

use std::process::{Command, Stdio};

use crate::formats;
use crate::minutes::{self, Device};

const FLAG: &str = "--count-rounds";
const FEW: u32 = 1;
const MORE: u32 = 3;

/// Which way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Encode,
    Decode,
}

/// What the program does under valgrind.
pub(crate) struct Run {
    device: String,
    format: String,
    way: Way,
    rounds: u32,
}

impl Run {
    pub(crate) fn of_arguments(arguments: &[String]) -> Option<Self> {
        let [flag, device, format, way, rounds, ..] = arguments else { return None };
        let way = if way == "encode" { Way::Encode } else { Way::Decode };
        (flag == FLAG).then(|| Self {
            device: device.clone(),
            format: format.clone(),
            way,
            rounds: rounds.parse().expect("a number of rounds"),
        })
    }

    pub(crate) fn go(&self) {
        let folder = minutes::sample_data(minutes::SERIES).expect("the caller has looked");
        let devices =
            minutes::devices(&folder, |entry| entry.name == self.device).expect("readable, as for the caller");
        let device = devices.first().expect("a device");
        let mut codec = formats::of_name(&self.format, device).expect("a format");
        let frames = crate::frames_of(&mut *codec, device);
        let mut out = Vec::with_capacity(1 << 20);
        for _ in 0..self.rounds {
            match self.way {
                Way::Encode => crate::encode_all(&mut *codec, &device.minutes, &mut out),
                Way::Decode => crate::decode_all(&mut *codec, &frames),
            }
        }
    }
}

/// Whether valgrind can be run; says so loudly when not.
pub(crate) fn valgrind_is_there() -> bool {
    let there = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_ok_and(|it| it.success());
    if !there {
        eprintln!("\n*** SKIP: instructions are not counted, there is no valgrind ***\n");
    }
    there
}

/// Instructions a sample; `None` when valgrind does not know an instruction of this machine.
pub(crate) fn per_sample(device: &Device, format: &str, way: Way) -> Option<f64> {
    let difference = count(device, format, way, MORE)?.checked_sub(count(device, format, way, FEW)?)?;
    Some(difference as f64 / f64::from(MORE - FEW) / device.samples() as f64)
}

fn count(device: &Device, format: &str, way: Way, rounds: u32) -> Option<u64> {
    let way = if way == Way::Encode { "encode" } else { "decode" };
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().ok()?)
        .args([FLAG, device.name, format, way, &rounds.to_string()])
        .output()
        .ok()?;
    // ==7== Collected : 1234567
    let said = String::from_utf8_lossy(&output.stderr);
    said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}
