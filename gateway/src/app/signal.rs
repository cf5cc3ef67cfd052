//! How this process is asked to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What asks this process to stop: Ctrl-C or SIGTERM.
pub struct StopSignal {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignal {
    /// From now on the signals are heard rather than deadly. Call it before anyone is told that the gateway runs.
    ///
    /// # Errors
    /// When the system lets nobody listen.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Resolves with the name of the next one. Cancel safe.
    pub async fn heard(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "ctrl-c",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
