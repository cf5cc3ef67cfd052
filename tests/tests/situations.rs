//! Situations, from device to integrator: the real gateway with the configuration that is shipped, simulated devices, and
//! what subscribers and devices are told.

#[path = "situations/car_sharing.rs"]
mod car_sharing;
#[path = "situations/listening.rs"]
mod listening;
#[path = "situations/new_band.rs"]
mod new_band;
#[path = "situations/one_identity.rs"]
mod one_identity;
#[path = "situations/rain.rs"]
mod rain;
#[path = "situations/taste.rs"]
mod taste;

use std::collections::BTreeMap;
use std::time::Duration;

use halo_tests::Failure;
use halo_tests::clock::{unix_ms, zone_where_it_is};
use halo_tests::sparks::Spark;
use halo_tests::stage::{Heard, Stage};
use serde_json::{Value, json};

const HOUR: Duration = Duration::from_secs(3_600);

/// The newest spark of a rule in a halo.
fn shown<'h>(halo: &'h Value, rule: &str) -> &'h Value {
    let sparks = halo["sparks"].as_array().map_or(&[][..], Vec::as_slice);
    sparks.iter().rev().find(|spark| spark["rule"] == rule).unwrap_or(&Value::Null)
}

#[test]
fn a_prescription_that_is_ready_is_told_on_the_wrist_until_it_is_picked_up() -> Result<(), Failure> {
    let mut stage = Stage::set("prescription", &[])?;
    let mut day = stage.script("wear", 2, HOUR / 6, 42)?;
    day.keep(|id, _| id == "wrist-01");
    stage.play(&mut day, |_, _| false)?;
    let ready = stage.spark("raised", "prescription-ready", "anna")?;
    assert_eq!(ready.message.as_deref(), Some("metformin is ready for you at 12 High Street"));
    assert_eq!((ready.offer.as_deref(), ready.owner.as_deref()), (Some("R-1017"), Some("pharmacy")));
    assert_eq!(ready.severity.as_deref(), Some("notice"));
    let told = stage.cmd("wrist-01", "offered", "prescription-ready")?;
    assert_eq!((&told["spark"], &told["message"]), (&json!(ready.id), &json!(ready.message)));
    assert_eq!(shown(&stage.halo("anna")?, "prescription-ready")["state"], "raised");

    stage.publish(
        "halo/v1/offers/pharmacy/ready",
        true,
        b"order,patient,item,place\nR-1018,ivo,ibuprofen,12 High Street\n",
    )?;
    let over = stage.spark("cleared", "prescription-ready", "anna")?;
    assert_eq!((over.id, over.why.as_deref()), (ready.id, Some("apart")));
    stage.cmd("wrist-01", "cleared", "prescription-ready")?;
    assert_eq!(shown(&stage.halo("anna")?, "prescription-ready")["state"], "cleared");
    // Something is ready for Ivo too, who is known: of a band of his nothing was heard.
    assert_eq!(stage.halo("ivo")?["kind"], "person");
    stage.settled()?;
    assert!(stage.left("prescription-ready").iter().all(|spark| spark.subject != "ivo"), "no message can reach him");
    stage.run("device assign wrist-02 ivo --kind person --from now-1h")?;
    let mut worn = stage.script("wear", 2, HOUR / 6, 42)?;
    worn.keep(|id, _| id == "wrist-02");
    stage.play(&mut worn, |_, _| false)?;
    let his = stage.spark("raised", "prescription-ready", "ivo")?;
    assert_eq!(his.message.as_deref(), Some("ibuprofen is ready for you at 12 High Street"));
    stage.cmd("wrist-02", "offered", "prescription-ready")?;
    stage.settled()?;
    assert!(stage.raised("prescription-ready").is_empty(), "each once: {:?}", stage.raised("prescription-ready"));
    assert!(["wrist-01", "wrist-02"].iter().all(|band| stage.told(band).is_empty()), "each is told of its own");
    Ok(())
}

#[test]
fn a_family_that_taps_into_a_land_is_offered_its_restaurant_and_all_of_them_have_the_table() -> Result<(), Failure> {
    let mut stage = Stage::set("park-day", &[])?;
    // Taps are counted by the guest's own day: none of these hours lies before its midnight.
    for band in 1..=4 {
        stage.run(&format!("subject set band-{band:02} time_zone={}", zone_where_it_is(12)))?;
    }
    let mut day = stage.script("park-day", 4, 3 * HOUR, 42)?;
    let tap = |id: &str, step: &firmware_sim::Step| {
        id == "band-01" && step.truths.iter().any(|truth| truth["truth"] == "tap" && truth["place"] != "gate")
    };
    let (_, step) = stage.play(&mut day, tap)?.ok_or("nobody has tapped")?;
    let land = step.truths.iter().rev().find_map(|truth| truth["land"].as_str()).ok_or("a tap has a land")?;
    // The gate is in a land too, and was tapped before.
    let is_here = |spark: &Spark| spark.message.as_deref().is_some_and(|text| text.contains(land));
    let mut lunch = stage.spark("raised", "park-lunch", "band-01")?;
    while !is_here(&lunch) {
        lunch = stage.spark("raised", "park-lunch", "band-01")?;
    }
    let asked = stage.cmd("band-01", "offered", "park-lunch")?;
    assert!(asked["answer_until"].is_string(), "{asked}");
    // The others of the party are where their bands were heard of last.
    stage.answer("band-01", &lunch.id, "accepted")?;
    let answered = stage.spark("answered", "park-lunch", "band-01")?;
    assert_eq!(answered.answer, Some(json!({"answer": "accepted"})));
    let of_park = |heard: &Heard| matches!(heard, Heard::Spark(topic, spark) if topic == "halo/v1/sparks/park/park-lunch" && spark.state == "answered");
    stage.hear("the answer, to the park,", of_park)?;
    for member in ["band-02", "band-03", "band-04"] {
        let table = stage.spark("raised", "park-table", member)?;
        assert_eq!((table.with.as_deref(), table.owner.as_deref()), (Some("band-01"), Some("park")));
        stage.cmd(member, "offered", "park-table")?;
        assert_eq!(shown(&stage.halo(member)?, "park-table")["state"], "raised");
    }
    assert_eq!(shown(&stage.halo("band-01")?, "park-lunch")["answer"], "accepted");
    Ok(())
}

#[test]
fn goods_that_grow_too_warm_are_told_of_and_a_parcel_that_is_nearly_there_too() -> Result<(), Failure> {
    let mut stage = Stage::set("cold-chain", &[])?;
    let mut week = stage.script("parcel-week", 3, 72 * HOUR, 42)?;
    let warmer = |than_cel: f64| -> Vec<String> {
        let warm = week.truths("excursion").filter(|truth| truth["peak_cel"].as_f64() > Some(than_cel));
        warm.filter_map(|truth| truth["device"].as_str().map(str::to_owned)).collect()
    };
    let (warm, warm_ones) = (warmer(9.0), warmer(8.0));
    stage.play(&mut week, |_, _| false)?;
    let parcel = warm.first().ok_or("no parcel has grown too warm")?;
    let told = stage.spark("raised", "too-warm", parcel)?;
    assert_eq!(told.severity.as_deref(), Some("warning"));
    // All it reads is a list of what is wrong; how warm it is, is told in words.
    let wrong = &told.facts["a.derived.journey.excursion.value"];
    assert!(told.facts.len() == 1 && wrong.value == "warm" && wrong.offset > 0, "{:?}", told.facts);
    let warm_cel =
        told.message.as_deref().and_then(|text| text.strip_prefix(&format!("the goods of {parcel} are at ")));
    let warm_cel = warm_cel.and_then(|text| text.strip_suffix(" °C")?.parse::<f64>().ok());
    assert!(warm_cel > Some(8.0), "{told:?}");
    assert_eq!(stage.spark("cleared", "too-warm", parcel)?.id, told.id);
    let near = stage.spark("raised", "out-for-delivery", "parcel-01")?;
    assert!(near.facts["a.derived.journey.remaining.value"].value.as_f64().is_some_and(|metres| metres < 30_000.0));
    assert!(near.lead_s.is_some_and(|lead_s| (300..7_200).contains(&lead_s)), "as far as the arrival: {near:?}");
    assert_eq!(stage.spark("cleared", "out-for-delivery", "parcel-01")?.id, near.id);
    stage.settled()?;
    let others = |rule: &str, subject: &str| stage.left(rule).iter().any(|spark| spark.subject != subject);
    assert!(!others("out-for-delivery", "parcel-01"), "nobody knows where the others are bound for");
    let is_warm = |spark: &Spark| warm_ones.contains(&spark.subject);
    assert!(stage.left("too-warm").iter().all(is_warm), "{warm_ones:?}: {:?}", stage.left("too-warm"));
    Ok(())
}

#[test]
fn an_engine_near_its_end_is_told_of_before_it_fails() -> Result<(), Failure> {
    let mut stage = Stage::set("engine-maintenance", &[])?;
    let mut flights = stage.script("fleet-flight", 4, HOUR, 42)?;
    let fails = flights.truths("engine").filter(|truth| truth["remaining"] == 0);
    let failing = fails.filter_map(|truth| truth["device"].as_str()).next().ok_or("no engine fails")?.to_owned();
    stage.play(&mut flights, |id, step| {
        let nearly = |truth: &Value| truth["truth"] == "engine" && truth["remaining"].as_u64() < Some(12);
        id == failing && step.truths.iter().any(nearly)
    })?;
    flights.keep(|id, _| id != failing);
    let due = stage.spark("raised", "maintenance-due", &failing)?;
    let low = due.facts["a.derived.engine.rul.low"].value.as_f64().ok_or("a fact")?;
    assert!(low < 40.0 && due.message.as_deref().is_some_and(|text| text.contains("shows in")), "{due:?}");
    let halo = stage.halo(&failing)?;
    assert_eq!(shown(&halo, "maintenance-due")["severity"], "warning", "{}", halo["sparks"]);
    // It is not heard of any more. The others fly on, wear out and are renewed, until they are far from their ends.
    let mut left = BTreeMap::new();
    let renewed = stage.play(&mut flights, |id, step| {
        let flown = step.truths.iter().rev().find(|truth| truth["truth"] == "engine");
        left.extend(flown.and_then(|truth| Some((id.to_owned(), truth["remaining"].as_u64()?))));
        left.len() == 3 && left.values().all(|flights| *flights > 70)
    })?;
    renewed.ok_or("the others are never far from their ends")?;
    let behind = stage.spark("raised", "behind-its-fleet", &failing)?;
    assert_eq!(behind.with.as_deref(), Some("turbines"));
    Ok(())
}

#[test]
fn a_heart_out_of_step_away_from_home_is_told_to_its_owner_the_doctor_and_the_family_each_its_part()
-> Result<(), Failure> {
    let mut stage = Stage::set("heart-abroad", &[])?;
    let mut trip = stage.script("away", 2, 2 * HOUR, 42)?;
    stage.play(&mut trip, |_, step| {
        step.truths.iter().any(|truth| truth["truth"] == "arrhythmia" && truth["beats"].as_u64() > Some(80))
    })?;
    let own = stage.spark("raised", "heart-abroad", "carl")?;
    assert_eq!(own.severity.as_deref(), Some("critical"));
    stage.cmd("pacer-01", "offered", "heart-abroad")?;
    let doctors = stage.spark("raised", "patient-abroad", "dr-lee")?;
    let familys = stage.spark("raised", "family-abroad", "erna")?;
    assert_eq!((doctors.with.as_deref(), familys.with.as_deref()), (Some("carl"), Some("carl")));
    let (doctors, familys) = (doctors.message.unwrap_or_default(), familys.message.unwrap_or_default());
    assert!(doctors.contains("/min") && doctors.contains("48."), "{doctors}");
    assert!(!familys.contains("/min") && familys.contains("48."), "{familys}");
    assert_eq!(shown(&stage.halo("dr-lee")?, "patient-abroad")["with"], "carl");
    stage.settled()?;
    for (rule, whose) in [("heart-abroad", "carl"), ("patient-abroad", "dr-lee"), ("family-abroad", "erna")] {
        assert!(stage.left(rule).iter().all(|spark| spark.subject == whose), "{rule}: {:?}", stage.left(rule));
    }
    Ok(())
}

#[test]
fn a_fall_after_which_nobody_gets_up_is_told_to_its_wearer_the_family_and_the_doctor() -> Result<(), Failure> {
    let mut stage = Stage::set("fallen", &[])?;
    let mut morning = stage.script("falls", 1, HOUR / 3, 42)?;
    let lies_long = |fall: &&Value| fall["how"] == "hard" && fall["still_s"].as_f64() > Some(45.0);
    let fall = morning.truths("fall").find(lies_long).cloned().ok_or("nobody lies for long")?;
    // What follows from one step is decided before the next: else the doctor's rule, which waits for the record of the first
    // spark, would look when more of the twenty minutes has passed.
    while stage.play(&mut morning, |_, _| true)?.is_some() {
        stage.settled()?;
    }
    let own = stage.spark("raised", "fallen", "wilma")?;
    assert_eq!(own.severity.as_deref(), Some("critical"));
    stage.cmd("care-01", "offered", "fallen")?;
    let familys = stage.spark("raised", "family-fallen", "jonas")?;
    assert_eq!(familys.message.as_deref(), Some("wilma has fallen and lies still"));
    let doctors = stage.spark("raised", "patient-fallen", "dr-lee")?;
    assert_eq!((doctors.with.as_deref(), familys.with.as_deref()), (Some("wilma"), Some("wilma")));
    let doctors = doctors.message.unwrap_or_default();
    assert!(doctors.contains(" g and has lain still for 3"), "{doctors}, of {fall}");
    stage.spark("cleared", "fallen", "wilma")?;
    Ok(())
}

#[test]
fn a_goal_that_is_reached_days_in_a_row_and_days_without_are_told_to_the_wearer() -> Result<(), Failure> {
    let mut stage = Stage::set("goals", &[])?;
    // Days are her own: it is noon where she is, at whatever hour this runs.
    stage.run(&format!("subject set greta time_zone={}", zone_where_it_is(12)))?;
    let mut days = stage.script("wear", 3, 144 * HOUR, 42)?;
    // Three days on the wrist, two and a half in the drawer, and on again.
    let day = |elapsed_s: f64| elapsed_s / 86_400.0;
    days.keep(|id, elapsed_s| id == "wrist-03" && (day(elapsed_s) < 3.0 || day(elapsed_s) > 5.67));
    stage.play(&mut days, |_, _| false)?;
    let goal = stage.spark("raised", "goal-reached", "greta")?;
    assert!(goal.facts["a.derived.steps.today.value"].value.as_f64() >= Some(6_000.0), "{goal:?}");
    stage.cmd("wrist-03", "offered", "goal-reached")?;
    let kept = stage.spark("raised", "streak-kept", "greta")?;
    assert_eq!(stage.spark("cleared", "streak-kept", "greta")?.id, kept.id);
    stage.spark("raised", "use-falls-off", "greta")?;
    stage.settled()?;
    assert!(stage.raised("streak-kept").is_empty() && stage.raised("use-falls-off").is_empty(), "each once");
    Ok(())
}

#[test]
fn harsh_braking_and_the_score_of_a_trip_are_told() -> Result<(), Failure> {
    let mut stage = Stage::set("driving", &[])?;
    let mut drives = stage.script("commute", 6, 2 * HOUR, 42)?;
    let brakes = drives.truths("trip").find(|trip| trip["harsh_brakes"].as_u64() > Some(0));
    let braking = brakes.and_then(|trip| trip["device"].as_str()).ok_or("nobody brakes hard")?.to_owned();
    let trip = drives.truths("trip").find_map(|trip| trip["device"].as_str()).ok_or("nobody drives")?.to_owned();
    stage.play(&mut drives, |_, _| false)?;
    let told = stage.spark("raised", "harsh-braking", &braking)?;
    assert!(told.facts.contains_key("a.signals.speed.time"), "{told:?}");
    let is_scored = |heard: &Heard| {
        matches!(heard, Heard::Spark(_, spark)
            if spark.subject == trip && ["trip-well-driven", "trip-badly-driven"].contains(&spark.rule.as_str()))
    };
    stage.hear("the score of a trip", is_scored)?;
    Ok(())
}

#[test]
fn two_who_are_bound_for_the_same_place_are_offered_each_others_ride_and_who_is_not_willing_is_left_alone()
-> Result<(), Failure> {
    let mut stage = Stage::set("shared-ride", &[])?;
    let mut drives = stage.script("commute", 3, HOUR / 2, 42)?;
    stage.play(&mut drives, |_, _| false)?;
    let one = stage.spark("raised", "shared-ride", "emil")?;
    let other = stage.spark("raised", "shared-ride", "frida")?;
    assert_eq!((one.with.as_deref(), other.with.as_deref()), (Some("frida"), Some("emil")));
    let told = stage.cmd("car-02", "offered", "shared-ride")?;
    assert_eq!(told["message"], "somebody near you is going to airport too: share the ride?");
    assert!(!told.to_string().contains("frida"), "{told}");
    // Greta is in the city and bound for there too, and is not willing: neither is she asked, nor anybody for her.
    stage.settled()?;
    let greta = stage.halo("greta")?;
    assert_eq!((&greta["context"]["place"]["zone"], &greta["settings"]["share"]), (&json!("city"), &json!("no")));
    assert!(stage.left("shared-ride").is_empty(), "{:?}", stage.left("shared-ride"));
    assert!(stage.told("car-01").is_empty(), "{:?}", stage.told("car-01"));
    stage.answer("car-02", &one.id, "declined")?;
    assert_eq!(stage.spark("answered", "shared-ride", "emil")?.answer.unwrap_or_default()["answer"], "declined");
    // One of them goes somewhere else: the other's offer ends.
    stage.run("subject set emil destination=station")?;
    assert_eq!(stage.spark("cleared", "shared-ride", "frida")?.why.as_deref(), Some("apart"));
    // Nothing else kept her out.
    stage.run("subject set greta share=yes")?;
    assert_eq!(stage.spark("raised", "shared-ride", "greta")?.with.as_deref(), Some("frida"));
    assert_eq!(stage.spark("raised", "shared-ride", "frida")?.with.as_deref(), Some("greta"));
    stage.cmd("car-01", "offered", "shared-ride")?;
    Ok(())
}

#[test]
fn a_study_hears_of_its_participants_bands_that_have_fallen_silent_and_of_nobody_elses() -> Result<(), Failure> {
    const BANDS: [(&str, &str); 4] =
        [("ida", "wrist-01"), ("jan", "wrist-02"), ("kim", "wrist-03"), ("hugo", "wrist-04")];
    let mut stage = Stage::set("trial", &["halo.silent_after=1s"])?;
    for (person, _) in BANDS {
        stage.listen(&format!("halo/v1/halos/{person}"))?;
    }
    let mut hours = stage.script("wear", 4, HOUR, 42)?;
    stage.play(&mut hours, |_, _| false)?;
    // All four fall silent: Ida takes part as Hugo does, Jan in another study, Kim in none.
    for (person, band) in BANDS {
        let is_silent = |heard: &Heard| matches!(heard, Heard::Document(_, halo) if halo["subject"] == person && halo["presence"][band]["state"] == "silent");
        stage.hear(&format!("{band} that is silent"), is_silent)?;
        assert_eq!(stage.halo(person)?["kind"], "person");
    }
    let silent = stage.spark("raised", "band-silent", "hugo")?;
    assert_eq!(silent.owner.as_deref(), Some("study-hx-7"));
    stage.spark("raised", "band-silent", "ida")?;
    stage.settled()?;
    let of_study = |spark: &Spark| ["hugo", "ida"].contains(&spark.subject.as_str());
    assert!(stage.left("band-silent").iter().all(of_study), "{:?}", stage.left("band-silent"));
    // One of them is back: the other's silence goes on.
    let mut more = stage.script("wear", 4, HOUR * 2, 42)?;
    more.keep(|id, _| id == "wrist-04");
    stage.play(&mut more, |_, _| false)?;
    assert_eq!(stage.spark("cleared", "band-silent", "hugo")?.id, silent.id);
    stage.settled_for_long()?;
    assert_eq!(shown(&stage.halo("ida")?, "band-silent")["state"], "raised");
    Ok(())
}

#[test]
fn a_runner_who_comes_to_the_city_is_welcomed_once_also_when_she_leaves_it_and_comes_back() -> Result<(), Failure> {
    const RULE: &str = "welcome-runner";
    let mut stage = Stage::set("welcome", &[])?;
    stage.run("device assign phone-wanda wanda --kind person --from now-3h")?;
    let now_ms = unix_ms();
    let mut hours = stage.script("mixed", 15, 2 * HOUR, 42)?;
    // She drives to the city and runs there, three times; the last of the hours is the phone's.
    hours.keep(|id, elapsed_s| (id == "car-03" && elapsed_s < 800.0) || (id == "wrist-02" && elapsed_s < 5_100.0));
    let runs = hours.truths("activity").filter(|truth| truth["device"] == "wrist-02" && truth["what"] == "run");
    assert_eq!(runs.count(), 3);
    stage.play(&mut hours, |_, _| false)?;
    let welcome = stage.spark("raised", RULE, "wanda")?;
    assert_eq!((welcome.offer.as_deref(), welcome.owner.as_deref()), (Some("isar"), Some("city")));
    stage.cmd("wrist-02", "offered", RULE)?;
    stage.settled()?;
    assert!(stage.raised(RULE).is_empty(), "once, however often she runs: {:?}", stage.raised(RULE));

    // The phone tells twice that she is somewhere else, and she has left; and twice that she is back.
    let be = |stage: &mut Stage, ago_s: i64, latitude: f64| {
        let said = json!({"latitude": latitude, "longitude": 11.55, "time": now_ms - ago_s * 1_000});
        stage.publish("halo/v1/d/phone-wanda/t", false, said.to_string().as_bytes())
    };
    be(&mut stage, 500, 50.0)?;
    be(&mut stage, 400, 50.0)?;
    stage.settled()?;
    assert_eq!(stage.halo("wanda")?["context"]["place"]["zone"], Value::Null);
    assert_eq!(stage.spark("cleared", RULE, "wanda")?.id, welcome.id);
    be(&mut stage, 300, 48.15)?;
    be(&mut stage, 200, 48.15)?;
    stage.settled()?;
    // She is in the city and has run, and no welcome stands: it was said today.
    let wanda = stage.halo("wanda")?;
    let has_run = |event: &Value| event["name"] == "activity.ended" && event["detail"] == "running";
    assert!(wanda["context"]["events"].as_array().is_some_and(|events| events.iter().any(has_run)), "{wanda}");
    assert_eq!(wanda["context"]["place"]["zone"], "city");
    assert!(stage.raised(RULE).is_empty(), "once in a day: {:?}", stage.raised(RULE));
    assert_eq!(shown(&wanda, RULE)["state"], "cleared");
    Ok(())
}
