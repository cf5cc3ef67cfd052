//! Situations in the demo: which there are, what makes them ready, and how a spark is told.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use firmware_sim::{FleetConfig, scenario};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::admin::{Answer, Command, Request, SOCKET_FILE, VERSION};
use crate::situations::{self, Cast, Later, Situation};
use crate::terminal::say;

/// Longest wait for an answer of the gateway in this process.
const PATIENCE: Duration = Duration::from_secs(10);
/// Columns of a line.
const COLUMNS: usize = 110;

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    /// What there is.
    List,
    /// This one.
    One(&'static Situation),
}

pub(super) fn parse(name: &str) -> Result<Wanted, String> {
    if name == "list" {
        return Ok(Wanted::List);
    }
    let playable = || situations::all().iter().filter(|situation| situation.fleet.is_some());
    playable().find(|situation| situation.name == name).map(Wanted::One).ok_or_else(|| {
        let names: Vec<&str> = playable().map(|situation| situation.name).collect();
        format!("there is no situation {name:?}; there are {}", names.join(", "))
    })
}

/// Prints what there is.
pub(super) fn list() -> ExitCode {
    let playable = situations::all().iter().filter(|situation| situation.fleet.is_some());
    playable.map(|situation| format!("{:<19} {}", situation.name, situation.says)).all(say);
    ExitCode::SUCCESS
}

/// A fleet as a situation wants it.
pub(super) fn cast(cast: Cast, base: FleetConfig) -> Result<FleetConfig, Failure> {
    let scenario = scenario(cast.scenario).ok_or_else(|| format!("the simulator has no {:?}", cast.scenario))?;
    let lasting = Duration::from_secs(cast.lasting_s);
    Ok(scenario.config(Some(cast.devices), Some(f64::from(cast.compression)), Some(lasting), base))
}

/// Says something to the gateway in this process.
pub(super) async fn tell_all(commands: Vec<Command>, folder: &Path) -> Result<(), Failure> {
    let socket = folder.join(SOCKET_FILE);
    let told = tokio::task::spawn_blocking(move || {
        commands.into_iter().try_for_each(|command| tell(&socket, command)).map_err(|failure| failure.to_string())
    });
    Ok(told.await??)
}

/// Says what is to be said while a situation is played, and on the terminal that it was; ends when it is stopped.
pub(super) async fn go_on(later: Vec<Later>, folder: PathBuf, shows: bool, stop: CancellationToken) {
    let mut passed = Duration::ZERO;
    for Later { after, line, command } in later {
        let wait = after.saturating_sub(std::mem::replace(&mut passed, after));
        if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
        let socket = folder.join(SOCKET_FILE);
        let told = tokio::task::spawn_blocking(move || tell(&socket, command).map_err(|failure| failure.to_string()));
        let failed = match told.await {
            Ok(Ok(())) => String::new(),
            Ok(Err(why)) => format!(": {why}"),
            Err(panicked) => format!(": {panicked}"),
        };
        if shows {
            say(format_args!("           $ halo-gateway {line}{failed}"));
        }
    }
}

fn tell(socket: &Path, command: Command) -> Result<(), Failure> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(&Request { v: VERSION, command })?;
    line.push(b'\n');
    stream.write_all(&line)?;
    for line in BufReader::new(stream).lines() {
        match serde_json::from_str(&line?)? {
            Answer::Row(_) => {}
            Answer::Done => return Ok(()),
            Answer::Failed(why) => return Err(why.into()),
        }
    }
    Err("the gateway did not answer".into())
}

/// A spark on its subject's topic, or a device's welcome, in one line; none of any other document, nor of the copy of a
/// spark for whoever owns its rule.
pub(super) fn line(topic: &str, payload: &[u8]) -> Option<String> {
    let spark: Value = serde_json::from_slice(payload).ok()?;
    let text = |field: &str| spark[field].as_str();
    if text("schema") == Some("welcome/1") {
        let (device, subject) = (text("device")?, text("subject")?);
        return Some(format!("{device:<10} ← welcome: {subject}'s, with {}", spark["settings"]));
    }
    if text("schema") == Some("cmd/1") {
        return None;
    }
    let (state, rule, subject) = (text("state")?, text("rule")?, text("subject")?);
    if !topic.ends_with(&format!("/{subject}/{rule}")) {
        return None;
    }
    let (mark, said) = match state {
        "raised" => ("✦", text("message").unwrap_or_default().to_owned()),
        "answered" => ("↩", spark["answer"]["answer"].as_str().unwrap_or_default().to_owned()),
        _ => match text("why") {
            None | Some("over") => ("·", "over".to_owned()),
            Some(why) => ("·", format!("over: {why}")),
        },
    };
    Some(fitting(format!("{subject:<10} {mark} {rule}: {said}")))
}

/// A line that fits a terminal.
pub(super) fn fitting(line: String) -> String {
    if line.chars().count() > COLUMNS { line.chars().take(COLUMNS - 1).chain(['…']).collect() } else { line }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_turn_of_a_spark_has_a_line_that_fits_a_terminal() {
        let long = "x".repeat(300);
        for (spark, wanted) in [
            (json!({"state": "raised", "rule": "r", "subject": "anna", "message": "come"}), "anna       ✦ r: come"),
            (
                json!({"state": "answered", "rule": "r", "subject": "anna", "answer": {"answer": "accepted"}}),
                "accepted",
            ),
            (json!({"state": "cleared", "rule": "r", "subject": "anna", "why": "apart"}), "over: apart"),
            (json!({"state": "raised", "rule": "r", "subject": "anna", "message": long}), "…"),
            (
                json!({"schema": "welcome/1", "device": "wrist-02", "subject": "anna", "settings": {"goal": "6000"}}),
                "anna's, with {\"goal\":\"6000\"}",
            ),
        ] {
            let line = line("halo/v1/sparks/anna/r", spark.to_string().as_bytes()).unwrap();
            assert!(line.contains(wanted) && line.chars().count() <= COLUMNS, "{line}");
            let owners = super::line("halo/v1/sparks/park/r", spark.to_string().as_bytes());
            assert!(owners.is_none() || spark["schema"] == "welcome/1", "each is shown once");
        }
        assert_eq!(line("halo/v1/sparks/anna/r", b"{}"), None);
        let cmd = json!({"schema": "cmd/1", "state": "cleared", "rule": "r", "subject": "anna"});
        assert_eq!(
            line("halo/v1/d/band/cmd", cmd.to_string().as_bytes()),
            None,
            "the spark is shown, not each device that is told of it"
        );
    }

    #[test]
    fn every_situation_has_a_fleet_that_the_simulator_knows_and_another_name_is_told_what_there_is() {
        for situation in situations::all() {
            let base = FleetConfig::new("127.0.0.1".parse().unwrap(), 1);
            cast(situation.fleet.unwrap(), base).unwrap();
            assert!(matches!(parse(situation.name), Ok(Wanted::One(_))));
        }
        assert!(matches!(parse("list"), Ok(Wanted::List)));
        assert!(parse("parkday").unwrap_err().contains("park-day"));
    }
}
