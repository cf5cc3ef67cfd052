//! The situations of this build.

use super::{Cast, Situation};

/// A file of `gateway/situations/`.
macro_rules! file {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/situations/", $name))
    };
}

/// The same with its name, as commands and configuration name it.
macro_rules! named {
    ($name:literal) => {
        ($name, file!($name))
    };
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

pub(super) static SITUATIONS: [Situation; 17] = [
    Situation {
        name: "prescription",
        says: "a prescription is ready at the pharmacy, and the band of whom it is for says so until it is picked up",
        config: file!("prescription.toml"),
        setup: file!("prescription.setup"),
        files: &[named!("prescription.pharmacy.ready.csv")],
        fleet: Some(Cast { scenario: "wear", devices: 1, lasting_s: HOUR, compression: 60 }),
    },
    Situation {
        name: "park-day",
        says: "a family with children taps into a land of a park, and its restaurant offers them a table",
        config: file!("park-day.toml"),
        setup: file!("park-day.setup"),
        files: &[named!("park-day.zones.geojson"), named!("park-day.park.restaurants.csv")],
        fleet: Some(Cast { scenario: "park-day", devices: 4, lasting_s: 4 * HOUR, compression: 300 }),
    },
    Situation {
        name: "cold-chain",
        says: "a cool parcel stands in the sun too long, and at last is out for delivery",
        config: file!("cold-chain.toml"),
        setup: "",
        files: &[],
        fleet: Some(Cast { scenario: "parcel-week", devices: 3, lasting_s: 7 * DAY, compression: 10_000 }),
    },
    Situation {
        name: "engine-maintenance",
        says: "a jet engine may not last until its next visit, or wears faster than the others of its maker",
        config: file!("engine-maintenance.toml"),
        setup: file!("engine-maintenance.setup"),
        files: &[],
        fleet: Some(Cast { scenario: "fleet-flight", devices: 4, lasting_s: 10 * MINUTE, compression: 10 }),
    },
    Situation {
        name: "heart-abroad",
        says: "a heart falls out of step away from home: its owner, the doctor and the family each hear their part",
        config: file!("heart-abroad.toml"),
        setup: file!("heart-abroad.setup"),
        files: &[named!("heart-abroad.zones.geojson")],
        fleet: Some(Cast { scenario: "away", devices: 2, lasting_s: 2 * HOUR, compression: 120 }),
    },
    Situation {
        name: "fallen",
        says: "somebody falls and does not get up: they are asked, the family hears at once, and the doctor of a long lie",
        config: file!("fallen.toml"),
        setup: file!("fallen.setup"),
        files: &[],
        fleet: Some(Cast { scenario: "falls", devices: 1, lasting_s: 20 * MINUTE, compression: 20 }),
    },
    Situation {
        name: "rain",
        says: "a weather station foresees rain before it is there",
        config: file!("rain.toml"),
        setup: "",
        files: &[],
        fleet: Some(Cast { scenario: "weather", devices: 1, lasting_s: 21 * DAY, compression: 30_000 }),
    },
    Situation {
        name: "goals",
        says: "a day's goal is reached, days are kept in a row, and use falls off",
        config: file!("goals.toml"),
        setup: file!("goals.setup"),
        files: &[],
        fleet: Some(Cast { scenario: "wear", devices: 3, lasting_s: 4 * DAY, compression: 10_000 }),
    },
    Situation {
        name: "driving",
        says: "somebody brakes hard, and each trip ends with a score",
        config: file!("driving.toml"),
        setup: "",
        files: &[],
        fleet: Some(Cast { scenario: "commute", devices: 3, lasting_s: 2 * HOUR, compression: 240 }),
    },
    Situation {
        name: "car-sharing",
        says: "three people have one car in a day: each is told of their own trips, and nobody of another's",
        config: file!("car-sharing.toml"),
        setup: file!("car-sharing.setup"),
        files: &[],
        fleet: Some(Cast { scenario: "shared-car", devices: 1, lasting_s: DAY, compression: 2_880 }),
    },
    Situation {
        name: "shared-ride",
        says: "two people in one city are bound for the same place, and each is offered the other's ride",
        config: file!("shared-ride.toml"),
        setup: file!("shared-ride.setup"),
        files: &[named!("shared-ride.zones.geojson")],
        fleet: Some(Cast { scenario: "commute", devices: 3, lasting_s: HOUR, compression: 240 }),
    },
    Situation {
        name: "trial",
        says: "a study hears of participants whose bands are silent or lie in a drawer",
        config: file!("trial.toml"),
        setup: file!("trial.setup"),
        files: &[],
        fleet: Some(Cast { scenario: "wear", devices: 4, lasting_s: 4 * HOUR, compression: 1_000 }),
    },
    Situation {
        name: "welcome",
        says: "somebody who runs outdoors comes to the city, and is welcomed with a route, music and a coffee",
        config: file!("welcome.toml"),
        setup: file!("welcome.setup"),
        files: &[named!("welcome.zones.geojson"), named!("welcome.city.runs.csv")],
        fleet: Some(Cast { scenario: "mixed", devices: 15, lasting_s: 2 * HOUR, compression: 240 }),
    },
    Situation {
        name: "taste",
        says: "a listener's likes and skips meet a radio station's catalogue, and what is new of the genre is offered",
        config: file!("taste.toml"),
        setup: file!("taste.setup"),
        files: &[named!("taste.radio.catalogue.csv")],
        fleet: Some(Cast { scenario: "tastes", devices: 2, lasting_s: 7 * DAY, compression: 10_000 }),
    },
    Situation {
        name: "listening",
        says: "a park counts those who agreed, and asks the ones who ride with the most people what they would change",
        config: file!("listening.toml"),
        setup: file!("listening.setup"),
        files: &[],
        fleet: Some(Cast { scenario: "hosts", devices: 28, lasting_s: 10 * HOUR, compression: 600 }),
    },
    Situation {
        name: "new-band",
        says: "a lost band is replaced while it is worn: the new one gets its wearer's settings and last state",
        config: file!("new-band.toml"),
        setup: file!("new-band.setup"),
        files: &[named!("new-band.later")],
        fleet: Some(Cast { scenario: "two-bands", devices: 2, lasting_s: 10 * MINUTE, compression: 1 }),
    },
    Situation {
        name: "one-identity",
        says: "phone, band and car prove to be one person's: a rule that needs all three holds from then on",
        config: file!("one-identity.toml"),
        setup: file!("one-identity.setup"),
        files: &[named!("one-identity.later")],
        fleet: Some(Cast { scenario: "three-devices", devices: 9, lasting_s: 3 * HOUR, compression: 360 }),
    },
];
