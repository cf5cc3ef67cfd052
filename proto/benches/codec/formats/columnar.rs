//! postcard over columns of differences: what one gets with serde and an afternoon.

use halo_proto::chunk::Clock;
use serde::{Deserialize, Serialize};

use super::{Format, Seen};
use crate::minutes::{Minute, Rows};

#[derive(Default, Serialize, Deserialize)]
struct Batch {
    schema: u32,
    boot: u32,
    seq: u32,
    t0_ms: u64,
    groups: Vec<Group>,
}

#[derive(Default, Serialize, Deserialize)]
struct Group {
    /// The first time and the steps after it; the first time alone where the clock says the rest.
    times: Vec<i64>,
    columns: Vec<Vec<i64>>,
}

#[derive(Default)]
pub(crate) struct Columnar {
    seq: u32,
}

impl Format for Columnar {
    fn encode(&mut self, minute: &Minute, out: &mut Vec<u8>) {
        self.seq = (self.seq + 1) & 127;
        let t0_ms = minute.t0_ms.unsigned_abs();
        let groups = minute.groups.iter().map(|rows| group(rows, minute.t0_ms)).collect();
        let batch = Batch { schema: 1, boot: 7, seq: self.seq, t0_ms, groups };
        out.clear();
        *out = postcard::to_extend(&batch, std::mem::take(out)).expect("plain structs serialise");
    }

    fn decode(&mut self, bytes: &[u8]) -> Seen {
        let batch: Batch = postcard::from_bytes(bytes).expect("readable");
        let mut seen = Seen::default();
        for column in batch.groups.iter().flat_map(|group| &group.columns) {
            column.iter().fold(0i64, |last, difference| {
                let value = last.wrapping_add(*difference);
                seen.take(value);
                value
            });
        }
        seen
    }
}

fn group(rows: &Rows, t0_ms: i64) -> Group {
    let mut times = differences(&rows.times, t0_ms);
    let told = match rows.clock {
        Clock::Interval => true,
        Clock::Regular { dt_ms } => times.iter().skip(1).all(|step| *step == i64::from(dt_ms)),
        Clock::Irregular { .. } => false,
    };
    if told {
        times.truncate(1);
    }
    Group { times, columns: rows.columns.iter().map(|column| differences(column, 0)).collect() }
}

fn differences(values: &[i64], before: i64) -> Vec<i64> {
    let mut last = before;
    values.iter().map(|value| value.wrapping_sub(std::mem::replace(&mut last, *value))).collect()
}
