//! What happens in a simulated fleet is found: twenty seeds of each scenario, in simulated time, through decoder and fold.

use halo_tests::truth::{Extent, FLOOR, Lead, Table, judge};

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
    let silent = table.lines.iter().filter(|line| line.truths == 0.0 || line.found == 0.0);
    let silent: Vec<&str> = silent.map(|line| line.event).collect();
    assert_eq!(silent, ["harsh turn"], "these have nothing to tell, and show nothing:\n{table}");
    arrivals_come_when_they_are_told_to(&table);
    engines_last_as_long_as_is_told_and_no_visit_is_asked_for_too_late(&table);
}

fn lead<'t>(table: &'t Table, event: &str) -> &'t Lead {
    table.leads.iter().find(|lead| lead.event == event).unwrap_or_else(|| panic!("{event}: nothing is told"))
}

fn arrivals_come_when_they_are_told_to(table: &Table) {
    let arrival = lead(table, "nearly there: arrival");
    assert!(arrival.each.len() >= 30, "{arrival}");
    let (soonest, latest) = (arrival.at(0.05, |it| it.left), arrival.at(0.95, |it| it.left));
    assert!(soonest >= 15.0 && latest <= 40.0, "30 km on the road take 20 to 30 min: {arrival}");
    let off = [0.05, 0.95].map(|share| arrival.at(share, |it| it.told - it.left));
    assert!(off.iter().all(|minutes| minutes.abs() <= 2.0), "{arrival}");
    assert!(arrival.within() >= 0.85, "of intervals of 90 %: {arrival}");
}

fn engines_last_as_long_as_is_told_and_no_visit_is_asked_for_too_late(table: &Table) {
    let flown = lead(table, "every tenth flight: remaining life");
    assert!(flown.each.len() >= 300, "{flown}");
    let off = [0.05, 0.5, 0.95].map(|share| flown.at(share, |it| it.told - it.left));
    assert!(off[0] >= -35.0 && off[1].abs() <= 12.0 && off[2] <= 30.0, "{flown}");
    // An interval of 90 % is one of the recorded engines: these wear in another way, and half of their lives are in it.
    assert!(flown.within() >= 0.45, "{flown}");
    // What asks for a visit is the most cautious of an engine's forecasts: more flights are left than it says, mostly more
    // than its interval has, and never fewer than its lower end.
    let due = lead(table, "maintenance due: remaining life");
    assert!(due.each.len() >= 30, "{due}");
    assert!(due.at(0.05, |it| it.left) >= 20.0 && due.at(0.95, |it| it.left) <= 70.0, "{due}");
    assert!(due.at(0.95, |it| it.told - it.left) <= 0.0 && due.at(0.5, |it| it.left - it.told) <= 20.0, "{due}");
    assert!(due.at(0.05, |it| it.left - it.low) >= 0.0, "{due}");
}
