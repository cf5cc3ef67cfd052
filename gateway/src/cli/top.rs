//! `top`: a running gateway on a terminal, asked through its administration socket.

use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use clap::Args;
use halo_proto::topic::Grammar;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::Failure;
use super::client::Target;
use super::table::text;
use crate::admin::Command;
use crate::app::StopSignal;
use crate::clock::Clock;
use crate::view::{About, Disk, Input, Model, Observed, Sample, Screen, Upstream, Wish, can_show};

/// Pictures a second.
const FRAME: Duration = Duration::from_millis(50);
/// How often the gateway is asked.
const PERIOD: Duration = Duration::from_secs(1);
/// Every so many times it is asked which subjects there are, which costs it more than everything else.
const LIST_EVERY: u32 = 10;
/// Answers that wait to be shown.
const ANSWERS_MAX: usize = 256;

#[derive(Args)]
pub(super) struct Top {
    /// Data folder of the gateway, as `gateway.data_dir`.
    #[arg(long, value_name = "DIR", default_value = "halo-data", env = "HALO_GATEWAY__GATEWAY__DATA_DIR")]
    data_dir: std::path::PathBuf,
}

pub(super) fn run(top: Top) -> Result<ExitCode, Failure> {
    if !can_show() {
        return Err("top needs a terminal; `halo-gateway status` says how a gateway is in lines".into());
    }
    let target = Target { data_dir: top.data_dir, json: false };
    let status = target.ask(Command::Status)?;
    let status = status.first().cloned().unwrap_or_default();
    let (wishes, wished) = sync_channel(1);
    let (answers, answered) = mpsc::channel(ANSWERS_MAX);
    // Ends with the channel of wishes; an answer it waits for has an end of its own.
    std::thread::Builder::new().name("asks".to_owned()).spawn(move || ask(&target, &wished, &answers))?;
    super::runtime()?.block_on(show(about(&status), wishes, answered))
}

fn about(status: &Value) -> About {
    About {
        title: format!("halo-gateway top: {} {}", text(&status["gateway"]), text(&status["version"])),
        address: text(&status["listens"]),
        notes: Vec::new(),
        grammar: Grammar::default(),
        ends_mono_ms: None,
    }
}

async fn show(
    about: About,
    wishes: SyncSender<Vec<String>>,
    mut answered: mpsc::Receiver<Observed>,
) -> Result<ExitCode, Failure> {
    let mut stop = StopSignal::listen()?;
    let mut model = Model::new(about);
    let mut pace = interval(FRAME);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut screen = Screen::open()?;
    loop {
        tokio::select! {
            Some(observed) = answered.recv() => model.observe(observed),
            _ = pace.tick() => {
                // Who still works on the last wish gets the next one later.
                wishes.try_send(model.near()).unwrap_or_default();
                model.step();
                screen.show(&model)?;
            }
            input = screen.input() => match input {
                Input::Key(key) if model.press(key) == Wish::Quit => return Ok(ExitCode::SUCCESS),
                Input::Key(_) | Input::Resized => screen.show(&model)?,
                Input::Gone => return Ok(ExitCode::SUCCESS),
            },
            _ = stop.heard() => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// Asks for the figures, and for the halos that somebody looks at, until nobody wishes for anything any more.
fn ask(target: &Target, wished: &Receiver<Vec<String>>, answers: &mpsc::Sender<Observed>) {
    let clock = Clock::system();
    let mut turn = 0_u32;
    while let Ok(near) = wished.recv() {
        let observed = round(target, &clock, &near, turn).unwrap_or_else(|failure| {
            vec![Observed::Health(json!({"state": "gone", "reasons": [failure.to_string()]}))]
        });
        for it in observed {
            if answers.blocking_send(it).is_err() {
                return;
            }
        }
        turn = turn.wrapping_add(1);
        if !rest(wished, &clock) {
            return;
        }
    }
}

/// Waits a period, whatever is wished for meanwhile; `false` when nobody wishes any more.
fn rest(wished: &Receiver<Vec<String>>, clock: &Clock) -> bool {
    let until = clock.now().mono_ms + PERIOD.as_millis() as u64;
    loop {
        let left = Duration::from_millis(until.saturating_sub(clock.now().mono_ms));
        match wished.recv_timeout(left) {
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
            Ok(_) if left.is_zero() => return true,
            Ok(_) => {}
        }
    }
}

fn round(target: &Target, clock: &Clock, near: &[String], turn: u32) -> Result<Vec<Observed>, Failure> {
    let mut observed = Vec::new();
    for status in target.ask(Command::Status)? {
        observed.push(Observed::Sample(Box::new(sample(&status, clock))));
        observed.push(Observed::Health(status));
    }
    if turn.is_multiple_of(LIST_EVERY) {
        observed.extend(target.ask(Command::Subjects)?.into_iter().map(Observed::Row));
    }
    for subject in near {
        // One that is not there any more has nothing new.
        let halos = target.ask(Command::Subject { subject: subject.clone() }).unwrap_or_default();
        observed.extend(halos.into_iter().map(Observed::Halo));
    }
    Ok(observed)
}

fn sample(status: &Value, clock: &Clock) -> Sample {
    let now = clock.now();
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let (since, counts) = (&status["since_start"], &status["counts"]);
    let upstreams = status["upstreams"].as_array().into_iter().flatten().map(|it| Upstream {
        name: text(&it["upstream"]),
        state: text(&it["state"]),
        lag_ms: number(&it["lag_ms"]),
        pending: number(&it["pending"]),
    });
    let disk = &status["disk"];
    Sample {
        mono_ms: now.mono_ms,
        wall_ms: now.wall_ms,
        uptime_ms: number(&status["uptime_s"]) * 1_000,
        connections: number(&status["connections"]),
        publishes: number(&counts["publishes"]),
        refused: number(&since["refused"]),
        frames: number(&since["frames"]),
        duplicates: number(&since["duplicates"]),
        quarantined: number(&since["quarantined"]),
        records: number(&counts["records"]),
        bytes: number(&counts["bytes"]),
        folded_records: number(&counts["folded"]),
        halos: number(&counts["halos"]),
        readings: number(&counts["readings"]),
        durable: number(&status["durable"]),
        folded: number(&status["folded"]),
        disk: disk["mark"].as_str().map(|mark| Disk {
            used: number(&disk["used"]),
            max: number(&disk["max"]),
            mark: mark.to_owned(),
        }),
        upstreams: upstreams.collect(),
        fleet: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_becomes_the_figures_of_a_moment() {
        let status = json!({
            "uptime_s": 61, "connections": 3, "durable": 9, "folded": 7,
            "since_start": {"frames": 5, "duplicates": 1, "quarantined": 2, "refused": 4},
            "counts": {"publishes": 6, "records": 9, "bytes": 640, "syncs": 8, "folded": 7, "halos": 11, "readings": 12},
            "disk": {"used": 1, "max": 2, "mark": "calm", "left_s": null},
            "upstreams": [{"upstream": "far", "state": "flowing", "lag_ms": 30, "pending": 2}],
        });
        let sample = sample(&status, &Clock::system());
        assert_eq!((sample.behind(), sample.lost(), sample.uptime_ms), (2, None, 61_000));
        assert_eq!((sample.publishes, sample.records, sample.folded_records, sample.halos), (6, 9, 7, 11));
        assert_eq!(sample.disk, Some(Disk { used: 1, max: 2, mark: "calm".to_owned() }));
        let far = Upstream { name: "far".to_owned(), state: "flowing".to_owned(), lag_ms: 30, pending: 2 };
        assert_eq!(sample.upstreams, [far]);
    }
}
