//! What is known of a heart now.

use super::super::value::{Derived, Value};
use super::machine::Heart;
use super::pace::Pace;

/// Seconds the values of the last hour speak of.
const HOUR_S: u32 = 3600;
/// The names of a window's values.
struct Names {
    rate: &'static str,
    sdnn: &'static str,
    rmssd: &'static str,
    pnn50: &'static str,
}
const MINUTE: Names =
    Names { rate: "heart.rate.1m", sdnn: "hrv.sdnn.1m", rmssd: "hrv.rmssd.1m", pnn50: "hrv.pnn50.1m" };
const FIVE_MINUTES: Names = Names { rate: "heart.rate", sdnn: "hrv.sdnn", rmssd: "hrv.rmssd", pnn50: "hrv.pnn50" };
/// Names of the zones' seconds, zone 1 first.
const ZONE_NAMES: [&str; 5] = ["heart.zone1", "heart.zone2", "heart.zone3", "heart.zone4", "heart.zone5"];

impl Heart {
    /// Appends `heart.rate` and `hrv.*` (confidence: share of the window that normal beats cover) of 300 s, and of 60 s
    /// with `.1m` behind the name; `heart.premature` and `heart.pauses` of the last hour (confidence: share of the hour
    /// seen), `heart.pace`, `heart.rhythm`, `heart.resting` (confidence: how much of three hours it was looked for in)
    /// and seconds in each zone the heart was in this day. While the rhythm is irregular there is no variability to tell.
    pub(crate) fn values(&self, out: &mut Vec<Derived>) {
        self.tell_windows(out);
        self.tell_hour(out);
        self.tell_rhythm(out);
        self.tell_today(out);
    }

    fn tell_windows(&self, out: &mut Vec<Derived>) {
        for window in self.windows.variability() {
            let names = if window.window_s == 60 { &MINUTE } else { &FIVE_MINUTES };
            let told = |name, value, unit| Derived {
                window_s: Some(window.window_s),
                confidence: Some(window.coverage),
                ..Derived::plain(name, Value::Number(value), unit)
            };
            out.push(Derived { confidence: None, ..told(names.rate, window.rate, "/min") });
            if window.coverage < self.settings.coverage_min || self.irregularity.is_suspected() {
                continue;
            }
            out.extend(window.sdnn.map(|sdnn| told(names.sdnn, sdnn, "ms")));
            out.extend(window.rmssd.map(|rmssd| told(names.rmssd, rmssd, "ms")));
            out.extend(window.pnn50.map(|pnn50| told(names.pnn50, pnn50, "%")));
        }
    }

    fn tell_hour(&self, out: &mut Vec<Derived>) {
        let Some(hour) = self.hour.sum() else { return };
        let told = |name, value, unit| Derived {
            window_s: Some(HOUR_S),
            confidence: Some(hour.observed),
            ..Derived::plain(name, Value::Number(value), unit)
        };
        out.push(told("heart.premature", f64::from(hour.premature), "{beats}"));
        out.push(told("heart.premature_share", hour.premature_percent, "%"));
        out.push(told("heart.pauses", f64::from(hour.pauses), "{pauses}"));
        if hour.pauses > 0 {
            out.push(told("heart.pause", hour.longest_ms, "ms"));
        }
    }

    fn tell_rhythm(&self, out: &mut Vec<Derived>) {
        out.extend(self.paces.pace().map(|pace| {
            let word = match pace {
                Pace::Slow => "bradycardia",
                Pace::Usual => "usual",
                Pace::Fast => "tachycardia",
            };
            Derived::plain("heart.pace", Value::Text(word), "")
        }));
        if let Some(suspected) = self.irregularity.verdict() {
            let word = if suspected { "irregular" } else { "regular" };
            out.push(Derived::plain("heart.rhythm", Value::Text(word), ""));
            let cosen = self.irregularity.cosen();
            out.extend(cosen.map(|cosen| Derived::plain("heart.irregularity", Value::Number(cosen), "1")));
        }
    }

    fn tell_today(&self, out: &mut Vec<Derived>) {
        out.extend(self.today.resting().map(|(rate, looked)| Derived {
            confidence: Some(looked),
            ..Derived::plain("heart.resting", Value::Number(rate), "/min")
        }));
        let Some((zone, seconds)) = self.today.zones() else { return };
        out.push(Derived::plain("heart.zone", Value::Number(f64::from(zone)), "1"));
        for (name, seconds) in ZONE_NAMES.into_iter().zip(seconds).filter(|(_, seconds)| *seconds > 0.0) {
            out.push(Derived::plain(name, Value::Number(seconds), "s"));
        }
    }
}
