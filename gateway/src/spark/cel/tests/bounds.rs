//! Budgets, sizes and depths.

use super::super::{BUDGET, MADE_TEXT_BYTES_MAX, NESTING_MAX, Reason, TEXT_BYTES_MAX, Type};
use super::{World, compiled, error, result};

#[test]
fn each_node_costs_a_step() {
    let program = compiled("a.signals.heart_rate.value > 120", Type::Bool).unwrap();
    let mut budget = 3;
    assert!(program.run(&World, &mut budget).is_ok());
    assert_eq!(budget, 0);
    let mut budget = 2;
    assert_eq!(program.run(&World, &mut budget).map_err(|failure| failure.reason).err(), Some(Reason::BudgetSpent));
    assert_eq!(budget, 0);
}

#[test]
fn loops_in_loops_end_with_the_budget() {
    let ten = "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]";
    let loops = format!("{ten}.all(a, {ten}.all(b, {ten}.all(c, {ten}.all(d, true))))");
    assert_eq!(result(&loops).map_err(|failure| failure.reason), Err(Reason::BudgetSpent));
    let decided = format!("({loops}) || true");
    assert_eq!(result(&decided).map_err(|failure| failure.reason), Err(Reason::BudgetSpent), "is never absorbed");
    let unknown = format!("b.signals.heart_rate.value > 1 || {loops}");
    assert_eq!(
        result(&unknown).map_err(|failure| failure.reason),
        Err(Reason::BudgetSpent),
        "nor by what is not known"
    );
}

#[test]
fn comparing_long_lists_costs_steps() {
    let doubled = |of: &str| format!("[1]{}.map(a, a == {of}).size() > 0", ".map(a, [a, a])".repeat(20));
    let text = doubled("a");
    let program = compiled(&text, Type::Bool).unwrap();
    assert_eq!(program.run(&World, &mut BUDGET.clone()).unwrap_err().reason, Reason::BudgetSpent);
}

#[test]
fn a_text_that_doubles_ends() {
    let text = format!("[\"0123456789\"]{}.size() > 0", ".map(a, a + a)".repeat(40));
    assert_eq!(result(&text).map_err(|failure| failure.reason), Err(Reason::TooLong));
    assert_eq!(result(&format!("(\"{}\" + \"x\").size()", "x".repeat(3_000))).as_deref(), Ok("3001"));
    const { assert!(MADE_TEXT_BYTES_MAX > 3_001) };
}

#[test]
fn made_texts_that_are_copied_cost_steps() {
    let sixty = |made: &str| format!("[{made}].map(a, ([a]{}).size()) == [60]", " + [a]".repeat(59));
    assert_eq!(result(&sixty("\"x\" + \"y\"")).as_deref(), Ok("true"));
    let long = format!("(\"{0}\" + \"{0}\")", "x".repeat(900));
    assert_eq!(result(&sixty(&long)).map_err(|failure| failure.reason), Err(Reason::BudgetSpent));
}

#[test]
fn the_deepest_trees_that_are_allowed_run() {
    let sum = format!("a.steps{} > 0", " + a.steps".repeat(97));
    assert_eq!(result(&sum).as_deref(), Ok("true"));
    let loops = format!("{}true{}", "[1].all(x, ".repeat(31), ")".repeat(31));
    assert_eq!(result(&loops).as_deref(), Ok("true"));
}

#[test]
fn a_program_may_run_on_any_thread() {
    fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<super::super::Program>();
    is_shared::<super::super::Template>();
}

#[test]
fn an_error_in_a_long_line_shows_what_is_around_it() {
    let text = format!("a.worn{} && a.stps > 1{}", " && a.worn".repeat(50), " && a.worn".repeat(50));
    let error = compiled(&text, Type::Bool).unwrap_err();
    assert_eq!((error.quoted.chars().count(), usize::from(error.place.column)), (120, 513));
    let shown = error.to_string();
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[1][lines[2].find('^').unwrap()..].starts_with("stps"), "{shown}");
}

#[test]
fn long_deep_and_wide_texts_are_refused_with_their_bound() {
    let long = format!("\"{}\" == \"\"", "x".repeat(TEXT_BYTES_MAX));
    assert_eq!(error(&long, Type::Bool).2, format!("the text has {} bytes, {TEXT_BYTES_MAX} are allowed", long.len()));
    let nested = |depth: usize| format!("{}true{}", "(".repeat(depth), ")".repeat(depth));
    assert!(compiled(&nested(usize::from(NESTING_MAX)), Type::Bool).is_ok());
    assert_eq!(error(&nested(33), Type::Bool), (1, 33, "nested deeper than 32".to_owned()));
    assert_eq!(error(&"(".repeat(4_000), Type::Bool), (1, 33, "nested deeper than 32".to_owned()));
    assert_eq!(error(&format!("{}true", "true ? true : ".repeat(200)), Type::Bool).2, "nested deeper than 32");
    assert!(compiled(&format!("\"{}\" == \"\" // (((", "(".repeat(100)), Type::Bool).is_ok(), "brackets in a text");
    for (start, more) in
        [("1", " + a.steps"), ("a", ".b"), ("a", "[0]"), ("[1]", ".map(x, x)"), ("1", "<1"), ("a", "[\"b\"]")]
    {
        let deep = format!("{start}{}", more.repeat((TEXT_BYTES_MAX - 10) / more.len()));
        assert!(error(&deep, Type::Bool).2.starts_with("deeper than 100 operations"), "{more}");
    }
    assert!(compiled(&vec!["a.worn"; 400].join(" && "), Type::Bool).is_ok(), "a chain of && is balanced");
}

#[test]
fn a_comparison_and_another_take_less_than_a_kilobyte() {
    let program =
        compiled("a.signals.heart_rate.value > 120.0 && a.context.place.zone != \"gym\"", Type::Bool).unwrap();
    assert!(program.memory_bytes() < 512, "{} bytes", program.memory_bytes());
}
