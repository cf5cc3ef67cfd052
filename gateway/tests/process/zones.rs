//! Zones from a file: what `check` says of a bad one, and a halo that enters one.

use serde_json::Value;

use crate::harness::{Client, Gateway, complaint, run, runtime};

/// When the first position was taken, Unix milliseconds.
const BEGUN: i64 = 1_795_262_400_000;
const ZONES: &str = r#"{"type":"FeatureCollection","features":[
  {"type":"Feature","properties":{"name":"home","kind":"home","radius_m":80},
   "geometry":{"type":"Point","coordinates":[11.582,48.1351]}}]}"#;

#[test]
fn a_position_published_over_mqtt_enters_a_zone_of_the_file_also_when_the_file_is_gone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (zones, config) = (folder.path().join("zones.geojson"), folder.path().join("gateway.toml"));
    std::fs::write(&zones, ZONES).expect("written");
    std::fs::write(&config, format!("[halo.zones]\nfile = {:?}\n", zones.display().to_string())).expect("written");
    let data = folder.path().join("data");
    let gateway = Gateway::start_with(&config, &data);
    let halo = runtime().block_on(async {
        let mut integrator = Client::connect(gateway.address, "integrator").await;
        integrator.subscribe("halo/v1/halos/phone").await;
        let mut device = Client::connect(gateway.address, "by-hand").await;
        for after in [0, 30_000] {
            let payload = format!("{{\"latitude\":48.1352,\"longitude\":11.582,\"time\":{}}}", BEGUN + after);
            device.publish("halo/v1/d/phone/t", false, payload).await;
        }
        loop {
            let (_, payload) = integrator.message().await;
            let halo: Value = serde_json::from_slice(&payload).expect("a halo is JSON");
            if halo["context"]["place"]["zone"] == "home" {
                return halo;
            }
        }
    });
    let event = &halo["context"]["events"][0];
    assert_eq!(
        (&event["name"], &event["zone"], &event["source"]),
        (&"zone.entered".into(), &"home".into(), &"derived".into())
    );
    assert_eq!(event["time"], "2026-11-21T12:00:00.000Z");
    assert_eq!(gateway.stop(), Some(0));
    // The log has the zones: the halo as it was needs no file, and no gateway.
    std::fs::remove_file(&zones).expect("removed");
    let data = data.to_str().expect("UTF-8");
    let asked = ["halo", "phone", "--at", "now", "--data-dir", data, "--json"];
    let output = run(&asked);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    let of_log: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(of_log.to_string().contains(&halo["context"]["place"].to_string()), "{of_log:#}");
}

#[test]
fn check_names_file_feature_and_place_of_a_zone_that_cannot_be() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (zones, config) = (folder.path().join("zones.geojson"), folder.path().join("gateway.toml"));
    std::fs::write(&config, format!("[halo.zones]\nfile = {:?}\n", zones.display().to_string())).expect("written");
    let check = || run(&["check", "--config", config.to_str().expect("UTF-8")]);
    std::fs::write(&zones, ZONES.replace("[11.582,48.1351]", "[48.1351,101.582]")).expect("written");
    let output = check();
    assert_eq!(output.status.code(), Some(1), "{}", complaint(&output));
    let said = complaint(&output);
    for wanted in ["halo.zones.file", "zones.geojson: feature 1 (\"home\")", "position 1", "are they swapped?"] {
        assert!(said.contains(wanted), "{wanted} is not in {said}");
    }
    std::fs::write(&zones, ZONES).expect("written");
    assert_eq!(check().status.code(), Some(0));
}
