//! The formats side by side. Each encodes a minute into a buffer and reads it back to a count and a sum of its values;
//! each is told the device's columns beforehand, as a gateway is by a birth.

use halo_proto::chunk::Clock;
use halo_proto::schema::Schema;

use crate::minutes::{Device, Minute, Rows};

mod columnar;
mod json;
mod senml;
mod sparkplug;
mod tf1;

/// How many values, and their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) values: usize,
    pub(crate) sum: i64,
}

impl Seen {
    #[inline]
    fn take(&mut self, value: i64) {
        self.values += 1;
        self.sum = self.sum.wrapping_add(value);
    }
}

/// One way to carry a minute.
pub(crate) trait Format {
    /// Replaces what `out` holds.
    fn encode(&mut self, minute: &Minute, out: &mut Vec<u8>);
    /// Reads all of it.
    fn decode(&mut self, bytes: &[u8]) -> Seen;
}

/// What the table calls them, and how they were set up.
pub(crate) const NAMES: [(&str, &str); 5] = [
    (
        "json",
        "JSON rows: one object a row, names as in the files, whole numbers, t in ms; rows faster than 2/s as arrays by column; serde_json",
    ),
    (
        "senml",
        "SenML-CBOR, best form: one record a value, signal after signal under a base name of two letters, times from a base time, whole numbers; written and read by hand",
    ),
    (
        "sparkplug",
        "Sparkplug B: alias, timestamp and scaled int a value, no datatype; rows faster than 2/s as Int16Array; prost",
    ),
    ("postcard", "postcard, columnar, differences as zigzag varints, times only where the clock does not say them"),
    ("tf1", "TF1: this crate's FrameBuilder and decode_into"),
];

/// The format of this name, for a device.
pub(crate) fn of_name(name: &str, device: &Device) -> Option<Box<dyn Format>> {
    Some(match name {
        "json" => Box::new(json::Json::new(device)),
        "senml" => Box::new(senml::Senml),
        "sparkplug" => Box::new(sparkplug::Sparkplug::new(device)),
        "postcard" => Box::new(columnar::Columnar::default()),
        "tf1" => Box::new(tf1::Tf1::new(device.schema.clone())),
        _ => return None,
    })
}

/// Whether a group's rows come so fast that a row of its own for each would be foolish.
fn is_fast(rows: &Rows) -> bool {
    matches!(rows.clock, Clock::Regular { dt_ms: ..500 })
}

/// Where column `column` of group `group` stands among all columns.
fn place(schema: &Schema, group: usize, column: usize) -> usize {
    schema.groups.iter().take(group).map(|group| group.columns.len()).sum::<usize>() + column
}
