//! Recordings as they lie on disk, read a second time and independently of the simulator: its column tables and its
//! parser are part of what is tested.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Failure;

/// A physical value, exactly: `numerator / denominator`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exact {
    numerator: i128,
    denominator: i128,
}

impl Exact {
    /// A decimal as it is written, such as `-0.0027`.
    ///
    /// # Errors
    /// When it is no such decimal.
    pub fn decimal(text: &str) -> Result<Self, Failure> {
        let places = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let numerator = text.replacen('.', "", 1).parse().map_err(|error| format!("{text:?}: {error}"))?;
        Ok(Self { numerator, denominator: 10_i128.pow(u32::try_from(places)?) })
    }

    /// `raw × num / den`.
    pub fn scaled(raw: i64, num: u32, den: u32) -> Self {
        Self { numerator: i128::from(raw) * i128::from(num), denominator: i128::from(den) }
    }

    /// Whether both are the same number, whatever their denominators.
    pub fn equals(self, other: Self) -> bool {
        self.numerator * other.denominator == other.numerator * self.denominator
    }

    /// The nearest double.
    pub fn as_f64(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }
}

/// A column of a recording: the name and the unit that integrators are to see.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Of the signal.
    pub name: &'static str,
    /// UCUM.
    pub unit: &'static str,
    /// Physical value of an integer in the file: times this …
    pub num: u32,
    /// … divided by this. Not used where the file holds decimals.
    pub den: u32,
}

/// One row: device time in milliseconds, and a value for each column.
#[derive(Clone, Debug)]
pub struct Row {
    /// Device time.
    pub at_ms: i64,
    /// In the order of the columns.
    pub values: Vec<Exact>,
}

/// Rows by device.
pub type Rows = BTreeMap<String, Vec<Row>>;

/// Reads a C-MAPSS file: unit, cycle, then a decimal for each column. Unit 7 is the device `<prefix>-007`, a cycle is
/// a second of its clock.
///
/// # Errors
/// When a line is anything else.
pub fn cmapss(path: &Path, prefix: &str, columns: &[Column]) -> Result<Rows, Failure> {
    let mut rows = Rows::new();
    for line in std::fs::read_to_string(path)?.lines() {
        let mut fields = line.split_ascii_whitespace();
        let mut whole = || fields.next().ok_or("a line is too short")?.parse::<i64>().map_err(Failure::from);
        let (unit, cycle) = (whole()?, whole()?);
        let values = fields.map(Exact::decimal).collect::<Result<Vec<_>, _>>()?;
        expect_columns(line, values.len(), columns)?;
        rows.entry(format!("{prefix}-{unit:03}")).or_default().push(Row { at_ms: cycle * 1_000, values });
    }
    Ok(rows)
}

/// Reads a CSV file: a header, then device time and an integer for each column.
///
/// # Errors
/// When a line is anything else.
pub fn csv(path: &Path, device: &str, columns: &[Column]) -> Result<Rows, Failure> {
    let mut rows = Vec::new();
    for line in std::fs::read_to_string(path)?.lines().skip(1) {
        let fields = line.split(',').map(str::parse).collect::<Result<Vec<i64>, _>>()?;
        let (at_ms, integers) = fields.split_first().ok_or("a line is empty")?;
        expect_columns(line, integers.len(), columns)?;
        let values = integers.iter().zip(columns).map(|(raw, column)| Exact::scaled(*raw, column.num, column.den));
        rows.push(Row { at_ms: *at_ms, values: values.collect() });
    }
    Ok(Rows::from([(device.to_owned(), rows)]))
}

fn expect_columns(line: &str, found: usize, columns: &[Column]) -> Result<(), Failure> {
    let wanted = columns.len();
    if found == wanted { Ok(()) } else { Err(format!("{found} values, wanted {wanted}: {line}").into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_equals_its_integer_and_no_other() {
        let decimal = |text| Exact::decimal(text).expect("a decimal");
        assert!(decimal("-0.0027").equals(Exact::scaled(-27, 1, 10_000)));
        assert!(decimal("100.0").equals(Exact::scaled(100, 1, 1)));
        assert!(Exact::scaled(51, 100, 255).equals(decimal("20")));
        assert!(!decimal("23.3735").equals(Exact::scaled(233_736, 1, 10_000)));
        assert!(!decimal("23.3735").equals(Exact::scaled(233_735, 1, 1_000)));
        for text in ["", "-", "1e3", "1.2.3", "x"] {
            assert!(Exact::decimal(text).is_err(), "{text:?}");
        }
    }
}
