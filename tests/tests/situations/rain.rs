//! Rain, from a weather station to an integrator.

use halo_tests::Failure;
use halo_tests::stage::Stage;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::HOUR;

/// All that is heard of the weather was measured before then, the beginning of a year: steps of forecasts are those of the
/// clock, and what is foreseen would depend on the hour at which this runs.
const END_MS: i64 = 1_767_225_600_000;
const STEP_MS: i64 = 600_000;

/// Humidity over two days, %: two waves of 20 and 31 hours that will both be highest in 3.3 hours.
fn humidity(minutes_ago: i64) -> f64 {
    let hours = minutes_ago as f64 / 60.0 + 3.3;
    let wave = |hours_long: f64| (hours / hours_long * std::f64::consts::TAU).cos();
    ((60.0 + 18.0 * wave(20.0) + 13.5 * wave(31.0)) * 10.0).round() / 10.0
}

#[test]
fn rain_is_foreseen_before_the_air_is_as_humid_as_that() -> Result<(), Failure> {
    let mut stage = Stage::set("rain", &[])?;
    let say = |stage: &mut Stage, at_ms: i64, value: f64| {
        let payload = json!({"humidity": value, "time": at_ms}).to_string();
        stage.publish("halo/v1/d/roof/t", false, payload.as_bytes())
    };
    for minutes_ago in (0..2 * 144).rev().map(|step| step * 10) {
        assert!(humidity(minutes_ago) < 80.0, "nobody has measured it yet");
        say(&mut stage, END_MS - minutes_ago * 60_000, humidity(minutes_ago))?;
    }
    let rain = stage.spark("raised", "rain-coming", "roof")?;
    assert!(rain.lead_s.is_some_and(|lead_s| (60..=22_000).contains(&lead_s)), "{rain:?}");
    assert!(rain.facts["a.signals.humidity.value"].value.as_f64() < Some(79.0), "{rain:?}");
    let expected = ["10m.value", "1h.value", "6h.low", "24h.low"];
    let expected = expected.map(|it| rain.facts.get(&format!("a.signals.humidity.forecast.{it}")));
    assert!(expected.into_iter().flatten().any(|fact| fact.value.as_f64() >= Some(80.0)), "{rain:?}");
    stage.settled()?;
    assert!(stage.left("rain-coming").is_empty(), "once");
    say(&mut stage, END_MS + STEP_MS, 80.6)?;
    assert_eq!(stage.spark("cleared", "rain-coming", "roof")?.id, rain.id);
    stage.settled()?;
    assert!(stage.left("rain-coming").is_empty(), "what rains is not foreseen");
    Ok(())
}

#[test]
fn a_station_that_has_heard_of_two_weeks_of_weather_tells_of_the_next_rain_before_it_measures_it() -> Result<(), Failure>
{
    const STATION: &str = "station-01";
    let mut stage = Stage::set("rain", &[])?;
    let mut weeks = stage.recording("weather", 1, 21 * 24 * HOUR, 42, END_MS)?;
    let mut rains = 0;
    let rain = |began: bool| {
        move |_: &str, step: &firmware_sim::Step| {
            step.truths.iter().any(|truth| truth["truth"] == "rain" && truth["began"] == began)
        }
    };
    // The last of them that the three weeks have in full.
    let all = weeks.truths("rain").filter(|truth| truth["began"] == false).count();
    while rains < all {
        rains += 1;
        stage.play(&mut weeks, rain(true))?.ok_or("it does not rain")?;
        if rains < all {
            stage.play(&mut weeks, rain(false))?;
        }
    }
    let measured = reading_time(&stage.halo(STATION)?["signals"]["humidity"]["time"])?;
    // Two hours on, what is measured is above the threshold too, whatever its noise.
    let mut frames = 0;
    stage.play(&mut weeks, |_, _| {
        frames += 1;
        frames == 12
    })?;
    loop {
        let told = stage.spark("raised", "rain-coming", STATION)?;
        let humidity = &told.facts["a.signals.humidity.value"];
        assert!(humidity.value.as_f64() < Some(79.0) && told.lead_s > Some(0), "{told:?}");
        assert_eq!(stage.spark("cleared", "rain-coming", STATION)?.id, told.id, "one after the other");
        let ahead = measured.duration_since(reading_time(&json!(humidity.time))?);
        if (600..=6 * 3_600).contains(&ahead.as_secs()) {
            return Ok(());
        }
    }
}

fn reading_time(time: &Value) -> Result<Timestamp, Failure> {
    Ok(time.as_str().ok_or("a time")?.parse()?)
}
