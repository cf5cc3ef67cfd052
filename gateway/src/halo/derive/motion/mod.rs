//! What a band's movement tells: activity and its bouts, steps and cadence, falls, when the band is worn and on which days.
//!
//! In: three axes of acceleration at 10 Hz or faster (schema `wristband-acc`: 25 Hz), the device's own step counter
//! (`wristband`: every 10 s, `park-band`: every minute), and the fact that a pulse was seen. Out: [`MotionEvent`]s as
//! they happen, values when asked.
//!
//! ```text
//! acceleration ─> grid  tenths of a second ─> features  last 10 s ─> model  still, walking, running, playing ─> bouts
//!             ├─> gait  steps, cadence            └─> worn  (moves)
//!             └─> fall  little force, an impact, stillness in another posture
//! steps ───────> count  steps of the day, cadence of a minute; still, walking, running
//! pulse ───────────────────────────────────────────> worn  wear time, days of use; fall  somebody is in the band
//! ```
//!
//! * Nothing here needs a gyroscope, and nothing but falls needs gravity: features are the same however the band is
//!   turned, and whether or not the device has taken gravity away.
//! * With a step counter alone there is no telling play from standing about, nor how sure a class is.
//! * A band that moves in a bag counts as worn: without a pulse nothing tells the difference.
//! * Days are UTC days, or those of the subject's time zone where one was set.

mod settings;
mod grid;
mod features;
mod bouts;
mod model;
mod gait;
mod events;
mod fall;
mod axes;
mod count;
mod worn;
mod machine;
mod pulses;
mod values;

pub(crate) use bouts::Activity;
pub(crate) use events::MotionEvent;
pub(crate) use machine::Motion;
pub(crate) use pulses::Pulses;
pub use settings::MotionSettings;

#[cfg(test)]
mod train;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod fall_tests;
