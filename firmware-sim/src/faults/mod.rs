//! What goes wrong with devices, their clocks, their firmware and their links: rates, and the dice that decide.
//!
//! **In:** [`Faults`], the rates, and one random stream a device. **Out:** decisions, asked for at the places where the
//! fault strikes: `device` asks about reboots and spoils readings and bytes, `crew` about clocks, `session` about links.
//!
//! **Invariant.** Without faults no dice are thrown that a device's readings depend on. Nothing here makes a device
//! forget a frame: what is unacknowledged is sent again until it is acknowledged, or until the offline buffer is full.

mod dice;
mod firmware;
mod readings;

pub(crate) use dice::Dice;

/// Rates of everything that can go wrong; [`Faults::NONE`] by default. Those in device time follow its compression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faults {
    /// Noise added to readings, as a multiple of 1 % of their value.
    pub noise: f64,
    /// Chance that a signal has no reading for the length of a frame.
    pub dropouts: f64,
    /// Chance that a frame holds a value far outside of what its sensor can mean.
    pub out_of_range: f64,
    /// Largest drift of a device's clock either way, parts per million, at most 200; 0 = the usual 60.
    pub drift_ppm: f64,
    /// Share of devices whose clock is set hours, days or decades wrong.
    pub wrong_clocks: f64,
    /// Reboots an hour of device time.
    pub reboots: f64,
    /// Share of devices without a boot counter: a random number tells their boots apart.
    pub random_boots: f64,
    /// Chance that a frame is sent twice in a row.
    pub duplicates: f64,
    /// Chance that a frame is sent before the one in front of it.
    pub reordered: f64,
    /// Dead zones an hour of device time.
    pub dead_zones: f64,
    /// Mean length of a dead zone, seconds of device time.
    pub dead_zone_s: f64,
    /// Share of devices that send the newest frame first.
    pub newest_first: f64,
    /// Chance that a frame is malformed.
    pub malformed: f64,
    /// Share of devices with a schema of their own whose birth comes only after the first frames.
    pub late_births: f64,
    /// Chance that an acknowledgement is lost together with the connection.
    pub lost_acks: f64,
    /// Share of devices on a slow link.
    pub slow_links: f64,
    /// Bytes a second of a slow link.
    pub slow_bytes: f64,
    /// Times an hour, of real time, at which all devices lose their connections and come back at once.
    pub storms: f64,
}

/// Greatest rate that is no share.
const RATE_MAX: f64 = 1e9;

/// One rate as the command line knows it.
struct Knob {
    name: &'static str,
    /// A chance or a share: 0 to 1. Otherwise any number from 0 on.
    is_share: bool,
    of: fn(&mut Faults) -> &mut f64,
    says: &'static str,
}

const fn share(name: &'static str, of: fn(&mut Faults) -> &mut f64, says: &'static str) -> Knob {
    Knob { name, is_share: true, of, says }
}

const fn number(name: &'static str, of: fn(&mut Faults) -> &mut f64, says: &'static str) -> Knob {
    Knob { name, is_share: false, of, says }
}

const KNOBS: [Knob; 18] = [
    number("noise", |f| &mut f.noise, "noise on readings, in percent of their value"),
    share("dropouts", |f| &mut f.dropouts, "chance that a signal is null for a frame"),
    share("out-of-range", |f| &mut f.out_of_range, "chance that a frame holds an impossible value"),
    number("drift-ppm", |f| &mut f.drift_ppm, "largest clock drift either way, parts per million, up to 200"),
    share("wrong-clocks", |f| &mut f.wrong_clocks, "share of devices whose clock is hours to decades wrong"),
    number("reboots", |f| &mut f.reboots, "reboots an hour of device time"),
    share("random-boots", |f| &mut f.random_boots, "share of devices without a boot counter"),
    share("duplicates", |f| &mut f.duplicates, "chance that a frame is sent twice"),
    share("reordered", |f| &mut f.reordered, "chance that a frame overtakes the one before"),
    number("dead-zones", |f| &mut f.dead_zones, "dead zones an hour of device time; frames wait and drain"),
    number("dead-zone-s", |f| &mut f.dead_zone_s, "mean length of a dead zone, seconds of device time"),
    share("newest-first", |f| &mut f.newest_first, "share of devices that drain the newest frame first"),
    share("malformed", |f| &mut f.malformed, "chance that a frame is malformed"),
    share("late-births", |f| &mut f.late_births, "share of devices with an unknown schema and a late birth"),
    share("lost-acks", |f| &mut f.lost_acks, "chance that an acknowledgement is lost with the connection"),
    share("slow-links", |f| &mut f.slow_links, "share of devices on a slow link"),
    number("slow-bytes", |f| &mut f.slow_bytes, "bytes a second of a slow link"),
    number("storms", |f| &mut f.storms, "times an hour, real time, that all devices reconnect at once"),
];

impl Default for Faults {
    fn default() -> Self {
        Self::NONE
    }
}

impl Faults {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        noise: 0.0,
        dropouts: 0.0,
        out_of_range: 0.0,
        drift_ppm: 0.0,
        wrong_clocks: 0.0,
        reboots: 0.0,
        random_boots: 0.0,
        duplicates: 0.0,
        reordered: 0.0,
        dead_zones: 0.0,
        dead_zone_s: 60.0,
        newest_first: 0.0,
        malformed: 0.0,
        late_births: 0.0,
        lost_acks: 0.0,
        slow_links: 0.0,
        slow_bytes: 400.0,
        storms: 0.0,
    };

    /// Names of all rates with what they mean.
    pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
        KNOBS.iter().map(|knob| (knob.name, knob.says))
    }

    /// Sets a rate from text such as `duplicates=0.02`.
    ///
    /// # Errors
    /// An unknown name, or a value that is no number of the rate's range, in words.
    pub fn set(&mut self, text: &str) -> Result<(), String> {
        let (name, value) = text.split_once('=').ok_or_else(|| format!("fault is {text:?}, wanted NAME=NUMBER"))?;
        let knob = KNOBS.iter().find(|knob| knob.name == name).ok_or_else(|| {
            let known: Vec<&str> = Self::names().map(|(name, _)| name).collect();
            format!("fault is {name:?}, wanted one of: {}", known.join(", "))
        })?;
        let max = if knob.is_share { 1.0 } else { RATE_MAX };
        let number = value.parse().ok().filter(|number: &f64| (0.0..=max).contains(number));
        let wanted = if knob.is_share { "0 to 1" } else { "0 or more" };
        *(knob.of)(self) = number.ok_or_else(|| format!("{name} is {value:?}, wanted a number, {wanted}"))?;
        Ok(())
    }

    /// Whether every rate is within its range.
    pub(crate) fn check(mut self) -> Result<(), String> {
        for knob in &KNOBS {
            let (value, max) = (*(knob.of)(&mut self), if knob.is_share { 1.0 } else { RATE_MAX });
            if !(0.0..=max).contains(&value) {
                return Err(format!("fault {} is {value}, wanted 0 to {max}", knob.name));
            }
        }
        Ok(())
    }

    /// The rates that are not zero, as `name=value`.
    pub fn describe(mut self) -> Vec<String> {
        let mut none = Self::NONE;
        let differs = |knob: &Knob| {
            let value = *(knob.of)(&mut self);
            (value != *(knob.of)(&mut none)).then(|| format!("{}={value}", knob.name))
        };
        KNOBS.iter().filter_map(differs).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rate_has_its_own_name_and_can_be_set_and_shown() {
        let mut all = Faults::NONE;
        for (name, _) in Faults::names() {
            all.set(&format!("{name}=0.5")).unwrap();
        }
        assert_eq!(all.describe().len(), KNOBS.len(), "no two names set the same rate");
        assert_eq!(Faults::NONE.describe(), Vec::<String>::new());
        for (wrong, wanted) in [
            ("duplicates", "NAME=NUMBER"),
            ("dupes=1", "one of: noise"),
            ("duplicates=2", "0 to 1"),
            ("reboots=-1", "0 or more"),
            ("reboots=often", "wanted a number"),
        ] {
            let error = Faults::NONE.clone().set(wrong).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
