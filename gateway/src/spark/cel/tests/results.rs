//! What expressions come to.

use super::super::{BUDGET, Reason, Type};
use super::{World, come_to, compiled, result};

#[test]
fn a_signal_beside_a_constant_whole_number_is_compared_as_a_double() {
    come_to(&[
        ("a.signals.heart_rate.value > 120.0", "true"),
        ("a.signals.heart_rate.value > 120", "true"),
        ("132 <= a.signals.heart_rate.value", "false"),
        ("a.signals.heart_rate.value * 2 == 263", "true"),
        ("a.signals.heart_rate.value in [131, 131.5]", "true"),
        ("a.signals.heart_rate.value in [131, 132]", "false"),
        ("131 in a.speeds", "false"),
        ("a.signals.heart_rate.value > 60 * 2", "true"),
        ("min(a.signals.heart_rate.value, 100)", "100.0"),
        ("(a.worn ? 1 : 2.5) == 1", "true"),
        ("a.speeds == [1, 2, 3]", "false"),
    ]);
}

#[test]
fn a_path_is_one_value_however_it_is_written() {
    come_to(&[
        ("a.derived[\"engine.rul\"].low < 50", "true"),
        ("a[\"derived\"]['engine.rul'][\"low\"]", "42.0"),
        ("a.signals.heart_rate.value > 120.0 && a.context.place.zone != \"gym\"", "true"),
    ]);
    let program = compiled("has(a.worn) && a.steps > 1 || a.steps > 2", Type::Bool).unwrap();
    assert_eq!(program.slots().collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn fields_behind_a_path_are_found_when_it_runs() {
    come_to(&[
        ("a.health.grade == \"B\"", "true"),
        ("a.health.score > 0", "true"),
        ("a.health.place.floor + 1", "3"),
        ("a.health[\"place\"].name", "\"Gym\""),
        ("a.health[\"gr\" + \"ade\"]", "\"B\""),
        ("offers[1].place.name", "\"Gym\""),
        ("offers[0].nothing", "?"),
        ("offers[0].nothing.more == 1", "?"),
    ]);
}

#[test]
fn what_is_not_known_spreads_unless_the_rest_decides() {
    let unknown = "b.signals.heart_rate.value > 1";
    for (text, wanted) in [
        ("U", "?"),
        ("!(U)", "?"),
        ("U || true", "true"),
        ("true || U", "true"),
        ("U || false", "?"),
        ("U && false", "false"),
        ("false && U", "false"),
        ("U && true", "?"),
        ("U || a.worn", "true"),
        ("U ? 1 : 2", "?"),
        ("true ? 1 : (U ? 2 : 3)", "1"),
        ("(U) == (U)", "?"),
        ("(U) in [true]", "?"),
        ("[U]", "?"),
        ("offers.exists(o, U || o.name == \"Tea\")", "true"),
        ("offers.exists(o, U)", "?"),
        ("offers.all(o, U && o.name == \"Tea\")", "false"),
        ("offers.all(o, U || o.name != \"\")", "true"),
        ("offers.exists_one(o, U)", "?"),
        ("offers.filter(o, U)", "?"),
        ("min(b.signals.heart_rate.value, 1)", "?"),
        ("string(U)", "?"),
        ("-b.signals.heart_rate.value", "?"),
    ] {
        let text = text.replace('U', &format!("({unknown})"));
        assert_eq!(result(&text).as_deref(), Ok(wanted), "{text}");
    }
}

#[test]
fn has_is_never_unknown() {
    come_to(&[
        ("has(a.signals.heart_rate.value)", "true"),
        ("has(b.signals.heart_rate.value)", "false"),
        ("has(a.health.grade)", "true"),
        ("has(a.health.nothing)", "false"),
        ("has(a.health.nothing.more)", "false"),
        ("has(a.derived[\"engine.rul\"].low)", "true"),
        ("offers.filter(o, has(o.place)).size()", "1"),
        ("has(offers[1].place.name)", "true"),
    ]);
}

#[test]
fn whole_numbers_end_at_64_bits_and_doubles_at_infinity() {
    for (text, reason) in [
        ("a.steps + 9223372036854775807", Reason::Overflow),
        ("-9223372036854775808 - a.steps", Reason::Overflow),
        ("a.steps * 9223372036854775807", Reason::Overflow),
        ("-(a.steps - 9000 - 9223372036854775807 - 1)", Reason::Overflow),
        ("abs(a.steps - 9000 - 9223372036854775807 - 1)", Reason::Overflow),
        ("a.steps / (a.steps - 9000)", Reason::DivisionByZero),
        ("a.steps % (a.steps - 9000)", Reason::DivisionByZero),
        ("int(a.signals.heart_rate.value / 0)", Reason::Overflow),
        (
            "now + duration(\"100h\") - (now - timestamp(\"1970-01-01T00:00:00Z\")) + (a.ends - now) == now ? \
          offers[3].name : offers[-1].name",
            Reason::OutOfRange { index: -1, len: 3 },
        ),
        ("offers[a.steps].name", Reason::OutOfRange { index: 9_000, len: 3 }),
    ] {
        assert_eq!(result(text).map_err(|failure| failure.reason), Err(reason), "{text}");
    }
    come_to(&[
        ("a.signals.heart_rate.value / 0", "inf"),
        ("a.signals.heart_rate.value / 0 > 1e300", "true"),
        ("-7 / 2", "-3"),
        ("a.steps - 9007 % 10", "8993"),
        ("-(a.steps) % 7", "-5"),
        ("a.health.big == 9223372036854775807.0 || a.health.big >= 9223372036854775807.0", "false"),
        ("a.health.big > 9223372036854774784.0 && a.health.big > -9223372036854775808.0", "true"),
        ("a.anything < 9007199254740993.0 && a.anything != 7.5 && a.anything == 7", "true"),
    ]);
}

#[test]
fn a_failure_says_where() {
    let failure = result("a.worn &&\n  1 < a.steps / (a.steps - 9000)").unwrap_err();
    assert_eq!(failure.to_string(), "line 2, column 15: division by zero");
}

#[test]
fn a_failure_is_absorbed_where_the_other_side_decides() {
    come_to(&[
        ("1 / (a.steps - 9000) == 1 || a.worn", "true"),
        ("a.worn || 1 / (a.steps - 9000) == 1", "true"),
        ("1 / (a.steps - 9000) == 1 && !a.worn", "false"),
        ("offers.exists(o, o.left > 3)", "true"),
        ("1 / (a.steps - 9000) == 1 || b.signals.heart_rate.value > 1", "?"),
    ]);
    assert_eq!(
        result("1 / (a.steps - 9000) == 1 || !a.worn").map_err(|failure| failure.reason),
        Err(Reason::DivisionByZero)
    );
}

#[test]
fn nothing_compares_with_what_is_not_a_number() {
    come_to(&[
        ("a.speeds[2] == a.speeds[2]", "false"),
        ("a.speeds[2] != a.speeds[2]", "true"),
        ("a.speeds[2] < 1 || a.speeds[2] >= 1", "false"),
        ("a.speeds[2] in a.speeds", "false"),
        ("max(a.speeds[2], 1)", "NaN"),
    ]);
}

#[test]
fn macros_go_over_rows_and_lists() {
    come_to(&[
        ("offers.all(o, o.price >= 2)", "true"),
        ("offers.exists(o, o.name == \"Tea\" && o.left == 0)", "true"),
        ("offers.exists_one(o, o.price > 3.6)", "true"),
        ("offers.filter(o, o.price < 4).map(o, o.name)", "[\"Latte\", \"Tea\"]"),
        ("offers.map(o, o.price > 3, o.name)", "[\"Latte\", \"Café crème\"]"),
        ("offers.map(o, o.price)[0] + 1", "4.5"),
        ("[1, 2, 3].map(x, [10, 20].map(y, x * y))", "[[10, 20], [20, 40], [30, 60]]"),
        ("[1, 2].exists(x, [2, 3].exists(x, x == 3) && x == 1)", "true"),
        ("offers.exists(a, a.name == \"Tea\")", "true"),
        ("[].all(x, x == 1)", "true"),
        ("size(offers) == 3 && offers.size() == 3 && \"Café\".size() == 4", "true"),
        ("a.speeds.filter(x, x > 1)", "[2.5]"),
        ("[1] + [2, 3]", "[1, 2, 3]"),
        ("[[1], [2]] == [[1], [2]] && [1] != [1, 2]", "true"),
        ("[offers[0].name] == [\"Latte\"] && offers[0].left != \"x\"", "true"),
    ]);
}

#[test]
fn times_and_spans_add_up() {
    come_to(&[
        ("a.ends - now == duration(\"10m\")", "true"),
        ("a.ends - now < duration(\"1h 30m\")", "true"),
        ("now + duration(\"10m\") == a.ends && duration(\"10m\") + now == a.ends", "true"),
        ("a.ends - duration(\"600s\") <= now", "true"),
        ("now == timestamp(\"2023-11-14T23:13:20+01:00\")", "true"),
        ("duration(\"1h\") - duration(\"90m\")", "span(-1800000)"),
        ("abs(duration(\"1h\") - duration(\"90m\")) == duration(\"30m\")", "true"),
        ("max(now, a.ends) == a.ends", "true"),
        ("int(now)", "1700000000"),
        ("string(now) + \" \" + string(a.ends - now)", "\"2023-11-14T22:13:20Z 10m\""),
        ("duration(\"1\" + \"0s\")", "span(10000)"),
    ]);
    let failed = |text: &str| result(text).unwrap_err().reason.to_string();
    assert_eq!(failed("duration(\"so\" + \"on\")"), "the value cannot be read as span");
    assert_eq!(failed("timestamp(a.context.place.zone)"), "the value cannot be read as time");
}

#[test]
fn functions_do_what_they_say() {
    come_to(&[
        ("\"gymnasium\".contains(\"mna\") && \"gym\".startsWith(\"g\") && \"gym\".endsWith(\"ym\")", "true"),
        ("int(3.9) + int(-3.9) + int(\"12\")", "12"),
        ("double(a.steps) / 2.0", "4500.0"),
        ("string(a.steps) + string(2.5) + string(1e300) + string(true) + string(120.0)", "\"90002.51e300true120\""),
        ("abs(-2.5) + abs(-2.0)", "4.5"),
        ("min(3, 2) + max(3, 2)", "5"),
        ("abs(distance_m(0, 1, 0, 2) - 111195.08) < 0.1", "true"),
        ("abs(distance_m(52.52, 13.405, 48.8566, 2.3522) - 877463) < 100", "true"),
        ("distance_m(10, 179.5, 10, -179.5) < 111200.0 && distance_m(5, 5, 5, 5) == 0", "true"),
        ("0x10 + 5u", "21"),
        ("a.context.place.zone < \"q\" && false < true", "true"),
    ]);
    assert_eq!(result("distance_m(91, 0, 0, 0)").map_err(|failure| failure.reason), Err(Reason::NoPlace));
}

#[test]
fn a_dyn_value_of_another_type_fails_and_is_not_equal() {
    come_to(&[("a.health.grade == 1", "false"), ("a.health.grade in [1, 2]", "false"), ("a.anything + 0.5", "7.5")]);
    for text in [
        "a.health.grade > 1",
        "a.health.grade + 1",
        "a.health.grade && true",
        "a.health.grade.x",
        "-a.health.grade",
        "a.health.grade.exists(x, true)",
        "a.health.place == 1",
        "a.health.place[0]",
        "abs(a.health.grade)",
        "a.anything % 2.0 == 1",
    ] {
        match compiled(text, Type::Dyn) {
            Err(error) => assert!(text.contains('%'), "{error}"),
            Ok(_) => {
                let reason = result(text).unwrap_err().reason;
                assert!(matches!(reason, Reason::WrongType { .. }), "{text}: {reason}");
            }
        }
    }
    let program = compiled("a.health.grade", Type::Bool).unwrap();
    let failure = program.run(&World, &mut BUDGET.clone()).unwrap_err();
    assert_eq!(failure.to_string(), "line 1, column 10: got text, wanted bool");
}
