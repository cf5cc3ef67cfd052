//! The gateway beside mosquitto, Node-RED and the bare machine: `cargo run --release -p halo-tests --bin compare`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use halo_tests::Failure;
use halo_tests::compare::{Options, names, run};

/// Measures every row of the table of speed and size, side by side, and prints what was wanted and what was reached.
#[derive(Parser)]
#[command(after_help = "\
Exit codes: 0 every row ran, whatever it reached; 1 a row failed; 2 the command line is wrong.
All rows take about 6 minutes in one round, 17 in five, each slow disk another minute a round.
Slow disks need root, nbdkit, libnbd-bin and fuse3.")]
struct Arguments {
    /// Rounds; medians are shown
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Measured seconds of one load
    #[arg(long, default_value_t = 2.5)]
    seconds: f64,
    /// Only these rows, separated by commas; `acks-100@10ms` is a row on a slow disk
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Show the rows, also those that --disk-delay adds, and end
    #[arg(long)]
    list: bool,
    /// One short round with few connections: whether it works, not how fast
    #[arg(long)]
    quick: bool,
    /// Repeat the rows of commits and latencies on disks whose flushes take this long, ms, separated by commas
    #[arg(long, value_name = "MS", value_delimiter = ',')]
    disk_delay: Vec<u32>,
    /// Where data folders are made [default: the system's temporary folder]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Also write everything to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> Result<ExitCode, Failure> {
    let Arguments { rounds, seconds, rows, list, quick, disk_delay, folder, json } = Arguments::parse();
    if list {
        names(&disk_delay).iter().for_each(|(name, what)| println!("{name:22} {what}"));
        return Ok(ExitCode::SUCCESS);
    }
    let all_ran = run(&Options {
        rows,
        rounds: if quick { 1 } else { rounds },
        seconds: if quick { seconds.min(0.3) } else { seconds },
        quick,
        delays: disk_delay,
        folder: folder.unwrap_or_else(std::env::temp_dir),
        json,
    })?;
    Ok(if all_ran { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
