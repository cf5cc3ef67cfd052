//! The gateway beside what else there is, on one machine, in one run, under one load: every row of the table of speed and
//! size, its target and what was reached.
//!
//! **In:** [`Options`]. **Out:** a table, and one JSON document. **How:** every row brings up its own servers on fresh
//! folders, one after the other, so that nothing else runs while one is measured; rounds repeat all rows in turn, and what
//! is shown is the median of the rounds. The load is [`firmware_sim::bench`], in this process, on one thread.
//!
//! **Beside:** Debian's mosquitto (`set_tcp_nodelay true`, no persistence, no bound on queues); the same with Node-RED
//! behind it; a server that acknowledges at once; the disk by itself.
//!
//! **Failure model:** a row that cannot run here (no mosquitto, no node) is shown as skipped, one that fails as failed with
//! its reason, and the others go on; a target that is missed is a finding, not a failure of the program.

mod vitals;
mod node_red;
mod ground;
mod goal;
mod rows;
mod show;

use std::path::PathBuf;

use serde_json::{Map, Value, json};

pub use ground::Ground;
pub use rows::names;

use crate::rig::{Disk, FileSystem, Setup};
use crate::{Failure, evidence};
use goal::{Outcome, Round};
use rows::Row;

/// What is compared, and how long.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names of rows, with `@10ms` behind those on a slow disk; empty: all.
    pub rows: Vec<String>,
    /// Times every row is measured.
    pub rounds: u32,
    /// Measured time of one load, seconds.
    pub seconds: f64,
    /// Small numbers everywhere: to see that it works, not to measure.
    pub quick: bool,
    /// Milliseconds that a flush of the slow disks takes; rows of commits and latencies are repeated on each.
    pub delays: Vec<u32>,
    /// Where data folders are made.
    pub folder: PathBuf,
    /// Where the JSON document goes.
    pub json: Option<PathBuf>,
}

/// Measures, prints the table, writes the document; whether every row ran.
///
/// # Errors
/// Unknown rows, or the document cannot be written.
pub fn run(options: &Options) -> Result<bool, Failure> {
    vitals::raise_open_files()?;
    ground::build()?;
    let chosen = choose(options)?;
    let settings = show::settings(options)?;
    settings.iter().for_each(|(name, value)| println!("{name:10} {value}"));
    let mut outcomes: Vec<Outcome> = chosen.iter().map(|(row, delay)| Outcome::new(row, *delay)).collect();
    for round in 0..options.rounds {
        for (at, ((row, delay), outcome)) in chosen.iter().zip(&mut outcomes).enumerate() {
            if (row.once && round > 0) || outcome.is_over() {
                continue;
            }
            eprintln!(
                "round {} of {}, row {} of {}: {}",
                round + 1,
                options.rounds,
                at + 1,
                chosen.len(),
                outcome.name
            );
            outcome.take(measure(options, row, *delay));
        }
    }
    println!("{}", show::table(&outcomes));
    let mut fields = Map::new();
    fields.insert("settings".to_owned(), json!(settings));
    fields.insert("rows".to_owned(), outcomes.iter().map(Outcome::json).collect::<Value>());
    evidence::write(options.json.as_deref(), fields)?;
    Ok(!outcomes.iter().any(Outcome::has_failed))
}

/// One round of one row.
fn measure(options: &Options, row: &Row, delay: Option<u32>) -> Result<Round, Failure> {
    let Some(ms) = delay else {
        return measure_in(options.folder.clone(), options, row);
    };
    let disk = Disk::new(Setup { flush_delay_ms: ms, bytes: 2 << 30, ..Setup::new(FileSystem::Ext4) })?;
    measure_in(disk.path(), options, row)
}

fn measure_in(folder: PathBuf, options: &Options, row: &Row) -> Result<Round, Failure> {
    let ground = Ground::new(folder, options)?;
    let figures = (row.run)(&ground)?;
    Ok(Round { figures, configured: ground.configured() })
}

fn choose(options: &Options) -> Result<Vec<(&'static Row, Option<u32>)>, Failure> {
    let all: Vec<(&Row, Option<u32>)> = rows::on_all_disks(&options.delays).collect();
    let named: Vec<(String, (&Row, Option<u32>))> =
        all.iter().map(|(row, delay)| (goal::name_of(row, *delay), (*row, *delay))).collect();
    if options.rows.is_empty() {
        return Ok(all);
    }
    let mut chosen = Vec::new();
    for wanted in &options.rows {
        // A row's name also means the same row on the slow disks that were asked for.
        let slow = format!("{wanted}@");
        let found = named.iter().filter(|(name, _)| name == wanted || name.starts_with(&slow));
        let before = chosen.len();
        chosen.extend(found.map(|(_, row)| *row));
        if chosen.len() == before {
            let names: Vec<&str> = named.iter().map(|(name, _)| &**name).collect();
            return Err(format!("row is {wanted:?}, wanted of: {}", names.join(", ")).into());
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rows_name_also_means_it_on_the_slow_disks_that_were_asked_for() {
        let chosen = |rows: &[&str], delays: &[u32]| {
            let rows = rows.iter().map(|name| (*name).to_owned()).collect();
            let (folder, delays) = (std::env::temp_dir(), delays.to_vec());
            let options = Options { rows, rounds: 1, seconds: 0.1, quick: true, delays, folder, json: None };
            choose(&options).map(|all| all.iter().map(|(row, delay)| goal::name_of(row, *delay)).collect::<Vec<_>>())
        };
        assert_eq!(
            chosen(&["latency", "connects"], &[1, 50]).unwrap(),
            ["latency", "latency@1ms", "latency@50ms", "connects"]
        );
        assert_eq!(chosen(&["latency@50ms"], &[1, 50]).unwrap(), ["latency@50ms"]);
        assert!(chosen(&["latency@50ms"], &[1]).is_err());
    }
}
