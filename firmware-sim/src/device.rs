//! One device: a source of readings, an uptime clock, a boot counter, and the frames it makes of them.
//!
//! Frame *n* of one boot is the same bytes in every run with the same seed: frames carry device time only. What depends
//! on the day, the device's idea of Unix time, stands in its births.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::clock::Uptime;
use crate::framing::{Framer, FramingError};
use crate::outbox::Parcel;
use crate::rows::{Batch, Cutter};
use crate::wristband_rows::WristbandRows;

/// Where a device's batches come from.
pub(crate) enum Source {
    Wristband(Box<WristbandRows>),
    Recorded(Cutter),
}

/// When a batch becomes a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// When the device's uptime reaches the batch's end.
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
    pub(crate) topics: Topics,
    pub(crate) framer: Framer,
    pub(crate) source: Source,
    pub(crate) uptime: Uptime,
    pub(crate) sync: Option<Sync>,
    pub(crate) pace: Pace,
    /// Frames still to produce; `None` = no end of its own.
    pub(crate) frames_left: Option<u64>,
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

    /// Real time, since the simulation's start, at which the next frame may be produced; `None` at the end.
    pub(crate) fn next_due(&mut self) -> Option<Duration> {
        if self.frames_left == Some(0) {
            return None;
        }
        let end_ms = match &mut self.source {
            Source::Wristband(band) => band.next_end_ms(),
            Source::Recorded(cutter) => cutter.next_end_ms()?,
        };
        Some(match self.pace {
            Pace::Live => self.uptime.when(end_ms),
            Pace::Recorded { interval } => interval.saturating_mul(self.framer.next_seq().saturating_add(1)),
        })
    }

    /// The next frame; `None` at the end.
    pub(crate) fn produce(&mut self) -> Option<Result<Parcel, FramingError>> {
        self.next_due()?;
        self.frames_left = self.frames_left.map(|left| left - 1);
        let batch: Batch = match &mut self.source {
            Source::Wristband(band) => band.batch(),
            Source::Recorded(cutter) => cutter.next()?,
        };
        Some(self.framer.frame(&batch).map(|(seq, payload)| Parcel { seq, payload, sent: 0 }))
    }

    /// The birth as it reads `elapsed` after the simulation's start, at Unix time `unix_ms`.
    pub(crate) fn birth(&self, elapsed: Duration, unix_ms: i64) -> Bytes {
        let uptime_ms = self.uptime.at(elapsed);
        let sync = self.sync.map(|sync| {
            let offset_ms = unix_ms - i64::try_from(uptime_ms).unwrap_or(i64::MAX) + sync.error_ms;
            (offset_ms, sync.uncertainty_ms)
        });
        self.framer.birth(uptime_ms, sync)
    }
}
