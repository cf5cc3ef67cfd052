//! Every document is checked against its JSON Schema, by a reader of the keywords our schemas use: a crate that knows
//! all of JSON Schema would be the largest dependency of this workspace.

use halo_proto::frame::{Event, Header, Text};
use halo_proto::registry;
use halo_proto::schema::{FrameBuilder, Schema};
use halo_proto::topic::Grammar;
use serde_json::Value;

use crate::forward::halo_json::halo_json;
use crate::forward::health_json::{Health, State, health_json};
use crate::forward::losses_json::losses_json;
use crate::forward::readings_json::{Lane, readings_json};
use crate::halo::tests::support::{Log, WALL_MS, native, speedometer};
use crate::halo::{Fold, Models, Tally};
use crate::record::{
    Area, Body, Conflict, Damaged, Dropped, Expired, FoldConfig, Gap, Geography, Identity, Offset, Start, Stretch, Zone,
};

pub(super) const HALO: &str = include_str!("../../../schema/halo-1.schema.json");
const READINGS: &str = include_str!("../../../schema/readings-1.schema.json");
const HEALTH: &str = include_str!("../../../schema/health-1.schema.json");
const WELCOME: &str = include_str!("../../../schema/welcome-1.schema.json");
const LOSSES: &str = include_str!("../../../schema/losses-1.schema.json");

/// What is wrong with `value`, with its place.
fn errors(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let mut fail = |what: String| found.push(format!("{at}: {what}"));
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        let number = || rule.as_f64().expect("a number");
        let len = || value.as_array().map(Vec::len).or(value.as_str().map(str::len));
        match keyword.as_str() {
            "$schema"
            | "$id"
            | "$defs"
            | "title"
            | "description"
            | "format"
            | "required"
            | "properties"
            | "additionalProperties"
            | "items"
            | "prefixItems"
            | "anyOf"
            | "$ref" => {}
            "const" if value != rule => fail(format!("is not {rule}")),
            "enum" if !rule.as_array().expect("a list").contains(value) => fail(format!("is not one of {rule}")),
            "type" if !types(rule).any(|of| is(of, value)) => fail(format!("{value} is not {rule}")),
            "pattern" if value.as_str().is_some_and(|text| !text.ends_with('Z')) => fail(format!("{value} not {rule}")),
            "minimum" if value.as_f64().is_some_and(|value| value < number()) => fail(format!("{value} < {rule}")),
            "maximum" if value.as_f64().is_some_and(|value| value > number()) => fail(format!("{value} > {rule}")),
            "minLength" | "minItems" if len().is_some_and(|len| (len as f64) < number()) => fail("too short".into()),
            "maxItems" if len().is_some_and(|len| len as f64 > number()) => fail("too long".into()),
            "const" | "enum" | "type" | "pattern" | "minimum" | "maximum" | "minLength" | "minItems" | "maxItems" => {}
            other => panic!("keyword {other} is not read here"),
        }
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.as_object().is_some_and(|object| !object.contains_key(name)) {
            fail(format!("{name} is missing"));
        }
    }
    if let Some(target) = schema["$ref"].as_str() {
        let target = root.pointer(target.trim_start_matches('#')).expect("a definition");
        errors(root, target, value, at, found);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = |choice| {
            let mut inner = Vec::new();
            errors(root, choice, value, at, &mut inner);
            inner.is_empty()
        };
        if !choices.iter().any(fits) {
            found.push(format!("{at}: fits no choice"));
        }
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        let at = format!("{at}/{name}");
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(rule), _) | (None, rule @ Value::Object(_)) => errors(root, rule, inner, &at, found),
            (None, Value::Bool(false)) => found.push(format!("{at}: is not foreseen")),
            (None, _) => {}
        }
    }
    for (position, inner) in value.as_array().into_iter().flatten().enumerate() {
        let rule = schema["prefixItems"].get(position).or(schema.get("items"));
        rule.inspect(|rule| errors(root, rule, inner, &format!("{at}/{position}"), found));
    }
}

fn types(rule: &Value) -> impl Iterator<Item = &str> {
    rule.as_str().into_iter().chain(rule.as_array().into_iter().flatten().filter_map(Value::as_str))
}

fn is(of: &str, value: &Value) -> bool {
    match of {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("type {other} is not read here"),
    }
}

pub(super) fn check(schema: &str, document: &[u8]) -> Value {
    let (schema, value): (Value, Value) =
        (serde_json::from_str(schema).unwrap(), serde_json::from_slice(document).unwrap());
    let mut found = Vec::new();
    errors(&schema, &schema, &value, "", &mut found);
    assert!(found.is_empty(), "{found:#?} in {value:#}");
    value
}

/// A log with a bit of everything.
fn log() -> Log {
    let schema = Schema::from_registry(1).unwrap();
    let mut log = Log::default();
    log.configure(30_000, &[("wrist-17", "anna")]);
    log.connected("wrist-17");
    for seq in 0..3 {
        let pulse = vec![70 + i64::from(seq), 72, 400];
        let chunks: [(u8, &[Vec<i64>]); 2] = [(0, &[pulse]), (3, &[vec![98], vec![81]])];
        let payload = native(&schema, seq, u64::from(seq) * 3000, &chunks, Some(9));
        log.after(3000).native("wrist-17", seq, payload);
    }
    log.json("wrist-17", r#"{"mood":0.5,"note":"fine"}"#);
    log.value("wrist-17", "mood", 1.0, -70_000);
    log.value("wrist-17", "weight", 1.0, -70_000);
    log.push(Body::Start(Start { version: "1".into() }));
    let centre = [115_000_000, 481_000_000];
    let circle = |name: &str, radius_m| Zone {
        name: name.into(),
        kind: Some("home".into()),
        area: Area::Circle { centre, radius_m },
        readers: vec![],
    };
    let zones = [circle("house", 50.0), circle("village", 900.0)].into();
    let geography = Geography { zones, enter_after_ms: 0, leave_after_ms: 0, margin_m: 0, ..Geography::default() };
    log.push(Body::Config(FoldConfig { geography, ..FoldConfig::default() }));
    for latitude in [48.1, 48.105, 60.0] {
        log.after(1000).json("phone", &format!("{{\"latitude\":{latitude},\"longitude\":11.5}}"));
    }
    let meter = speedometer();
    log.birth_of(registry::Kind::CAR_DONGLE, "car", &meter);
    let seconds = log.mono_ms;
    log.after(60_000).native("car", 0, native(&meter, 0, seconds, &[(0, &[vec![50; 60]])], None));
    log
}

#[test]
fn documents_fit_their_schemas() {
    let mut fold = Fold::new(Grammar::default());
    for record in &log().records {
        let touched = fold.apply(record);
        if let (Body::Frame(frame), Some(readings)) = (&record.body, touched.readings()) {
            check(READINGS, &readings_json("gw", record.offset, frame, readings, Lane::Live));
        }
        touched.subjects().for_each(|subject| drop(check(HALO, &halo_json(subject, &mut Tally::default()))));
    }
    let mut health = Health {
        gateway: "gw",
        version: "0.1.0",
        state: State::Ready,
        reasons: &["disk is slow".into()],
        time_ms: Some(WALL_MS),
        durable: Offset(9),
        folded: Offset(7),
        lag_bytes: 200,
        connections: 3,
        subjects: 2,
    };
    assert_eq!(check(HEALTH, &health_json(&health))["log"]["lag_records"], 2);
    health.state = State::Degraded;
    check(HEALTH, &health_json(&health));
    assert_eq!(check(HEALTH, &Health::last_will("gw"))["state"], "offline");
}

#[test]
fn every_kind_of_loss_is_a_document_that_fits_and_nothing_else_is_one() {
    let (device, subject) = (crate::record::Name::from("wrist-17"), crate::record::Name::from("anna"));
    let (name, whom) = (|| device.clone(), || subject.clone());
    let stretch = Stretch { first: Offset(3), last: Offset(9) };
    let bodies = [
        ("gap", 3, Body::Gap(Gap { device: name(), subject: whom(), boot: 1, first: 5, last: 7 })),
        (
            "dropped",
            4,
            Body::Dropped(Dropped {
                device: name(),
                subject: whom(),
                boot: 1,
                first: 5,
                last: 9,
                frames: 4,
                stretch,
                reason: "older than kept".into(),
                missed: vec![("cloud".into(), 4)],
            }),
        ),
        ("damaged", 7, Body::Damaged(Damaged { segment: 2, lost: stretch, what: "unreadable".into() })),
        ("expired", 1, Body::Expired(Expired { device: name(), subject: whom(), reason: "too old".into() })),
        (
            "conflict",
            1,
            Body::Conflict(Conflict { device: name(), subject: whom(), identity: Identity { boot: 1, seq: 5 } }),
        ),
    ];
    let mut log = Log::default();
    for (kind, frames, body) in bodies {
        log.push(body);
        let record = log.records.last_mut().unwrap();
        record.cause = Some(Offset(1));
        let json = check(LOSSES, &losses_json("gw-1", record).expect("a loss"));
        assert_eq!((json["kind"].as_str(), json["frames"].as_u64()), (Some(kind), Some(frames)));
        assert_eq!(json["mid"], format!("gw-1-{}", record.offset));
        assert_eq!(json["of"].is_string(), ["expired", "conflict"].contains(&kind), "{kind}");
    }
    log.push(Body::Tick);
    assert_eq!(losses_json("gw-1", log.records.last().unwrap()), None);
}

#[test]
fn a_document_that_does_not_fit_is_told_from_one_that_does() {
    let schema: Value = serde_json::from_str(HEALTH).unwrap();
    let mut health: Value = serde_json::from_slice(&Health::last_will("gw")).unwrap();
    health["state"] = "odd".into();
    health["log"] = 5.into();
    health["more"] = 5.into();
    health.as_object_mut().unwrap().remove("time");
    let mut found = Vec::new();
    errors(&schema, &schema, &health, "", &mut found);
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn a_halo_reads_as_documented() {
    let mut log = Log::default();
    log.configure(30_000, &[("wrist-17", "anna")]);
    let schema = Schema::from_registry(1).unwrap();
    let payload = native(&schema, 0, 0, &[(0, &[vec![70, 72, 75]])], None);
    log.after(2_312).native("wrist-17", 0, payload);
    let mut fold = Fold::new(Grammar::default());
    for record in &mut log.records {
        if let Body::Frame(frame) = &mut record.body {
            frame.subject = "anna".into();
        }
        fold.apply(record);
    }
    let halo = halo_json(fold.subject("anna").unwrap(), &mut Tally::default());
    let stats =
        r#"{"n":3,"min":70,"max":75,"mean":72.33333333333333,"sd":2.516611478423583,"p50":71.382495093025,"p95":75}"#;
    let stats = format!(r#"{{"1m":{stats},"15m":{stats},"24h":{stats}}}"#);
    let expected = format!(
        concat!(
            r#"{{"schema":"halo/1","subject":"anna","kind":"person","revision":1,"time":"2026-11-21T20:00:02.312Z","#,
            r#""signals":{{"heart_rate":{{"value":75,"unit":"/min","time":"2026-11-21T20:00:02.000Z","device":"wrist-17","#,
            r#""quality":"good","loinc":"8867-4","stats":{stats},"trend":{{"ewma":70.68}}}}}},"derived":{{"heart.zone":{{"value":0,"unit":"1"}}}},"#,
            r#""context":{{"place":null,"trip":null,"events":[],"texts":{{}}}},"#,
            r#""presence":{{"wrist-17":{{"state":"online","last_seen":"2026-11-21T20:00:02.312Z","battery_pct":null,"#,
            r#""clock_offset_ms":-312,"clock":"estimated"}}}},"#,
            r#""quality":{{"accepted":1,"gaps":0,"missing":0,"duplicates":0,"late":0,"conflicts":0,"quarantined":0,"suspect":0}}}}"#
        ),
        stats = stats
    );
    assert_eq!(std::str::from_utf8(&halo).unwrap(), expected);
}

#[test]
fn forecasts_fit_the_schema_and_tell_when_a_battery_is_empty() {
    let (mut log, mut fold) = (Log::default(), Fold::new(Grammar::default()));
    let (mut noise, mut told) = (1_u32, Vec::new());
    // It loses 0.6 % an hour: empty after 10,000 min.
    for minute in (0..9_840).step_by(5) {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let level = 100.0 - f64::from(minute) / 100.0 + f64::from(noise >> 24) / 512.0;
        log.after(300_000);
        fold.apply(log.value("tracker", "battery", (level * 10.0).round() / 10.0, 0));
        let halo = check(HALO, &halo_json(fold.subject("tracker").unwrap(), &mut Tally::default()));
        told.push(halo["signals"]["battery"].clone());
    }
    assert!(told.iter().take(36).all(|battery| battery.get("forecast").is_none()), "it knows nothing yet");
    let battery = told.last().unwrap();
    println!("{battery:#}");
    for horizon in ["10m", "1h", "6h"] {
        assert!(told.iter().any(|battery| battery["forecast"].get(horizon).is_some()), "{horizon} was never published");
    }
    let empty = &battery["reaches"]["min"];
    assert_eq!((&empty["limit"], battery["reaches"].get("max")), (&Value::from(0), None));
    let ms = |time: &Value| time.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let off_min = (ms(&empty["time"]) - WALL_MS) / 60_000 - 10_000;
    assert!(off_min.abs() <= 60, "off by {off_min} min");
    assert!(ms(&empty["earliest"]) <= ms(&empty["time"]));
}

#[test]
fn derived_signals_fit_the_schema_and_read_as_documented() {
    let mut log = Log::default();
    let schema = speedometer();
    log.birth_of(registry::Kind::CAR_DONGLE, "car", &schema);
    log.after(60_000).native("car", 0, native(&schema, 0, 0, &[(0, &[vec![90; 61]])], None));
    let mut fold = Fold::new(Grammar::default());
    for record in &log.records {
        fold.apply(record);
    }
    let halo = check(HALO, &halo_json(fold.subject("car").unwrap(), &mut Tally::default()));
    let expected = concat!(
        r#"{"trip.acceleration":{"value":0,"unit":"{events}"},"trip.braking":{"value":0,"unit":"{events}"},"#,
        r#""trip.cornering":{"value":0,"unit":"{events}"},"trip.distance":{"value":1500,"unit":"m"},"#,
        r#""trip.duration":{"value":60,"unit":"s"},"trip.from":{"value":1795291200000,"unit":"ms"},"#,
        r#""trip.idle":{"value":0,"unit":"s"},"trip.reasons":{"value":[]},"trip.score":{"value":100,"unit":"{score}"},"#,
        r#""trip.speed_max":{"value":90,"unit":"km/h"},"trip.state":{"value":"driving"},"#,
        r#""trip.to":{"value":1795291260000,"unit":"ms"}}"#
    );
    assert_eq!(halo["derived"], serde_json::from_str::<Value>(expected).unwrap());
    let (schema, mut found) = (serde_json::from_str::<Value>(HALO).unwrap(), Vec::new());
    for wrong in [r#"{"unit":"m"}"#, r#"{"value":null}"#, r#"{"value":[true]}"#, r#"{"value":1,"confidence":1.1}"#] {
        let wrong = serde_json::from_str(wrong).unwrap();
        let before = found.len();
        errors(&schema, &schema["$defs"]["derived"], &wrong, "", &mut found);
        assert_eq!(found.len(), before + 1, "{wrong}");
    }
}

/// A frame of a car's dongle with an event and a text: the registry knows number 5 and 1, and neither 77 nor 9.
fn car_frame(seq: u32, code: u16, key: u16) -> Vec<u8> {
    let car = registry::schemas().iter().find(|schema| schema.kind == registry::Kind::CAR_DONGLE).unwrap();
    let mut builder = FrameBuilder::new();
    builder.begin(&Header { schema: car.id, boot: 1, seq, t0_ms: 0 }).unwrap();
    builder.event(&Event { dt_ms: 0, code, severity: 2, value: 412, data: &[] }).unwrap();
    builder.text(&Text { key, val: "WVWZZZ1JZ3W386752" }).unwrap();
    builder.finish()
}

#[test]
fn events_and_texts_have_the_registrys_names_where_it_knows_them() {
    let mut log = Log::default();
    log.native("car", 0, car_frame(0, 5, 1));
    log.native("car", 1, car_frame(1, 77, 9));
    let mut fold = Fold::new(Grammar::default());
    let mut names = Vec::new();
    for record in &log.records {
        let touched = fold.apply(record);
        let Body::Frame(frame) = &record.body else { continue };
        let document = readings_json("gw", record.offset, frame, touched.readings().unwrap(), Lane::Live);
        names.push(check(READINGS, &document)["events"][0]["name"].clone());
    }
    assert_eq!(names, [Value::from("harsh_brake"), Value::Null]);
    let context = check(HALO, &halo_json(fold.subject("car").unwrap(), &mut Tally::default()))["context"].clone();
    let seen = |at: usize| {
        let event = &context["events"][at];
        (event["code"].clone(), event["name"].clone(), event["value"].clone(), event["unit"].clone())
    };
    assert_eq!(seen(0), (5.into(), "harsh_brake".into(), 0.412.into(), "[g]".into()));
    assert_eq!(seen(1), (77.into(), Value::Null, 412.into(), Value::Null));
    assert_eq!(context["texts"].as_object().unwrap().keys().collect::<Vec<_>>(), ["9", "vin"]);
}

#[test]
fn a_frames_readings_read_as_documented() {
    let schema = Schema::from_registry(1).unwrap();
    let mut log = Log::default();
    let chunks: [(u8, &[Vec<i64>]); 2] = [(0, &[vec![70, 400]]), (2, &[vec![9], vec![3312]])];
    log.after(1_500).native("wrist-17", 42, native(&schema, 42, 500, &chunks, None));
    let mut fold = Fold::new(Grammar::default());
    let record = &log.records[0];
    let touched = fold.apply(record);
    let Body::Frame(frame) = &record.body else { panic!("a frame") };
    let readings = readings_json("gw-1", record.offset, frame, touched.readings().unwrap(), Lane::Backfill);
    let expected = concat!(
        r#"{"schema":"readings/1","mid":"gw-1-1","device":"wrist-17","subject":"wrist-17","boot":1,"seq":42,"#,
        r#""arrival":"2026-11-21T20:00:01.500Z","offset_ms":1795291200000,"clock":"estimated","lane":"backfill","#,
        r#""quality":"suspect","signals":{"#,
        r#""heart_rate":{"unit":"/min","num":1,"den":1,"t":[1795291200500,1795291201500],"v":[70,400],"q":[[1,"out_of_range"]]},"#,
        r#""steps":{"unit":"{steps}","num":1,"den":1,"t":[1795291200500],"v":[9]},"#,
        r#""skin_temperature":{"unit":"Cel","num":1,"den":100,"t":[1795291200500],"v":[3312]}}}"#
    );
    assert_eq!(std::str::from_utf8(&readings).unwrap(), expected);
}

#[test]
fn what_an_organisation_offers_fits_the_schema() {
    let mut log = log();
    log.retained("halo/v1/offers/pharmacy/ready", "patient,item\nanna,metformin\n");
    let mut fold = Fold::new(Grammar::default());
    let mut halos = Vec::new();
    for record in &log.records {
        halos.extend(
            fold.apply(record).subjects().map(|subject| check(HALO, &halo_json(subject, &mut Tally::default()))),
        );
    }
    let shown = halos.iter().filter_map(|halo| halo["offers"]["ready"]["rows"].as_u64()).collect::<Vec<_>>();
    assert_eq!(shown, [1]);
}

#[test]
fn what_is_said_of_a_subject_reads_as_documented_in_its_halo_and_in_a_welcome() {
    use crate::record::{Act, Deed, Relation, SubjectKind};
    let mut log = log();
    log.configure(30_000, &[("wrist-17", "anna")]);
    let act = |deed| Body::Act(Act { by: "local".into(), deed });
    let (of, subject, kind) = ("anna".to_owned(), "bert".to_owned(), "doctor".to_owned());
    log.push(act(Deed::Relate(Relation { of, subject, kind, from_ms: Some(WALL_MS), until_ms: None })));
    log.push(act(Deed::Alias { subject: "anna".into(), name: "anna.miller".into() }));
    let settings = vec![("time_zone".to_owned(), Some("Europe/Berlin".to_owned()))];
    log.push(act(Deed::Set { subject: "anna".into(), kind: Some(SubjectKind::Person), settings }));
    let mut frame = log.frame("wrist-17", crate::record::Format::Json, 0, br#"{"heart_rate":70}"#.to_vec());
    frame.subject = "anna".into();
    log.push(Body::Frame(frame));
    let mut frame = log.frame("phone", crate::record::Format::Json, 0, br#"{"heart_rate":99}"#.to_vec());
    frame.subject = "anna".into();
    log.push(Body::Frame(frame));
    let at_ms = log.now().wall_ms;
    log.push(act(Deed::Replace { old: "wrist-17".into(), new: "wrist-18".into(), at_ms }));
    let mut fold = Fold::new(Grammar::default());
    let mut others = Vec::new();
    for record in &log.records {
        for subject in fold.apply(record).subjects() {
            let halo = check(HALO, &halo_json(subject, &mut Tally::default()));
            others.extend(halo["signals"]["heart_rate"].get("others").cloned());
        }
    }
    let halo = check(HALO, &halo_json(fold.subject("anna").unwrap(), &mut Tally::default()));
    let expected = serde_json::json!([
        {"kind": "doctor", "subject": "bert", "of": "anna", "from": "2026-11-21T20:00:00.000Z", "until": null}
    ]);
    assert_eq!((&halo["relations"], &halo["aliases"]), (&expected, &serde_json::json!(["anna.miller"])));
    assert_eq!(halo["settings"], serde_json::json!({"time_zone": "Europe/Berlin"}));
    let other = &others.last().expect("the phone's word is there")[0];
    assert_eq!((&other["device"], &other["value"], &other["readings"]), (&"phone".into(), &99.into(), &1.into()));
    assert_eq!(other["disagrees"], true);

    let device = crate::record::Name::from("wrist-18");
    let (replaced, subject) = fold.place_of(&device).expect("it took the place");
    let welcome =
        check(WELCOME, &super::super::welcome_json::welcome_json(&device, replaced, subject, &Models::default()));
    assert_eq!((&welcome["subject"], &welcome["replaces"]), (&"anna".into(), &"wrist-17".into()));
    assert_eq!((&welcome["signals"]["heart_rate"]["value"], &welcome["settings"]), (&70.into(), &halo["settings"]));
}
