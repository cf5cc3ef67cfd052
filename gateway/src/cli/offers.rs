//! What organisations offer: tables, listed, shown, loaded from files, withdrawn.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::Value;

use super::Failure;
use super::admin::On;
use super::table::{print, text};
use crate::admin::Command;
use crate::ingest::offers::{OffersError, TABLE_BYTES_MAX, Table};
use crate::terminal::say;
use crate::units::count;

/// What to do with offers.
#[derive(Subcommand)]
pub(super) enum Offers {
    /// All tables: whose, how many rows, which columns, since when.
    List,
    /// The rows of one table, in order of their keys.
    Show {
        /// The organisation's id.
        organisation: String,
        /// The table's name.
        table: String,
        /// Only this many rows from the top.
        #[arg(long, value_name = "N")]
        rows: Option<usize>,
    },
    /// Put a table from a file in force, in the place of the one of that name.
    Load {
        /// The organisation's id; it is made a subject if there is none.
        organisation: String,
        /// The table's name: any id.
        table: String,
        /// CSV with a header line, or JSON; in UTF-8, at most 1 MiB.
        file: PathBuf,
    },
    /// Take a table out of force.
    Withdraw {
        /// The organisation's id.
        organisation: String,
        /// The table's name.
        table: String,
    },
}

pub(super) fn run(on: On<Offers>) -> Result<ExitCode, Failure> {
    let On { target, command } = on;
    match command {
        Offers::List => {
            let fields = ["organisation", "table", "rows", "columns", "bytes", "time"];
            print(&target.ask(Command::Offers)?, target.json, &fields, "nobody offers anything yet");
        }
        Offers::Show { organisation, table, rows } => {
            for shown in target.ask(Command::Offer { organisation, table, rows })? {
                show(&shown, target.json);
            }
        }
        Offers::Load { organisation, table, file } => {
            // Before the gateway is asked, which may be far from this file.
            let payload = read(&file).map_err(|why| format!("{}: {why}", file.display()))?;
            let done = format!("{organisation} offers {table}");
            did(&target.ask(Command::LoadOffers { organisation, table, payload })?, target.json, &done);
        }
        Offers::Withdraw { organisation, table } => {
            let done = format!("{organisation} offers {table} no more");
            did(&target.ask(Command::WithdrawOffers { organisation, table })?, target.json, &done);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A file that is a table. One that is too big is not read; of one that has no size, no more than is needed to know.
fn read(file: &Path) -> Result<String, String> {
    let read = || -> std::io::Result<Result<Vec<u8>, u64>> {
        let mut opened = File::open(file)?;
        let len = opened.metadata()?.len();
        if len > TABLE_BYTES_MAX as u64 {
            return Ok(Err(len));
        }
        let mut payload = Vec::new();
        opened.by_ref().take(TABLE_BYTES_MAX as u64 + 1).read_to_end(&mut payload)?;
        Ok(Ok(payload))
    };
    let payload = match read().map_err(|error| error.to_string())? {
        Ok(payload) => payload,
        Err(got) => return Err(OffersError::TooBig { got }.to_string()),
    };
    Table::parse(&payload).map_err(|error| error.to_string())?;
    String::from_utf8(payload).map_err(|error| error.to_string())
}

/// The table of a file.
///
/// # Errors
/// Why it is none, without the file's name.
pub(super) fn table(file: &Path) -> Result<Table, String> {
    Table::parse(read(file)?.as_bytes()).map_err(|error| error.to_string())
}

fn show(shown: &Value, as_json: bool) {
    let columns: Vec<&str> = shown["columns"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let rows = shown["rows"].as_array().map_or(&[][..], Vec::as_slice);
    print(rows, as_json, &columns, "a table without rows");
    let all = shown["rows_all"].as_u64().unwrap_or_default();
    let left = all.saturating_sub(rows.len() as u64);
    if left > 0 && !as_json {
        say(format_args!("… and {} more", count(left, "row")));
    }
}

fn did(rows: &[Value], as_json: bool, done: &str) {
    rows.iter().all(|row| match row["rows"].as_u64() {
        _ if as_json => say(row),
        Some(rows) => say(format_args!("{done}: {} (record {})", count(rows, "row"), text(&row["offset"]))),
        None => say(format_args!("{done} (record {})", text(&row["offset"]))),
    });
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_of_ten_gigabytes_is_refused_without_being_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("all.csv");
        // A file of holes: reading it would take 10 GB of memory.
        File::create(&file).unwrap().set_len(10 << 30).unwrap();
        assert_eq!(read(&file).unwrap_err(), "table has 10737418240 bytes, wanted at most 1048576");
    }

    #[test]
    fn a_file_that_is_no_table_is_refused_with_line_and_column() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("menu.csv");
        fs::write(&file, "key,price\ntea,2\ntea,3\n").unwrap();
        let twice = "line 3, column 1: key \"tea\" is the key of the row at line 2, column 1 already";
        assert_eq!(read(&file).unwrap_err(), twice);
        fs::write(&file, b"key,name\na,caf\xE9\n").unwrap();
        assert!(read(&file).unwrap_err().starts_with("line 2, column 6: not UTF-8"));
        fs::write(&file, "key,price\ntea,2\n").unwrap();
        assert_eq!(read(&file).unwrap(), "key,price\ntea,2\n");
        assert!(read(&folder.path().join("none.csv")).is_err());
    }

    #[test]
    fn of_a_file_without_an_end_no_more_is_read_than_a_table_may_have() {
        let error = read(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(error, "table has 1048577 bytes, wanted at most 1048576");
    }
}
