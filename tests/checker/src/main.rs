//! `halo-checker --ledger FILE --log FILE --received NAME=FILE …`: exit code 0 when every rule holds, 1 when one is
//! broken, 2 when an input cannot be read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use halo_checker::{Ledger, Log, Received, Report, check};

/// Judges a gateway from what was sent, what stands in its log and what arrived.
#[derive(Parser)]
struct Arguments {
    /// The sender's ledger, JSON lines.
    #[arg(long)]
    ledger: PathBuf,
    /// What `halo-gateway log dump --json` printed.
    #[arg(long)]
    log: PathBuf,
    /// What an upstream received, JSON lines; its name is the consumer's in the log.
    #[arg(long, value_name = "NAME=FILE")]
    received: Vec<String>,
    /// Nothing may be pending any more.
    #[arg(long)]
    drained: bool,
    /// The report as one JSON document.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match judge(&arguments) {
        Ok(report) => {
            if arguments.json {
                println!("{}", serde_json::json!({"holds": report.holds(), "report": report}));
            } else {
                print!("{report}");
            }
            if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("halo-checker: {error}");
            ExitCode::from(2)
        }
    }
}

fn judge(arguments: &Arguments) -> Result<Report, Box<dyn std::error::Error>> {
    let read = |path: &PathBuf| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let ledger = Ledger::read(&read(&arguments.ledger)?)?;
    let log = Log::read(&read(&arguments.log)?)?;
    let mut upstreams = BTreeMap::new();
    for received in &arguments.received {
        let (name, file) = received.split_once('=').ok_or_else(|| format!("{received:?}, wanted NAME=FILE"))?;
        upstreams.insert(name.to_owned(), Received::read(&read(&PathBuf::from(file))?)?);
    }
    Ok(check(&ledger, &log, &upstreams, arguments.drained))
}
