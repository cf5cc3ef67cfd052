//! One device: a source of readings, an uptime clock, a boot counter, and the frames it makes of them.
//!
//! Sources, faults and the clock count the device's time without a break; a reboot sets only the uptime that frames
//! carry back to zero. Frame *n* of one boot is the same bytes in every run with the same seed: frames carry device time
//! only. What depends on the day, the device's idea of Unix time, stands in its births.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::clock::Uptime;
use crate::faults::Dice;
use crate::framing::{Framer, FramingError};
use crate::kind::Kind;
use crate::kinds::Told;
use crate::outbox::{FrameId, Parcel};
use crate::rows::{Batch, Cutter, Note};
use crate::sampler::Sampler;

/// Where a device's batches come from.
pub(crate) enum Source {
    Simulated(Box<Sampler>),
    Recorded(Cutter),
}

/// When a batch becomes a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// When the device's clock reaches the batch's end.
    Live,
    /// One batch each `interval` from the start on; zero = as soon as there is room.
    Recorded { interval: Duration },
}

/// A device that has synchronised its clock at some time, and how well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sync {
    /// How far the device's idea of Unix time is off, ms.
    pub(crate) error_ms: i64,
    pub(crate) uncertainty_ms: u32,
}

/// Where a device publishes.
#[derive(Clone, Debug)]
pub(crate) struct Topics {
    pub(crate) birth: String,
    pub(crate) telemetry: String,
    pub(crate) state: String,
}

/// See the module's text.
pub(crate) struct Device {
    pub(crate) id: Arc<str>,
    pub(crate) kind: Option<Kind>,
    pub(crate) topics: Topics,
    pub(crate) framer: Framer,
    pub(crate) source: Source,
    pub(crate) uptime: Uptime,
    pub(crate) sync: Option<Sync>,
    pub(crate) pace: Pace,
    /// Periods still to produce; `None` = no end of its own.
    pub(crate) periods_left: Option<u64>,
    pub(crate) dice: Dice,
    /// Progress; starts as [`Progress::default`].
    pub(crate) so_far: Progress,
}

/// How far a device has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    periods: u32,
    /// Device time at which the present boot began, and up to which was measured.
    booted_ms: u64,
    measured_ms: u64,
    boot_told: bool,
}

/// What came of one period.
#[derive(Debug, Default)]
pub(crate) struct Product {
    /// Nothing was measured or nothing happened: no frame.
    pub(crate) parcel: Option<Parcel>,
    /// The device has booted and its connection is gone.
    pub(crate) rebooted: bool,
    pub(crate) told: Vec<Told>,
}

impl Device {
    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }

    pub(crate) fn topics(&self) -> &Topics {
        &self.topics
    }

    pub(crate) fn boot(&self) -> u32 {
        self.framer.boot()
    }

    /// Whether the device measures now, as opposed to handing over a recording.
    pub(crate) fn is_live(&self) -> bool {
        self.pace == Pace::Live
    }

    /// Real time, since the simulation's start, at which the next period is over; `None` at the end.
    pub(crate) fn next_due(&mut self) -> Option<Duration> {
        if self.periods_left == Some(0) {
            return None;
        }
        let end_ms = match &mut self.source {
            Source::Simulated(sampler) => sampler.next_end_ms(),
            Source::Recorded(cutter) => cutter.next_end_ms()?,
        };
        Some(match self.pace {
            Pace::Live => self.uptime.when(end_ms),
            Pace::Recorded { interval } => interval.saturating_mul(self.so_far.periods.saturating_add(1)),
        })
    }

    /// What comes of the next period; `None` at the end.
    pub(crate) fn produce(&mut self) -> Option<Result<Product, FramingError>> {
        self.next_due()?;
        self.periods_left = self.periods_left.map(|left| left - 1);
        self.so_far.periods = self.so_far.periods.saturating_add(1);
        let mut batch: Batch = match &mut self.source {
            Source::Simulated(sampler) => sampler.batch(),
            Source::Recorded(cutter) => cutter.next()?,
        };
        self.so_far.measured_ms = batch.end_ms;
        let mut product = Product { told: std::mem::take(&mut batch.told), ..Product::default() };
        if !std::mem::replace(&mut self.so_far.boot_told, true) {
            let began_ms = batch.start_ms;
            product.told.insert(0, self.tell_boot(began_ms));
        }
        if let Some(boot) = self.dice.reboot(self.boot(), batch.end_ms) {
            self.framer.reboot(boot);
            self.so_far.booted_ms = batch.end_ms;
            product.rebooted = true;
            product.told.push(self.tell_boot(batch.end_ms));
        }
        if self.dice.is_down(batch.end_ms) || batch.says_nothing() {
            return Some(Ok(product));
        }
        self.dice.spoil_readings(&mut batch, self.framer.schema());
        rebase(&mut batch, self.so_far.booted_ms);
        Some(self.framer.frame(&batch).map(|(seq, payload)| {
            let spoilt = self.dice.spoil_bytes(&payload);
            let bad = spoilt.is_some();
            let id = FrameId { boot: self.framer.boot(), seq };
            Product { parcel: Some(Parcel::new(id, spoilt.unwrap_or(payload), bad)), ..product }
        }))
    }

    fn tell_boot(&self, at_ms: u64) -> Told {
        let facts = json!({"counter": self.dice.has_counter(), "drift_ppm": self.uptime.drift_ppm()});
        Told { at_ms, what: "boot", facts }
    }

    /// Whether there is no network where the device is now; the dead zone that has just ended, if one has.
    pub(crate) fn dead_zone(&mut self) -> (bool, Option<Told>) {
        let (is_dead, ended) = self.dice.zone(self.so_far.measured_ms);
        let told = |(from_ms, to_ms)| Told {
            at_ms: to_ms,
            what: "dead_zone",
            facts: json!({"from_ms": from_ms, "to_ms": to_ms}),
        };
        (is_dead, ended.map(told))
    }

    /// The present boot's uptime at this device time; 0 before the boot.
    pub(crate) fn uptime_ms(&self, device_ms: u64) -> u64 {
        device_ms.saturating_sub(self.so_far.booted_ms)
    }

    /// The birth as it reads `elapsed` after the simulation's start, at Unix time `unix_ms`.
    pub(crate) fn birth(&self, elapsed: Duration, unix_ms: i64) -> Bytes {
        let uptime_ms = self.uptime_ms(self.uptime.at(elapsed));
        let sync = self.sync.map(|sync| {
            let offset_ms = unix_ms - i64::try_from(uptime_ms).unwrap_or(i64::MAX) + sync.error_ms;
            (offset_ms, sync.uncertainty_ms)
        });
        self.framer.birth(uptime_ms, sync)
    }
}

/// From device time to the uptime of a boot that began at `booted_ms`.
fn rebase(batch: &mut Batch, booted_ms: u64) {
    let shift = |ms: &mut u64| *ms = ms.saturating_sub(booted_ms);
    shift(&mut batch.start_ms);
    shift(&mut batch.end_ms);
    batch.rows.iter_mut().for_each(|row| shift(&mut row.at_ms));
    for note in &mut batch.notes {
        if let Note::Event(happened) = note {
            shift(&mut happened.at_ms);
        }
    }
}
