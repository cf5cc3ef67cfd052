//! Physical sanity, kind by kind.

use std::collections::BTreeMap;

use super::*;
use crate::kind::{Kind, Twist};

const START_MS: u64 = 5_000;

/// Runs one device of a kind and looks at each second.
fn live(kind: Kind, seed: u64, hours: u64, mut look: impl FnMut(u64, &Moment)) {
    let mut sensors = kind.sensors(seed, "device-01", 0, START_MS);
    let mut moment = Moment::default();
    for second in 0..hours * 3_600 {
        moment.clear();
        let at_ms = START_MS + second * 1_000;
        sensors.second(at_ms, &mut moment);
        look(at_ms, &moment);
    }
}

fn told(kind: Kind, seed: u64, hours: u64, what: &str) -> Vec<Told> {
    let mut all = Vec::new();
    live(kind, seed, hours, |_, moment| all.extend(moment.told.iter().filter(|told| told.what == what).cloned()));
    all
}

fn number(told: &Told, fact: &str) -> f64 {
    told.facts[fact].as_f64().unwrap_or_else(|| panic!("{fact} in {told:?}"))
}

#[test]
fn one_seed_gives_one_life_and_another_seed_another() {
    for kind in Kind::ALL {
        let life = |seed| {
            let mut text = String::new();
            live(kind, seed, 1, |_, moment| text.push_str(&format!("{moment:?}")));
            crc32c::crc32c(text.as_bytes())
        };
        assert_eq!(life(42), life(42), "{kind}");
        assert_ne!(life(42), life(43), "{kind}");
    }
}

#[test]
fn everything_that_happens_has_a_number_in_the_registry() {
    use halo_proto::registry::{event_named, text_named};
    for kind in Kind::ALL {
        let of = kind.schema().kind;
        live(kind, 7, 12, |_, moment| {
            assert!(moment.events.iter().all(|event| event_named(of, event.name).is_some()), "{kind}: {moment:?}");
            assert!(moment.texts.iter().all(|(name, _)| text_named(of, name).is_some()), "{kind}: {moment:?}");
        });
    }
}

#[test]
fn a_car_moves_as_far_as_its_odometer_says_and_its_trips_add_up() {
    for seed in 0..4 {
        let (mut odometer, mut speed, mut metres, mut trips) = (None, 0.0, 0.0, 0.0);
        let mut fixed: Option<(f64, f64)> = None;
        live(Kind::CarDongle, seed, 3, |_, moment| {
            let now = moment.reading("odometer");
            assert!(odometer.is_none_or(|before| now >= before && now - before < 0.06), "seed {seed}: {now}");
            odometer = Some(now);
            let kmh = moment.reading("speed");
            if kmh.is_finite() {
                assert!((0.0..=140.0).contains(&kmh), "seed {seed}: {kmh} km/h");
                assert!((kmh - speed).abs() < 30.0, "seed {seed}: from {speed} to {kmh} km/h in a second");
                assert!((700.0..6_500.0).contains(&moment.reading("rpm")));
                speed = kmh;
                metres += kmh / 3.6;
            } else {
                speed = 0.0;
            }
            let place = (moment.reading("latitude"), moment.reading("longitude"));
            let jump = fixed.map_or(0.0, |(north, east)| (place.0 - north).abs().max((place.1 - east).abs()));
            assert!(jump < 1e-3, "seed {seed}: jumps {jump} degrees");
            fixed = Some(place);
            let arrived = moment.told.iter().filter(|told| told.what == "trip");
            trips += arrived.map(|told| number(told, "distance_m")).sum::<f64>();
        });
        assert!(trips > 3_000.0, "seed {seed}: {trips} m in trips");
        assert!((metres / trips) > 0.99, "seed {seed}: {metres} m driven, {trips} m told");
    }
}

#[test]
fn each_trip_begins_with_a_departure_of_who_drives() {
    for (kind, hours) in [(Kind::CarDongle, 6), (Kind::SharedCar, 24)] {
        let (left, trips) = (told(kind, 3, hours, "departure"), told(kind, 3, hours, "trip"));
        assert!(trips.len() > 5 && (trips.len()..=trips.len() + 1).contains(&left.len()), "{left:?}");
        for (departure, trip) in left.iter().zip(&trips) {
            assert_eq!(
                (departure.at_ms as f64, &departure.facts["driver"]),
                (number(trip, "from_ms"), &trip.facts["driver"])
            );
        }
    }
}

#[test]
fn drivers_brake_harshly_now_and_then_and_the_trip_counts_it() {
    let trips: Vec<Told> = (0..6).flat_map(|seed| told(Kind::CarDongle, seed, 6, "trip")).collect();
    let brakes: Vec<Told> = (0..6).flat_map(|seed| told(Kind::CarDongle, seed, 6, "harsh_brake")).collect();
    assert!(trips.len() > 30 && brakes.len() > 20, "{} trips, {} brakes", trips.len(), brakes.len());
    assert!(brakes.iter().all(|brake| (-6.6..=-3.1).contains(&number(brake, "mps2"))));
    let counted: f64 = trips.iter().map(|trip| number(trip, "harsh_brakes")).sum();
    assert!(counted <= brakes.len() as f64 && counted > brakes.len() as f64 - 30.0, "{counted} of {}", brakes.len());
    for trip in &trips {
        let (litres, metres) = (number(trip, "fuel_l"), number(trip, "distance_m"));
        let a_hundred = litres / metres * 100_000.0;
        assert!((2.0..20.0).contains(&a_hundred), "{a_hundred} l/100 km in {trip:?}");
    }
}

#[test]
fn a_shared_car_is_driven_by_each_in_turn_and_parked_when_it_changes_hands() {
    let turn_ms = 8 * 3_600_000;
    let trips: Vec<Told> = (0..3).flat_map(|seed| told(Kind::SharedCar, seed, 24, "trip")).collect();
    assert!(trips.len() > 20, "{} trips", trips.len());
    for trip in &trips {
        let (from, to) = (number(trip, "from_ms") as u64 - START_MS, number(trip, "to_ms") as u64 - START_MS);
        assert_eq!(from / turn_ms, to / turn_ms, "{trip:?} ends in the turn it began in");
        assert!(from % turn_ms >= 300_000 && to % turn_ms < turn_ms - 300_000, "{trip:?}");
        assert_eq!(trip.facts["driver"], ["anna", "ben", "cleo"][(from / turn_ms) as usize], "{trip:?}");
    }
}

#[test]
fn rain_begins_and_ends_at_its_threshold_in_damp_spells_and_not_each_day() {
    let (mut days_with, mut lengths) = (0, Vec::new());
    for seed in 0..4 {
        let rains = told(Kind::WeatherStation, seed, 21 * 24, "rain");
        let mut began = None;
        for rain in &rains {
            assert!((number(rain, "humidity") - 80.0).abs() < 0.2, "{rain:?}");
            if rain.facts["began"] == true {
                assert!(number(rain, "rising_min") > 60.0, "hours of warning: {rain:?}");
                began = Some(rain.at_ms);
                days_with += 1;
            } else if let Some(from) = began.take() {
                lengths.push(rain.at_ms - from);
            }
        }
    }
    assert!((20..70).contains(&days_with), "{days_with} rains in 84 days");
    assert!(lengths.iter().all(|ms| *ms < 24 * 3_600_000), "{lengths:?}");
    let (mut mean, mut n) = (0.0, 0.0);
    live(Kind::WeatherStation, 1, 48, |_, moment| {
        let read = moment.reading("humidity");
        if read.is_finite() {
            (mean, n) = (mean + read, n + 1.0);
        }
    });
    assert_eq!(n as u32, 48 * 60, "once a minute");
    assert!((55.0..78.0).contains(&(mean / n)));
}

#[test]
fn an_engine_wears_out_its_remaining_life_counts_down_and_constant_sensors_stay() {
    for seed in 0..6 {
        let mut by_serial: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        let mut hot: Vec<f64> = Vec::new();
        let mut failures = 0;
        live(Kind::Turbofan, seed, 1, |_, moment| {
            assert_eq!((moment.reading("t2"), moment.reading("far_b")), (518.67, 0.03));
            hot.push(moment.reading("t50"));
            failures += moment.events.iter().filter(|event| event.name == "failure").count();
            for told in &moment.told {
                let serial = told.facts["serial"].as_str().unwrap().to_owned();
                by_serial.entry(serial).or_default().push((number(told, "remaining"), number(told, "health")));
            }
        });
        assert!((9..30).contains(&failures), "seed {seed}: {failures} failures an hour");
        assert!(hot.iter().all(|degrees| (1_370.0..1_460.0).contains(degrees)), "seed {seed}");
        for (serial, course) in by_serial {
            assert!(course.is_sorted_by(|a, b| a.0 > b.0 && a.1 >= b.1), "seed {seed} {serial}: {course:?}");
        }
    }
}

#[test]
fn a_parcel_travels_between_depots_stops_and_is_delivered() {
    let week = 7 * 24;
    let legs = told(Kind::ParcelTracker, 3, week, "leg");
    assert!((10..80).contains(&legs.len()), "{} legs in a week", legs.len());
    for leg in &legs[1..] {
        let hours = (number(leg, "to_ms") - number(leg, "from_ms")) / 3.6e6;
        let kmh = number(leg, "distance_m") / 1_000.0 / hours;
        assert!((55.0..90.0).contains(&kmh), "{kmh} km/h on {leg:?}");
    }
    let count = |what| (0..4).flat_map(|seed| told(Kind::ParcelTracker, seed, week, what)).count();
    assert!(count("stop") > 20 && count("delivered") > 8 && count("shock") > 8 && count("excursion") > 4);
    live(Kind::ParcelTracker, 5, 48, |_, moment| {
        for (group, _, values) in &moment.rows {
            match (group, values.as_slice()) {
                (0, [north, east, _]) if north.is_finite() => {
                    assert!((47.0..55.0).contains(north) && (6.0..14.0).contains(east), "{north} {east}");
                }
                (1, [shock, degrees, _, battery]) => {
                    assert!((0.0..50.0).contains(shock) && (-5.0..30.0).contains(degrees), "{shock} {degrees}");
                    assert!((0.0..=100.0).contains(battery));
                }
                _ => {}
            }
        }
    });
}

#[test]
fn a_family_taps_the_same_readers_within_seconds_of_each_other() {
    let taps = |number| {
        let mut sensors = Kind::ParkBand.sensors(42, &format!("band-{:02}", number + 1), number, START_MS);
        let (mut moment, mut taps) = (Moment::default(), Vec::new());
        for second in 0..6 * 3_600 {
            moment.clear();
            sensors.second(START_MS + second * 1_000, &mut moment);
            taps.extend(moment.told.iter().map(|told| (second, told.facts["reader"].clone())));
        }
        taps
    };
    let (first, second, stranger) = (taps(0), taps(1), taps(4));
    assert!(first.len() > 8, "{} taps in six hours", first.len());
    assert!(first.iter().zip(&second).all(|(a, b)| a.1 == b.1 && a.0.abs_diff(b.0) <= 6), "{first:?} {second:?}");
    assert!(first[0].0 < 12, "the gate comes at once");
    let readers = |taps: &[(u64, Value)]| taps.iter().map(|tap| tap.1.clone()).collect::<Vec<_>>();
    assert_ne!(readers(&first), readers(&stranger), "another family goes its own way");
    let waits: Vec<Told> = told(Kind::ParkBand, 1, 8, "tap");
    let waits: Vec<f64> = waits.iter().filter_map(|tap| tap.facts["waited_s"].as_f64()).collect();
    assert!(waits.len() > 2 && waits.iter().all(|wait| (180.0..2_701.0).contains(wait)), "{waits:?}");
}

#[test]
fn a_pacemaker_keeps_the_rate_up_its_beats_follow_each_other_and_episodes_show() {
    let (mut paced, mut beats, mut volts) = (0, 0, f64::INFINITY);
    for seed in 0..4 {
        let mut before: Option<u64> = None;
        live(Kind::Pacemaker, seed, 3, |_, moment| {
            for (_, at_ms, values) in &moment.rows {
                let interval = values[0];
                assert!((pacemaker::INTERVAL_MS.0..=pacemaker::INTERVAL_MS.1).contains(&interval));
                assert!(before.is_none_or(|before| before + interval as u64 == *at_ms), "seed {seed}");
                before = Some(*at_ms);
                beats += 1;
                if values[1] > 0.5 {
                    paced += 1;
                    assert_eq!(interval, 1_000.0, "paced at the lower rate");
                }
            }
        });
    }
    assert!(paced > 0 && paced < beats, "{paced} of {beats} beats are paced");
    live(Kind::Pacemaker, 1, 3, |_, moment| {
        let now = moment.reading("battery_voltage");
        assert!(now < volts && now > 2.0);
        volts = now;
    });
    let episodes: Vec<Told> = (0..4).flat_map(|seed| told(Kind::Pacemaker, seed, 6, "arrhythmia")).collect();
    for what in ["bradycardia", "tachycardia", "irregular_rhythm"] {
        assert!(episodes.iter().any(|told| told.facts["what"] == what), "no {what}");
    }
    for what in ["pause", "premature_beat"] {
        assert!(!told(Kind::Pacemaker, 1, 6, what).is_empty(), "no {what}");
    }
}

#[test]
fn a_listener_likes_what_is_liked_and_skips_the_rest_and_takes_to_something_else_after_days() {
    let (mut likes, mut skips, mut tastes) = ([0, 0], [0, 0], 0);
    for seed in 0..3 {
        let mut liked: Vec<String> = Vec::new();
        live(Kind::Player, seed, 10 * 24, |_, moment| {
            for told in &moment.told {
                if told.what == "taste" {
                    liked = told.facts["likes"].as_array().unwrap().iter().map(Value::to_string).collect();
                    tastes += 1;
                    continue;
                }
                let own = usize::from(liked.contains(&told.facts["topic"].to_string()));
                let counts = if told.facts["liked"] == true { &mut likes } else { &mut skips };
                counts[own] += 1;
            }
            let opinions = moment.told.iter().filter(|told| told.what == "opinion");
            let named = opinions.map(|told| told.facts["topic"].as_str().unwrap().as_bytes());
            assert!(named.eq(moment.events.iter().map(|event| event.data.as_slice())), "{moment:?}");
        });
    }
    assert!((6..=9).contains(&tastes), "{tastes} tastes in three times ten days");
    assert!(likes[1] > 100 && likes[1] > 5 * likes[0], "{likes:?}");
    assert!(skips[0] > 300 && skips[0] > 5 * skips[1], "{skips:?}");
}

#[test]
fn the_pulse_that_is_told_is_what_a_wristband_reads_but_for_its_noise_and_less_than_the_next_change() {
    for seed in 0..3 {
        let (mut rate, mut off, mut lines) = (f64::NAN, 0.0_f64, 0);
        live(Kind::Wristband, seed, 6, |_, moment| {
            for told in moment.told.iter().filter(|told| told.what == "pulse") {
                (rate, lines) = (number(told, "rate"), lines + 1);
            }
            let read = moment.reading("heart_rate");
            // A change that is not told yet, and the most that the noise of a reading amounts to.
            off = if read.is_nan() { off } else { off.max((read - rate).abs()) };
        });
        assert!((1.5..2.0 + 3.5 * 0.6).contains(&off), "seed {seed}: {off} a minute off");
        assert!((100..2_000).contains(&lines), "seed {seed}: {lines} lines in six hours");
    }
}

#[test]
fn a_phone_counts_the_minutes_down_to_the_appointment_that_is_told() {
    let (mut appointments, mut next) = (0, (0.0, 0.0));
    live(Kind::Phone, 5, 24, |at_ms, moment| {
        for told in moment.told.iter().filter(|told| told.what == "appointment") {
            let of = (number(told, "from_ms"), number(told, "to_ms"));
            assert!(appointments == 0 || (of.0 - next.1 - 1_000.0).abs() < 1.0, "{next:?}, then {of:?}");
            (next, appointments) = (of, appointments + 1);
        }
        let minutes = (next.1 - at_ms as f64) / 60_000.0;
        assert_eq!(moment.reading("appointment_in"), minutes.floor(), "at {at_ms}");
    });
    assert!((12..72).contains(&appointments), "{appointments} in a day");
}

/// What is told of a device with a twist.
fn twisted(kind: Kind, twist: Twist, number: u32, hours: u64) -> Vec<Told> {
    let mut sensors = kind.sensors_with(twist, 42, &format!("device-{number:02}"), number, START_MS);
    let (mut moment, mut told) = (Moment::default(), Vec::new());
    for second in 0..hours * 3_600 {
        moment.clear();
        sensors.second(START_MS + second * 1_000, &mut moment);
        told.append(&mut moment.told);
    }
    told
}

#[test]
fn a_host_rides_with_many_families_and_a_guest_with_one() {
    let met = |number| -> BTreeMap<String, usize> {
        let mut met = BTreeMap::new();
        for told in twisted(Kind::ParkBand, Twist::Hosts, number, 10).iter().filter(|told| told.what == "meeting") {
            *met.entry(told.facts["with"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        met
    };
    let (guest, host) = (met(0), met(6));
    assert!(guest.len() == 1 && guest["family-01"] > 6, "{guest:?}");
    assert_eq!(met(7).keys().collect::<Vec<_>>(), ["family-03"], "behind a host another two families begin");
    assert!(host.len() >= 6 && host.values().sum::<usize>() > 20, "{host:?}");
    let host = twisted(Kind::ParkBand, Twist::Hosts, 13, 10);
    assert_eq!(host.iter().filter(|told| told.what == "role").count(), 1);
    // A ride with a family is at the reader, and within seconds of the time, at which the family taps.
    let taps: Vec<(String, u64, Value)> = (0..24)
        .filter(|number| number % 7 != 6)
        .flat_map(|number| twisted(Kind::ParkBand, Twist::Hosts, number, 10))
        .filter(|told| told.what == "tap" && told.facts["place"] == "ride")
        .map(|told| (told.facts["party"].as_str().unwrap().to_owned(), told.at_ms, told.facts["reader"].clone()))
        .collect();
    for ride in host.iter().filter(|told| told.what == "meeting" && told.facts["of"] == "ride") {
        let with = |tap: &&(String, u64, Value)| {
            ride.facts["with"] == tap.0.as_str() && ride.facts["reader"] == tap.2 && ride.at_ms.abs_diff(tap.1) <= 6_000
        };
        let known = taps.iter().any(|tap| ride.facts["with"] == tap.0.as_str());
        assert!(!known || taps.iter().filter(with).count() == 3, "{ride:?}");
    }
}

#[test]
fn a_band_in_a_drawer_sees_no_pulse_and_counts_no_steps_until_it_is_worn_again() {
    let told = twisted(Kind::Wristband, Twist::Drawers, 1, 9 * 24);
    let of = |what: &'static str| told.iter().filter(move |told| told.what == what);
    let drawers: Vec<(f64, f64)> = of("drawer").map(|told| (number(told, "from_ms"), number(told, "to_ms"))).collect();
    assert!(!drawers.is_empty(), "nine days on the wrist");
    for (from_ms, to_ms) in &drawers {
        let inside = of("steps").filter(|told| (*from_ms..*to_ms).contains(&(told.at_ms as f64)));
        let totals: Vec<f64> = inside.map(|told| number(told, "total")).collect();
        assert!(totals.len() > 1_000 && totals.windows(2).all(|pair| pair[0] == pair[1]), "{from_ms} to {to_ms}");
        assert!((86_400_000.0..3.0 * 86_400_000.0).contains(&(to_ms - from_ms)));
    }
}

#[test]
fn goods_that_stand_in_the_frost_grow_too_cold_and_never_too_warm() {
    let told = twisted(Kind::ParcelTracker, Twist::Frost, 3, 96);
    let peaks: Vec<f64> =
        told.iter().filter(|told| told.what == "excursion").map(|told| number(told, "peak_cel")).collect();
    assert!(!peaks.is_empty() && peaks.iter().all(|peak| (-12.0..=2.0).contains(peak)), "{peaks:?}");
}

#[test]
fn a_parcel_nears_where_it_is_bound_for_before_each_delivery() {
    let told: Vec<Told> = (0..4).flat_map(|number| twisted(Kind::ParcelTracker, Twist::None, number, 96)).collect();
    let delivered = told.iter().filter(|told| told.what == "delivered").count();
    let last = told.iter().filter(|told| told.what == "nearing" && told.facts["last_leg"] == true);
    assert!(delivered > 4 && last.clone().count() == delivered);
    for told in last {
        let minutes = (number(told, "to_ms") - number(told, "from_ms")) / 60_000.0;
        assert!((20.0..31.0).contains(&minutes) && number(told, "least_m") < 200.0, "{told:?}");
    }
}

#[test]
fn falls_are_hard_soft_or_slow_and_are_read_no_harder_than_they_were() {
    let falls: Vec<Told> = (0..12).flat_map(|seed| told(Kind::CareBand, seed, 1, "fall")).collect();
    let of = |how: &str| falls.iter().filter(|fall| fall.facts["how"] == how).count();
    assert!(of("hard") > 60 && of("soft") > 3 && of("slide") > 5, "{} falls", falls.len());
    let mut long = 0;
    for fall in &falls {
        let (from_ms, to_ms) = (number(fall, "from_ms"), number(fall, "to_ms"));
        let before_ms = fall.at_ms as f64 - from_ms;
        assert!((280.0..2_000.0).contains(&before_ms) && to_ms > fall.at_ms as f64 + 2_000.0, "{fall:?}");
        assert!(number(fall, "read_g") < number(fall, "impact_g") + 0.5, "{fall:?}");
        assert!(fall.facts["how"] != "hard" || (2.5..6.0).contains(&number(fall, "impact_g")), "{fall:?}");
        long += usize::from(number(fall, "still_s") >= 20.0);
    }
    assert!(long * 2 > falls.len(), "{long} of {} lie long", falls.len());
}

#[test]
fn a_band_that_is_dropped_sees_no_pulse_while_it_lies() {
    let mut dropped = 0;
    for seed in 0..8 {
        live(Kind::CareBand, seed, 1, |_, moment| {
            // Nothing but a band without an arm in it reads so little for a tenth of a second.
            let light = |row: &&(u8, u64, Vec<f64>)| row.0 == 4 && row.2.iter().all(|axis| axis.abs() < 0.06);
            if moment.rows.iter().filter(light).count() > 3 {
                dropped += 1;
                assert!(moment.reading("heart_rate").is_nan());
            }
        });
    }
    assert!(dropped > 3, "{dropped}");
}
