//! The fold: what each interval does to each part.

use serde::{Deserialize, Serialize};

use super::super::order::Order;
use super::events::HeartEvent;
use super::hour::Hour;
use super::irregular::Irregularity;
use super::labels::{Beat, Label, Labels, STEPS_PER_MS, steps_of};
use super::pace::{Pace, Paces};
use super::settings::HeartSettings;
use super::today::Today;
use super::windows::Windows;

/// An interval above this is a long pause, ms.
const LONG_PAUSE_MS: f64 = 3000.0;
/// Beats that a suspicion of irregular rhythm speaks of: the window, and the hop before it was confirmed.
const SUSPECTED_BEATS: u32 = 60;
/// Longest time one reading of a heart rate stands for, ms: twice the slowest period devices send it with.
const RATE_SPAN_MS: i64 = 10_000;

/// What is known of one heart: about 3 kB while it beats 70 times a minute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Heart {
    pub(super) settings: HeartSettings,
    order: Order,
    last_beat_ms: Option<i64>,
    rates: Order,
    labels: Labels,
    /// Which of the last beats were counted as premature, the newest in the lowest bit.
    recent: u64,
    pub(super) windows: Windows,
    pub(super) hour: Hour,
    pub(super) paces: Paces,
    pub(super) irregularity: Irregularity,
    pub(super) today: Today,
}

impl Heart {
    /// Knows nothing yet. Settings outside what their fields allow are brought inside.
    pub(crate) fn new(settings: &HeartSettings) -> Self {
        Self {
            settings: settings.tamed(),
            order: Order::default(),
            last_beat_ms: None,
            rates: Order::default(),
            labels: Labels::default(),
            recent: 0,
            windows: Windows::default(),
            hour: Hour::default(),
            paces: Paces::default(),
            irregularity: Irregularity::default(),
            today: Today::default(),
        }
    }

    /// Local time is that far ahead of UTC.
    pub(crate) fn live_at(&mut self, shift_ms: i64) {
        self.today.shift_ms = shift_ms;
    }

    /// Judges by these from now on.
    pub(crate) fn configure(&mut self, settings: &HeartSettings) {
        self.settings = settings.tamed();
    }

    /// The gateway's clock stands at `now_ms`. What was dated far beyond it, before the clock was set back, is forgotten:
    /// windows of a time that has not come yet are of no use.
    pub(crate) fn arrived(&mut self, now_ms: i64) {
        if self.order.is_ahead_of(now_ms) || self.rates.is_ahead_of(now_ms) {
            let shift_ms = self.today.shift_ms;
            *self = Self::new(&self.settings);
            self.live_at(shift_ms);
        }
    }

    /// A beat at `at_ms`, `rr_ms` after the one before it. A pacemaker knows whether it made the beat: `paced` intervals
    /// have no variability of their own. Beats older than ones already seen are passed over.
    pub(crate) fn beat(&mut self, at_ms: i64, rr_ms: f64, paced: bool, events: &mut Vec<HeartEvent>) {
        if !self.order.admits(at_ms) {
            return;
        }
        let Some(rr) = steps_of(rr_ms) else { return self.interrupt(events) };
        let joined = self.is_joined(at_ms, rr_ms);
        if !joined {
            self.interrupt(events);
        }
        self.last_beat_ms = Some(at_ms);
        self.follow(at_ms, rr_ms, rr, events);
        let (beat, early_share) = (Beat { at_ms, rr, joined, label: Label::Normal }, self.settings.early_share);
        self.label(events, |labels, out| labels.push(beat, paced, early_share, out));
    }

    /// A device's own heart rate, /min. It counts towards resting rate and zones where no beats are told.
    pub(crate) fn rate(&mut self, at_ms: i64, per_min: f64) {
        let since_ms = self.rates.since_ms(at_ms).unwrap_or(0);
        if self.rates.admits(at_ms) {
            self.today.cover(at_ms, since_ms.clamp(0, RATE_SPAN_MS), per_min, &self.settings);
        }
    }

    /// Bytes of memory held, heap included.
    pub(crate) fn memory_bytes(&self) -> usize {
        let heap = [self.windows.heap_bytes(), self.hour.heap_bytes(), self.irregularity.heap_bytes()];
        size_of::<Self>() + heap.iter().sum::<usize>() + self.today.heap_bytes()
    }

    /// Everything that needs no label.
    fn follow(&mut self, at_ms: i64, rr_ms: f64, rr: u16, events: &mut Vec<HeartEvent>) {
        if rr_ms >= self.settings.pause_ms {
            self.hour.pause(at_ms, rr);
            events.push(HeartEvent::Pause { at_ms, rr_ms, long: rr_ms > LONG_PAUSE_MS });
        }
        if let Some((rate, changed)) = self.paces.push(rr, &self.settings) {
            self.today.cover(at_ms, begun_ms(rr_ms), rate, &self.settings);
            events.extend(changed.map(|pace| match pace {
                Pace::Slow => HeartEvent::Bradycardia { at_ms, rate },
                Pace::Fast => HeartEvent::Tachycardia { at_ms, rate },
                Pace::Usual => HeartEvent::UsualPace { at_ms, rate },
            }));
        }
        let turned = self.irregularity.push(rr);
        if turned == Some(true) {
            // What was early before the rhythm was known to be irregular was part of it.
            self.hour.take_back((std::mem::take(&mut self.recent) << (u64::BITS - SUSPECTED_BEATS)).count_ones());
        }
        events.extend(turned.map(|suspected| match suspected {
            true => HeartEvent::Irregular { at_ms },
            false => HeartEvent::Regular { at_ms },
        }));
    }

    /// Lets the labels go on, and takes the beats that are certain now.
    fn label(&mut self, events: &mut Vec<HeartEvent>, go_on: impl FnOnce(&mut Labels, &mut dyn FnMut(Beat))) {
        let Self { labels, recent, windows, hour, irregularity, .. } = self;
        // In fibrillation every other beat is early, and none of them is premature.
        let irregular = irregularity.is_suspected();
        go_on(labels, &mut |beat| {
            windows.push(&beat);
            let premature = beat.label == Label::Premature;
            *recent = *recent << 1 | u64::from(premature && !irregular);
            hour.beat(&Beat { label: if irregular { Label::Normal } else { beat.label }, ..beat });
            if premature {
                let rr_ms = f64::from(beat.rr) / STEPS_PER_MS;
                events.push(HeartEvent::Premature { at_ms: beat.at_ms, rr_ms });
            }
        });
    }

    /// Whether this interval began with the last beat, as far as times tell that.
    fn is_joined(&self, at_ms: i64, rr_ms: f64) -> bool {
        let since_ms = |last: i64| at_ms.saturating_sub(last) as f64;
        self.last_beat_ms.is_some_and(|last| since_ms(last) - rr_ms <= self.settings.gap_ms)
    }

    /// Beats are missing here.
    fn interrupt(&mut self, events: &mut Vec<HeartEvent>) {
        self.label(events, |labels, out| labels.flush(out));
        self.paces.interrupt();
        self.irregularity.interrupt();
        self.last_beat_ms = None;
    }
}

/// Milliseconds of an interval, one that has begun too; `f64::ceil` is a call.
fn begun_ms(rr_ms: f64) -> i64 {
    let whole = rr_ms as i64;
    whole + i64::from(rr_ms > whole as f64)
}
