//! The real gateway binary in a process of its own.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::Failure;
use crate::clock::until;

/// Longest wait for a gateway to listen or to end: both take milliseconds, a machine full of tests is given more.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait for the last words of a gateway that has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Lines of a gateway's log that are kept, the newest.
const LINES_MAX: usize = 1_000;
/// Ports for servers that come back at the same address: below the range from which the kernel gives ports to clients,
/// one of which could otherwise sit there when the server comes back, or connect to itself.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// The program under test: `$HALO_GATEWAY_BIN`, else the one beside this program, else built now.
///
/// # Errors
/// There is none and it does not build.
pub fn binary() -> Result<PathBuf, Failure> {
    if let Some(named) = std::env::var_os("HALO_GATEWAY_BIN") {
        return Ok(PathBuf::from(named));
    }
    let this = std::env::current_exe()?;
    let folders = this.ancestors().skip(1).take(2);
    let beside: Vec<PathBuf> = folders.map(|folder| folder.join("halo-gateway")).collect();
    if let Some(found) = beside.iter().find(|path| path.is_file()) {
        return Ok(found.clone());
    }
    let mut build = Command::new("cargo");
    build.args(["build", "--quiet", "--package", "halo-gateway"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let built = build.status()?.success();
    beside.into_iter().find(|path| built && path.is_file()).ok_or_else(|| "halo-gateway cannot be built".into())
}

/// A loopback address nobody listens on, and no client gets by chance.
///
/// # Errors
/// All of them are taken.
pub fn free_address() -> Result<SocketAddr, Failure> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let room = PORTS.end - PORTS.start;
    // Far apart for processes whose ids are neighbours: a port given out may be free for moments while its server is
    // down, and then belongs to a fleet that knocks there.
    let origin = u16::try_from(std::process::id().wrapping_mul(7_919) % u32::from(room))?;
    for _ in 0..room {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % room;
        let address = SocketAddr::from(([127, 0, 0, 1], PORTS.start + (origin + step) % room));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err("no free port".into())
}

/// A running gateway; killed when it goes out of scope.
pub struct Gateway {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<VecDeque<String>>>,
}

impl Gateway {
    /// Starts it on `data` and `address` (port 0: any) with `--set` for each of `sets`; returns once it listens.
    ///
    /// # Errors
    /// It ends or does not listen; with what it said.
    pub fn start(data: &Path, address: SocketAddr, sets: &[&str]) -> Result<Self, Failure> {
        Self::start_with(None, data, address, sets)
    }

    /// The same with a configuration file.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub fn start_with(config: Option<&Path>, data: &Path, address: SocketAddr, sets: &[&str]) -> Result<Self, Failure> {
        let mut gateway = Self::launch_with(config, data, address, sets)?;
        let stdout = gateway.child.stdout.take().ok_or("stdout is not piped")?;
        let said = first_line(stdout)?;
        let listens = said.trim().strip_prefix("halo-gateway listens on mqtt://").map(str::parse);
        let Some(Ok(address)) = listens else {
            drop(gateway.child.kill());
            drop(gateway.child.wait());
            // What it said last is read by another thread.
            drop(until("its last words", LAST_WORDS, || (!gateway.log_lines().is_empty()).then_some(())));
            return Err(format!("instead of an address it said {said:?}; {:?}", gateway.log_lines()).into());
        };
        gateway.address = address;
        Ok(gateway)
    }

    /// Starts it without waiting: for blows during its start.
    ///
    /// # Errors
    /// The binary cannot be started.
    pub fn launch(data: &Path, address: SocketAddr, sets: &[&str]) -> Result<Self, Failure> {
        Self::launch_with(None, data, address, sets)
    }

    fn launch_with(config: Option<&Path>, data: &Path, address: SocketAddr, sets: &[&str]) -> Result<Self, Failure> {
        let mut command = command(&binary()?);
        command.args(["--log", "warn", "run", "--mqtt", &address.to_string(), "--data-dir"]).arg(data);
        if let Some(file) = config {
            command.arg("--config").arg(file);
        }
        for set in sets {
            command.args(["--set", set]);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let log = Arc::new(Mutex::new(VecDeque::new()));
        if let Some(stderr) = child.stderr.take() {
            let log = Arc::clone(&log);
            // Ends with the process.
            drop(thread::Builder::new().name("gateway-log".to_owned()).spawn(move || keep_lines(stderr, &log))?);
        }
        Ok(Self { child, address, log })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The newest lines of its log.
    pub fn log_lines(&self) -> Vec<String> {
        lines(&self.log).iter().cloned().collect()
    }

    /// Waits for a line of its log that contains `text`.
    ///
    /// # Errors
    /// It does not come.
    pub fn wait_for_line(&self, text: &str) -> Result<String, Failure> {
        let look = || lines(&self.log).iter().find(|line| line.contains(text)).cloned();
        until(&format!("{text:?} in the log"), PATIENCE, look)
    }

    /// Whether the process has ended by itself.
    ///
    /// # Errors
    /// The system does not say.
    pub fn has_ended(&mut self) -> Result<bool, Failure> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// kill -9.
    pub fn kill(mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// SIGTERM; how it ended.
    ///
    /// # Errors
    /// It does not end.
    pub fn stop(mut self) -> Result<ExitStatus, Failure> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        until("the end of the gateway", PATIENCE, || self.child.try_wait().ok().flatten())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Ended and reaped already, or left behind by a failing test.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Runs a command of the gateway that ends by itself, such as `log verify`.
///
/// # Errors
/// The binary cannot be run.
pub fn run(arguments: &[&str]) -> Result<Output, Failure> {
    Ok(command(&binary()?).args(arguments).output()?)
}

/// Without the environment's configuration.
fn command(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HALO_GATEWAY__")) {
        command.env_remove(name);
    }
    command
}

fn first_line(stdout: impl Read) -> Result<String, Failure> {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    Ok(line)
}

fn keep_lines(stderr: impl Read, log: &Mutex<VecDeque<String>>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let mut log = lines(log);
        if log.len() >= LINES_MAX {
            log.pop_front();
        }
        log.push_back(line);
    }
}

fn lines(log: &Mutex<VecDeque<String>>) -> MutexGuard<'_, VecDeque<String>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
