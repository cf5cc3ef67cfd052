//! The door: a Unix socket that only the gateway's own user may open.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::command::{Answer, Command, Request, VERSION};
use super::desk::{Desk, Refusal};

/// File of the socket within the data folder.
pub const SOCKET_FILE: &str = "admin.sock";
/// Longest path of a Unix socket (unix(7): 108 with the final zero).
pub const PATH_BYTES_MAX: usize = 107;
/// Longest request, bytes: one that loads the largest table, in which JSON escapes any character with one more at most.
pub const LINE_BYTES_MAX: usize = 2 * crate::ingest::offers::TABLE_BYTES_MAX + (64 << 10);
/// Clients served at once; the next one waits.
pub const CLIENTS_MAX: usize = 16;
/// How long a client may say nothing.
const QUIET_MAX: Duration = Duration::from_secs(30);
/// How long a command may take: the log answers within a sync, rendering 10,000 halos takes seconds.
const WORK_MAX: Duration = Duration::from_secs(60);
/// Longest a backup may take to be answered.
const BACKUP_MAX: Duration = Duration::from_secs(6 * 3_600);
/// How long a client may take to take its answer.
const TAKING_MAX: Duration = Duration::from_secs(30);
/// Time between two samples of how fast things go.
const PACE_PERIOD: Duration = Duration::from_secs(5);

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The system has no room for such a path.
    #[error(
        "the path of the administration socket {path} has {len} bytes, a socket's may have {PATH_BYTES_MAX}: choose a shorter --data-dir"
    )]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its bytes.
        len: usize,
    },
    /// The system says so.
    #[error("administration socket {path}: {source}")]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Whether a socket can be at `path`.
///
/// # Errors
/// [`SocketError::TooLong`].
pub fn path_fits(path: &Path) -> Result<(), SocketError> {
    let len = path.as_os_str().len();
    if len <= PATH_BYTES_MAX { Ok(()) } else { Err(SocketError::TooLong { path: path.to_owned(), len }) }
}

/// The open door; the socket's file goes when it is dropped.
pub struct Door {
    listener: UnixListener,
    path: PathBuf,
}

impl Door {
    /// Opens it in `folder`, in the place of one that a crash left behind. It is never open to others, not for a moment:
    /// it is made in a folder of its own that nobody else may enter, and moved to its place.
    ///
    /// # Errors
    /// [`SocketError`] by variant.
    pub fn open(folder: &Path) -> Result<Self, SocketError> {
        let path = folder.join(SOCKET_FILE);
        path_fits(&path)?;
        let failed = |source| SocketError::Io { path: path.clone(), source };
        let private = folder.join(".a");
        let made = private.join("s");
        // Left behind by a crash, if at all.
        std::fs::remove_file(&made).or_else(absent).map_err(failed)?;
        std::fs::remove_dir(&private).or_else(absent).map_err(failed)?;
        DirBuilder::new().mode(0o700).create(&private).map_err(failed)?;
        let listener = UnixListener::bind(&made).map_err(failed)?;
        std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        std::fs::rename(&made, &path).and_then(|()| std::fs::remove_dir(&private)).map_err(failed)?;
        Ok(Self { listener, path })
    }

    /// Serves clients, each a task on `tracker`, until `stop` is cancelled.
    pub async fn serve(self, desk: Arc<Desk>, tracker: TaskTracker, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(CLIENTS_MAX));
        let mut pace = interval(PACE_PERIOD);
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                _ = pace.tick() => {
                    desk.note_pace();
                    continue;
                }
                accepted = accept(&self.listener, &places) => accepted,
            };
            match accepted {
                Ok((stream, place)) => {
                    let (desk, stop, acts) = (Arc::clone(&desk), stop.clone(), tracker.clone());
                    drop(tracker.spawn(async move {
                        if let Some(Err(error)) = stop.run_until_cancelled(serve_client(stream, &desk, &acts)).await {
                            debug!(%error, "administration client ended");
                        }
                        drop(place);
                    }));
                }
                Err(error) => {
                    warn!(%error, "administration client not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // Gone already: somebody else has tidied up.
        drop(std::fs::remove_file(&self.path));
    }
}

fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Cancel safe: a place not used is given back.
async fn accept(
    listener: &UnixListener,
    places: &Arc<Semaphore>,
) -> io::Result<(UnixStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn serve_client(stream: UnixStream, desk: &Arc<Desk>, acts: &TaskTracker) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    while let Some(line) = timeout(QUIET_MAX, next_line(&mut read)).await?? {
        let (answers, over) = match line {
            Line::Whole(line) => (answer(&line, desk, acts).await, false),
            Line::TooLong => (vec![failed(format!("a request has {LINE_BYTES_MAX} bytes at most"))], true),
        };
        timeout(TAKING_MAX, send(&mut write, answers)).await??;
        if over {
            break;
        }
    }
    Ok(())
}

enum Line {
    Whole(Vec<u8>),
    TooLong,
}

async fn next_line(read: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    let most = LINE_BYTES_MAX as u64 + 1;
    if read.take(most).read_until(b'\n', &mut line).await? == 0 {
        return Ok(None);
    }
    let fits = line.len() <= LINE_BYTES_MAX;
    Ok(Some(if fits { Line::Whole(line) } else { Line::TooLong }))
}

async fn answer(line: &[u8], desk: &Arc<Desk>, acts: &TaskTracker) -> Vec<Answer> {
    let request: Request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => return vec![failed(format!("not a request: {error}"))],
    };
    if request.v != VERSION {
        return vec![failed(format!("the request is of version {}, this gateway speaks {VERSION}", request.v))];
    }
    // A backup takes as long as it takes; whoever asked for it may leave, and it is finished all the same.
    let work_max = if matches!(request.command, Command::Backup { .. }) { BACKUP_MAX } else { WORK_MAX };
    match timeout(work_max, answer_whole(request.command, desk, acts)).await {
        Err(_) => vec![failed("it took too long; whether it was done shows in the log".to_owned())],
        Ok(Err(refusal)) => vec![failed(refusal.0)],
        Ok(Ok(rows)) => rows.into_iter().map(Answer::Row).chain([Answer::Done]).collect(),
    }
}

/// An act is a task of its own on `acts`: neither a time limit nor a client that leaves cuts it between two of its steps.
async fn answer_whole(command: Command, desk: &Arc<Desk>, acts: &TaskTracker) -> Result<Vec<Value>, Refusal> {
    if !command.is_act() {
        return desk.answer(command).await;
    }
    let desk = Arc::clone(desk);
    let act = acts.spawn(async move { desk.answer(command).await });
    act.await.unwrap_or_else(|_| Err("it broke off; whether it was done shows in the log".into()))
}

fn failed(why: String) -> Answer {
    Answer::Failed(why)
}

async fn send(write: &mut OwnedWriteHalf, answers: Vec<Answer>) -> io::Result<()> {
    for answer in answers {
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        write.write_all(&line).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
