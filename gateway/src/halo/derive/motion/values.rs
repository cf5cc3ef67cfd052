//! What is known of a band's movement now.

use super::super::value::{Derived, Value};
use super::grid::WINDOW;
use super::machine::Motion;

/// How many days back each of these looks.
const DAYS: [(&str, u32); 2] = [("wear.days", 30), ("wear.days.60d", 60)];
const DAY_S: u32 = 86_400;

impl Motion {
    /// Appends `activity` (confidence: its calibrated probability; none from a step counter), `activity.intensity`, the
    /// bout that goes on and since when (`activity.bout.from`, Unix time), `cadence`, `steps.today`, `wear`,
    /// `wear.today`, `wear.days` of 30 and of 60 days, and `wear.streak`. Where a device counts steps itself, its count is
    /// told. Of the last fall: when it was (`fall`, Unix time), `fall.impact`, `fall.still`, and `fall.state`.
    pub(crate) fn values(&self, out: &mut Vec<Derived>) {
        if let Some((activity, confidence)) = self.activity {
            out.push(Derived { confidence, ..Derived::plain("activity", Value::Text(activity.as_str()), "") });
        }
        let features = self.axes.as_ref().and_then(|axes| axes.features);
        if let Some(features) = features {
            let window_s = Some((WINDOW / 10) as u32);
            out.push(Derived {
                window_s,
                ..Derived::plain("activity.intensity", Value::Number(features.intensity), "m/s2")
            });
        }
        if let Some(bout) = self.bouts.now() {
            out.push(Derived::plain("activity.bout", Value::Text(bout.activity.as_str()), ""));
            out.push(Derived::plain("activity.bout.from", Value::Number(bout.from_ms as f64), "ms"));
        }
        let cadence = match self.steps_counted {
            Some(_) => self.counter.cadence(),
            None => self.axes.as_ref().and_then(|axes| axes.gait.cadence()),
        };
        out.extend(cadence.map(|cadence| Derived::plain("cadence", Value::Number(cadence), "{steps}/min")));
        let seen = self.axes.as_ref().filter(|_| features.is_some()).map(|axes| axes.steps);
        if let Some(steps) = self.steps_counted.or(seen) {
            out.push(Derived::plain("steps.today", Value::Number(f64::from(steps)), "{steps}"));
        }
        self.tell_wear(out);
        self.tell_fall(out);
    }

    fn tell_fall(&self, out: &mut Vec<Derived>) {
        let Some(fall) = self.axes.as_ref().and_then(|axes| axes.falls.last.as_deref()) else { return };
        out.push(Derived::plain("fall", Value::Number(fall.at_ms as f64), "ms"));
        out.push(Derived::plain("fall.impact", Value::Number(fall.impact_g()), "[g]"));
        out.push(Derived::plain("fall.still", Value::Number(fall.still_s()), "s"));
        out.push(Derived::plain("fall.state", Value::Text(if fall.up { "up" } else { "lying" }), ""));
    }

    fn tell_wear(&self, out: &mut Vec<Derived>) {
        let Some((worn, today_s)) = self.worn.now() else { return };
        out.push(Derived::plain("wear", Value::Text(if worn { "worn" } else { "off" }), ""));
        out.push(Derived::plain("wear.today", Value::Number(today_s), "s"));
        for (name, days) in DAYS {
            let window_s = Some(days * DAY_S);
            out.push(Derived { window_s, ..Derived::plain(name, Value::Number(f64::from(self.worn.days(days))), "d") });
        }
        out.push(Derived::plain("wear.streak", Value::Number(f64::from(self.worn.streak())), "d"));
    }
}
