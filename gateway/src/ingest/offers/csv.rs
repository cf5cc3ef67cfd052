//! Tables as RFC 4180 writes them, strictly: what spreadsheets let pass and read as something else is an error here.

use std::borrow::Cow;

use super::error::{Fault, What};
use super::shelf::Shelf;
use super::table::Cell;

/// A cell as it stands in the text.
struct Field<'a> {
    at: usize,
    text: Cow<'a, str>,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

pub(super) fn read(text: &str) -> Result<Shelf, Fault> {
    let mut reader = Reader { text, at: 0 };
    let (mut shelf, mut fields) = (Shelf::default(), Vec::new());
    reader.record(&mut fields)?;
    for field in &fields {
        shelf.header(&field.text, field.at)?;
    }
    let columns = fields.len();
    let keys = shelf.columns().iter().position(|name| **name == *"key").unwrap_or_default();
    while reader.record(&mut fields)? {
        let at = fields.first().map_or(reader.at, |field| field.at);
        if fields.len() != columns {
            return Err(Fault { at, what: What::Ragged { got: fields.len(), wanted: columns } });
        }
        let (mut cells, mut key) = (Vec::with_capacity(columns), None);
        for (column, field) in (0..=u8::MAX).zip(&fields) {
            if usize::from(column) == keys {
                key = Some(field);
            } else if let Some(cell) = cell(&mut shelf, field)? {
                cells.push((column, cell));
            }
        }
        let Some(key) = key else { return Err(Fault { at, what: What::NoKey }) };
        shelf.row(key.at, u8::try_from(keys).unwrap_or(u8::MAX), &key.text, cells)?;
    }
    Ok(shelf)
}

fn cell(shelf: &mut Shelf, field: &Field<'_>) -> Result<Option<Cell>, Fault> {
    Ok(match &*field.text {
        "" => None,
        "true" => Some(Cell::Bool(true)),
        "false" => Some(Cell::Bool(false)),
        text => match number(text) {
            Some(number) => Some(Cell::Number(number)),
            None => Some(shelf.text(text, field.at)?),
        },
    })
}

/// A number as JSON writes one: a leading zero or plus belongs to a code or a telephone, not to a quantity.
fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let of_digits = match digits.as_bytes() {
        [b'0', next, ..] => !next.is_ascii_digit(),
        [first, ..] => first.is_ascii_digit(),
        [] => false,
    };
    let is_whole = !digits.contains('.') || digits.split_once('.').is_some_and(|(_, rest)| starts_with_digit(rest));
    let number = text.parse::<f64>().ok().filter(|_| of_digits && is_whole)?;
    // Minus zero is zero.
    number.is_finite().then_some(number + 0.0)
}

fn starts_with_digit(text: &str) -> bool {
    text.bytes().next().is_some_and(|byte| byte.is_ascii_digit())
}

impl<'a> Reader<'a> {
    /// Reads the next line that is not blank, which a quoted cell may continue on further lines; false at the end.
    fn record(&mut self, fields: &mut Vec<Field<'a>>) -> Result<bool, Fault> {
        fields.clear();
        while let Some(len) = self.line_end() {
            self.at += len;
        }
        if self.at >= self.text.len() {
            return Ok(false);
        }
        loop {
            fields.push(self.field()?);
            if self.peek() == Some(b',') {
                self.at += 1;
                continue;
            }
            self.at += self.line_end().unwrap_or_default();
            return Ok(true);
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Length of the end of a line that is here.
    fn line_end(&self) -> Option<usize> {
        match self.text.as_bytes().get(self.at..)? {
            [b'\n', ..] => Some(1),
            [b'\r', b'\n', ..] => Some(2),
            _ => None,
        }
    }

    fn field(&mut self) -> Result<Field<'a>, Fault> {
        self.blanks();
        match self.peek() {
            Some(b'"') => self.quoted(),
            _ => self.plain(),
        }
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// Up to a comma or the end of the line.
    fn plain(&mut self) -> Result<Field<'a>, Fault> {
        let at = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b',' | b'\n' => break,
                b'\r' if self.line_end().is_some() => break,
                b'"' => {
                    return Err(Fault::other(self.at, "a quote within a cell: put the cell in quotes and double it"));
                }
                b'\t' => {}
                ..b' ' | 0x7F => return Err(control(self.at, byte)),
                _ => {}
            }
            self.at += 1;
        }
        let text = self.text.get(at..self.at).unwrap_or_default();
        Ok(Field { at, text: text.trim_ascii_end().into() })
    }

    /// Up to the closing quote; two quotes are one.
    fn quoted(&mut self) -> Result<Field<'a>, Fault> {
        let at = self.at;
        self.at += 1;
        let mut text = Cow::Borrowed("");
        loop {
            let Some(len) = self.rest().find('"') else {
                return Err(Fault::other(at, "a quote that is never closed"));
            };
            let part = self.rest().get(..len).unwrap_or_default();
            let strange = part.bytes().position(|byte| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r'));
            if let Some(strange) = strange {
                return Err(control(self.at + strange, part.as_bytes().get(strange).copied().unwrap_or_default()));
            }
            match &mut text {
                Cow::Borrowed("") => text = part.into(),
                text => text.to_mut().push_str(part),
            }
            self.at += len + 1;
            if self.peek() != Some(b'"') {
                break;
            }
            text.to_mut().push('"');
            self.at += 1;
        }
        self.blanks();
        match self.peek() {
            None | Some(b',') => Ok(Field { at, text }),
            Some(_) if self.line_end().is_some() => Ok(Field { at, text }),
            Some(_) => Err(Fault::other(self.at, "text behind a closing quote, wanted a comma or the end of the line")),
        }
    }
}

#[cold]
fn control(at: usize, byte: u8) -> Fault {
    let what = match byte {
        0 => "a zero byte: is the text in UTF-16? Save the table as UTF-8".to_owned(),
        b'\r' => "a carriage return that no line feed follows".to_owned(),
        _ => format!("control character {byte:#04x}"),
    };
    Fault::other(at, what)
}
