//! Texts with expressions in them.

use super::super::{BUDGET, RENDERED_BYTES_MAX, Reason, Rendered, Template};
use super::World;

fn rendered(text: &str) -> Rendered {
    let template = Template::compile(text, &mut World).unwrap_or_else(|error| panic!("{text}\n{error}"));
    template.render(&World, &mut BUDGET.clone())
}

#[test]
fn expressions_in_braces_become_text() {
    for (template, wanted) in [
        ("", ""),
        ("plain", "plain"),
        ("Your {offers[0].name} is ready at {a.health.place.name}", "Your Latte is ready at Gym"),
        ("{a.signals.heart_rate.value} bpm", "131.5 bpm"),
        ("{a.derived[\"engine.rul\"].low}", "42"),
        ("{{x}} {\"}\" + '}'}{a.steps}", "{x} }}9000"),
        ("until {a.ends}, in {a.ends - now}", "until 2023-11-14T22:23:20Z, in 10m"),
        ("{a.worn} {b.signals.heart_rate.value} {1 + 1}", "true ? 2"),
        ("é{a.context.place.zone}é", "éparké"),
    ] {
        assert_eq!(rendered(template), Rendered { text: wanted.to_owned(), failure: None }, "{template}");
    }
}

#[test]
fn a_template_that_is_wrong_says_where_in_the_template() {
    for (template, wanted) in [
        ("Hi\nyou {a.stps}!", "line 2, column 8: unknown path Some(\"stps\")\n  | you {a.stps}!\n  |        ^"),
        ("{", "line 1, column 1: `{` without `}`\n  | {\n  | ^"),
        ("é {\"}", "line 1, column 3: `{` without `}`\n  | é {\"}\n  |   ^"),
        ("x}", "line 1, column 2: `}` without `{`; `}}` is a brace in the text\n  | x}\n  |  ^"),
        (
            "x {offers}",
            "line 1, column 4: the result is of type list of record, scalar is wanted\n  | x {offers}\n  |    ^",
        ),
        ("x {}", "line 1, column 4: the expression ends here, and something is missing\n  | x {}\n  |    ^"),
    ] {
        assert_eq!(Template::compile(template, &mut World).unwrap_err().to_string(), wanted);
    }
}

#[test]
fn what_fails_is_a_question_mark_and_is_told() {
    let Rendered { text, failure } = rendered("{1 / (a.steps - 9000)} and {a.steps}, {a.health.place}");
    assert_eq!(text, "? and 9000, ?");
    assert_eq!(failure.map(|failure| failure.reason), Some(Reason::DivisionByZero));
    let Rendered { text, failure } = rendered("at {a.health.place}");
    assert_eq!(
        (text.as_str(), failure.unwrap().to_string().as_str()),
        ("at ?", "line 1, column 14: got record, wanted scalar")
    );
}

#[test]
fn a_made_text_is_cut_between_two_characters() {
    let Rendered { text, .. } = rendered(&format!("x{}{{a.steps}}", "é".repeat(1_000)));
    assert_eq!(text.len(), RENDERED_BYTES_MAX - 1);
    assert!(text.chars().skip(1).all(|c| c == 'é'));
}

#[test]
fn a_template_knows_what_it_reads() {
    let template = Template::compile("{a.steps} {a.worn ? \"on\" : \"off\"}", &mut World).unwrap();
    assert_eq!(template.slots().collect::<Vec<_>>(), [3, 4]);
    assert!(template.memory_bytes() < 1_024);
}
