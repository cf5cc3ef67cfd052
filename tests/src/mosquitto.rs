//! A mosquitto of one's own: started, stopped, killed, restarted on the same port.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::Failure;
use crate::process::free_address;

/// Tries to connect before a start counts as failed, one every `PAUSE`.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(20);

/// The files of a TLS listener that wants certificates of its clients.
pub struct Tls<'a> {
    /// Authority of the clients.
    pub ca: &'a Path,
    /// The listener's certificate.
    pub cert: &'a Path,
    /// Its key.
    pub key: &'a Path,
}

/// A broker without persistence; ends when dropped.
pub struct Mosquitto {
    folder: tempfile::TempDir,
    address: SocketAddr,
    process: Option<Child>,
}

impl Mosquitto {
    /// Whether it is installed.
    pub fn program() -> Option<PathBuf> {
        ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"]
            .into_iter()
            .map(PathBuf::from)
            .find(|path| path.exists())
    }

    /// Starts one on a free loopback port and waits until it listens.
    ///
    /// # Errors
    /// When it does not.
    pub fn start(tls: Option<&Tls<'_>>) -> Result<Self, Failure> {
        let address = free_address()?;
        let folder = tempfile::tempdir()?;
        let mut config = format!("listener {} 127.0.0.1\nallow_anonymous true\npersistence false\n", address.port());
        config.push_str("set_tcp_nodelay true\nmax_queued_messages 0\nlog_dest none\n");
        if let Some(Tls { ca, cert, key }) = tls {
            let (ca, cert, key) = (ca.display(), cert.display(), key.display());
            write!(config, "cafile {ca}\ncertfile {cert}\nkeyfile {key}\nrequire_certificate true\n")?;
        }
        if rustix::process::geteuid().is_root() {
            config.push_str("user root\n");
        }
        std::fs::write(folder.path().join("mosquitto.conf"), config)?;
        let mut broker = Self { folder, address, process: None };
        broker.restart()?;
        Ok(broker)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts it again, knowing nothing.
    ///
    /// # Errors
    /// When it does not listen.
    pub fn restart(&mut self) -> Result<(), Failure> {
        self.kill();
        let program = Self::program().ok_or("mosquitto is not installed")?;
        let config = self.folder.path().join("mosquitto.conf");
        let process =
            Command::new(program).arg("-c").arg(config).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        self.process = Some(process);
        for _ in 0..TRIES {
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        Err(format!("mosquitto does not listen on {}", self.address).into())
    }

    /// SIGTERM, and its end.
    pub fn stop(&mut self) {
        if let Some(process) = &mut self.process
            && let Some(pid) = i32::try_from(process.id()).ok().and_then(Pid::from_raw)
            && kill_process(pid, Signal::TERM).is_ok()
        {
            drop(process.wait());
            self.process = None;
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself; either way it is reaped.
            drop(process.kill());
            drop(process.wait());
        }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}
