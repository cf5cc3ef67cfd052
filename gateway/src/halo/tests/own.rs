//! Signals and kinds of a fleet's own, from a configuration file to the halo.

use halo_proto::chunk::Clock;
use halo_proto::registry::Kind;
use halo_proto::schema::{Column, Group, Schema};
use halo_proto::topic::Grammar;
use serde_json::Value;

use super::derived::{folded, number};
use super::support::{Log, WALL_MS, native, reloaded};
use crate::config::Config;
use crate::forward::halo_json::halo_json;
use crate::halo::{Fold, Quality, Tally};
use crate::record::Body;

const FLEET: &str = r#"
[halo]
signals = [
    { name = "v", unit = "m/s", min = 0.0, max = 12.0, step_max = 4.0, nature = "momentary" },
    { name = "mast.pressure", unit = "bar", max = 250.0 },
]

[[halo.kinds]]
name = "forklift"
devices = ["fork-*"]
births = [900]
derive = ["drive", "heart"]
signals = { v = "speed", puls = "heart_rate" }

[[halo.kinds]]
name = "turnstile"
devices = ["gate"]
derive = ["visit"]

[halo.drive]
braking_mps2 = 1.0
span_ms = 1000

[halo.journey]
warmest_cel = -15.0
coldest_cel = -25.0

[halo.heart]
rate_max_per_min = 200.0
"#;

/// The configuration of a file.
fn config(text: &str) -> Result<Config, String> {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("written");
    Config::load(Some(file.path()), [], &[]).map_err(|error| error.to_string())
}

fn log(text: &str) -> Log {
    let mut log = Log::default();
    log.push(Body::Config(config(text).expect("a sound configuration").fold()));
    log
}

/// A minute of a forklift at these speeds in m/s, one a second.
fn drives(log: &mut Log, device: &str, speeds: &[f64]) {
    for speed in speeds {
        let time = log.after(1_000).now().wall_ms;
        log.json(device, &format!(r#"{{"v":{speed:.1},"mast.pressure":180,"puls":120,"time":{time}}}"#));
    }
}

fn halo(fold: &Fold, subject: &str) -> Value {
    let subject = fold.subject(subject).expect("it sent frames");
    serde_json::from_slice(&halo_json(subject, &mut Tally::default())).expect("JSON")
}

#[test]
fn a_fleet_that_publishes_json_has_trips_hearts_and_units_by_its_configuration_alone() {
    let mut log = log(FLEET);
    let mut speeds = vec![5.0; 61];
    speeds.extend([3.5, 2.0, 2.0]);
    drives(&mut log, "fork-7", &speeds);
    let fold = folded(&log);
    let fork = fold.subject("fork-7").expect("it drove");
    // 60 s at 5 m/s, then three seconds down to 2 m/s: 300 + 4.25 + 2.75 + 2 m.
    assert_eq!(number(fork, "trip.distance").map(f64::round), Some(309.0));
    assert_eq!(number(fork, "trip.braking"), Some(1.0), "1.5 m/s within a second, of 1 allowed");
    assert_eq!(number(fork, "heart.zone"), Some(2.0), "120 of 200");
    let shown = halo(&fold, "fork-7");
    assert_eq!(shown["signals"]["v"]["unit"], "m/s");
    assert_eq!(shown["signals"]["mast.pressure"]["unit"], "bar");
    assert!(shown["derived"]["trip.distance"].is_object(), "{shown}");
}

#[test]
fn what_a_fleet_calls_impossible_is_suspect_and_no_part_of_what_is_derived() {
    let mut log = log(FLEET);
    let mut speeds = vec![5.0; 61];
    // Beyond the range, and a step that nothing confirms.
    (speeds[20], speeds[40]) = (13.0, 11.0);
    drives(&mut log, "fork-7", &speeds);
    let fold = folded(&log);
    let fork = fold.subject("fork-7").expect("it drove");
    assert_eq!((fork.counts().suspect, fork.counts().accepted), (2, 61));
    assert_eq!(fork.signal("v").map(|v| v.quality()), Some(Quality::Good));
    assert_eq!(number(fork, "trip.distance").map(f64::round), Some(300.0));
    assert_eq!((number(fork, "trip.speed_max"), number(fork, "trip.braking")), (Some(18.0), Some(0.0)));
}

#[test]
fn a_birth_of_a_kind_of_the_configuration_is_derived_of_and_one_of_no_kind_is_not() {
    let column = Column { metric: 0x8000, num: 1, den: 10, bias: 0, k0: 4, name: Some("v".into()) };
    let schema = Schema::hashed(vec![Group { clock: Clock::Regular { dt_ms: 1000 }, columns: vec![column] }]);
    let schema = schema.expect("a schema");
    let mut log = log(FLEET);
    for (device, kind) in [("lift-1", Kind(900)), ("lift-2", Kind(901))] {
        log.birth_of(kind, device, &schema);
        let payload = native(&schema, 0, log.mono_ms, &[(0, &[vec![50; 61]])], None);
        log.after(60_000).native(device, 0, payload);
    }
    let fold = folded(&log);
    let metres = |device| number(fold.subject(device).expect("it drove"), "trip.distance");
    assert_eq!((metres("lift-1").map(f64::round), metres("lift-2")), (Some(300.0), None));
    let v = fold.subject("lift-2").and_then(|lift| lift.signal("v")).expect("it sent it");
    assert_eq!(&**v.unit(), "m/s", "signals are described whatever the kind");
}

#[test]
fn each_reading_of_a_turnstile_is_a_tap() {
    let mut log = log(FLEET);
    for (minute, reader) in [(0, 201), (30, 202)] {
        let time = WALL_MS + minute * 60_000;
        log.after(1_800_000).json("gate", &format!(r#"{{"reader":{reader},"time":{time}}}"#));
    }
    assert_eq!(number(folded(&log).subject("gate").expect("it told"), "visit.queue"), Some(1800.0));
}

#[test]
fn the_same_log_gives_the_same_halo_from_any_checkpoint_and_new_thresholds_count_from_where_they_stand() {
    let mut log = log(FLEET);
    drives(&mut log, "fork-7", &[5.0, 4.5, 4.0, 3.5, 5.0]);
    log.push(Body::Config(config(&FLEET.replace("= 1.0\n", "= 0.4\n")).expect("sound").fold()));
    drives(&mut log, "fork-7", &[5.0, 4.5, 4.0, 3.5]);
    let whole = folded(&log);
    let fork = whole.subject("fork-7").expect("it drove");
    assert_eq!(number(fork, "trip.braking"), Some(1.0), "0.5 m/s² is harsh from the second configuration on");
    for at in 0..log.records.len() {
        let mut fold = Fold::new(Grammar::default());
        for record in &log.records[..at] {
            fold.apply(record);
        }
        let mut again = reloaded(&fold);
        for record in &log.records {
            again.apply(record);
        }
        assert_eq!(again.all_rows(), whole.all_rows(), "from record {at}");
    }
}

#[test]
fn a_frozen_parcel_has_the_band_of_its_own_goods() {
    let column = Column { metric: 113, num: 1, den: 100, bias: 0, k0: 4, name: None };
    let schema = Schema::hashed(vec![Group { clock: Clock::Regular { dt_ms: 60_000 }, columns: vec![column] }]);
    let schema = schema.expect("a schema");
    let name = halo_proto::registry::signal(113).map(|signal| signal.name);
    let mut log = log(FLEET);
    log.birth_of(Kind::PARCEL_TRACKER, "box", &schema);
    let payload = native(&schema, 0, 0, &[(0, &[vec![-2000, -1400, -2000]])], None);
    log.after(180_000).native("box", 0, payload);
    let fold = folded(&log);
    let excursions = number(fold.subject("box").expect("it sent"), "journey.excursions");
    assert_eq!((name, excursions), (Some("cargo_temperature"), Some(1.0)));
}

#[test]
fn a_mistake_in_the_file_is_named_with_its_key() {
    for (text, told) in [
        ("[[halo.signals]]\nname = \"speed\"\n", "halo.signals[0].name: \"speed\" is the registry's"),
        ("[halo.drive]\nbraking_mps2 = -1.0\n", "halo.drive.braking_mps2: -1 is out of range, wanted 0.1 to 50"),
        ("[halo.drive]\nbreaking = 1.0\n", "line 2"),
        ("[[halo.kinds]]\nname = \"k\"\nderive = [\"dance\"]\n", "line 3"),
        ("[[halo.kinds]]\nname = \"k\"\nderive = [\"heart\"]\n", "halo.kinds[0].devices"),
    ] {
        let error = config(text).expect_err(text);
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn a_configuration_that_says_nothing_of_it_is_what_it_was() {
    let config = config("[halo]\nsilent_after = \"90s\"\n").expect("sound").fold();
    assert_eq!(config.derivations, "");
    let before = postcard::to_stdvec(&(0_u32, Vec::<crate::record::Assignment>::new(), 90_000_u64, true));
    assert_eq!(config.hash, crc32c::crc32c(&before.expect("it is written")));
}
