//! Sparkplug B 3.0, a DATA message: the metrics' names went ahead in the birth, an alias stands for each.

use halo_proto::schema::Schema;
use prost::Message;

use super::{Format, Seen, is_fast, place};
use crate::minutes::{Device, Minute};

/// Sparkplug times are Unix milliseconds.
const UNIX_MINUS_UPTIME_MS: i64 = 1_764_000_000_000;

/// The fields used, with the numbers of `sparkplug_b.proto`.
#[derive(Clone, PartialEq, Message)]
struct Payload {
    #[prost(uint64, optional, tag = "1")]
    timestamp: Option<u64>,
    #[prost(message, repeated, tag = "2")]
    metrics: Vec<Metric>,
    #[prost(uint64, optional, tag = "3")]
    seq: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(uint64, optional, tag = "2")]
    alias: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "10")]
    int_value: Option<u32>,
    #[prost(bytes = "vec", optional, tag = "16")]
    bytes_value: Option<Vec<u8>>,
}

pub(crate) struct Sparkplug {
    schema: Schema,
    seq: u64,
}

impl Sparkplug {
    pub(crate) fn new(device: &Device) -> Self {
        Self { schema: device.schema.clone(), seq: 0 }
    }
}

impl Format for Sparkplug {
    fn encode(&mut self, minute: &Minute, out: &mut Vec<u8>) {
        let unix = |ms: i64| Some((ms + UNIX_MINUS_UPTIME_MS).unsigned_abs());
        let mut metrics = Vec::with_capacity(minute.samples());
        for rows in &minute.groups {
            let alias = |column| Some(place(&self.schema, rows.group, column) as u64);
            if is_fast(rows) {
                metrics.extend(rows.columns.iter().enumerate().map(|(column, values)| Metric {
                    alias: alias(column),
                    timestamp: unix(rows.times[0]),
                    int_value: None,
                    bytes_value: Some(values.iter().flat_map(|value| int16(*value).to_le_bytes()).collect()),
                }));
                continue;
            }
            for (row, time) in rows.times.iter().enumerate() {
                metrics.extend(rows.columns.iter().enumerate().map(|(column, values)| Metric {
                    alias: alias(column),
                    timestamp: unix(*time),
                    // Int32 travels as the same 32 bits, unsigned.
                    int_value: Some(i32::try_from(values[row]).expect("32 bits").cast_unsigned()),
                    bytes_value: None,
                }));
            }
        }
        self.seq = (self.seq + 1) & 127;
        out.clear();
        let payload = Payload { timestamp: unix(minute.t0_ms + 60_000), metrics, seq: Some(self.seq) };
        payload.encode(out).expect("a Vec grows");
    }

    fn decode(&mut self, bytes: &[u8]) -> Seen {
        let payload = Payload::decode(bytes).expect("readable");
        let mut seen = Seen::default();
        for metric in &payload.metrics {
            if let Some(value) = metric.int_value {
                seen.take(i64::from(value.cast_signed()));
            }
            for pair in metric.bytes_value.iter().flat_map(|bytes| bytes.chunks_exact(2)) {
                seen.take(i64::from(i16::from_le_bytes([pair[0], pair[1]])));
            }
        }
        seen
    }
}

fn int16(value: i64) -> i16 {
    i16::try_from(value).expect("fast rows are 16 bits")
}
