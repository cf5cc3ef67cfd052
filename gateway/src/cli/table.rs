//! Rows of JSON as people read them: columns of their widest value, or one document per line.

use serde_json::Value;

use crate::terminal::say;

/// Prints rows: as they are, or these of their fields in columns under headings.
pub(super) fn print(rows: &[Value], as_json: bool, fields: &[&str], nothing: &str) {
    if as_json {
        rows.iter().all(say);
        return;
    }
    if rows.is_empty() {
        say(nothing);
        return;
    }
    let heading = fields.iter().map(|field| field.to_uppercase().replace('_', " ")).collect();
    let cells = rows.iter().map(|row| fields.iter().map(|field| text(&row[*field])).collect());
    let lines: Vec<Vec<String>> = std::iter::once(heading).chain(cells).collect();
    let widths: Vec<usize> = (0..fields.len())
        .map(|column| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    lines.iter().all(|line| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        say(cells.collect::<Vec<_>>().join("  ").trim_end())
    });
}

/// A value without JSON's marks.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
