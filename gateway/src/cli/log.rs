//! `halo-gateway log`: what stands in the log of a data folder. Reads only; the gateway may be running.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Failure;
use crate::record::{Body, Offset, Record};
use crate::store::fs::Disk;
use crate::store::{LOG_FOLDER, Reader};

/// Bytes of log read at a time.
const READ_BYTES: usize = 1 << 20;

/// What to do with the log.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Read every byte of every segment and say what is damaged; exit code 1 if anything is.
    Verify(Folder),
    /// Print the records, oldest first, one per line.
    Dump {
        #[command(flatten)]
        folder: Folder,
        /// Begin with this offset.
        #[arg(long, value_name = "OFFSET", default_value_t = 1)]
        from: u64,
        /// Only records about this device.
        #[arg(long, value_name = "DEVICE")]
        device: Option<String>,
    },
}

/// Which log, and how to print.
#[derive(Args)]
pub(super) struct Folder {
    /// The gateway's data folder.
    #[arg(value_name = "DATA_DIR")]
    data_dir: PathBuf,
    /// One JSON document per line; payloads in hexadecimal.
    #[arg(long)]
    json: bool,
}

/// Runs one of the commands.
pub(super) fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Verify(folder) => verify(&folder),
        Command::Dump { folder, from, device } => dump(&folder, Offset(from), device.as_deref()),
    }
}

/// The log's own folder; a data folder without one is named as such rather than shown as empty.
fn log_folder(folder: &Folder) -> Result<PathBuf, Failure> {
    let log = folder.data_dir.join(LOG_FOLDER);
    if log.is_dir() {
        return Ok(log);
    }
    Err(format!("{} holds no log: wanted a gateway's data folder, with a folder {LOG_FOLDER:?} in it", folder.data_dir.display()).into())
}
