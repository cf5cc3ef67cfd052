//! Named scenarios: who takes part, what goes wrong, how long it lasts and how fast time runs.

use std::time::Duration;

use crate::config::{Cast, Crew, FleetConfig, Speed};
use crate::faults::Faults;
use crate::kind::{Kind, Twist};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// A scenario that can be run by its name.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What to type.
    pub name: &'static str,
    /// What happens, in a sentence.
    pub says: &'static str,
    /// Device time it takes; `None` = until stopped.
    pub lasting: Option<Duration>,
    /// Device time in one frame.
    pub period: Duration,
    /// Times faster than real time; 1 = live.
    pub compression: u32,
    /// What goes wrong.
    pub faults: Faults,
    /// What is unlike usual.
    pub twist: Twist,
    crews: &'static [(Kind, u32)],
}

static SCENARIOS: [Scenario; 21] = [
    Scenario {
        name: "mixed",
        says: "15 devices of all kinds, live, with a duplicate, a reboot and a dead zone now and then",
        lasting: None,
        period: Duration::from_secs(1),
        compression: 1,
        faults: Faults { duplicates: 0.02, reboots: 6.0, dead_zones: 12.0, dead_zone_s: 8.0, ..Faults::NONE },
        twist: Twist::None,
        crews: &[],
    },
    Scenario {
        name: "commute",
        says: "6 cars for two hours: trips by three drivers, harsh braking, idling at lights, trouble codes",
        lasting: Some(Duration::from_secs(7_200)),
        period: Duration::from_secs(10),
        compression: 60,
        faults: Faults { dead_zones: 3.0, dead_zone_s: 120.0, ..Faults::NONE },
        twist: Twist::None,
        crews: &[(Kind::CarDongle, 6)],
    },
    Scenario {
        name: "park-day",
        says: "5 families of 4 spend ten hours in a park: gate, queues, rides, restaurants, taps by party",
        lasting: Some(Duration::from_secs(36_000)),
        period: MINUTE,
        compression: 300,
        faults: Faults { duplicates: 0.01, ..Faults::NONE },
        twist: Twist::None,
        crews: &[(Kind::ParkBand, 20)],
    },
    Scenario {
        name: "fleet-flight",
        says: "8 jet engines fly a cycle a second and wear out; each fails and is replaced at least once",
        lasting: Some(Duration::from_secs(600)),
        period: Duration::from_secs(5),
        compression: 10,
        faults: Faults::NONE,
        twist: Twist::None,
        crews: &[(Kind::Turbofan, 8)],
    },
    Scenario {
        name: "parcel-week",
        says: "10 cool-chain parcels travel for a week: legs, stops, shocks, hours without network, too warm at times",
        lasting: Some(Duration::from_secs(7 * 86_400)),
        period: Duration::from_secs(600),
        compression: 10_000,
        faults: Faults { dead_zones: 0.1, dead_zone_s: 5_400.0, newest_first: 0.3, ..Faults::NONE },
        twist: Twist::None,
        crews: &[(Kind::ParcelTracker, 10)],
    },
    Scenario {
        name: "cardiac",
        says: "4 pacemakers and 4 wristbands for six hours: paced beats, pauses, brady- and tachycardia, irregular rhythm",
        lasting: Some(Duration::from_secs(6 * 3_600)),
        period: Duration::from_secs(30),
        compression: 200,
        faults: Faults { dropouts: 0.01, ..Faults::NONE },
        twist: Twist::None,
        crews: &[(Kind::Pacemaker, 4), (Kind::Wristband, 4)],
    },
    Scenario {
        name: "away",
        says: "a pacemaker's wearer drives through a strange town for two hours: every arrhythmia, with where it was",
        lasting: Some(Duration::from_secs(7_200)),
        period: Duration::from_secs(10),
        compression: 120,
        faults: Faults::NONE,
        twist: Twist::None,
        crews: &[(Kind::Pacemaker, 1), (Kind::CarDongle, 1)],
    },
    Scenario {
        name: "wear",
        says: "4 wristbands for four days: steps, sleep, runs, a band off the skin now and then",
        lasting: Some(Duration::from_secs(4 * 86_400)),
        period: MINUTE,
        compression: 10_000,
        faults: Faults::NONE,
        twist: Twist::None,
        crews: &[(Kind::Wristband, 4)],
    },
    Scenario {
        name: "bad-firmware",
        says: "malformed frames, impossible values, missing and noisy readings, unknown schemas whose birth comes late",
        lasting: Some(HOUR),
        period: Duration::from_secs(10),
        compression: 60,
        faults: Faults {
            noise: 1.0,
            dropouts: 0.05,
            out_of_range: 0.03,
            malformed: 0.05,
            late_births: 0.5,
            ..Faults::NONE
        },
        twist: Twist::None,
        crews: &[],
    },
    Scenario {
        name: "dead-zone",
        says: "minutes without network every quarter of an hour; buffers drain in order, in some devices newest first",
        lasting: Some(Duration::from_secs(2 * 3_600)),
        period: Duration::from_secs(10),
        compression: 60,
        faults: Faults {
            dead_zones: 4.0,
            dead_zone_s: 300.0,
            newest_first: 0.4,
            slow_links: 0.2,
            slow_bytes: 2_000.0,
            ..Faults::NONE
        },
        twist: Twist::None,
        crews: &[],
    },
    Scenario {
        name: "storm",
        says: "60 wristbands and cars, live: every 5 s all connections break and come back at once, acknowledgements get lost",
        lasting: Some(MINUTE),
        period: Duration::from_secs(1),
        compression: 1,
        faults: Faults { storms: 720.0, lost_acks: 0.01, duplicates: 0.02, reordered: 0.02, ..Faults::NONE },
        twist: Twist::None,
        crews: &[(Kind::Wristband, 40), (Kind::CarDongle, 20)],
    },
    Scenario {
        name: "clock-mess",
        says: "clocks that drift 200 ppm or were never set, reboots with and without a boot counter, for a day",
        lasting: Some(DAY),
        period: MINUTE,
        compression: 1_440,
        faults: Faults { drift_ppm: 200.0, wrong_clocks: 0.4, reboots: 0.15, random_boots: 0.5, ..Faults::NONE },
        twist: Twist::None,
        crews: &[],
    },
    Scenario {
        name: "tastes",
        says: "3 players for ten days: listeners like what they like, skip the rest, and change their mind",
        lasting: Some(Duration::from_secs(10 * 86_400)),
        period: Duration::from_secs(600),
        compression: 10_000,
        faults: Faults { duplicates: 0.01, dead_zones: 0.05, dead_zone_s: 7_200.0, newest_first: 0.5, ..Faults::NONE },
        twist: Twist::None,
        crews: &[(Kind::Player, 3)],
    },
    Scenario {
        name: "frost",
        says: "6 cool-chain parcels travel for four days in winter: at a stop they may stand in the frost, too cold",
        lasting: Some(Duration::from_secs(4 * 86_400)),
        period: Duration::from_secs(600),
        compression: 10_000,
        faults: Faults::NONE,
        twist: Twist::Frost,
        crews: &[(Kind::ParcelTracker, 6)],
    },
    Scenario {
        name: "drawers",
        says: "4 wristbands for nine days: worn for days on end, then in a drawer for a day or three, and worn again",
        lasting: Some(Duration::from_secs(9 * 86_400)),
        period: MINUTE,
        compression: 20_000,
        faults: Faults::NONE,
        twist: Twist::Drawers,
        crews: &[(Kind::Wristband, 4)],
    },
    Scenario {
        name: "hosts",
        says: "8 families of three in a park for ten hours, and 4 hosts who ride with one of them after the other",
        lasting: Some(Duration::from_secs(36_000)),
        period: MINUTE,
        compression: 600,
        faults: Faults::NONE,
        twist: Twist::Hosts,
        crews: &[(Kind::ParkBand, 28)],
    },
    Scenario {
        name: "weather",
        says: "2 weather stations for three weeks: damp hours each day, which bring rain in damp spells and none in dry ones",
        lasting: Some(Duration::from_secs(21 * 86_400)),
        period: Duration::from_secs(600),
        compression: 30_000,
        faults: Faults::NONE,
        twist: Twist::None,
        crews: &[(Kind::WeatherStation, 2)],
    },
    Scenario {
        name: "shared-car",
        says: "one car for a day: three drivers have it for eight hours each, one after the other",
        lasting: Some(DAY),
        period: Duration::from_secs(10),
        compression: 2_880,
        faults: Faults::NONE,
        twist: Twist::None,
        crews: &[(Kind::SharedCar, 1)],
    },
    Scenario {
        name: "two-bands",
        says: "two wristbands, live: one of them may be lost, and the other take its place",
        lasting: Some(Duration::from_secs(600)),
        period: Duration::from_secs(1),
        compression: 1,
        faults: Faults::NONE,
        twist: Twist::None,
        crews: &[(Kind::Wristband, 2)],
    },
    Scenario {
        name: "three-devices",
        says: "3 people for three hours, each with a wristband, a car and a phone that knows their appointments",
        lasting: Some(Duration::from_secs(3 * 3_600)),
        period: Duration::from_secs(10),
        compression: 360,
        faults: Faults::NONE,
        twist: Twist::None,
        crews: &[(Kind::Wristband, 3), (Kind::CarDongle, 3), (Kind::Phone, 3)],
    },
    Scenario {
        name: "falls",
        says: "4 care bands with acceleration for 20 minutes: falls, and all that is taken for one, as often as in months",
        lasting: Some(Duration::from_secs(1_200)),
        period: Duration::from_secs(10),
        compression: 20,
        faults: Faults::NONE,
        twist: Twist::None,
        crews: &[(Kind::CareBand, 4)],
    },
];

/// All scenarios.
pub fn scenarios() -> &'static [Scenario] {
    &SCENARIOS
}

/// The scenario with this name.
pub fn scenario(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

/// `devices` devices of all kinds that people have or wear, in the proportions of fifteen: 4 wristbands, 3 cars, and 2 of every other kind.
pub fn mixed(devices: u32) -> Vec<Crew> {
    const HAND: [Kind; 15] = [
        Kind::Wristband,
        Kind::CarDongle,
        Kind::Turbofan,
        Kind::ParcelTracker,
        Kind::ParkBand,
        Kind::Pacemaker,
        Kind::Wristband,
        Kind::CarDongle,
        Kind::Turbofan,
        Kind::ParcelTracker,
        Kind::ParkBand,
        Kind::Pacemaker,
        Kind::Wristband,
        Kind::CarDongle,
        Kind::Wristband,
    ];
    let (hands, rest) = (devices / 15, devices % 15);
    let count = |kind| {
        let dealt = |hand: &[Kind]| u32::try_from(hand.iter().filter(|dealt| **dealt == kind).count()).unwrap_or(0);
        hands * dealt(&HAND) + dealt(HAND.get(..rest as usize).unwrap_or_default())
    };
    let crew = |kind| Crew::new(kind, count(kind));
    Kind::ALL.into_iter().map(crew).filter(|crew| crew.devices > 0).collect()
}

impl Scenario {
    /// Devices unless another number is asked for.
    pub fn devices(&self) -> u32 {
        if self.crews.is_empty() { 15 } else { self.crews.iter().map(|(_, devices)| devices).sum() }
    }

    /// Who takes part, `devices` in all.
    pub fn crews(&self, devices: u32) -> Vec<Crew> {
        if self.crews.is_empty() {
            return mixed(devices);
        }
        let whole = self.devices().max(1);
        let mut left = devices;
        let mut crews: Vec<Crew> = Vec::new();
        for (kind, usual) in self.crews {
            let count = (usual * devices).div_ceil(whole).min(left);
            left -= count;
            crews.push(Crew { twist: self.twist, ..Crew::new(*kind, count) });
        }
        crews.retain(|crew| crew.devices > 0);
        crews
    }

    /// `base` with this scenario's cast, pace and faults; `compression` and `lasting` replace the scenario's own.
    pub fn config(
        &self,
        devices: Option<u32>,
        compression: Option<f64>,
        lasting: Option<Duration>,
        base: FleetConfig,
    ) -> FleetConfig {
        let crews = self.crews(devices.unwrap_or_else(|| self.devices()));
        let compression = compression.unwrap_or_else(|| f64::from(self.compression));
        let lasting = lasting.or(self.lasting);
        // Live devices are stopped by the clock on the wall, recordings end by themselves.
        let speed = if (compression - 1.0).abs() < f64::EPSILON { Speed::Live } else { Speed::Times(compression) };
        let cast = Cast::Crews { crews, lasting };
        FleetConfig { cast, speed, period: self.period, faults: self.faults, ..base }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifteen_mixed_devices_are_of_all_kinds_and_one_is_a_wristband() {
        let counts = |devices| mixed(devices).iter().map(|crew| crew.devices).collect::<Vec<_>>();
        assert_eq!(counts(15), [4, 3, 2, 2, 2, 2]);
        assert_eq!(counts(30), [8, 6, 4, 4, 4, 4]);
        assert_eq!(counts(3), [1, 1, 1]);
        assert_eq!(mixed(1).first().map(|crew| crew.kind), Some(Kind::Wristband));
    }

    #[test]
    fn every_scenario_deals_out_exactly_the_devices_asked_for_and_says_what_it_is() {
        for scenario in scenarios() {
            for devices in [1, 2, 7, scenario.devices(), 100] {
                let crews = scenario.crews(devices);
                assert_eq!(crews.iter().map(|crew| crew.devices).sum::<u32>(), devices, "{}", scenario.name);
            }
            assert!(scenario.says.len() > 40 && scenario.period >= Duration::from_secs(1), "{}", scenario.name);
            assert!(scenario.compression == 1 || scenario.lasting.is_some(), "{} must end", scenario.name);
        }
    }
}
