//! What happens in a simulated fleet is found: twenty seeds of each scenario, in simulated time, through decoder and fold.

use halo_tests::truth::{Extent, FLOOR, judge};

/// Rules are run for each frame: as many seeds as there is time for; `truth` plays twenty.
const SPARK_SEEDS: u64 = 3;

#[test]
fn what_sensors_can_show_of_a_simulated_fleet_is_found_and_nothing_else_is() {
    let table = judge(Extent { seeds: 20, spark_seeds: SPARK_SEEDS, devices: None, scenario: None }, |_, _| {})
        .expect("every scenario can be played");
    println!("{table}");
    let missed: Vec<String> = table
        .misses()
        .map(|line| format!("{}, {}: {:.3} and {:.3}", line.kind, line.event, line.precision(), line.recall()))
        .collect();
    assert!(missed.is_empty(), "precision or recall below {FLOOR}: {}", missed.join("; "));
    let told = table.lines.iter().filter(|line| line.truths > 0.0 && line.found > 0.0).count();
    assert!(told >= 25, "only {told} lines have anything to tell:\n{table}");
}
