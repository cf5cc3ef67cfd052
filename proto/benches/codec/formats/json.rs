//! JSON, a row an object.

use std::fmt;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Serialize, Serializer};

use super::{Format, Seen, is_fast};
use crate::minutes::{Device, Minute, Rows};

pub(crate) struct Json {
    names: Vec<Vec<String>>,
}

impl Json {
    pub(crate) fn new(device: &Device) -> Self {
        Self { names: device.names.clone() }
    }
}

impl Format for Json {
    fn encode(&mut self, minute: &Minute, out: &mut Vec<u8>) {
        out.clear();
        serde_json::to_writer(out, &Batch { minute, names: &self.names }).expect("a Vec grows");
    }

    fn decode(&mut self, bytes: &[u8]) -> Seen {
        let rows: Vec<Read<'_>> = serde_json::from_slice(bytes).expect("readable");
        let mut seen = Seen::default();
        for (name, cell) in rows.iter().flat_map(|row| &row.0) {
            match cell {
                Cell::One(_) if *name == "t" || *name == "dt" => {}
                Cell::One(value) => seen.take(*value),
                Cell::Many(values) => values.iter().for_each(|value| seen.take(*value)),
            }
        }
        seen
    }
}

struct Batch<'a> {
    minute: &'a Minute,
    names: &'a [Vec<String>],
}

impl Serialize for Batch<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_seq(None)?;
        for rows in &self.minute.groups {
            let names = &self.names[rows.group];
            if is_fast(rows) {
                all.serialize_element(&Fast { rows, names })?;
                continue;
            }
            for row in 0..rows.times.len() {
                all.serialize_element(&Row { rows, names, row })?;
            }
        }
        all.end()
    }
}

struct Row<'a> {
    rows: &'a Rows,
    names: &'a [String],
    row: usize,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("t", &self.rows.times[self.row])?;
        for (name, column) in self.names.iter().zip(&self.rows.columns) {
            map.serialize_entry(name, &column[self.row])?;
        }
        map.end()
    }
}

struct Fast<'a> {
    rows: &'a Rows,
    names: &'a [String],
}

impl Serialize for Fast<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let times = &self.rows.times;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("t", &times[0])?;
        map.serialize_entry("dt", &times.get(1).map_or(0, |second| second - times[0]))?;
        for (name, column) in self.names.iter().zip(&self.rows.columns) {
            map.serialize_entry(name, column)?;
        }
        map.end()
    }
}

/// A row as it comes back: names and cells, whatever they are.
struct Read<'a>(Vec<(&'a str, Cell)>);

enum Cell {
    One(i64),
    Many(Vec<i64>),
}

impl<'de> Deserialize<'de> for Read<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Read<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Read(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl<'de> Visitor<'de> for Numbers {
            type Value = Cell;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or an array of them")
            }
            fn visit_i64<E>(self, value: i64) -> Result<Cell, E> {
                Ok(Cell::One(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Cell, E> {
                Ok(Cell::One(value.cast_signed()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Cell, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element()? {
                    values.push(value);
                }
                Ok(Cell::Many(values))
            }
        }
        deserializer.deserialize_any(Numbers)
    }
}
