//! A small world to try expressions in.

mod against;
mod bounds;
mod checks;
mod hostile;
mod results;
mod templates;

use super::{BUDGET, CelError, Facts, Failure, Fields, Program, Resolved, Rows, Schema, Step, Type, Unknown, Value};

/// A root, its steps, the type of the value.
type Named = (&'static str, &'static [&'static str], fn() -> Type);

/// By slot. The last is not known.
const NAMES: [Named; 12] = [
    ("a", &["signals", "heart_rate", "value"], || Type::Double),
    ("a", &["context", "place", "zone"], || Type::Text),
    ("a", &["derived", "engine.rul", "low"], || Type::Double),
    ("a", &["steps"], || Type::Int),
    ("a", &["worn"], || Type::Bool),
    ("a", &["ends"], || Type::Time),
    ("a", &["health"], || Type::Record),
    ("offers", &[], || Type::list(Type::Record)),
    ("now", &[], || Type::Time),
    ("a", &["speeds"], || Type::list(Type::Double)),
    ("a", &["anything"], || Type::Dyn),
    ("b", &["signals", "heart_rate", "value"], || Type::Double),
];

struct World;

impl Schema for World {
    fn resolve(&mut self, root: &str, steps: &[Step<'_>]) -> Result<Resolved, Unknown> {
        let is_prefix = |path: &[&str]| path.iter().zip(steps).all(|(name, step)| *name == step.name());
        let mut of_root = NAMES.iter().enumerate().filter(|(_, (name, ..))| *name == root).peekable();
        if of_root.peek().is_none() {
            return Err(Unknown { step: None, what: format!("there is no {root:?}, did you mean \"a\"?") });
        }
        let found = of_root.find(|(_, (_, path, _))| path.len() <= steps.len() && is_prefix(path));
        let Some((slot, (_, path, kind))) = found else {
            let step = steps.len().checked_sub(1);
            return Err(Unknown { step, what: format!("unknown path {:?}", steps.last().map(|step| step.name())) });
        };
        Ok(Resolved { slot: slot as u16, kind: kind(), consumed: path.len() })
    }
}

struct Row(&'static [(&'static str, Cell)]);

#[derive(Clone, Copy)]
enum Cell {
    Int(i64),
    Double(f64),
    Text(&'static str),
    Bool(bool),
    Inner(&'static Row),
}

impl Fields for Row {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        let cell = self.0.iter().find(|(known, _)| *known == name)?.1;
        Some(match cell {
            Cell::Int(number) => Value::Int(number),
            Cell::Double(number) => Value::Double(number),
            Cell::Text(text) => Value::text(text),
            Cell::Bool(truth) => Value::Bool(truth),
            Cell::Inner(row) => Value::Record(row),
        })
    }
}

struct Offers;

static PLACE: Row = Row(&[("name", Cell::Text("Gym")), ("floor", Cell::Int(2))]);
static OFFERS: [Row; 3] = [
    Row(&[
        ("name", Cell::Text("Latte")),
        ("price", Cell::Double(3.5)),
        ("left", Cell::Int(4)),
        ("hot", Cell::Bool(true)),
    ]),
    Row(&[
        ("name", Cell::Text("Tea")),
        ("price", Cell::Double(2.0)),
        ("left", Cell::Int(0)),
        ("place", Cell::Inner(&PLACE)),
    ]),
    Row(&[("name", Cell::Text("Café crème")), ("price", Cell::Int(4))]),
];
static HEALTH: Row = Row(&[
    ("big", Cell::Int(i64::MAX)),
    ("score", Cell::Double(0.8)),
    ("grade", Cell::Text("B")),
    ("place", Cell::Inner(&PLACE)),
]);

impl Rows for Offers {
    fn len(&self) -> usize {
        OFFERS.len()
    }

    fn row(&self, at: usize) -> Option<&dyn Fields> {
        OFFERS.get(at).map(|row| row as &dyn Fields)
    }
}

impl Facts for World {
    fn get(&self, slot: u16) -> Option<Value<'_>> {
        Some(match slot {
            0 => Value::Double(131.5),
            1 => Value::text("park"),
            2 => Value::Double(42.0),
            3 => Value::Int(9_000),
            4 => Value::Bool(true),
            5 => Value::Time(1_700_000_600_000),
            6 => Value::Record(&HEALTH),
            7 => Value::Rows(&Offers),
            8 => Value::Time(1_700_000_000_000),
            9 => Value::list([1.0, 2.5, f64::NAN].map(Value::Double)),
            10 => Value::Int(7),
            _ => return None,
        })
    }
}

fn compiled(text: &str, wanted: Type) -> Result<Program, CelError> {
    Program::compile(text, &mut World, wanted)
}

/// The result as it is shown for tests; `?` for what is not known.
fn result(text: &str) -> Result<String, Failure> {
    let program = compiled(text, Type::Dyn).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let mut budget = BUDGET;
    let value = program.run(&World, &mut budget)?;
    Ok(value.map_or("?".to_owned(), |value| format!("{value:?}")))
}

/// Expressions and what they come to.
#[track_caller]
fn come_to(all: &[(&str, &str)]) {
    for (text, wanted) in all {
        assert_eq!(result(text).as_deref(), Ok(*wanted), "{text}");
    }
}

/// Line, column and sentence of what is wrong with a text.
fn error(text: &str, wanted: Type) -> (u16, u16, String) {
    match compiled(text, wanted) {
        Ok(program) => panic!("{text} is a program: {program:?}"),
        Err(error) => (error.place.line, error.place.column, error.what),
    }
}
