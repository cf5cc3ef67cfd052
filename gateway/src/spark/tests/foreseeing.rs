//! How far ahead a spark says that it came.

use super::rig::Rig;

/// Forecasts look ahead from the end of the last whole step, ten minutes before these readings.
const HOUR_AHEAD_S: u64 = 3_600 - 600;

/// What grows by half a percent each ten minutes, for twenty hours; each reading comes so much later than it was taken.
fn raised(when: &str, late_ms: i64) -> Option<u64> {
    let mut rig = Rig::new(&format!("[[rule]]\nname = 'damp'\nwhen = \"\"\"{when}\"\"\"\n"));
    for step in 0..120_u32 {
        rig.log.after(600_000).value("shed", "cargo_humidity", f64::from(step) / 2.0, late_ms);
        rig.run();
    }
    let decided = rig.decided();
    assert_eq!(decided.first().map(String::as_str), Some("raised damp shed"), "{decided:?}");
    rig.raised().1.lead_s
}

/// A station without a network told of rain when its buffer drained, with a lead of nothing.
#[test]
fn a_buffer_that_is_drained_late_tells_the_same_lead_as_one_that_was_in_time() {
    let when = "a.signals.cargo_humidity.value < 55 && a.signals.cargo_humidity.forecast['1h'].value >= 55";
    for late_ms in [0, 3 * 86_400_000] {
        assert_eq!(raised(when, late_ms), Some(HOUR_AHEAD_S), "{late_ms} ms late");
    }
}

#[test]
fn of_several_forecasts_the_nearest_that_is_enough_says_how_far_ahead() {
    let (near, far) =
        ("a.signals.cargo_humidity.forecast['10m'].value >= 55", "a.signals.cargo_humidity.forecast['1h'].value >= 55");
    assert_eq!(raised(&format!("a.signals.cargo_humidity.value < 55 && ({near} || {far})"), 0), Some(HOUR_AHEAD_S));
    // Where it takes both, what the nearer one tells of is what comes first.
    assert_eq!(raised(&format!("{near} && {far}"), 0), Some(0));
}
