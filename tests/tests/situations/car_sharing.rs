//! One car that three people have, one after the other.

use halo_tests::Failure;
use halo_tests::sparks::Spark;
use halo_tests::stage::Stage;
use serde_json::Value;

use super::HOUR;

const DRIVERS: [&str; 3] = ["anna", "ben", "cleo"];

#[test]
fn three_drivers_of_one_car_each_hear_of_all_their_trips_and_of_no_other() -> Result<(), Failure> {
    let mut stage = Stage::set("car-sharing", &[])?;
    let mut day = stage.script("shared-car", 1, 24 * HOUR, 42)?;
    let trips: Vec<Value> = day.truths("trip").cloned().collect();
    stage.play(&mut day, |_, _| false)?;
    for driver in DRIVERS {
        let driven: Vec<&Value> = trips.iter().filter(|trip| trip["driver"] == driver).collect();
        assert!(!driven.is_empty(), "{driver} does not drive");
        for trip in &driven {
            let told = stage.spark("raised", "my-trip", driver)?;
            assert!(is_near(distance_m(&told), really_m(trip)), "{trip}: {told:?}");
            assert!(told.message.as_deref().is_some_and(|text| text.contains("score")), "{told:?}");
        }
        let (shown, last) = (stage.halo(driver)?, driven.last().ok_or("no trip")?);
        let shown = shown["derived"]["trip.distance"]["value"].as_f64().unwrap_or_default();
        assert!(is_near(shown, really_m(last)), "{shown} m in the halo of {driver} after {last}");
    }
    stage.settled()?;
    let more = stage.raised("my-trip");
    assert!(more.is_empty(), "trips that nobody drove: {more:#?}");
    Ok(())
}

/// As its message says.
fn distance_m(spark: &Spark) -> f64 {
    let told = spark.message.as_deref().and_then(|text| text.split(' ').next()?.parse().ok());
    told.unwrap_or_default()
}

fn really_m(trip: &Value) -> f64 {
    trip["distance_m"].as_f64().unwrap_or_default()
}

/// The dongle tells the speed once a second, in whole km/h.
fn is_near(metres: f64, really: f64) -> bool {
    (metres - really).abs() < 0.02 * really + 50.0
}
