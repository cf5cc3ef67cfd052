//! What is refused before it runs, and where.

use super::super::{Program, Type};
use super::{World, compiled, error};

#[test]
fn an_error_shows_its_line_and_a_caret() {
    let error = compiled("a.worn &&\n\ta.signals.heart_rat.value > 120", Type::Bool).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 2, column 22: unknown path Some(\"value\")\n  | \ta.signals.heart_rat.value > 120\n  | \t                    ^"
    );
    let error = compiled("\"é\" + x.y", Type::Text).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 1, column 7: there is no \"x\", did you mean \"a\"?\n  | \"é\" + x.y\n  |       ^"
    );
}

#[test]
fn each_wrong_type_is_named_where_it_stands() {
    for (text, column, what) in [
        ("a.worn > 1", 8, "`>` has no meaning for bool and int"),
        (
            "a.steps > a.signals.heart_rate.value",
            9,
            "`>` has no meaning for int and double: write double(…) around the whole number",
        ),
        ("a.steps == \"x\"", 9, "`==` has no meaning for int and text"),
        ("a.health == a.health", 10, "`==` has no meaning for record and record"),
        ("[1] < [2]", 5, "`<` has no meaning for list of int and list of int"),
        ("!a.steps", 4, "`!` wants bool here, this is int"),
        ("-a.context.place.zone == 1", 1, "`-` has no meaning for text"),
        ("a.steps && true", 3, "`&&` wants bool here, this is int"),
        ("true || a.steps", 11, "`||` wants bool here, this is int"),
        ("a.steps ? true : false", 3, "`?:` wants bool here, this is int"),
        ("(true ? 1 : \"x\") == 1", 7, "the branches of `?:` are int and text"),
        ("1 + \"x\" == \"1x\"", 3, "`+` has no meaning for int and text"),
        ("now + now == now", 5, "`+` has no meaning for time and time"),
        ("now - 5 == now", 5, "`-` has no meaning for time and int"),
        ("5.0 % 2.0 == 1", 5, "`%` has no meaning for double and double"),
        ("a.worn + a.anything == 1", 8, "`+` has no meaning for bool and dyn"),
        ("1 in \"abc\"", 3, "`in` wants a list behind it, this is text"),
        ("1 in [\"a\"]", 3, "`in` has no meaning for int and list of text"),
        ("[1, \"a\"] == [1]", 5, "a list has elements of one type, this one int and text"),
        ("a.steps.x == 1", 9, "int has no field `x`"),
        ("has(a.steps.x)", 13, "int has no field `x`"),
        ("a.steps[0] == 1", 8, "`[ ]` has no meaning for int and int"),
        ("offers[\"x\"] == 1", 8, "list of record has no field `x`"),
        ("a.steps.exists(x, true)", 9, "`exists` goes over a list, this is int"),
        ("offers.all(o, 1)", 15, "`all` wants bool here, this is int"),
        ("size(1) == 1", 1, "`size` has no meaning for int"),
        ("size(1, 2) == 1", 1, "`size` is of 1 values, here are 2"),
        ("\"x\".contains(1)", 5, "`contains` has no meaning for text and int"),
        ("contains(\"x\", \"y\")", 1, "`contains` is written behind a text: text.contains(…)"),
        ("a.steps.abs() == 1", 9, "`abs` is written before its values: abs(…)"),
        ("min(1, \"x\") == 1", 1, "`min` has no meaning for int and text"),
        ("distance_m(1, 2, 3, \"x\") > 1", 1, "`distance_m` has no meaning for double and double and double and text"),
        ("duration(\"soon\") < duration(\"1s\")", 1, "not a duration such as \"20s\", \"5m\" or \"1h 30m\""),
        ("timestamp(\"noon\") < now", 1, "not a time such as \"2026-05-01T12:00:00Z\""),
        ("1 / 0 == 1", 3, "division by zero"),
        ("9223372036854775807 + 1 == 1", 21, "the result is out of range"),
        ("a.steps + 1", 9, "the result is of type int, bool is wanted"),
        ("offers.all(o, x.y)", 15, "there is no \"x\", did you mean \"a\"?"),
    ] {
        assert_eq!(error(text, Type::Bool), (1, column, what.to_owned()), "{text}");
    }
}

#[test]
fn what_cel_has_and_rules_have_not_is_refused_with_its_reason() {
    for (text, column, what) in [
        ("\"x\".matches(\"y\")", 5, "regular expressions are not supported: contains(), startsWith(), endsWith()"),
        ("matches(\"x\", \"y\")", 1, "regular expressions are not supported: contains(), startsWith(), endsWith()"),
        ("{1: 2} == {1: 2}", 1, "maps are not supported"),
        ("A{b: 1} == 1", 2, "structs are not supported"),
        ("b\"x\" == b\"x\"", 1, "bytes are not supported"),
        ("a.steps == null", 12, "there is no null: ask has(), or write nothing"),
        ("18446744073709551615u > 1", 1, "whole numbers have 63 bits and a sign"),
        ("a.?b", 2, "unsupported syntax '.?'"),
    ] {
        assert_eq!(error(text, Type::Bool), (1, column, what.to_owned()), "{text}");
    }
    assert!(error("foo(1)", Type::Bool).2.starts_with("there is no function `foo`; there are size, contains"));
}

#[test]
fn what_is_no_expression_says_where_it_ends_to_be_one() {
    for (text, line, column, what) in [
        ("", 1, 1, "the expression ends here, and something is missing"),
        ("a.worn &&\n  ", 2, 3, "the expression ends here, and something is missing"),
        ("a.worn a.steps", 1, 8, "unexpected 'a'"),
        ("has(a)", 1, 5, "has() asks for a field: has(a.signals.heart_rate)"),
        ("offers.all(o.x, true)", 1, 13, "the first argument of a macro is the name of its variable"),
        ("99999999999999999999 > 1", 1, 1, "invalid int literal"),
    ] {
        assert_eq!(error(text, Type::Bool), (line, column, what.to_owned()), "{text:?}");
    }
}

#[test]
fn the_result_is_of_the_type_that_is_wanted() {
    assert!(compiled("a.health.grade", Type::Bool).is_ok(), "what is known at run time only");
    assert!(Program::compile("60", &mut World, Type::Double).is_ok(), "a constant whole number for a double");
    assert!(compiled("a.steps", Type::Double).is_err());
    assert!(compiled("a.context.place.zone", Type::Text).is_ok());
}
