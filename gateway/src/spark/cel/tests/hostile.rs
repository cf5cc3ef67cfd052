//! Texts that nobody who means well writes, and expressions that nobody chose.

use proptest::prelude::*;

use super::super::{BUDGET, Program, RENDERED_BYTES_MAX, Reason, TEXT_BYTES_MAX, Template, Type};
use super::World;

/// Whatever a text is: a program, or an error with a place in it. A program then runs within its budget.
fn is_told(text: &str) -> Result<(), TestCaseError> {
    match Program::compile(text, &mut World, Type::Dyn) {
        Ok(program) => {
            let mut budget = BUDGET;
            if let Err(failure) = program.run(&World, &mut budget) {
                prop_assert!(usize::from(failure.place.line) <= text.split('\n').count());
            }
        }
        Err(error) => {
            let line = text.split('\n').nth(usize::from(error.place.line) - 1);
            let Some(line) = line else { return Err(TestCaseError::fail(format!("{text:?}: {error}"))) };
            prop_assert!(usize::from(error.place.column) <= line.chars().count() + 1, "{:?}: {}", text, error);
            prop_assert!(error.to_string().contains('^'));
        }
    }
    if let Ok(template) = Template::compile(text, &mut World) {
        prop_assert!(template.render(&World, &mut BUDGET.clone()).text.len() <= RENDERED_BYTES_MAX);
    }
    Ok(())
}

const PIECES: [&str; 60] = [
    "a",
    "b",
    "a.steps",
    "offers",
    "now",
    ".",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "1",
    "2.5",
    "\"x\"",
    "'",
    "\"",
    "&&",
    "||",
    "!",
    "-",
    "+",
    "?",
    ":",
    ",",
    " in ",
    "has(",
    "all(x,",
    ".map(x,",
    "//",
    "\n",
    "é",
    "`",
    "\\",
    "0x",
    "5u",
    "b\"",
    "r'",
    "<",
    "==",
    "true",
    "null",
    "😀",
    " ",
    "*",
    "%",
    "/",
    ".exists_one(o,",
    "@",
    "|",
    "'''",
    "\0",
    "1e999",
    "\\u12",
    "duration(",
    "timestamp(\"",
    "9223372036854775807",
    "-9223372036854775808",
    ".size()",
    "a.health",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_of_any_characters_makes_it_panic(text in "\\PC{0,120}") {
        is_told(&text)?;
    }

    #[test]
    fn no_text_of_pieces_of_the_language_makes_it_panic(
        pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..40)
    ) {
        is_told(&pieces.concat())?;
    }

    #[test]
    fn an_expression_of_known_types_is_a_program_and_never_fails_with_a_type(text in of_bool(4)) {
        prop_assume!(text.len() <= TEXT_BYTES_MAX);
        let program = match Program::compile(&text, &mut World, Type::Bool) {
            Ok(program) => program,
            // Constants are worked out when it is loaded, and sums of them may be too large.
            Err(error) => {
                let why = [Reason::DivisionByZero.to_string(), Reason::Overflow.to_string(), "nested".to_owned()];
                prop_assert!(why.iter().any(|why| error.what.starts_with(why)), "{}\n{}", text, error);
                return Ok(());
            }
        };
        if let Err(failure) = program.run(&World, &mut BUDGET.clone()) {
            prop_assert!(!matches!(failure.reason, Reason::WrongType { .. }), "{}: {}", text, failure);
        }
    }
}

fn one_of(all: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    proptest::sample::select(all).prop_map(str::to_owned)
}

fn of_number(depth: u32) -> BoxedStrategy<String> {
    let leaf = one_of(&["a.steps", "3", "0", "-9", "size(offers)", "9223372036854775807"]);
    if depth == 0 {
        return leaf.boxed();
    }
    let inner = of_number(depth - 1);
    prop_oneof![
        1 => leaf,
        3 => (inner.clone(), one_of(&["+", "-", "*", "/", "%"]), inner.clone()).prop_map(|(l, by, r)| format!("({l} {by} {r})")),
        1 => (of_bool(depth - 1), inner.clone(), inner.clone()).prop_map(|(c, l, r)| format!("({c} ? {l} : {r})")),
        1 => (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("min({l}, {r})")),
        1 => (inner.clone(), inner).prop_map(|(l, r)| format!("[{l}, {r}].map(i, -i)[{l}]")),
    ]
    .boxed()
}

fn of_double(depth: u32) -> BoxedStrategy<String> {
    let leaf = one_of(&["a.signals.heart_rate.value", "b.signals.heart_rate.value", "2.5", "a.speeds[2]", "1e300"]);
    if depth == 0 {
        return leaf.boxed();
    }
    let inner = of_double(depth - 1);
    prop_oneof![
        1 => leaf,
        3 => (inner.clone(), one_of(&["+", "-", "*", "/"]), inner.clone()).prop_map(|(l, by, r)| format!("({l} {by} {r})")),
        1 => of_number(depth - 1).prop_map(|of| format!("double({of})")),
        1 => inner.prop_map(|of| format!("abs({of})")),
    ]
    .boxed()
}

fn of_bool(depth: u32) -> BoxedStrategy<String> {
    let leaf =
        one_of(&["a.worn", "true", "false", "has(b.signals.heart_rate.value)", "(a.context.place.zone == \"gym\")"]);
    if depth == 0 {
        return leaf.boxed();
    }
    let by = one_of(&["<", "<=", ">", ">=", "==", "!="]);
    let inner = of_bool(depth - 1);
    prop_oneof![
        1 => leaf,
        2 => (inner.clone(), one_of(&["&&", "||", "=="]), inner.clone()).prop_map(|(l, by, r)| format!("({l} {by} {r})")),
        1 => inner.clone().prop_map(|of| format!("!{of}")),
        2 => (of_number(depth - 1), by.clone(), of_number(depth - 1)).prop_map(|(l, by, r)| format!("({l} {by} {r})")),
        2 => (of_double(depth - 1), by, of_double(depth - 1)).prop_map(|(l, by, r)| format!("({l} {by} {r})")),
        1 => (of_double(depth - 1), inner).prop_map(|(of, inner)| format!("a.speeds.exists(s, s < {of} && {inner})")),
        1 => of_number(depth - 1).prop_map(|of| format!("({of} in [1, {of}])")),
        1 => Just("(a.ends - now < duration(\"5m\") || now + duration(\"1s\") > a.ends)".to_owned()),
    ]
    .boxed()
}
