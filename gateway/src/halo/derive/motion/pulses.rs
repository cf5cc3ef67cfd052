//! The pulses of one frame on their way in. Most tell nothing that the next one would not tell as well.

use super::events::MotionEvent;
use super::machine::Motion;

/// Holds the last pulse back while it tells no more than that the band is still worn.
#[derive(Default)]
pub(crate) struct Pulses {
    /// See [`Motion::calm_ms`]; from the last pulse on.
    calm_ms: Option<(i64, i64)>,
    held_ms: Option<i64>,
}

impl Pulses {
    /// A plausible heart rate or beat was read.
    pub(crate) fn take(&mut self, motion: &mut Motion, at_ms: i64, events: &mut Vec<MotionEvent>) {
        if let Some((from_ms, until_ms)) = &mut self.calm_ms
            && (*from_ms..=*until_ms).contains(&at_ms)
        {
            *from_ms = at_ms;
            self.held_ms = Some(at_ms);
            return;
        }
        self.give(motion, events);
        motion.pulse(at_ms, events);
        self.calm_ms = motion.calm_ms();
    }

    /// Something else is read, or there are no more.
    pub(crate) fn give(&mut self, motion: &mut Motion, events: &mut Vec<MotionEvent>) {
        self.calm_ms = None;
        if let Some(held_ms) = self.held_ms.take() {
            motion.pulse(held_ms, events);
        }
    }
}
