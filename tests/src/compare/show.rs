//! The table, and the settings above it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use super::goal::{Outcome, Verdict};
use super::{Options, ground, node_red};
use crate::{Failure, evidence, mosquitto, process};

/// Under which conditions.
pub(super) fn settings(options: &Options) -> Result<BTreeMap<&'static str, String>, Failure> {
    let machine = evidence::machine();
    let text = |key: &str| machine[key].as_str().unwrap_or("?").to_owned();
    let machine = format!("{} x {}, {}, Linux {}", machine["cores"], text("cpu"), text("memory"), text("kernel"));
    let gateway = process::run(&["--version"])?;
    let first = |text: &[u8]| String::from_utf8_lossy(text).lines().next().unwrap_or("?").trim().to_owned();
    let broker = mosquitto::Mosquitto::program().and_then(|program| Command::new(program).arg("-h").output().ok());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    Ok(BTreeMap::from([
        ("machine", machine),
        ("load", load.split(' ').take(3).collect::<Vec<_>>().join(" ")),
        ("commit", evidence::commit().to_owned()),
        ("gateway", first(&gateway.stdout)),
        ("mosquitto", broker.map_or_else(|| "none".to_owned(), |output| first(&output.stdout))),
        ("node-red", node_red::version().unwrap_or_else(|| "not installed yet".to_owned())),
        ("rounds", format!("{}, of {} s a load, medians", options.rounds, options.seconds)),
        ("configured", ground::CONFIGURED.join(", ")),
        ("folder", options.folder.display().to_string()),
        ("quick", options.quick.to_string()),
    ]))
}

pub(super) fn table(outcomes: &[Outcome]) -> String {
    let mut out = String::new();
    for outcome in outcomes {
        // Writing to a string cannot fail.
        row(&mut out, outcome).unwrap_or_default();
    }
    let (hit, all) = outcomes
        .iter()
        .flat_map(Outcome::verdicts)
        .fold((0, 0), |(hit, all), verdict| (hit + usize::from(verdict.hit), all + 1));
    write!(out, "\n{hit} of {all} targets reached").unwrap_or_default();
    out
}

fn row(out: &mut String, outcome: &Outcome) -> std::fmt::Result {
    writeln!(out, "\n{}: {}", outcome.name, outcome.what)?;
    if let Some(why) = &outcome.skipped {
        return writeln!(out, "    SKIPPED  {why}");
    }
    if let Some(why) = &outcome.failed {
        return writeln!(out, "    FAILED   {why}");
    }
    for Verdict { what, reached, limit, sense, hit } in outcome.verdicts() {
        let word = if hit { "hit " } else { "MISS" };
        let (reached, limit) = (number(reached), number(limit));
        writeln!(out, "    {word} {reached:>12}  wanted {} {limit:<10} {what}", sense.sign())?;
    }
    for (name, value) in outcome.medians() {
        writeln!(out, "         {:>12}  {name}", number(value))?;
    }
    for told in &outcome.configured {
        writeln!(out, "         {:>12}  {told}", "configured")?;
    }
    Ok(())
}

/// Four significant digits or so.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
