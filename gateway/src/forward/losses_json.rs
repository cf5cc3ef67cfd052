//! `losses/1`: one thing that was lost, or that may have been. `gateway/schema/losses-1.schema.json` describes every field.
//!
//! A pure function of the record, so that every upstream and every replay say the same.

use bytes::Bytes;
use serde::Serialize;

use super::json::{Time, document};
use super::readings_json::mid;
use crate::record::{Body, Record};

/// Renders a record that tells of a loss; `None` for any other.
pub fn losses_json(log: &str, record: &Record) -> Option<Bytes> {
    let mut json = LossesJson {
        schema: "losses/1",
        mid: mid(log, record.offset),
        kind: "",
        device: "",
        subject: "",
        boot: None,
        first: None,
        last: None,
        frames: 1,
        reason: "",
        of: None,
        time: Time(record.stamp.wall_ms),
    };
    match &record.body {
        Body::Gap(gap) => {
            (json.kind, json.device, json.subject) = ("gap", &gap.device, &gap.subject);
            (json.boot, json.first, json.last) = (Some(gap.boot), Some(gap.first), Some(gap.last));
            json.frames = u64::from(gap.last.saturating_sub(gap.first)) + 1;
            json.reason = "these sequences never came and are no longer waited for";
        }
        Body::Dropped(dropped) => {
            (json.kind, json.device, json.subject) = ("dropped", &dropped.device, &dropped.subject);
            (json.boot, json.first, json.last) = (Some(dropped.boot), Some(dropped.first), Some(dropped.last));
            (json.frames, json.reason) = (u64::from(dropped.frames), &dropped.reason);
        }
        Body::Expired(expired) => {
            (json.kind, json.device, json.subject) = ("expired", &expired.device, &expired.subject);
            json.reason = &expired.reason;
            json.of = record.cause.map(|cause| mid(log, cause));
        }
        Body::Conflict(conflict) => {
            (json.kind, json.device, json.subject) = ("conflict", &conflict.device, &conflict.subject);
            let identity = conflict.identity;
            (json.boot, json.first, json.last) = (Some(identity.boot), Some(identity.seq), Some(identity.seq));
            json.reason = "the sequence was used before, with other bytes or too long ago to compare; both are kept";
            json.of = record.cause.map(|cause| mid(log, cause));
        }
        Body::Damaged(damaged) => {
            // Whose they were is not known; no device and no subject can have this name.
            (json.kind, json.device, json.subject) = ("damaged", "*", "*");
            (json.frames, json.reason) = (damaged.lost.offsets(), &damaged.what);
        }
        _ => return None,
    }
    Some(document(&json))
}

#[derive(Serialize)]
struct LossesJson<'a> {
    schema: &'static str,
    mid: String,
    kind: &'static str,
    device: &'a str,
    subject: &'a str,
    boot: Option<u32>,
    first: Option<u32>,
    last: Option<u32>,
    frames: u64,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<String>,
    time: Time,
}
