//! Bytes a sample of the seven series the format was designed on, header and time included, in frames of a minute.

use std::path::PathBuf;

use super::super::goal::{Figures, Goal, Skipped};
use super::super::ground::Ground;
use super::at_most;
use crate::{Failure, data};

#[path = "../../../../proto/benches/codec/minutes.rs"]
#[expect(dead_code, reason = "some of it is for the formats beside this one")]
mod minutes;

use minutes::{DEVICES, DUMP, Device, SERIES, TF1};

/// What the format was designed to take, to two digits.
const fn goal<const N: usize>() -> Goal {
    at_most(
        DEVICES[N].name,
        |_| Some(DEVICES[N].promised[TF1]),
        |it| it.get(DEVICES[N].name).map(|bytes| (bytes * 100.0).round() / 100.0),
    )
}

pub(super) static GOALS: [Goal; 7] =
    [goal::<0>(), goal::<1>(), goal::<2>(), goal::<3>(), goal::<4>(), goal::<5>(), goal::<6>()];

pub(super) fn bytes_a_sample(_: &Ground) -> Result<Figures, Failure> {
    let (folder, flights) = (find(SERIES)?, find(DUMP)?);
    let engine = Device::of_flights(&flights)?;
    let mut devices = minutes::devices(&folder, |entry| entry.name != engine.name)?;
    devices.push(engine);
    devices.iter().map(|device| Ok((device.name, device.bytes_a_sample(&device.frames(7, 0)?)))).collect()
}

fn find(relative: &str) -> Result<PathBuf, Failure> {
    let absent = || Skipped(format!("{relative} is neither below $HALO_DATA nor in ../shared/data"));
    Ok(data::find(relative).ok_or_else(absent)?)
}
