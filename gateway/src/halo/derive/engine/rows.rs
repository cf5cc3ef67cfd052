//! The text files of C-MAPSS: one flight a line, 26 numbers split by blanks.

use std::collections::BTreeMap;

use thiserror::Error;

use super::flight::Flight;
use super::fold::{Engine, EngineSettings};
use super::model::{Forecast, Model};

/// One flight of one unit of a history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Row {
    /// Which engine.
    pub(crate) unit: u32,
    /// What it measured; its cycle is present.
    pub(crate) flight: Flight,
}

/// Why a history cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum RowError {
    /// Another number of columns.
    #[error("line {line} has {got} columns, wanted 26")]
    Columns {
        /// From 1.
        line: usize,
        /// How many there are.
        got: usize,
    },
    /// A column that is no finite number.
    #[error("line {line} column {column} is no number")]
    Number {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
}

/// Reads unit, cycle, settings 1 to 3 and sensors 1 to 21 of each line; empty lines are let pass.
///
/// # Errors
/// The first line that has another shape.
pub(crate) fn parse_rows(text: &str) -> Result<Vec<Row>, RowError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(at, line)| parse_row(at + 1, line)).collect()
}

/// What a model says at the last flight of each unit, in order of units; none where too little is known.
pub(crate) fn last_forecasts(model: &Model, rows: &[Row]) -> Vec<Option<Forecast>> {
    let mut engines = BTreeMap::new();
    for row in rows {
        let engine = engines.entry(row.unit).or_insert_with(|| Engine::new(&EngineSettings::default()));
        engine.flight(0, &row.flight);
    }
    engines.values().map(|engine| model.forecast(engine)).collect()
}

fn parse_row(line: usize, text: &str) -> Result<Row, RowError> {
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let [unit, cycle, numbers @ ..] = fields.as_slice() else {
        return Err(RowError::Columns { line, got: fields.len() });
    };
    if numbers.len() != 24 {
        return Err(RowError::Columns { line, got: fields.len() });
    }
    let mut flight = Flight::default();
    let places = flight.settings.iter_mut().chain(&mut flight.sensors);
    for ((column, place), number) in places.enumerate().zip(numbers) {
        let parsed = number.parse().ok().filter(|number: &f64| number.is_finite());
        *place = parsed.ok_or(RowError::Number { line, column: column + 3 })?;
    }
    flight.cycle = Some(cycle.parse().map_err(|_not_a_number| RowError::Number { line, column: 2 })?);
    Ok(Row { unit: unit.parse().map_err(|_not_a_number| RowError::Number { line, column: 1 })?, flight })
}
