//! Which rows of a table a rule looks at.

use std::collections::HashSet;

use super::cel::Value;
use crate::ingest::offers::{Cell, Row, Table};

/// Most rows of a table that one rule looks at for one subject: in order of what was asked for, then of their keys.
const ROWS_MAX: usize = 64;

/// What the cell of a row has to be.
pub(super) enum Wanted<'v> {
    /// The rule does not say.
    Any,
    /// That rests on something that is not known.
    Unknown,
    /// This, or an element of it.
    Like(Value<'v>),
}

/// The rows with a cell that is wanted.
///
/// # Errors
/// What is wanted can be in no cell, for a human.
pub(super) fn rows<'t>(table: &'t Table, column: &str, wanted: Wanted<'_>) -> Result<Vec<&'t Row>, String> {
    let wanted = match wanted {
        Wanted::Any => return Ok(table.rows().take(ROWS_MAX).collect()),
        Wanted::Unknown => return Ok(Vec::new()),
        Wanted::Like(Value::List(values)) => values.iter().map(cell).collect::<Result<_, _>>()?,
        Wanted::Like(value) => vec![cell(&value)?],
    };
    let (mut rows, mut keys) = (Vec::new(), HashSet::new());
    for wanted in &wanted {
        let found = match (wanted, column) {
            (Cell::Text(key), "key") => table.by_key(key).into_iter().collect(),
            (wanted, column) => table.rows_where(column, wanted).take(ROWS_MAX - rows.len()).collect::<Vec<_>>(),
        };
        // What stands in the list a second time finds nothing new.
        rows.extend(found.into_iter().filter(|row| keys.insert(row.key())));
        if rows.len() >= ROWS_MAX {
            rows.truncate(ROWS_MAX);
            break;
        }
    }
    Ok(rows)
}

fn cell(wanted: &Value<'_>) -> Result<Cell, String> {
    Ok(match wanted {
        Value::Text(text) => Cell::Text(text.as_ref().into()),
        Value::Bool(is) => Cell::Bool(*is),
        value => match value.as_double() {
            Some(number) => Cell::Number(number),
            None => return Err("offer.is is no text, number or bool, nor a list of these".to_owned()),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_wanted_twice_is_found_once_and_no_more_than_64_are() {
        let lines: String = (0..100).map(|row| format!("k{row:02},{row}\n")).collect();
        let table = Table::parse(format!("key,n\n{lines}").as_bytes()).expect("a table");
        let keys: Vec<String> = (0..100).flat_map(|row| [row, row]).map(|row| format!("k{row:02}")).collect();
        let wanted = |keys: &[String]| {
            let list = Value::list(keys.iter().map(|key| Value::text(key)));
            rows(&table, "key", Wanted::Like(list)).expect("texts").len()
        };
        assert_eq!((wanted(&keys[..4]), wanted(&keys)), (2, ROWS_MAX));
    }
}
