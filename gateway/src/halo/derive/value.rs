//! What a derived signal is once it is known.

use std::borrow::Cow;

use super::names::{DerivedKind, derived_kind};
use crate::record::Name;

/// One derived value as a halo shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    /// Dotted name, as in `hrv.rmssd`.
    pub name: Cow<'static, str>,
    /// The value, in `unit`.
    pub value: Value,
    /// UCUM; empty for texts and pure numbers.
    pub unit: Cow<'static, str>,
    /// Length of the window it was computed over, in seconds; none without a window.
    pub window_s: Option<u32>,
    /// How sure it is, 0 to 1; none where that is not known.
    pub confidence: Option<f64>,
    /// Lower end of its interval, in `unit`.
    pub low: Option<f64>,
    /// Upper end of its interval, in `unit`.
    pub high: Option<f64>,
}

impl Derived {
    /// One of this gateway's own, with neither window nor interval.
    pub(crate) const fn plain(name: &'static str, value: Value, unit: &'static str) -> Self {
        let (name, unit) = (Cow::Borrowed(name), Cow::Borrowed(unit));
        Self { name, value, unit, window_s: None, confidence: None, low: None, high: None }
    }

    /// Whether the names of this build have it, with this kind of value.
    pub(crate) fn is_listed(&self) -> bool {
        let kind = match self.value {
            Value::Number(_) => DerivedKind::Number,
            Value::Text(_) => DerivedKind::Text,
            Value::List(_) | Value::Names(_) => DerivedKind::List,
            Value::Numbers(_) => DerivedKind::Numbers,
        };
        derived_kind(&self.name) == Some(kind)
    }
}

/// A number, one of a few texts, or several of either.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A quantity.
    Number(f64),
    /// A class or state.
    Text(&'static str),
    /// Several names.
    List(Vec<&'static str>),
    /// Several names that came from outside.
    Names(Vec<Name>),
    /// Several quantities.
    Numbers(Vec<f64>),
}
