//! What a derived signal is once it is known.

/// One derived value as a halo shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    /// Dotted name, as in `hrv.rmssd`.
    pub name: &'static str,
    /// The value, in `unit`.
    pub value: Value,
    /// UCUM; empty for texts and pure numbers.
    pub unit: &'static str,
    /// Length of the window it was computed over, in seconds; none without a window.
    pub window_s: Option<u32>,
    /// How sure it is, 0 to 1; none where that is not known.
    pub confidence: Option<f64>,
    /// Lower end of its interval, in `unit`.
    pub low: Option<f64>,
    /// Upper end of its interval, in `unit`.
    pub high: Option<f64>,
}

/// A number, one of a few texts, or several of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A quantity.
    Number(f64),
    /// A class or state.
    Text(&'static str),
    /// Several names.
    List(Vec<&'static str>),
}
