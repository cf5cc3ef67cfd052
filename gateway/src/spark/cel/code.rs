//! A program as it is kept: nodes of eight bytes that point to one another by number, and constants beside them.

use std::mem::size_of;

use super::check;
use super::error::{CelError, Failure, Place};
use super::functions::Function;
use super::run;
use super::schema::Schema;
use super::source::Source;
use super::syntax::{Arithmetic, Comparison, LoopKind};
use super::types::{Kind, Type};
use super::value::{Facts, Value};

/// The number of a node; its operands have lower ones.
pub(super) type At = u16;

#[derive(Clone, Copy, Debug)]
pub(super) enum Node {
    Constant(u16),
    Slot(u16),
    /// Whether the slot is known.
    Known(u16),
    /// The variable of the n-th loop around, from the inside.
    Variable(u16),
    /// The text constant is the name.
    Field {
        of: At,
        name: u16,
    },
    HasField {
        of: At,
        name: u16,
    },
    Index {
        of: At,
        by: At,
    },
    Not(At),
    Negate(At),
    And(At, At),
    Or(At, At),
    If {
        when: At,
        then: At,
        otherwise: At,
    },
    Compare(Comparison, At, At),
    Arithmetic(Arithmetic, At, At),
    /// A value in a list.
    In(At, At),
    /// A value in a list literal, which is not made for it: the children of `List`.
    AnyOf {
        needle: At,
        first: u16,
        count: u16,
    },
    List {
        first: u16,
        count: u16,
    },
    Call {
        function: Function,
        first: u16,
    },
    Loop {
        kind: LoopKind,
        over: At,
        body: At,
    },
    /// `map` with a condition.
    MapIf {
        over: At,
        when: At,
        body: At,
    },
}

const _: () = assert!(size_of::<Node>() == 8);

#[derive(Clone, Debug)]
pub(super) enum Constant {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Box<str>),
    Time(i64),
    Span(i64),
}

impl Constant {
    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Constant::Bool(truth) => Value::Bool(*truth),
            Constant::Int(number) => Value::Int(*number),
            Constant::Double(number) => Value::Double(*number),
            Constant::Text(text) => Value::text(text),
            Constant::Time(ms) => Value::Time(*ms),
            Constant::Span(ms) => Value::Span(*ms),
        }
    }

    /// Of the same type and, for doubles, the same bits.
    pub(super) fn same(&self, other: &Constant) -> bool {
        match (self, other) {
            (Constant::Double(one), Constant::Double(two)) => one.to_bits() == two.to_bits(),
            (Constant::Bool(one), Constant::Bool(two)) => one == two,
            (Constant::Text(one), Constant::Text(two)) => one == two,
            (Constant::Int(one), Constant::Int(two))
            | (Constant::Time(one), Constant::Time(two))
            | (Constant::Span(one), Constant::Span(two)) => one == two,
            _ => false,
        }
    }
}

/// An expression that was checked and can run any number of times, on any thread.
#[derive(Clone, Debug)]
pub struct Program {
    /// The root is the last.
    pub(super) nodes: Box<[Node]>,
    /// Of the nodes.
    pub(super) places: Box<[Place]>,
    pub(super) constants: Box<[Constant]>,
    /// Operands of lists and calls.
    pub(super) children: Box<[At]>,
    /// Ascending.
    pub(super) slots: Box<[u16]>,
    /// What the result has to be, where the check could not know it.
    pub(super) wanted: Option<Kind>,
}

impl Program {
    /// Checks a text: every name, every operand, and that the result is what is wanted.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and column.
    pub fn compile(text: &str, schema: &mut dyn Schema, wanted: Type) -> Result<Program, CelError> {
        check::program(Source::new(text), schema, check::Wanted::Of(wanted))
    }

    /// What it reads, ascending, each once; what it asks `has()` about among it.
    pub fn slots(&self) -> impl Iterator<Item = u16> + '_ {
        self.slots.iter().copied()
    }

    /// The fields it reads of what a slot is.
    pub fn fields(&self, slot: u16) -> impl Iterator<Item = &str> {
        let is_of = move |of: &At| matches!(self.nodes.get(usize::from(*of)), Some(Node::Slot(it)) if *it == slot);
        self.nodes.iter().filter_map(move |node| match node {
            Node::Field { of, name } if is_of(of) => match self.constants.get(usize::from(*name))? {
                Constant::Text(name) => Some(&**name),
                _ => None,
            },
            _ => None,
        })
    }

    /// Whether it is a path and nothing else.
    pub fn is_path(&self) -> bool {
        matches!(&*self.nodes, [Node::Slot(_)])
    }

    /// Evaluates. None: the result rests on something that is not known. The budget is what is left afterwards.
    ///
    /// # Errors
    /// [`Failure`], with where and why. The facts are not changed, so that nothing has to be taken back.
    pub fn run<'a>(&'a self, facts: &'a dyn Facts, budget: &mut u32) -> Result<Option<Value<'a>>, Failure> {
        run::run(self, facts, budget)
    }

    /// Bytes it takes, itself included.
    pub fn memory_bytes(&self) -> usize {
        let texts = self.constants.iter().map(|constant| match constant {
            Constant::Text(text) => text.len(),
            _ => 0,
        });
        size_of::<Self>()
            + size_of_val(&*self.nodes)
            + size_of_val(&*self.places)
            + size_of_val(&*self.constants)
            + size_of_val(&*self.children)
            + size_of_val(&*self.slots)
            + texts.sum::<usize>()
    }
}
