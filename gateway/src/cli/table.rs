//! Rows of JSON as people read them: columns of their widest value, or one document per line.

use serde_json::Value;

use crate::terminal::say;

/// Rows held until it is known how wide their columns are.
const PAGE_ROWS: usize = 1_000;

/// Prints rows: as they are, or these of their fields in columns under headings.
pub(super) fn print(rows: &[Value], as_json: bool, fields: &[&str], nothing: &str) {
    let mut paged = Paged::new(fields, as_json);
    // Page by page as they are held anyway: all of them have the widths of all.
    paged.widen(rows);
    if rows.iter().all(|row| paged.add(row.clone())) {
        paged.end(nothing);
    }
}

/// Prints rows that come one by one, however many; columns are as wide as the widest value so far.
pub(super) struct Paged<'a> {
    fields: &'a [&'a str],
    as_json: bool,
    widths: Vec<usize>,
    page: Vec<Value>,
    any: bool,
}

impl<'a> Paged<'a> {
    pub(super) fn new(fields: &'a [&'a str], as_json: bool) -> Self {
        let widths = fields.iter().map(|field| field.chars().count()).collect();
        Self { fields, as_json, widths, page: Vec::new(), any: false }
    }

    /// Takes a row; `false` when nobody reads any more.
    pub(super) fn add(&mut self, row: Value) -> bool {
        if self.as_json {
            return say(row);
        }
        self.page.push(row);
        self.page.len() < PAGE_ROWS || self.flush()
    }

    /// Prints what is left, or that there was nothing.
    pub(super) fn end(mut self, nothing: &str) {
        if self.as_json {
            return;
        }
        if self.page.is_empty() && !self.any {
            say(nothing);
            return;
        }
        self.flush();
    }

    fn widen(&mut self, rows: &[Value]) {
        for (field, width) in self.fields.iter().zip(&mut self.widths) {
            let widest = rows.iter().map(|row| text(&row[*field]).chars().count()).max();
            *width = (*width).max(widest.unwrap_or_default());
        }
    }

    fn flush(&mut self) -> bool {
        self.lines().iter().all(say)
    }

    /// The page as lines; nothing is left of it.
    fn lines(&mut self) -> Vec<String> {
        let page = std::mem::take(&mut self.page);
        self.widen(&page);
        let heading = (!self.any).then(|| self.fields.iter().map(|it| it.to_uppercase().replace('_', " ")).collect());
        self.any = true;
        let cells = page.iter().map(|row| self.fields.iter().map(|field| text(&row[*field])).collect::<Vec<_>>());
        let line = |line: Vec<String>| {
            let cells = line.iter().zip(&self.widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        heading.into_iter().chain(cells).map(line).collect()
    }
}

/// A value without JSON's marks.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_later_page_has_no_heading_and_no_narrower_columns() {
        let mut paged = Paged::new(&["device", "last_seen"], false);
        paged.page = vec![json!({"device": "wristband-17", "last_seen": null}), json!({"device": "b"})];
        assert_eq!(paged.lines(), ["DEVICE        LAST SEEN", "wristband-17  -", "b             -"]);
        paged.page = vec![json!({"device": "c", "last_seen": ["x", "y"]})];
        assert_eq!(paged.lines(), ["c             x, y"]);
    }
}
