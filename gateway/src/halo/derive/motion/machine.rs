//! The fold: what each reading does to each part.

use serde::{Deserialize, Serialize};

use super::super::order::{Order, bounds_of, day_of};
use super::axes::Axes;
use super::bouts::{Activity, Bouts};
use super::count::Counter;
use super::events::MotionEvent;
use super::model::MODEL;
use super::settings::MotionSettings;
use super::worn::Worn;

/// Largest plausible acceleration per axis, g: the registry's range.
const G_MAX: f64 = 16.0;
/// Movement stronger than this is a wearer's, m/s²: a band on a table shows a tenth of it, one on a standing person more.
const MOVES: f64 = 0.3;
/// Totals of a step counter above this are none.
const TOTAL_MAX: f64 = 1e15;

/// What is known of one band's movement: half a kilobyte, one and a half with axes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Motion {
    settings: MotionSettings,
    counts: Order,
    pulses: Order,
    /// Since the first acceleration.
    pub(super) axes: Option<Box<Axes>>,
    pub(super) counter: Counter,
    day: Option<i64>,
    /// Local time minus UTC.
    shift_ms: i64,
    pub(super) steps_counted: Option<u32>,
    /// With the model's probability, where it told.
    pub(super) activity: Option<(Activity, Option<f64>)>,
    pub(super) bouts: Bouts,
    pub(super) worn: Worn,
}

impl Motion {
    /// Knows nothing yet.
    pub(crate) fn new(settings: &MotionSettings) -> Self {
        Self {
            settings: settings.tamed(),
            counts: Order::default(),
            pulses: Order::default(),
            axes: None,
            counter: Counter::default(),
            day: None,
            shift_ms: 0,
            steps_counted: None,
            activity: None,
            bouts: Bouts::default(),
            worn: Worn::default(),
        }
    }

    /// Local time is that far ahead of UTC.
    pub(crate) fn live_at(&mut self, shift_ms: i64) {
        self.shift_ms = shift_ms;
    }

    /// Judges by these from now on.
    pub(crate) fn configure(&mut self, settings: &MotionSettings) {
        self.settings = settings.tamed();
    }

    /// The gateway's clock stands at `now_ms`. What was dated far beyond it, before the clock was set back, is forgotten.
    pub(crate) fn arrived(&mut self, now_ms: i64) {
        let orders = [Some(self.counts), Some(self.pulses), self.axes.as_ref().map(|axes| axes.order)];
        if orders.iter().flatten().any(|order| order.is_ahead_of(now_ms)) {
            *self = Self { shift_ms: self.shift_ms, ..Self::new(&self.settings) };
        }
    }

    /// Acceleration along three axes, g, with or without gravity. Here as below, readings out of range, and readings older
    /// than ones of the same sensor already seen, are passed over.
    pub(crate) fn acceleration(&mut self, at_ms: i64, g: [f64; 3], events: &mut Vec<MotionEvent>) {
        if !g.iter().all(|axis| axis.abs() <= G_MAX) || !self.axes.get_or_insert_default().order.admits(at_ms) {
            return;
        }
        self.pass(at_ms, events);
        let Some(axes) = &mut self.axes else { return };
        events.extend(axes.falls.push(at_ms, g, self.pulses.newest_ms(), &self.settings.fall));
        if axes.push(at_ms, g) {
            self.look(at_ms, events);
        }
    }

    /// The total of the device's own step counter.
    pub(crate) fn steps(&mut self, at_ms: i64, total: f64, events: &mut Vec<MotionEvent>) {
        if !(0.0..=TOTAL_MAX).contains(&total) || !self.counts.admits(at_ms) {
            return;
        }
        self.pass(at_ms, events);
        let taken = u32::try_from(self.counter.push(at_ms, total as u64)).unwrap_or(u32::MAX);
        self.steps_counted = Some(self.steps_counted.unwrap_or(0).saturating_add(taken));
        if taken > 0 {
            self.seen(at_ms, events);
        }
        if self.axes.as_ref().is_none_or(|axes| axes.features.is_none()) {
            self.activity = self.counter.activity().map(|activity| (activity, None));
            self.turn(at_ms, events);
        }
    }

    /// A plausible heart rate or beat was read.
    pub(crate) fn pulse(&mut self, at_ms: i64, events: &mut Vec<MotionEvent>) {
        if self.pulses.admits(at_ms) {
            self.pass(at_ms, events);
            self.seen(at_ms, events);
        }
    }

    /// From when until when no pulse does more than show that the band is worn, if nothing but pulses is read: of several
    /// in order the last one does what all would. None while every pulse matters.
    pub(super) fn calm_ms(&self) -> Option<(i64, i64)> {
        let (seen_ms, off_ms) = self.worn.calm_ms(self.shift_ms, i64::from(self.settings.off_s) * 1000)?;
        let (_, end_ms) = bounds_of(self.day?, self.shift_ms)?;
        let from_ms = self.pulses.newest_ms().map_or(seen_ms, |newest_ms| newest_ms.max(seen_ms));
        let silent_ms = self.axes.as_ref().map_or(i64::MAX, |axes| axes.calm_until_ms());
        Some((from_ms, off_ms.min(end_ms).min(silent_ms).min(self.bouts.calm_until_ms())))
    }

    /// Bytes of memory held, heap included.
    pub(crate) fn memory_bytes(&self) -> usize {
        let axes = self.axes.as_ref().map_or(0, |axes| size_of::<Axes>() + axes.heap_bytes());
        size_of::<Self>() + axes + self.counter.heap_bytes()
    }

    /// Once a second: the last ten of them.
    fn look(&mut self, at_ms: i64, events: &mut Vec<MotionEvent>) {
        let Some(features) = self.axes.as_ref().and_then(|axes| axes.features) else {
            self.activity = None;
            return;
        };
        if features.intensity > MOVES {
            self.seen(at_ms, events);
        }
        let (activity, probability) = MODEL.class(&features);
        self.activity = Some((activity, Some(probability)));
        self.turn(at_ms, events);
    }

    fn turn(&mut self, at_ms: i64, events: &mut Vec<MotionEvent>) {
        let Some((activity, _)) = self.activity else { return };
        let hold_ms = i64::from(self.settings.bout_s) * 1000;
        self.bouts.push(at_ms, activity, hold_ms, |turn| events.push(turn.into()));
    }

    fn seen(&mut self, at_ms: i64, events: &mut Vec<MotionEvent>) {
        let settings = &self.settings;
        let off_ms = i64::from(settings.off_s) * 1000;
        if self.worn.seen(at_ms, self.shift_ms, off_ms, settings.day_of_use_s * 1000) {
            events.push(MotionEvent::PutOn { at_ms });
        }
    }

    /// Any reading tells how late it is.
    fn pass(&mut self, at_ms: i64, events: &mut Vec<MotionEvent>) {
        let today = day_of(at_ms, self.shift_ms);
        if self.day.is_none_or(|known| known < today) {
            self.day = Some(today);
            self.axes.iter_mut().for_each(|axes| axes.steps = 0);
            self.steps_counted = self.steps_counted.map(|_| 0);
        }
        if self.axes.as_mut().is_some_and(|axes| axes.fall_silent(at_ms)) {
            self.activity = None;
        }
        self.bouts.pass(at_ms, |turn| events.push(turn.into()));
        let off = self.worn.pass(at_ms, self.shift_ms, i64::from(self.settings.off_s) * 1000);
        events.extend(off.map(|at_ms| MotionEvent::TakenOff { at_ms }));
    }
}
