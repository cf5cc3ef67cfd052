//! A lost band and the one that takes its place.

use halo_tests::Failure;
use halo_tests::stage::{Heard, Stage};
use serde_json::json;

use super::HOUR;

const HOUR_S: f64 = 3_600.0;
/// Scripts are made one after the other, and each ends when it was made.
const APART_S: f64 = 120.0;

#[test]
fn a_new_band_gets_its_wearers_settings_and_last_state_and_the_lost_one_tells_of_her_no_more() -> Result<(), Failure> {
    let mut stage = Stage::set("new-band", &[])?;
    stage.run("subject set nora pulse_limit=30")?;
    let mut worn = stage.script("wear", 2, 2 * HOUR, 42)?;
    worn.keep(|id, elapsed_s| id == "wrist-01" && elapsed_s < HOUR_S - APART_S);
    stage.play(&mut worn, |_, _| false)?;
    let high = stage.spark("raised", "pulse-above-limit", "nora")?;
    stage.cmd("wrist-01", "offered", "pulse-above-limit")?;
    let before = stage.halo("nora")?;

    stage.run("device replace wrist-01 wrist-02 --at now-1h")?;
    let is_welcome =
        |heard: &Heard| matches!(heard, Heard::Cmd(to, cmd) if to == "wrist-02" && cmd["schema"] == "welcome/1");
    let Heard::Cmd(_, welcome) = stage.hear("the welcome", is_welcome)? else { return Err("no welcome".into()) };
    assert_eq!((&welcome["subject"], &welcome["replaces"]), (&json!("nora"), &json!("wrist-01")));
    assert_eq!(welcome["settings"]["pulse_limit"], "30");
    let (last, known) = (&welcome["signals"]["heart_rate"], &before["signals"]["heart_rate"]);
    assert_eq!((&last["value"], &last["device"]), (&known["value"], &json!("wrist-01")));
    assert_eq!(welcome["derived"]["steps.today"]["value"], before["derived"]["steps.today"]["value"]);

    // Both go on: the one on her wrist, and the one that somebody has found.
    let mut both = stage.script("wear", 2, 2 * HOUR, 42)?;
    both.keep(|_, elapsed_s| elapsed_s > HOUR_S + APART_S);
    stage.play(&mut both, |_, _| false)?;
    let after = stage.halo("nora")?;
    assert!(after["signals"].as_object().is_some_and(|signals| !signals.is_empty()));
    for (name, signal) in after["signals"].as_object().into_iter().flatten() {
        assert_eq!(signal["device"], "wrist-02", "{name}");
    }
    assert_eq!(stage.halo("wrist-01")?["signals"]["heart_rate"]["device"], "wrist-01");
    // What was set for the old band holds for the new one, and ends there too.
    stage.run("subject set nora pulse_limit=250")?;
    let over = stage.cmd("wrist-02", "cleared", "pulse-above-limit")?;
    assert_eq!(over["spark"], json!(high.id));
    assert_eq!(stage.spark("cleared", "pulse-above-limit", "nora")?.id, high.id);
    stage.run("subject set nora pulse_limit=30")?;
    stage.spark("raised", "pulse-above-limit", "nora")?;
    stage.cmd("wrist-02", "offered", "pulse-above-limit")?;
    stage.settled()?;
    assert!(stage.told("wrist-01").is_empty(), "{:?}", stage.told("wrist-01"));
    Ok(())
}
