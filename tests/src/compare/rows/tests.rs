use super::*;

fn row_of(name: &str) -> &'static Row {
    ROWS.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no row {name}"))
}

/// Whether each goal of a row that can be decided is hit.
fn hits(name: &str, figures: &[(&'static str, f64)]) -> Vec<bool> {
    let mut outcome = super::super::goal::Outcome::new(row_of(name), None);
    let figures = figures.iter().copied().collect();
    outcome.take(Ok(super::super::goal::Round { figures, configured: Default::default() }));
    outcome.verdicts().iter().map(|verdict| verdict.hit).collect()
}

#[test]
fn rows_that_wait_for_the_disk_are_repeated_on_slow_ones() {
    let slow: Vec<String> = names(&[10]).into_iter().map(|(name, _)| name).filter(|name| name.contains('@')).collect();
    let wanted =
        ["acks-100@10ms", "acks-1000@10ms", "node-red@10ms", "halos@10ms", "latency@10ms", "log@10ms", "start@10ms"];
    assert_eq!(slow, wanted);
    assert_eq!(names(&[]).len(), ROWS.len());
}

#[test]
fn a_fan_misses_when_a_message_is_missing() {
    for name in ["fan-out", "fan-in"] {
        assert_eq!(hits(name, &[("gateway missing", 0.0)]), [true]);
        assert_eq!(hits(name, &[("gateway missing", 1.0)]), [false]);
    }
}

#[test]
fn every_row_with_a_rate_misses_when_the_generator_was_the_limit() {
    const SHARE: &str = "generator, cores at the gateway";
    const MESSAGES: &str = "generator, messages/s at the gateway";
    const SINK: &str = "generator, messages/s into a null sink";
    let rows = [
        "acks-100",
        "acks-1000",
        "job",
        "node-red",
        "derived",
        "halos",
        "latency",
        "cpu-devices",
        "fan-out",
        "fan-in",
        "slow-readers",
        "memory-limit",
    ];
    for name in rows {
        assert_eq!(hits(name, &[(SHARE, 0.39)]), [true], "{name}");
        assert_eq!(hits(name, &[(SHARE, 0.41)]), [false], "{name}");
        assert_eq!(hits(name, &[(SHARE, 0.9), (MESSAGES, 100.0), (SINK, 149.0)]), [false], "{name}");
        assert_eq!(hits(name, &[(SHARE, 0.9), (MESSAGES, 100.0), (SINK, 151.0)]), [true], "{name}");
    }
}

#[test]
fn a_series_is_held_against_its_own_target_to_two_digits() {
    assert_eq!(hits("sample-bytes", &[("car", 0.7549)]), [true]);
    assert_eq!(hits("sample-bytes", &[("car", 0.7551)]), [false]);
    assert!(row_of("sample-bytes-simulated").goals.is_empty());
}
