//! Phone, band and car of one person who is known by two names at first.

use halo_tests::Failure;
use halo_tests::stage::Stage;
use serde_json::json;

use super::HOUR;

#[test]
fn two_identities_that_prove_to_be_one_are_one_halo_and_a_rule_that_needs_all_devices_holds_then() -> Result<(), Failure>
{
    let mut stage = Stage::set("one-identity", &[])?;
    let mut hours = stage.script("three-devices", 9, 3 * HOUR, 42)?;
    hours.keep(|id, _| ["wrist-02", "car-03", "phone-03"].contains(&id));
    let mut played = 0;
    stage.play(&mut hours, |_, _| {
        played += 1;
        played == 1_500
    })?;
    let (olga, mobile) = (stage.halo("olga")?, stage.halo("olga.mobile")?);
    assert!(olga["signals"]["heart_rate"].is_object() && olga["signals"]["speed"].is_object());
    assert!(olga["signals"]["appointment_in"].is_null() && mobile["signals"]["appointment_in"].is_object());
    assert!(stage.left("on-foot-to-an-appointment").is_empty());
    assert_eq!(olga["signals"]["steps"]["device"], "wrist-02");

    stage.run("subject merge olga.mobile olga")?;
    stage.play(&mut hours, |_, _| false)?;
    let told = stage.spark("raised", "on-foot-to-an-appointment", "olga")?;
    let device = |path: &str| told.facts.get(path).and_then(|fact| fact.device.clone());
    assert_eq!(device("a.signals.appointment_in.value").as_deref(), Some("phone-03"));
    for device in ["wrist-02", "car-03", "phone-03"] {
        assert_eq!(stage.cmd(device, "offered", "on-foot-to-an-appointment")?["spark"], json!(told.id));
    }
    let one = stage.halo("olga")?;
    let rules = |signal: &str| one["signals"][signal]["device"].as_str().map(str::to_owned);
    assert_eq!(rules("appointment_in").as_deref(), Some("phone-03"));
    assert_eq!(rules("heart_rate").as_deref(), Some("wrist-02"));
    assert_eq!(rules("speed").as_deref(), Some("car-03"));
    // Both count steps: the band's stand, the phone's are kept beside them, and it is told that they differ.
    assert_eq!(rules("steps").as_deref(), Some("wrist-02"));
    let beside = &one["signals"]["steps"]["others"];
    assert!(beside.to_string().contains("phone-03"), "{}", one["signals"]["steps"]);
    // Either name means her.
    stage.run("subject set olga.mobile reminders=yes")?;
    assert_eq!(stage.halo("olga")?["settings"]["reminders"], "yes");
    stage.settled()?;
    assert!(stage.left("on-foot-to-an-appointment").iter().all(|spark| spark.subject == "olga"));
    Ok(())
}
