//! `status` and `losses`: how a gateway is, and what it had to give up.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::Target;
use super::table::{Paged, print, text};
use super::{Failure, log};
use crate::admin::Command;
use crate::record::{Body, Offset, Record};
use crate::store::fs::Disk;
use crate::store::{self, Dumped, LOG_FOLDER};
use crate::terminal::say;
use crate::units::{count, render_duration, render_size};

/// What is shown of a loss, whoever tells of it.
const LOSS_FIELDS: [&str; 8] = ["since", "kind", "device", "boot", "first", "last", "frames", "reason"];

pub(super) fn status(target: &Target) -> Result<ExitCode, Failure> {
    let rows = target.ask(Command::Status)?;
    let Some(status) = rows.first() else { return Err("the gateway gave no answer".into()) };
    if target.json {
        say(status);
        return Ok(ExitCode::SUCCESS);
    }
    lines(status).iter().all(|(name, value)| say(format_args!("{name:<11} {value}")));
    Ok(ExitCode::SUCCESS)
}

fn lines(status: &Value) -> Vec<(&'static str, String)> {
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let mut state = text(&status["state"]);
    if let Some(reasons) = status["reasons"].as_array().filter(|reasons| !reasons.is_empty()) {
        state += &format!(": {}", reasons.iter().map(text).collect::<Vec<_>>().join("; "));
    }
    let (since, frames) = (&status["since_start"], &status["frames"]);
    let (rates, up) = (&status["rates"], Duration::from_secs(number(&status["uptime_s"])));
    let rate = |value: &Value| value.as_f64().unwrap_or_default();
    let mut lines = vec![
        ("gateway", format!("{} {}", text(&status["gateway"]), text(&status["version"]))),
        ("listens", text(&status["listens"])),
        ("state", state),
        ("up", format!("{} (since {})", render_duration(up), text(&status["started"]))),
        (
            "log",
            format!(
                "durable {}, folded {}, {} behind",
                status["durable"],
                status["folded"],
                render_size(number(&status["lag_bytes"]))
            ),
        ),
        (
            "clients",
            format!(
                "{} connected, {} and {} known",
                status["connections"],
                count(number(&status["devices"]), "device"),
                count(number(&status["subjects"]), "subject")
            ),
        ),
        (
            "rate",
            format!(
                "{:.1} frames/s, {}/s",
                rate(&rates["frames_per_s"]),
                render_size(rate(&rates["log_bytes_per_s"]) as u64)
            ),
        ),
        (
            "frames",
            format!(
                "{} stored since the start, {} recognised, {} quarantined, {} refused",
                since["frames"],
                count(number(&since["duplicates"]), "repeat"),
                since["quarantined"],
                since["refused"]
            ),
        ),
        (
            "account",
            format!(
                "{} stored since ever; {} in quarantine, {} expired, {} discarded, {} dropped",
                count(number(&frames["stored"]), "frame"),
                frames["quarantined"],
                frames["expired"],
                frames["discarded"],
                frames["dropped"]
            ),
        ),
        ("logins", format!("{} let in, {} turned away", since["logins"], since["failed_logins"])),
        ("disk", disk(&status["disk"])),
    ];
    lines.push((
        "quarantine",
        match &status["quarantine"] {
            Value::Null => "not available".to_owned(),
            held => {
                format!("{}, {}", count(number(&held["frames"]), "frame"), render_size(number(&held["bytes"])))
            }
        },
    ));
    match status["upstreams"].as_array() {
        None => lines.push(("upstreams", "not available".to_owned())),
        Some(all) if all.is_empty() => lines.push(("upstreams", "none".to_owned())),
        Some(all) => lines.extend(all.iter().map(|it| ("upstream", upstream(it)))),
    }
    lines.extend(status["sources"].as_array().into_iter().flatten().map(|it| {
        let (name, state) = (text(&it["source"]), text(&it["state"]));
        ("source", format!("{name} {state}: {} received, {} stored", it["received"], it["stored"]))
    }));
    lines
}

/// An upstream that reads no log is sent halos alone.
fn upstream(it: &Value) -> String {
    let number = |key: &str| it[key].as_u64().unwrap_or_default();
    let (frames, halos) = (number("forwarded"), number("halos"));
    let has_halos = halos > 0 || number("halos_pending") > 0;
    let mut sent = Vec::new();
    if !it["live"].is_null() || !has_halos {
        sent.push(format!("{} forwarded, {} pending", count(frames, "frame"), number("pending")));
    }
    if has_halos {
        sent.push(format!("{} forwarded, {} pending", count(halos, "halo"), number("halos_pending")));
    }
    let lag = render_duration(Duration::from_millis(number("lag_ms")));
    format!("{} {}: {}; {lag} behind", text(&it["upstream"]), text(&it["state"]), sent.join("; "))
}

fn disk(disk: &Value) -> String {
    let (Some(used), Some(max)) = (disk["used"].as_u64(), disk["max"].as_u64()) else {
        return "not available".to_owned();
    };
    let left = disk["left_s"].as_u64().map_or_else(
        || "does not fill at the present rate".to_owned(),
        |left| format!("this buffer holds {} at the present rate", render_duration(Duration::from_secs(left))),
    );
    let mark = match text(&disk["mark"]) {
        mark if mark == "warn" => "warn: it is filling".to_owned(),
        mark if mark == "shed" => "shed: what every upstream has is deleted early".to_owned(),
        mark if mark == "refuse" => "refuse: telemetry is refused, devices keep it".to_owned(),
        mark => mark,
    };
    format!("{} of {} ({mark}): {left}", render_size(used), render_size(max))
}

/// What the gateway's ledger says; without a gateway, what the log still says.
pub(super) fn losses(target: &Target) -> Result<ExitCode, Failure> {
    if let Some(rows) = target.try_ask(Command::Losses)? {
        print(&rows, target.json, &LOSS_FIELDS, "nothing was lost");
        return Ok(ExitCode::SUCCESS);
    }
    losses_of_log(target)
}

fn losses_of_log(target: &Target) -> Result<ExitCode, Failure> {
    let folder = target.data_dir.join(LOG_FOLDER);
    if !folder.is_dir() {
        return Err(format!(
            "{} holds no log: name a gateway's data folder with --data-dir",
            target.data_dir.display()
        )
        .into());
    }
    let mut rows = Paged::new(&LOSS_FIELDS, target.json);
    store::dump(&Disk, &folder, Offset(1)..=Offset(u64::MAX), |dumped| {
        let Dumped::Record(record) = dumped else { return ControlFlow::Continue(()) };
        if !record.body.tells_of_loss() {
            return ControlFlow::Continue(());
        }
        if rows.add(loss(&record)) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    rows.end("nothing was lost");
    Ok(ExitCode::SUCCESS)
}

/// A record about a loss, with the names that the gateway's ledger has for the same.
fn loss(record: &Record) -> Value {
    let (kind, fields) = log::describe(&record.body);
    let time = log::time(record.stamp.wall_ms);
    let mut row = json!({"kind": kind, "offset": record.offset.0, "since": time, "time": time});
    if let Some(row) = row.as_object_mut() {
        row.extend(fields);
    }
    match &record.body {
        Body::Gap(gap) => row["frames"] = json!((u64::from(gap.last) + 1).saturating_sub(u64::from(gap.first))),
        Body::Expired(_) => row["frames"] = json!(1),
        Body::Conflict(it) => {
            (row["frames"], row["first"], row["last"]) = (json!(1), json!(it.identity.seq), json!(it.identity.seq));
        }
        _ => {}
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_line_says_how_long_the_buffer_lasts() {
        let full = json!({"used": 1_500_000_000_u64, "max": 10_000_000_000_u64, "mark": "calm", "left_s": 22_800});
        assert_eq!(disk(&full), "1.5 GB of 10.0 GB (calm): this buffer holds 6 h 20 min at the present rate");
        assert_eq!(disk(&Value::Null), "not available");
        for (mark, words) in [("shed", "(shed: what every upstream has is deleted early)"), ("warn", "(warn: it is")] {
            let told = disk(&json!({"used": 1, "max": 2, "mark": mark, "left_s": null}));
            assert!(told.contains(words), "{told}");
        }
        let still = json!({"used": 0, "max": 1, "mark": "calm", "left_s": null});
        assert!(disk(&still).ends_with("does not fill at the present rate"));
    }

    #[test]
    fn upstreams_have_a_line_each() {
        let status = json!({"upstreams": [{"upstream": "far", "state": "flowing", "lag_ms": 3_000, "forwarded": 9, "pending": 1}]});
        let lines = lines(&status);
        let last = lines.last().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(last, Some(("upstream", "far flowing: 9 frames forwarded, 1 pending; 3 s behind")));
    }

    /// Without a gateway the same columns were `key value` pairs under other names.
    #[test]
    fn a_loss_read_from_the_log_has_the_columns_of_the_ledger() {
        use crate::record::{Gap, GatewayTime, Identity, KeyId, StartEpoch};
        let record = |body| Record {
            offset: Offset(7),
            epoch: StartEpoch(1),
            stamp: GatewayTime { wall_ms: 1_700_000_000_000, mono_ms: 1 },
            cause: None,
            key: KeyId::default(),
            body,
        };
        let gap = Gap { device: "w-1".into(), subject: "anna".into(), boot: 3, first: 5, last: 9 };
        let row = loss(&record(Body::Gap(gap)));
        let shown = LOSS_FIELDS.map(|field| text(&row[field]));
        assert_eq!(shown, ["2023-11-14T22:13:20.000Z", "gap", "w-1", "3", "5", "9", "5", "-"]);
        let identity = Identity { boot: 3, seq: 8 };
        let conflict = crate::record::Conflict { device: "w-1".into(), subject: "anna".into(), identity };
        let row = loss(&record(Body::Conflict(conflict)));
        assert_eq!((&row["first"], &row["last"], &row["frames"]), (&8.into(), &8.into(), &1.into()));
    }

    /// One that is sent halos alone was `0 frames forwarded, 0 pending` while they waited.
    #[test]
    fn an_upstream_that_is_sent_halos_alone_tells_of_halos() {
        let far = json!({"upstream": "far", "state": "backing-off", "lag_ms": 61_000, "forwarded": 0, "pending": 0,
                         "live": null, "halos": 1, "halos_pending": 7});
        assert_eq!(upstream(&far), "far backing-off: 1 halo forwarded, 7 pending; 1 min behind");
        let both = json!({"upstream": "far", "state": "flowing", "lag_ms": 0, "forwarded": 1, "pending": 0,
                          "live": 12, "halos": 2, "halos_pending": 0});
        assert_eq!(
            upstream(&both),
            "far flowing: 1 frame forwarded, 0 pending; 2 halos forwarded, 0 pending; 0 s behind"
        );
    }

    #[test]
    fn what_is_one_or_many_is_told_so_and_listeners_stand_apart() {
        let status = json!({"listens": ["mqtt://127.0.0.1:1883", "mqtts://0.0.0.0:8883"], "devices": 1, "subjects": 2,
                            "connections": 1, "quarantine": {"frames": 1, "bytes": 9}});
        let lines = lines(&status);
        let line = |name: &str| lines.iter().find(|(it, _)| *it == name).map(|(_, value)| value.as_str());
        assert_eq!(line("listens"), Some("mqtt://127.0.0.1:1883, mqtts://0.0.0.0:8883"));
        assert_eq!(line("clients"), Some("1 connected, 1 device and 2 subjects known"));
        assert_eq!(line("quarantine"), Some("1 frame, 9 B"));
    }
}
