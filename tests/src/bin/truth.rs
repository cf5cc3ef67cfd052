//! How much of what happens in a simulated fleet the gateway finds: `cargo run --release -p halo-tests --bin truth`.
//!
//! Plays scenarios of the simulator in simulated time through the real decoder and fold, and holds what the halos tell
//! against what happened. Fails when precision or recall of anything that the sensors can show is below the floor.

use std::io::IsTerminal;

use clap::Parser;
use halo_tests::truth::{Extent, FLOOR, judge};
use halo_tests::{Failure, evidence};

/// Precision and recall of everything that is derived, against simulated truth.
#[derive(Parser)]
struct Arguments {
    /// Seeds, from 1 on.
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// The same where sparks are judged; default: as many.
    #[arg(long, value_name = "SEEDS")]
    spark_seeds: Option<u64>,
    /// At most so many devices of each kind; default: as many as the scenario has.
    #[arg(long)]
    devices: Option<usize>,
    /// Only this scenario.
    #[arg(long, value_name = "NAME")]
    scenario: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let shows = std::io::stderr().is_terminal();
    let Arguments { seeds, devices, .. } = arguments;
    let scenario = arguments.scenario.as_deref();
    let spark_seeds = arguments.spark_seeds.unwrap_or(seeds);
    let extent = Extent { seeds, spark_seeds, devices, scenario };
    let table = judge(extent, |scenario, seed| {
        if shows {
            eprint!("\r{scenario}, seed {seed} of {}        ", seeds.max(spark_seeds));
        }
    })?;
    if shows {
        eprintln!();
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&table)?);
    } else {
        println!("machine {}, seeds 1 to {seeds}, of sparks 1 to {spark_seeds}\n\n{table}", evidence::machine());
    }
    let missed: Vec<String> = table.misses().map(|line| format!("{}: {}", line.kind, line.event)).collect();
    if missed.is_empty() {
        return Ok(());
    }
    Err(format!("below {FLOOR}: {}", missed.join("; ")).into())
}
