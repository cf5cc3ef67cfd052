//! Tables as JSON: an array of flat objects that have a `key`, or an object of key → flat object.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::ROWS_MAX;
use super::error::{Fault, What};
use super::shelf::Shelf;
use super::table::Cell;

pub(super) fn read(text: &str) -> Result<Shelf, Fault> {
    let Rows(rows) = serde_json::from_str(text).map_err(|error| fault(text, 0, &error))?;
    let mut shelf = Shelf::default();
    let keys = shelf.column("key", 0)?;
    for (name, raw) in rows {
        // It borrows from the text, so this is where it stands.
        let at = (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        let Members(members) = serde_json::from_str(raw.get()).map_err(|error| fault(raw.get(), at, &error))?;
        let (mut cells, mut key) = (Vec::with_capacity(members.len() + 1), name);
        for (column, value) in members {
            if column == "key" {
                key = Some(row_key(key, value).ok_or(Fault { at, what: What::NoKey })?);
                continue;
            }
            let number = shelf.column(&column, at)?;
            if cells.iter().any(|(it, _)| *it == number) {
                return Err(Fault { at, what: What::TwiceColumn(column.into()) });
            }
            let cell = match value {
                Value::Absent => continue,
                Value::Bool(truth) => Cell::Bool(truth),
                Value::Number(value) => Cell::Number(value + 0.0),
                Value::Text(text) => shelf.text(&text, at)?,
            };
            cells.push((number, cell));
        }
        let key = key.ok_or(Fault { at, what: What::NoKey })?;
        shelf.row(at, keys, &key, cells)?;
    }
    Ok(shelf)
}

/// A member `key`: the row's only name, or the same again.
fn row_key<'a>(name: Option<Cow<'a, str>>, value: Value<'a>) -> Option<Cow<'a, str>> {
    let Value::Text(key) = value else { return None };
    name.is_none_or(|name| name == key).then_some(key)
}

/// Where serde says something is wrong, in a text that begins at `at`.
#[cold]
fn fault(text: &str, at: usize, error: &serde_json::Error) -> Fault {
    let mut lines = text.split_inclusive('\n');
    let before: usize = lines.by_ref().take(error.line().saturating_sub(1)).map(str::len).sum();
    let within = error.column().saturating_sub(1).min(lines.next().map_or(0, str::len));
    let said = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    Fault::other(at + before + within, said.strip_suffix(&place).unwrap_or(&said))
}

/// The rows, unread, with their names where they have any.
struct Rows<'a>(Vec<(Option<Cow<'a, str>>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Rows<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Rows<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of objects, or an object of objects")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Rows<'de>, A::Error> {
                let mut all = Vec::new();
                while let Some(row) = rows.next_element()? {
                    push(&mut all, (None, row))?;
                }
                Ok(Rows(all))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut rows: A) -> Result<Rows<'de>, A::Error> {
                let mut all = Vec::new();
                while let Some((Text(name), row)) = rows.next_entry()? {
                    push(&mut all, (Some(name), row))?;
                }
                Ok(Rows(all))
            }
        }
        deserializer.deserialize_any(Each)
    }
}

fn push<T, E: de::Error>(all: &mut Vec<T>, row: T) -> Result<(), E> {
    if all.len() >= ROWS_MAX {
        return Err(E::custom(format_args!("more than {ROWS_MAX} rows")));
    }
    all.push(row);
    Ok(())
}

/// Text, borrowed where nothing in it is escaped.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The members of a row, in their order.
struct Members<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

enum Value<'a> {
    Absent,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a flat object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Members<'de>, A::Error> {
                let mut all = Vec::new();
                while let Some((Text(name), value)) = members.next_entry()? {
                    all.push((name, value));
                }
                Ok(Members(all))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        #[expect(clippy::cast_precision_loss, reason = "numbers of a table are floating")]
        impl<'de> Visitor<'de> for One {
            type Value = Value<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a number, true, false or null")
            }

            fn visit_unit<E>(self) -> Result<Value<'de>, E> {
                Ok(Value::Absent)
            }

            fn visit_bool<E>(self, truth: bool) -> Result<Value<'de>, E> {
                Ok(Value::Bool(truth))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Value<'de>, E> {
                Ok(Value::Number(number as f64))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
                Ok(Value::Number(number as f64))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Value<'de>, E> {
                Ok(Value::Number(number))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
                Ok(Value::Text(text.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
                Ok(Value::Text(text.to_owned().into()))
            }
        }
        deserializer.deserialize_any(One)
    }
}
