//! Values, and the facts a host gives.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::types::Kind;

/// A value, borrowed from the facts or the program where it can be.
#[derive(Clone)]
pub enum Value<'a> {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// Unix milliseconds.
    Time(i64),
    /// Milliseconds.
    Span(i64),
    /// A row of named fields.
    Record(&'a dyn Fields),
    /// A list of records that the host has.
    Rows(&'a dyn Rows),
    /// A list that an expression made, or of scalars.
    List(Arc<[Value<'a>]>),
}

/// What is known, by the slots of the schema.
pub trait Facts {
    /// None: not known, or not yet.
    fn get(&self, slot: u16) -> Option<Value<'_>>;
}

/// A row of named fields.
pub trait Fields {
    /// None: no such field, or not known.
    fn field(&self, name: &str) -> Option<Value<'_>>;
}

/// A list of records.
pub trait Rows {
    /// How many.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The record at a place, from 0; none beyond the end.
    fn row(&self, at: usize) -> Option<&dyn Fields>;
}

impl<'a> Value<'a> {
    /// A text that lives as long as the facts.
    pub fn text(text: &'a str) -> Self {
        Value::Text(Cow::Borrowed(text))
    }

    /// A list of values.
    pub fn list(values: impl IntoIterator<Item = Value<'a>>) -> Self {
        Value::List(values.into_iter().collect())
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match self {
            Value::Bool(_) => Kind::Bool,
            Value::Int(_) => Kind::Int,
            Value::Double(_) => Kind::Double,
            Value::Text(_) => Kind::Text,
            Value::Time(_) => Kind::Time,
            Value::Span(_) => Kind::Span,
            Value::Record(_) => Kind::Record,
            Value::Rows(_) | Value::List(_) => Kind::List,
        }
    }

    /// A number as a double, whole or not.
    pub fn as_double(&self) -> Option<f64> {
        match *self {
            Value::Double(number) => Some(number),
            Value::Int(number) => Some(number as f64),
            _ => None,
        }
    }

    /// How two scalars of one type, or two numbers, stand to each other. The outer none: they are not of one type.
    /// The inner none: one is not a number (NaN).
    pub(super) fn order(&self, other: &Value<'_>) -> Option<Option<Ordering>> {
        Some(match (self, other) {
            (Value::Double(one), Value::Double(two)) => one.partial_cmp(two),
            (Value::Int(one), Value::Int(two))
            | (Value::Time(one), Value::Time(two))
            | (Value::Span(one), Value::Span(two)) => Some(one.cmp(two)),
            (Value::Int(one), Value::Double(two)) => whole_to_double(*one, *two),
            (Value::Double(one), Value::Int(two)) => whole_to_double(*two, *one).map(Ordering::reverse),
            (Value::Text(one), Value::Text(two)) => Some(one.as_bytes().cmp(two.as_bytes())),
            (Value::Bool(one), Value::Bool(two)) => Some(one.cmp(two)),
            _ => return None,
        })
    }

    /// Of a list: how many elements it has.
    pub(super) fn length(&self) -> Option<usize> {
        match self {
            Value::Rows(rows) => Some(rows.len()),
            Value::List(values) => Some(values.len()),
            _ => None,
        }
    }

    /// Of a list: the element at a place.
    pub(super) fn element(&self, at: usize) -> Option<Value<'a>> {
        match self {
            Value::Rows(rows) => rows.row(at).map(Value::Record),
            Value::List(values) => values.get(at).cloned(),
            _ => None,
        }
    }
}

/// Exact, also above 2⁵³, where a conversion to double would round.
fn whole_to_double(whole: i64, double: f64) -> Option<Ordering> {
    const END: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() {
        return None;
    }
    if double >= END {
        return Some(Ordering::Less);
    }
    if double < -END {
        return Some(Ordering::Greater);
    }
    let floor = double.floor();
    Some(whole.cmp(&(floor as i64)).then(if double > floor { Ordering::Less } else { Ordering::Equal }))
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(truth) => truth.fmt(f),
            Value::Int(number) => number.fmt(f),
            Value::Double(number) => number.fmt(f),
            Value::Text(text) => text.fmt(f),
            Value::Time(ms) => write!(f, "time({ms})"),
            Value::Span(ms) => write!(f, "span({ms})"),
            Value::Record(_) => f.write_str("record"),
            Value::Rows(rows) => write!(f, "{} rows", rows.len()),
            Value::List(values) => f.debug_list().entries(values.iter()).finish(),
        }
    }
}
