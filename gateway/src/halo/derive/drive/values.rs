//! What is known of a car's drives, as a halo shows it.

use super::super::value::{Derived, Value};
use super::machine::Drive;

impl Drive {
    /// What is known now of the trip under way, or else of the last one.
    pub(crate) fn values(&self, out: &mut Vec<Derived>) {
        let mut say = |name, value, unit| {
            out.push(Derived::plain(name, value, unit));
        };
        if let Some(codes) = self.dtc_count.or_else(|| u8::try_from(self.codes().len()).ok().filter(|codes| *codes > 0))
        {
            say("dtc.count", Value::Number(f64::from(codes)), "{codes}");
        }
        let Some((trip, state)) =
            self.trip().map(|trip| (trip, "driving")).or(self.ended().map(|trip| (trip, "ended")))
        else {
            return;
        };
        say("trip.state", Value::Text(state), "");
        say("trip.from", Value::Number(trip.from_ms as f64), "ms");
        say("trip.to", Value::Number(trip.to_ms as f64), "ms");
        say("trip.distance", Value::Number(trip.distance_m), "m");
        say("trip.duration", Value::Number(trip.duration_ms() as f64 / 1000.0), "s");
        say("trip.idle", Value::Number(trip.idle_ms as f64 / 1000.0), "s");
        say("trip.speed_max", Value::Number(trip.speed_max), "km/h");
        if let Some(fuel) = trip.fuel_l {
            say("trip.fuel", Value::Number(fuel), "L");
        }
        say("trip.braking", Value::Number(f64::from(trip.braking)), "{events}");
        say("trip.acceleration", Value::Number(f64::from(trip.acceleration)), "{events}");
        say("trip.cornering", Value::Number(f64::from(trip.cornering)), "{events}");
        if let Some(score) = trip.score(&self.settings.score) {
            say("trip.score", Value::Number(score.value), "{score}");
            say("trip.reasons", Value::List(score.reasons()), "");
        }
    }
}
