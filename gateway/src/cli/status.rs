//! `status` and `losses`: how a gateway is, and what it had to give up.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::Target;
use super::table::{print, text};
use super::{Failure, log};
use crate::admin::Command;
use crate::record::Offset;
use crate::store::fs::Disk;
use crate::store::{self, Dumped, LOG_FOLDER};
use crate::terminal::say;
use crate::units::{render_duration, render_size};

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
                "{} connected, {} devices and {} subjects known",
                status["connections"],
                status["devices"],
                text(&status["subjects"])
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
                "{} stored since the start, {} repeats recognised, {} quarantined, {} refused",
                since["frames"], since["duplicates"], since["quarantined"], since["refused"]
            ),
        ),
        (
            "account",
            format!(
                "{} frames stored since ever; {} in quarantine, {} expired, {} discarded, {} dropped",
                frames["stored"], frames["quarantined"], frames["expired"], frames["discarded"], frames["dropped"]
            ),
        ),
        ("logins", format!("{} let in, {} turned away", since["logins"], since["failed_logins"])),
        ("disk", disk(&status["disk"])),
    ];
    lines.push((
        "quarantine",
        match &status["quarantine"] {
            Value::Null => "not available".to_owned(),
            held => format!("{} frames, {}", held["frames"], render_size(number(&held["bytes"]))),
        },
    ));
    match status["upstreams"].as_array() {
        None => lines.push(("upstreams", "not available".to_owned())),
        Some(all) if all.is_empty() => lines.push(("upstreams", "none".to_owned())),
        Some(all) => lines.extend(all.iter().map(|it| {
            let (name, state) = (text(&it["upstream"]), text(&it["state"]));
            let (forwarded, pending) = (&it["forwarded"], &it["pending"]);
            let lag = render_duration(Duration::from_millis(number(&it["lag_ms"])));
            ("upstream", format!("{name} {state}: {forwarded} frames forwarded, {pending} pending, {lag} behind"))
        })),
    }
    lines.extend(status["sources"].as_array().into_iter().flatten().map(|it| {
        let (name, state) = (text(&it["source"]), text(&it["state"]));
        ("source", format!("{name} {state}: {} received, {} stored", it["received"], it["stored"]))
    }));
    lines
}

fn disk(disk: &Value) -> String {
    let (Some(used), Some(max)) = (disk["used"].as_u64(), disk["max"].as_u64()) else {
        return "not available".to_owned();
    };
    let left = disk["left_s"].as_u64().map_or_else(
        || "does not fill at the present rate".to_owned(),
        |left| format!("this buffer holds {} at the present rate", render_duration(Duration::from_secs(left))),
    );
    format!("{} of {} ({}): {left}", render_size(used), render_size(max), text(&disk["mark"]))
}

/// What the gateway's ledger says; without a gateway, what the log still says.
pub(super) fn losses(target: &Target) -> Result<ExitCode, Failure> {
    if let Some(rows) = target.try_ask(Command::Losses)? {
        let fields = ["since", "kind", "device", "boot", "first", "last", "frames", "reason"];
        print(&rows, target.json, &fields, "nothing was lost");
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
    let mut count = 0_u64;
    store::dump(&Disk, &folder, Offset(1)..=Offset(u64::MAX), |dumped| {
        let Dumped::Record(record) = dumped else { return ControlFlow::Continue(()) };
        if !record.body.tells_of_loss() {
            return ControlFlow::Continue(());
        }
        count += 1;
        let (kind, fields) = log::describe(&record.body);
        let time = log::time(record.stamp.wall_ms);
        let going = if target.json {
            let mut row = json!({"kind": kind, "offset": record.offset.0, "time": time});
            row.as_object_mut().into_iter().for_each(|row| row.extend(fields.clone()));
            say(row)
        } else {
            let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key} {}", text(value))).collect();
            say(format_args!("{time}  {kind:<9} {}", fields.join("  ")))
        };
        if going { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    if count == 0 && !target.json {
        say("nothing was lost");
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_line_says_how_long_the_buffer_lasts() {
        let full = json!({"used": 1_500_000_000_u64, "max": 10_000_000_000_u64, "mark": "calm", "left_s": 22_800});
        assert_eq!(disk(&full), "1.5 GB of 10.0 GB (calm): this buffer holds 6 h 20 min at the present rate");
        assert_eq!(disk(&Value::Null), "not available");
        let still = json!({"used": 0, "max": 1, "mark": "calm", "left_s": null});
        assert!(disk(&still).ends_with("does not fill at the present rate"));
    }

    #[test]
    fn upstreams_have_a_line_each() {
        let status = json!({"upstreams": [{"upstream": "far", "state": "flowing", "lag_ms": 3_000, "forwarded": 9, "pending": 1}]});
        let lines = lines(&status);
        let last = lines.last().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(last, Some(("upstream", "far flowing: 9 frames forwarded, 1 pending, 3 s behind")));
    }
}
