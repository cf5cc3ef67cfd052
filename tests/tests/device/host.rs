//! The board that the firmware skeleton runs on in the test: this machine, a TCP connection, a clock ten times as fast.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use embedded_io::{ErrorKind, ErrorType, ReadReady};
use halo_firmware::{Board, Sample};
use halo_tests::clock::Stopwatch;

/// So much faster than the world time passes on the board: a frame is a second, an answer is waited for three.
const FASTER: u128 = 10;

/// A TCP connection as firmware sees one; cut off after so many writes, if told so.
pub(crate) struct Wire {
    stream: TcpStream,
    writes_left: Option<u32>,
}

impl ErrorType for Wire {
    type Error = ErrorKind;
}

impl embedded_io::Read for Wire {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Self::Error> {
        self.stream.read(bytes).map_err(broken)
    }
}

impl embedded_io::Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        let written = self.stream.write(bytes).map_err(broken);
        if let Some(left) = &mut self.writes_left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                // The gateway has the bytes; its answer never arrives.
                drop(self.stream.shutdown(Shutdown::Read));
            }
        }
        written
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl ReadReady for Wire {
    fn read_ready(&mut self) -> Result<bool, Self::Error> {
        if self.writes_left == Some(0) {
            return Err(ErrorKind::ConnectionReset);
        }
        let would_block = std::io::ErrorKind::WouldBlock;
        let peek = |stream: &TcpStream| {
            stream.set_nonblocking(true)?;
            let peeked = stream.peek(&mut [0]);
            stream.set_nonblocking(false)?;
            peeked
        };
        match peek(&self.stream) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == would_block => Ok(false),
            Err(error) => Err(broken(error)),
        }
    }
}

/// Firmware knows no more of it than that it is of no use any more.
fn broken(_: std::io::Error) -> ErrorKind {
    ErrorKind::Other
}

/// This machine.
pub(crate) struct Host {
    gateway: SocketAddr,
    watch: Stopwatch,
    /// Writes until each connection is cut off, in order; none for those after.
    cuts: std::vec::IntoIter<u32>,
    /// How often it dialled.
    pub(crate) dials: u32,
    samples: i64,
}

impl Host {
    pub(crate) fn new(gateway: SocketAddr, cuts: Vec<u32>) -> Self {
        Self { gateway, watch: Stopwatch::new(), cuts: cuts.into_iter(), dials: 0, samples: 0 }
    }
}

impl Board for Host {
    type Transport = Wire;

    fn uptime_ms(&mut self) -> u64 {
        u64::try_from(self.watch.elapsed().as_millis() * FASTER).unwrap_or(u64::MAX)
    }

    fn count_boot(&mut self) -> u32 {
        3
    }

    fn sample(&mut self) -> Sample {
        self.samples += 1;
        Sample { heart_rate: Some(60 + self.samples), steps: Some(self.samples * 2), skin_temperature: Some(3300) }
    }

    fn dial(&mut self) -> Option<Wire> {
        self.dials += 1;
        let stream = TcpStream::connect(self.gateway).ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Wire { stream, writes_left: self.cuts.next() })
    }

    fn random(&mut self) -> u32 {
        self.dials
    }
}
