//! What one evaluation of a rule's expression costs, ours beside the interpreter of the crate whose grammar is used:
//! `cargo bench -p halo-gateway --bench cel`. One expression, one thread; the facts are in the cache.

use std::collections::HashMap;

use divan::{Bencher, black_box};
use halo_gateway::spark::cel::{
    BUDGET, Facts, Fields, Program, Resolved, Rows, Schema, Step, Template, Type, Unknown, Value,
};

const EXPRESSION: &str = "a.signals.heart_rate.value > 120.0 && a.context.place.zone != \"gym\"";
const OVER_ROWS: &str = "offers.exists(o, o.price < 2 && o.name.startsWith(\"T\"))";

fn main() {
    println!("{EXPRESSION}\n{} bytes, {} threads there are", program(EXPRESSION).memory_bytes(), threads());
    divan::main();
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Three facts: a heart rate, a zone, a hundred offers none of which is wanted.
struct Three {
    heart_rate: f64,
    zone: String,
    offers: Vec<Offer>,
}

struct Offer {
    name: String,
    price: f64,
}

fn three() -> Three {
    let offer = |n: u32| Offer { name: format!("offer {n}"), price: f64::from(n) };
    Three { heart_rate: 131.5, zone: "park".to_owned(), offers: (0..100).map(offer).collect() }
}

impl Facts for Three {
    fn get(&self, slot: u16) -> Option<Value<'_>> {
        match slot {
            0 => Some(Value::Double(self.heart_rate)),
            1 => Some(Value::text(&self.zone)),
            2 => Some(Value::Rows(self)),
            _ => None,
        }
    }
}

impl Rows for Three {
    fn len(&self) -> usize {
        self.offers.len()
    }

    fn row(&self, at: usize) -> Option<&dyn Fields> {
        self.offers.get(at).map(|offer| offer as &dyn Fields)
    }
}

impl Fields for Offer {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        match name {
            "name" => Some(Value::text(&self.name)),
            "price" => Some(Value::Double(self.price)),
            _ => None,
        }
    }
}

struct Names;

impl Schema for Names {
    fn resolve(&mut self, root: &str, steps: &[Step<'_>]) -> Result<Resolved, Unknown> {
        let (slot, kind) = match (root, steps.first()) {
            ("a", Some(Step::Field("signals"))) => (0, Type::Double),
            ("a", _) => (1, Type::Text),
            _ => (2, Type::list(Type::Record)),
        };
        Ok(Resolved { slot, kind, consumed: steps.len() })
    }
}

fn program(text: &str) -> Program {
    Program::compile(text, &mut Names, Type::Bool).expect("it is checked")
}

#[divan::bench]
fn ours(bencher: Bencher<'_, '_>) {
    let (program, facts) = (program(EXPRESSION), three());
    bencher.bench_local(|| {
        let mut budget = BUDGET;
        matches!(black_box(&program).run(black_box(&facts), &mut budget), Ok(Some(Value::Bool(true))))
    });
}

#[divan::bench]
fn ours_one_comparison(bencher: Bencher<'_, '_>) {
    let (program, facts) = (program("a.signals.heart_rate.value > 120"), three());
    bencher.bench_local(|| {
        let mut budget = BUDGET;
        matches!(black_box(&program).run(black_box(&facts), &mut budget), Ok(Some(Value::Bool(true))))
    });
}

/// Variables of the crate are copied into a context; here once for all evaluations, as if nothing ever changed.
#[divan::bench]
fn the_crates_with_a_context_that_stays(bencher: Bencher<'_, '_>) {
    let program = cel::Program::compile(EXPRESSION).expect("it is CEL");
    let context = context(&three());
    bencher.bench_local(|| black_box(&program).execute(black_box(&context)) == Ok(cel::Value::Bool(true)));
}

/// As a gateway would have to: a context of what the expression reads for each evaluation.
#[divan::bench]
fn the_crates_with_a_context_of_now(bencher: Bencher<'_, '_>) {
    let program = cel::Program::compile(EXPRESSION).expect("it is CEL");
    let facts = three();
    bencher.bench_local(|| black_box(&program).execute(&context(black_box(&facts))) == Ok(cel::Value::Bool(true)));
}

fn context(facts: &Three) -> cel::Context<'static, 'static> {
    let map = |name: &str, value: cel::Value| cel::Value::from(HashMap::from([(name.to_owned(), value)]));
    let mut a = HashMap::new();
    a.insert("signals".to_owned(), map("heart_rate", map("value", facts.heart_rate.into())));
    a.insert("context".to_owned(), map("place", map("zone", facts.zone.as_str().into())));
    let mut context = cel::Context::default();
    context.add_variable_from_value("a", cel::Value::from(a));
    context
}

/// A hundred rows that the host lends, none of which decides.
#[divan::bench]
fn ours_over_a_hundred_rows(bencher: Bencher<'_, '_>) {
    let (program, facts) = (program(OVER_ROWS), three());
    bencher.bench_local(|| {
        let mut budget = BUDGET;
        matches!(black_box(&program).run(black_box(&facts), &mut budget), Ok(Some(Value::Bool(false))))
    });
}

#[divan::bench]
fn load(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| program(black_box(EXPRESSION)).memory_bytes());
}

#[divan::bench]
fn template(bencher: Bencher<'_, '_>) {
    let template = Template::compile("{a.signals.heart_rate.value} bpm at {a.context.place.zone}", &mut Names);
    let (template, facts) = (template.expect("it is checked"), three());
    bencher.bench_local(|| template.render(black_box(&facts), &mut BUDGET.clone()).text.len());
}
