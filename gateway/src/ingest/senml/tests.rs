use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;

const ARRIVAL_MS: i64 = 1_800_000_000_000;

fn readings(json: &str) -> Result<Readings, Unreadable> {
    let mut out = Readings::default();
    read(json.as_bytes(), ARRIVAL_MS, &mut out).map(|()| out)
}

fn error(json: &str) -> String {
    readings(json).unwrap_err().to_string()
}

/// Where the real payloads are; `None`, loudly, when this machine does not have them.
fn examples() -> Option<PathBuf> {
    let root = std::env::var_os("HALO_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")), PathBuf::from);
    let folder = root.join("payloads/senml");
    if folder.is_dir() {
        return Some(folder);
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{} is missing", folder.display());
    eprintln!("SKIP: the examples of RFC 8428 are not at {}; set HALO_DATA", folder.display());
    None
}

#[test]
fn every_example_of_the_rfc_resolves_as_its_authors_say() {
    let Some(folder) = examples() else { return };
    let mut compared = 0;
    for n in 1..=13 {
        for kind in ["json", "gen.json"] {
            let written = std::fs::read(folder.join(format!("ex{n}.{kind}"))).unwrap();
            let pack = resolve(&written, ARRIVAL_MS).unwrap();
            let mut out = Readings::default();
            read(&written, ARRIVAL_MS, &mut out).unwrap();
            let Ok(wanted) = std::fs::read(folder.join(format!("ex{n}.gen.resolved.json"))) else { continue };
            let wanted: Vec<Json> = serde_json::from_slice(&wanted).unwrap();
            assert_eq!(pack.records.len(), wanted.len(), "ex{n}.{kind}");
            for (record, wanted) in pack.records.iter().zip(&wanted) {
                assert_same(record, wanted);
                compared += 1;
            }
        }
    }
    assert!(compared >= 80, "{compared} records compared");
}

fn assert_same(record: &Resolved, wanted: &Json) {
    assert_eq!(Some(record.name.as_str()), wanted["n"].as_str());
    assert_eq!(record.unit.as_deref(), wanted["u"].as_str());
    match &record.value {
        Value::Number(value) => {
            assert_eq!(*value, Decimal::parse(&wanted["v"].to_string()).unwrap(), "{wanted}");
        }
        Value::Truth(truth) => assert_eq!(wanted["vb"].as_bool(), Some(*truth)),
        Value::Text(text) => assert_eq!(wanted["vs"].as_str(), Some(text.as_str())),
        Value::None => panic!("no value where {wanted} is wanted"),
    }
    // Times relative to now were resolved at their authors' now.
    if record.time_ms != ARRIVAL_MS {
        let wanted_ms = (wanted["t"].as_f64().unwrap() * 1000.0).round() as i64;
        assert_eq!(record.time_ms, wanted_ms, "{wanted}");
    }
}

fn names(json: &str) -> Vec<(String, String)> {
    let series = readings(json).unwrap().series;
    series.iter().map(|series| (series.signal.name.to_string(), series.signal.unit.to_string())).collect()
}

#[test]
fn signals_are_named_without_the_urn_of_the_device() {
    let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter().map(|(name, unit)| ((*name).to_owned(), (*unit).to_owned())).collect()
    };
    assert_eq!(
        names(r#"[{"bn":"urn:dev:ow:10e2:","n":"voltage","v":1,"u":"V"},{"n":"a/b","v":2,"u":"%RH"}]"#),
        pairs(&[("voltage", "V"), ("a.b", "%")])
    );
    assert_eq!(names(r#"[{"n":"urn:dev:mac:0024befffe804ff1_rate","v":1}]"#), pairs(&[("rate", "")]));
    assert_eq!(names(r#"[{"n":"2001:db8::2/temp","v":1,"u":"Cel"}]"#), pairs(&[("2001_db8__2.temp", "Cel")]));
    assert_eq!(
        names(r#"[{"bn":"urn:dev:ow:10e2","v":1,"u":"Cel"},{"v":2,"u":"lat"},{"v":3}]"#),
        pairs(&[("temperature", "Cel"), ("latitude", "deg"), ("value", "")])
    );
}

#[test]
fn points_of_a_signal_come_in_time_order_and_one_scale() {
    let json = r#"[{"bn":"a","bt":1276020076.001,"v":1.30,"t":2},{"v":0.14e1,"t":-5},{"v":1,"t":1}]"#;
    let out = readings(json).unwrap();
    let points: Vec<(i64, i64)> = out.series[0].points.iter().map(|point| (point.event_ms, point.raw)).collect();
    assert_eq!(points, [(1_276_020_071_001, 14), (1_276_020_077_001, 10), (1_276_020_078_001, 13)]);
    assert_eq!((out.series[0].signal.num, out.series[0].signal.den), (1, 10));
    assert!(out.timed);
}

#[test]
fn times_below_two_to_the_28_are_relative_to_the_arrival() {
    let out = readings(r#"[{"n":"a","v":1,"t":-5.5},{"n":"a","v":2,"t":268435455}]"#).unwrap();
    let times: Vec<i64> = out.series[0].points.iter().map(|point| point.event_ms).collect();
    assert_eq!(times, [ARRIVAL_MS - 5500, ARRIVAL_MS + 268_435_455_000]);
    assert!(!out.timed, "a relative time is no identity");
    let out = readings(r#"[{"n":"a","v":1,"t":268435456}]"#).unwrap();
    assert_eq!(out.series[0].points[0].event_ms, 268_435_456_000);
    assert!(out.timed);
}

#[test]
fn base_value_and_base_sum_are_added_exactly() {
    let out = readings(r#"[{"bn":"a","bu":"W","bv":20.1,"bs":100,"v":0.25,"s":5},{"bv":0,"v":1}]"#).unwrap();
    let series: Vec<_> =
        out.series.iter().map(|s| (&*s.signal.name, &*s.signal.unit, s.signal.den, s.points[0].raw)).collect();
    assert_eq!(series, [("a", "W", 100, 2035), ("a.sum", "W.s", 1, 105)]);
    assert_eq!(out.series[0].points[1].raw, 100);
}

#[test]
fn what_must_be_understood_and_is_not_is_refused() {
    assert!(error(r#"[{"n":"a","v":1,"secret_":2}]"#).contains("secret_"));
    assert!(error(r#"[{"n":"a","v":1,"bver":11}]"#).contains("version 11"));
    assert!(error(r#"[{"bver":5,"n":"a","v":1},{"bver":6,"v":1}]"#).contains("differs"));
    assert!(readings(r#"[{"n":"a","v":1,"l":"[]","ut":3,"secret":2}]"#).is_ok());
}

#[test]
fn what_would_merge_silently_is_refused() {
    let text = error(r#"[{"bn":"urn:dev:ow:1:","n":"t","v":1},{"bn":"urn:dev:ow:2:","n":"t","v":1}]"#);
    assert!(text.contains("urn:dev:ow:1:t") && text.contains("urn:dev:ow:2:t"), "{text}");
    assert!(error(r#"[{"n":"a","v":1,"u":"m"},{"n":"a","v":1,"u":"Cel"}]"#).contains("unit"));
    assert!(error(r#"[{"n":"a","v":1,"vb":true}]"#).contains("more than one"));
    assert!(error(r#"[{"n":"-a","v":1}]"#).contains("grammar"));
    assert!(error(r#"[{"v":1}]"#).contains("no name"));
    assert!(error(r#"[{"n":"a","v":"1"}]"#).contains("record 0"));
    assert!(error("[1]").contains("record 0"));
}

#[test]
fn a_signal_of_the_registry_keeps_its_unit() {
    assert_eq!(names(r#"[{"n":"heart_rate","v":72,"u":"beat/min"}]"#), [("heart_rate".into(), "/min".into())]);
    assert_eq!(names(r#"[{"n":"heart_rate","v":72}]"#), [("heart_rate".into(), "/min".into())]);
    assert_eq!(error(r#"[{"n":"speed","v":10,"u":"m/s"}]"#), r#"signal speed came in unit "m/s", wanted "km/h""#);
}

#[test]
fn texts_truths_and_blobs_have_their_places() {
    let json = r#"[{"bn":"d:","n":"label","vs":"Hall"},{"n":"open","vb":true},{"n":"blob","vd":"aGk"}]"#;
    let out = readings(json).unwrap();
    assert_eq!((&*out.texts[0].key, out.texts[0].value.as_str()), ("d_label", "Hall"));
    assert_eq!(out.series[0].points[0].raw, 1);
    assert_eq!(out.ignored, 1);
}

#[test]
fn more_than_1024_records_are_refused() {
    let json = |n: usize| format!("[{}]", vec![r#"{"n":"a","v":1}"#; n].join(","));
    assert_eq!(readings(&json(1024)).unwrap().series[0].points.len(), 1024);
    assert!(matches!(readings(&json(1025)), Err(Unreadable::TooMany { .. })));
}

proptest! {
    #[test]
    fn any_nearly_senml_gives_readings_or_an_error(
        json in r#"\[(\{("(bn|n|u|bu|vs|vd|bver|x_|q)":"[a-z:/]{0,4}"|"(v|t|bt|bv|s|bs|bver)":-?[0-9]{1,12}(\.[0-9]{1,12})?(e-?[0-9]{1,3})?|"vb":true|"n":null)(,"(n|u)":"[a-z]{1,2}")?(,"(v|t|s)":[0-9]{1,4})?\},?){0,4}\]"#
    ) {
        drop(readings(&json));
    }

    #[test]
    fn any_bytes_give_readings_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut out = Readings::default();
        drop(read(&bytes, ARRIVAL_MS, &mut out));
    }
}
