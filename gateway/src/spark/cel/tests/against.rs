//! The same results as another implementation: the interpreter of the crate whose grammar is used.

use ::cel::{Context, Program as Other, Value as OtherValue};

use super::super::{BUDGET, Facts, Program, Resolved, Schema, Step, Type, Unknown, Value};

/// `x` is 131.5, `n` is 7, `t` is `"park"`, `yes` is true, `xs` is `[1, 2, 3]`.
struct Five;

impl Schema for Five {
    fn resolve(&mut self, root: &str, _: &[Step<'_>]) -> Result<Resolved, Unknown> {
        let kinds = [
            ("x", Type::Double),
            ("n", Type::Int),
            ("t", Type::Text),
            ("yes", Type::Bool),
            ("xs", Type::list(Type::Int)),
        ];
        let slot = kinds.iter().position(|(name, _)| *name == root);
        let slot = slot.ok_or_else(|| Unknown { step: None, what: "unknown".to_owned() })?;
        Ok(Resolved { slot: slot as u16, kind: kinds[slot].1.clone(), consumed: 0 })
    }
}

impl Facts for Five {
    fn get(&self, slot: u16) -> Option<Value<'_>> {
        Some(match slot {
            0 => Value::Double(131.5),
            1 => Value::Int(7),
            2 => Value::text("park"),
            3 => Value::Bool(true),
            _ => Value::list([1, 2, 3].map(Value::Int)),
        })
    }
}

fn ours(text: &str) -> String {
    let program = Program::compile(text, &mut Five, Type::Dyn).unwrap_or_else(|error| panic!("{text}\n{error}"));
    match program.run(&Five, &mut BUDGET.clone()) {
        Ok(value) => format!("{:?}", value.expect("everything is known")),
        Err(_) => "failed".to_owned(),
    }
}

fn theirs(text: &str) -> String {
    let mut context = Context::default();
    context.add_variable_from_value("x", 131.5);
    context.add_variable_from_value("n", 7_i64);
    context.add_variable_from_value("t", "park");
    context.add_variable_from_value("yes", true);
    context.add_variable_from_value("xs", vec![1_i64, 2, 3]);
    Other::compile(text).unwrap().execute(&context).map_or("failed".to_owned(), |value| shown(&value))
}

fn shown(value: &OtherValue) -> String {
    match value {
        OtherValue::Bool(truth) => format!("{truth:?}"),
        OtherValue::Int(number) => format!("{number:?}"),
        OtherValue::Float(number) => format!("{number:?}"),
        OtherValue::String(text) => format!("{text:?}"),
        OtherValue::List(values) => format!("[{}]", values.iter().map(shown).collect::<Vec<_>>().join(", ")),
        other => format!("{other:?}"),
    }
}

#[test]
fn results_are_those_of_the_crates_interpreter() {
    for text in [
        "1 + 2 * 3 - 4",
        "(1 + 2) * 3",
        "7 / 2",
        "-7 / 2",
        "-7 % 3",
        "n / 2 * 2 + n % 2",
        "x / 2.0",
        "x * x - x",
        "1.0 / 0.0 > 1.0",
        "n / (n - 7)",
        "n % (n - 7)",
        "n + 9223372036854775807",
        "-9223372036854775807 - n",
        "x > 120.0",
        "x > 131.5",
        "x >= 131.5",
        "n < 7",
        "n <= 7",
        "t < \"q\"",
        "t == \"park\"",
        "t != \"park\"",
        "false < yes",
        "yes && x > 1.0",
        "!yes || n == 7",
        "n / (n - 7) == 1 || yes",
        "n / (n - 7) == 1 && !yes",
        "yes ? n : 0",
        "!yes ? \"a\" : t",
        "n in [1, 7]",
        "n in xs",
        "2 in xs",
        "t in [\"gym\", \"park\"]",
        "xs[1]",
        "xs[n]",
        "xs == [1, 2, 3]",
        "xs != [1, 2]",
        "xs + [4]",
        "t + \"ing\"",
        "size(t) + size(xs)",
        "\"é😀\".size()",
        "t.contains(\"ar\")",
        "t.startsWith(\"pa\")",
        "t.endsWith(\"pa\")",
        "int(x)",
        "int(-2.7)",
        "int(\"42\")",
        "double(n) / 2.0",
        "double(\"2.5\")",
        "string(n) + string(yes) + string(2.5)",
        "int(\"x\")",
        "xs.all(i, i > 0)",
        "xs.all(i, i > 1)",
        "xs.exists(i, i == 3)",
        "xs.exists(i, i == 4)",
        "xs.exists_one(i, i > 2)",
        "xs.exists_one(i, i > 1)",
        "xs.filter(i, i != 2)",
        "xs.map(i, i * n)",
        "xs.map(i, i > 1, i + 1)",
        "xs.map(i, xs.filter(j, j <= i))",
        "xs.exists(i, 6 / (i - 1) == 6)",
        "xs.all(i, 6 / (i - 1) == 7)",
        "xs.map(i, 6 / (i - 1))",
        "[[1, 2], [3]][1][0]",
        "[1, 2] == [2, 1]",
        "(x > 1.0) == (n > 1)",
        "-x + -2.0",
        "!!yes",
        "n - -1",
        "n == 0x7",
        "'a\\n' + r'\\n' + \"\"\"q\"q\"\"\"",
        "yes && !yes || yes",
        "n > 1 ? (n > 2 ? 1 : 2) : 3",
        "min(n, 3) == 3 || yes",
    ] {
        assert_eq!(ours(text), theirs(text), "{text}");
    }
}
