//! Rain, from a weather station to an integrator.

use halo_tests::Failure;
use halo_tests::clock::unix_ms;
use halo_tests::stage::Stage;
use serde_json::json;

/// Humidity over two days that end now, %: two waves of 20 and 31 hours that will both be highest in 3.3 hours.
fn humidity(minutes_ago: i64) -> f64 {
    let hours = minutes_ago as f64 / 60.0 + 3.3;
    let wave = |hours_long: f64| (hours / hours_long * std::f64::consts::TAU).cos();
    ((60.0 + 18.0 * wave(20.0) + 13.5 * wave(31.0)) * 10.0).round() / 10.0
}

#[test]
fn rain_is_foreseen_before_the_air_is_as_humid_as_that() -> Result<(), Failure> {
    let mut stage = Stage::set("rain", &[])?;
    let now_ms = unix_ms();
    let say = |stage: &mut Stage, at_ms: i64, value: f64| {
        let payload = json!({"humidity": value, "time": at_ms}).to_string();
        stage.publish("halo/v1/d/roof/t", false, payload.as_bytes())
    };
    for minutes_ago in (0..2 * 144).rev().map(|step| step * 10) {
        assert!(humidity(minutes_ago) < 80.0, "nobody has measured it yet");
        say(&mut stage, now_ms - minutes_ago * 60_000, humidity(minutes_ago))?;
    }
    let rain = stage.spark("raised", "rain-coming", "roof")?;
    assert!(rain.lead_s.is_some_and(|lead_s| (60..=22_000).contains(&lead_s)), "{rain:?}");
    assert!(rain.facts["a.signals.humidity.value"].value.as_f64() < Some(79.0), "{rain:?}");
    let expected = ["10m.value", "1h.value", "6h.low", "24h.low"];
    let expected = expected.map(|it| rain.facts.get(&format!("a.signals.humidity.forecast.{it}")));
    assert!(expected.into_iter().flatten().any(|fact| fact.value.as_f64() >= Some(80.0)), "{rain:?}");
    assert!(stage.left("rain-coming").is_empty(), "once");
    say(&mut stage, unix_ms(), 80.6)?;
    assert_eq!(stage.spark("cleared", "rain-coming", "roof")?.id, rain.id);
    Ok(())
}
