//! What the desk knows, as JSON.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::parts::{Disk, Held, Upstream};
use crate::auth::{Accounts, Grants};
use crate::ingest::Known;
use crate::ingest::losses::Loss;

/// RFC 3339, to the millisecond.
pub(crate) fn time(unix_ms: i64) -> Value {
    Timestamp::from_millisecond(unix_ms).map_or(Value::Null, |time| json!(format!("{time:.3}")))
}

pub(super) fn device(known: &Known, has_token: bool) -> Value {
    let Known { device, subject, online, missing, lost, clocks_refused } = known;
    json!({
        "device": **device, "subject": **subject, "online": online, "missing": missing, "lost": lost,
        "clocks_refused": clocks_refused, "token": has_token,
    })
}

/// A halo, in a line.
pub(super) fn subject(halo: &Value) -> Value {
    let devices: Vec<&String> = halo["presence"].as_object().into_iter().flat_map(|devices| devices.keys()).collect();
    let signals = halo["signals"].as_object().map_or(0, serde_json::Map::len);
    json!({
        "subject": halo["subject"], "kind": halo["kind"], "time": halo["time"], "devices": devices,
        "signals": signals, "accepted": halo["quality"]["accepted"], "missing": halo["quality"]["missing"],
        "merged_into": halo["merged_into"],
    })
}

pub(super) fn held(held: &Held) -> Value {
    let Held { offset, reason, attempts, since_ms, frame } = held;
    json!({
        "frame": offset.0, "device": *frame.device, "subject": *frame.subject, "reason": reason,
        "attempts": attempts, "since": time(*since_ms), "bytes": frame.payload.len(),
    })
}

pub(super) fn held_whole(it: &Held) -> Value {
    use std::fmt::Write as _;
    let payload = it.frame.payload.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    });
    let mut row = held(it);
    row["payload"] = json!(payload);
    row["publisher"] = json!(*it.frame.publisher);
    row["arrival"] = time(it.frame.arrival.wall_ms);
    row
}

pub(super) fn upstream(it: &Upstream) -> Value {
    let Upstream { name, state, lag_ms, forwarded, pending, more } = it;
    let mut row =
        json!({"upstream": name, "state": state, "lag_ms": lag_ms, "forwarded": forwarded, "pending": pending});
    if let (Some(row), Some(more)) = (row.as_object_mut(), more.as_object()) {
        row.extend(more.clone());
    }
    row
}

pub(super) fn disk(it: &Disk) -> Value {
    let Disk { used, max, mark, left } = it;
    json!({"used": used, "max": max, "mark": mark, "left_s": left.map(|left| left.as_secs())})
}

pub(super) fn loss(it: &Loss) -> Value {
    json!({
        "kind": it.kind, "device": *it.device, "subject": *it.subject, "boot": it.boot, "first": it.first,
        "last": it.last, "frames": it.frames, "reason": it.reason, "from": it.stretch.first.0,
        "until": it.stretch.last.0, "since": time(it.since.wall_ms), "time": time(it.until.wall_ms),
    })
}

/// Every account, without its secret.
pub fn users(accounts: &Accounts) -> Vec<Value> {
    let people = accounts.user.iter().map(|(name, account)| {
        let roles: Vec<&str> = account.roles.iter().map(|role| role.as_str()).collect();
        with_grants(json!({"user": name.as_str(), "kind": "user", "roles": roles}), &account.may)
    });
    let devices = accounts.device.keys().map(|name| json!({"user": name.as_str(), "kind": "device"}));
    people.chain(devices).collect()
}

/// Every role and what it grants.
pub fn roles(accounts: &Accounts) -> Vec<Value> {
    accounts.role.iter().map(|(name, may)| with_grants(json!({"role": name.as_str()}), may)).collect()
}

fn with_grants(mut row: Value, may: &Grants) -> Value {
    row["publish"] = json!(may.publish);
    row["subscribe"] = json!(may.subscribe);
    row["devices"] = json!(may.devices);
    row
}
