//! Whether a device is there, and what its clock is worth.

use halo_proto::registry::Kind;
use serde::{Deserialize, Serialize};

use crate::ingest::readings::Readings;
use crate::record::{ClockSource, Frame, GatewayTime, Name};

/// The clock residual is the best of the current and the last span of this length, on monotonic time.
const RESIDUAL_SPAN_MS: u64 = 3_600_000;

/// Signals that say how full a device's battery is, in per cent.
const BATTERY_SIGNALS: [&str; 3] = ["battery", "battery_pct", "battery_level"];

/// Whether a device is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceState {
    /// Not heard of since the gateway started.
    #[default]
    Unknown,
    /// Connected, or heard of within the time configured.
    Online,
    /// Its session ended.
    Offline,
    /// Not heard of for the time configured.
    Silent,
}

impl DeviceState {
    /// As the halo writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Silent => "silent",
        }
    }
}

/// One device, as its subject's halo shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    pub(crate) name: Name,
    state: DeviceState,
    last_seen_ms: i64,
    heard_mono_ms: u64,
    silent_at_ms: Option<u64>,
    battery: Option<Battery>,
    residual: Option<Residual>,
    clock: Option<ClockSource>,
    /// Of its last frame that said one, and what it sent as before that.
    kind: Option<u16>,
    kind_before: Option<u16>,
    /// Whether the deadlines hold an entry of it; derived, hence not written.
    #[serde(skip)]
    pub(super) queued: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Battery {
    event_ms: i64,
    percent: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Residual {
    since_mono_ms: u64,
    best_ms: i64,
    before_ms: Option<i64>,
}

impl Device {
    pub(crate) fn new(name: Name) -> Self {
        Self {
            name,
            state: DeviceState::Unknown,
            last_seen_ms: 0,
            heard_mono_ms: 0,
            silent_at_ms: None,
            battery: None,
            residual: None,
            clock: None,
            kind: None,
            kind_before: None,
            queued: false,
        }
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Whether it is there.
    pub fn state(&self) -> DeviceState {
        self.state
    }

    /// When it connected or sent a frame last: Unix milliseconds of the gateway's clock; none if never.
    pub fn last_seen_ms(&self) -> Option<i64> {
        (self.last_seen_ms != 0).then_some(self.last_seen_ms)
    }

    /// How full its battery is, by the newest reading of a battery signal.
    pub fn battery_pct(&self) -> Option<f64> {
        self.battery.map(|battery| battery.percent)
    }

    /// Corrected time of a frame's newest reading minus the frame's arrival, milliseconds; of the last one to two hours
    /// the largest, because delay only ever makes it smaller. Negative: readings arrive this much after they were
    /// taken. Positive: the device's clock is ahead by at least this much.
    pub fn clock_offset_ms(&self) -> Option<i64> {
        self.residual.map(|residual| residual.before_ms.map_or(residual.best_ms, |before| before.max(residual.best_ms)))
    }

    /// Where the offset of its last frame came from.
    pub fn clock(&self) -> Option<ClockSource> {
        self.clock
    }

    /// The kind its last frame had, and the one before: of a device that has sent as more than one.
    pub fn kinds(&self) -> Option<(Kind, Kind)> {
        self.kind.zip(self.kind_before).map(|(kind, before)| (Kind(kind), Kind(before)))
    }

    /// Monotonic milliseconds from which it counts as silent.
    pub(super) fn silent_at_ms(&self) -> Option<u64> {
        self.silent_at_ms
    }

    pub(super) fn heard(&mut self, seen_ms: i64, now: GatewayTime, silent_after_ms: u64) {
        self.state = DeviceState::Online;
        self.last_seen_ms = seen_ms;
        self.heard_mono_ms = now.mono_ms;
        self.await_silence(silent_after_ms);
    }

    /// What a frame says of the device itself; `readings` when it could be read.
    pub(super) fn sent(&mut self, frame: &Frame, readings: Option<&Readings>, now: GatewayTime) {
        self.clock = Some(frame.clock.source);
        let Some(readings) = readings else { return };
        if let Some(Kind(kind)) = readings.kind
            && let Some(before) = self.kind.replace(kind).filter(|before| *before != kind)
        {
            self.kind_before = Some(before);
        }
        if readings.timed
            && let Some(newest) = newest_ms(readings)
        {
            self.measure(newest.saturating_sub(frame.arrival.wall_ms), now.mono_ms);
        }
        self.power(frame, readings);
    }

    /// What a frame says of its battery.
    pub(super) fn power(&mut self, frame: &Frame, readings: &Readings) {
        for series in readings.series.iter().filter(|series| BATTERY_SIGNALS.contains(&&*series.signal.name)) {
            for point in &series.points {
                let percent = super::signal::physical(point.raw, series.signal.num, series.signal.den);
                let newer = self.battery.is_none_or(|battery| battery.event_ms <= point.event_ms);
                let good = super::Quality::of(&series.signal, point, frame.arrival.wall_ms) == super::Quality::Good;
                if newer && good && (0.0..=100.0).contains(&percent) {
                    self.battery = Some(Battery { event_ms: point.event_ms, percent });
                }
            }
        }
    }

    pub(super) fn gone(&mut self) {
        self.state = DeviceState::Offline;
        self.silent_at_ms = None;
    }

    /// True if that changed anything.
    pub(super) fn gateway_started(&mut self) -> bool {
        let online = self.state == DeviceState::Online;
        if online {
            self.state = DeviceState::Unknown;
            self.silent_at_ms = None;
        }
        online
    }

    /// True if its time has come.
    pub(super) fn fall_silent(&mut self, now_mono_ms: u64) -> bool {
        let due = self.silent_at_ms.is_some_and(|at| at <= now_mono_ms);
        if due {
            self.state = DeviceState::Silent;
            self.silent_at_ms = None;
        }
        due
    }

    /// Sets the deadline anew: the time allowed counts from when the device was heard last. 0 = never silent.
    pub(super) fn await_silence(&mut self, silent_after_ms: u64) {
        let awaited = self.state == DeviceState::Online && silent_after_ms > 0;
        self.silent_at_ms = awaited.then(|| self.heard_mono_ms.saturating_add(silent_after_ms));
    }

    fn measure(&mut self, residual_ms: i64, mono_ms: u64) {
        let spans = self.residual.map(|known| mono_ms.saturating_sub(known.since_mono_ms) / RESIDUAL_SPAN_MS);
        match (&mut self.residual, spans) {
            (Some(known), Some(0)) => known.best_ms = known.best_ms.max(residual_ms),
            (known, spans) => {
                let before_ms = known.filter(|_| spans == Some(1)).map(|known| known.best_ms);
                *known = Some(Residual { since_mono_ms: mono_ms, best_ms: residual_ms, before_ms });
            }
        }
    }
}

/// When the newest reading was taken, Unix ms.
pub(super) fn newest_ms(readings: &Readings) -> Option<i64> {
    let points = readings.series.iter().filter_map(|series| series.points.last()).map(|point| point.event_ms);
    points.chain(readings.events.iter().map(|event| event.event_ms)).max()
}
