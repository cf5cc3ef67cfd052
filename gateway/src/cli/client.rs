//! Talks to a running gateway through its administration socket.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::Failure;
use crate::admin::{self, Answer, Command, Request, SOCKET_FILE};

/// A little more than the gateway gives itself for a command.
const PATIENCE: Duration = Duration::from_secs(70);

/// Which gateway, and how to print what it says.
#[derive(Args)]
pub(super) struct Target {
    /// Data folder of the gateway, as `gateway.data_dir`.
    #[arg(
        long,
        value_name = "DIR",
        global = true,
        default_value = "halo-data",
        env = "HALO_GATEWAY__GATEWAY__DATA_DIR",
        display_order = 80
    )]
    pub(super) data_dir: PathBuf,
    /// One JSON document per line.
    #[arg(long, global = true, display_order = 81)]
    pub(super) json: bool,
}

impl Target {
    /// Has a command done; the rows of the answer.
    pub(super) fn ask(&self, command: Command) -> Result<Vec<Value>, Failure> {
        match connect(&self.data_dir)? {
            Some(stream) => ask(stream, command),
            None => Err(self.nobody_there().into()),
        }
    }

    /// As [`Target::ask`]; `None` when no gateway runs there.
    pub(super) fn try_ask(&self, command: Command) -> Result<Option<Vec<Value>>, Failure> {
        connect(&self.data_dir)?.map(|stream| ask(stream, command)).transpose()
    }

    fn nobody_there(&self) -> String {
        let folder = self.data_dir.display();
        format!(
            "no gateway runs on {folder}; start it with `halo-gateway run --data-dir {folder}`, or name its folder with --data-dir"
        )
    }
}

fn connect(folder: &Path) -> Result<Option<UnixStream>, Failure> {
    let path = folder.join(SOCKET_FILE);
    admin::path_fits(&path)?;
    match UnixStream::connect(&path) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display()).into()),
    }
}

fn ask(mut stream: UnixStream, command: Command) -> Result<Vec<Value>, Failure> {
    // A backup takes as long as it takes.
    let patience = Some(PATIENCE).filter(|_| !matches!(command, Command::Backup { .. }));
    stream.set_read_timeout(patience)?;
    let mut line = serde_json::to_vec(&Request { v: admin::VERSION, command })?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut rows = Vec::new();
    for line in BufReader::new(stream).lines() {
        match serde_json::from_str(&line?)? {
            Answer::Row(row) => rows.push(row),
            Answer::Done => return Ok(rows),
            Answer::Failed(why) => return Err(why.into()),
        }
    }
    Err("the gateway ended the conversation: perhaps it is stopping".into())
}
