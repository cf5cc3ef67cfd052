//! What a device worn on, or in, a body tells of it: its heart, its movement, and what it was held against, each from
//! its first reading on.

use serde::{Deserialize, Serialize};

use super::super::kinds::Settings;
use super::happening::Happenings;
use super::heart::{Heart, HeartSettings};
use super::motion::{Motion, MotionSettings, Pulses};
use super::row::{Field, Row, Rows};
use super::value::Derived;
use super::visit::Visit;
use crate::record::Name;

/// One body, by one device: 4 kB while a wristband is worn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Body {
    heart: Option<Box<Heart>>,
    motion: Option<Box<Motion>>,
    visit: Option<Box<Visit>>,
    /// Local time minus UTC, ms: it decides when a day ends.
    shift_ms: i64,
}

/// What a device said of a body at one time, in the registry's units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Vitals {
    /// Since the beat before, ms.
    rr: Option<f64>,
    /// Of a pacemaker: 1 for a beat it made, 0 for one of the heart's own.
    paced: Option<f64>,
    /// /min.
    heart_rate: Option<f64>,
    /// Total of the step counter.
    steps: Option<f64>,
    /// g.
    acceleration: [Option<f64>; 3],
}

impl Vitals {
    fn tells_of_movement(&self) -> bool {
        self.steps.is_some() || self.acceleration.iter().all(Option::is_some)
    }
}

impl Row for Vitals {
    fn field(signal: &str) -> Option<Field<Self>> {
        let field: Field<Self> = match signal {
            "rr_interval" => |row| &mut row.rr,
            "paced" => |row| &mut row.paced,
            "heart_rate" => |row| &mut row.heart_rate,
            "steps" => |row| &mut row.steps,
            "acc_x" => |row| &mut row.acceleration[0],
            "acc_y" => |row| &mut row.acceleration[1],
            "acc_z" => |row| &mut row.acceleration[2],
            _ => return None,
        };
        Some(field)
    }
}

impl Body {
    /// Takes the rows of a frame of a device, in order of their times; the gateway's clock stands at `now_ms`.
    pub(crate) fn fold(
        &mut self,
        mut rows: Rows<'_, Vitals>,
        now_ms: i64,
        settings: &Settings,
        device: &Name,
        happened: &mut Happenings,
    ) {
        self.heart.iter_mut().for_each(|heart| heart.arrived(now_ms));
        self.motion.iter_mut().for_each(|motion| motion.arrived(now_ms));
        self.visit.iter_mut().for_each(|visit| visit.arrived(now_ms));
        let (mut of_heart, mut of_motion) = (Vec::new(), Vec::new());
        let (mut row, mut pulses) = (Vitals::default(), Pulses::default());
        while let Some(at_ms) = rows.next_into(&mut row) {
            if let Some(rr_ms) = row.rr {
                self.heart(&settings.heart).beat(
                    at_ms,
                    rr_ms,
                    row.paced.is_some_and(|paced| paced > 0.0),
                    &mut of_heart,
                );
            }
            if let Some(per_min) = row.heart_rate {
                self.heart(&settings.heart).rate(at_ms, per_min);
            }
            if let Some(motion) = self.motion.as_mut().filter(|_| row.tells_of_movement()) {
                pulses.give(motion, &mut of_motion);
            }
            if let Some(total) = row.steps {
                self.motion(&settings.motion).steps(at_ms, total, &mut of_motion);
            }
            if let [Some(x), Some(y), Some(z)] = row.acceleration {
                self.motion(&settings.motion).acceleration(at_ms, [x, y, z], &mut of_motion);
            }
            // Of a chest strap or an implant, which tells of no movement, nobody asks whether it is worn.
            if let Some(motion) = self.motion.as_mut().filter(|_| row.rr.or(row.heart_rate).is_some()) {
                pulses.take(motion, at_ms, &mut of_motion);
            }
            // Seldom anything: an empty drain costs as much as the rest of some rows.
            if !(of_heart.is_empty() && of_motion.is_empty()) {
                of_heart.drain(..).for_each(|event| happened.heart(device, event));
                of_motion.drain(..).for_each(|event| happened.motion(device, event));
            }
        }
        self.motion.iter_mut().for_each(|motion| pulses.give(motion, &mut of_motion));
        debug_assert!(of_motion.is_empty(), "a pulse that was held back told something: {of_motion:?}");
    }

    /// Local time is that far ahead of UTC from the next reading on.
    pub(crate) fn live_at(&mut self, shift_ms: i64) {
        self.shift_ms = shift_ms;
        self.heart.iter_mut().for_each(|heart| heart.live_at(shift_ms));
        self.motion.iter_mut().for_each(|motion| motion.live_at(shift_ms));
    }

    /// Judges by these from now on.
    pub(crate) fn configure(&mut self, heart: &HeartSettings, motion: &MotionSettings) {
        self.heart.iter_mut().for_each(|known| known.configure(heart));
        self.motion.iter_mut().for_each(|known| known.configure(motion));
    }

    /// A reader was tapped.
    pub(crate) fn tap(&mut self, at_ms: i64, reader: u16, device: &Name, happened: &mut Happenings) {
        if let Some(ride) = self.visit.get_or_insert_default().tap(at_ms, reader, self.shift_ms) {
            happened.ride(device, at_ms, ride.queued_ms);
        }
    }

    /// Whether anything was told of the heart.
    pub(crate) fn has_heart(&self) -> bool {
        self.heart.is_some()
    }

    /// Whether anything was told of movement.
    pub(crate) fn has_motion(&self) -> bool {
        self.motion.is_some()
    }

    /// Whether a reader was ever tapped.
    pub(crate) fn has_visit(&self) -> bool {
        self.visit.is_some()
    }

    /// What is known of the heart now.
    pub(crate) fn heart_values(&self, out: &mut Vec<Derived>) {
        self.heart.iter().for_each(|heart| heart.values(out));
    }

    /// What is known of movement now.
    pub(crate) fn motion_values(&self, out: &mut Vec<Derived>) {
        self.motion.iter().for_each(|motion| motion.values(out));
    }

    /// Where the wearer was last, and how long that took.
    pub(crate) fn visit_values(&self, out: &mut Vec<Derived>) {
        self.visit.iter().for_each(|visit| visit.values(out));
    }

    /// Bytes of memory held, heap included.
    pub(crate) fn memory_bytes(&self) -> usize {
        let heart = self.heart.as_ref().map_or(0, |heart| heart.memory_bytes());
        let motion = self.motion.as_ref().map_or(0, |motion| motion.memory_bytes());
        size_of::<Self>() + heart + motion + self.visit.as_ref().map_or(0, |_| size_of::<Visit>())
    }

    fn heart(&mut self, settings: &HeartSettings) -> &mut Heart {
        let shift_ms = self.shift_ms;
        self.heart.get_or_insert_with(|| {
            let mut heart = Box::new(Heart::new(settings));
            heart.live_at(shift_ms);
            heart
        })
    }

    fn motion(&mut self, settings: &MotionSettings) -> &mut Motion {
        let shift_ms = self.shift_ms;
        self.motion.get_or_insert_with(|| {
            let mut motion = Box::new(Motion::new(settings));
            motion.live_at(shift_ms);
            motion
        })
    }
}
