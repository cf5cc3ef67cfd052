//! A client's bytes, in the clear or under TLS, by readiness: nothing here waits but [`Stream::readable`],
//! [`Stream::writable`], the handshake and the goodbye.

use std::io::{self, Read, Write};

use rustls::ServerConnection;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// Bytes asked of the socket at a time; the buffer exists only while bytes are in it.
const READ_BYTES: usize = 16 << 10;
/// Most bytes given to TLS at a time: one record of it.
const TLS_WRITE_BYTES: usize = 16 << 10;

/// One connection's bytes. What TLS needs is boxed, so that a plain connection does not pay for it.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<Tls>),
}

pub(crate) struct Tls {
    tcp: TcpStream,
    session: ServerConnection,
}

/// The socket as rustls wants it: never waits.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(bytes)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream {
    /// Shakes hands; the stream, and what the client sent along with its last step.
    ///
    /// # Errors
    /// What TLS or the socket said; the client was told by an alert, if it could be.
    pub(crate) async fn secure(tcp: TcpStream, acceptor: &TlsAcceptor) -> io::Result<(Self, Vec<u8>)> {
        let (tcp, session) = acceptor.accept(tcp).await?.into_inner();
        let mut tls = Tls { tcp, session };
        let mut first = Vec::new();
        match tls.take_plain(&mut first) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        Ok((Self::Tls(Box::new(tls)), first))
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => &tls.tcp,
        }
    }

    pub(crate) fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.tcp().set_nodelay(on)
    }

    /// Cancel safe.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.tcp().readable().await
    }

    /// Cancel safe.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.tcp().writable().await
    }

    /// Appends what is there, about [`READ_BYTES`] at most; 0 = the client has closed.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there after all; anything else ends the connection.
    pub(crate) fn read_some(&mut self, input: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => {
                input.reserve(READ_BYTES);
                let read = tcp.try_read_buf(input);
                if input.is_empty() {
                    *input = Vec::new();
                }
                read
            }
            Self::Tls(tls) => tls.read_some(input),
        }
    }

    /// Takes some of `bytes`, as many as it says.
    ///
    /// # Errors
    /// `WouldBlock` when the socket takes nothing now; anything else ends the connection.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_write(bytes),
            Self::Tls(tls) => tls.try_write(bytes),
        }
    }

    /// Bytes that were taken wait for the socket.
    pub(crate) fn wants_write(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.session.wants_write(),
        }
    }

    /// Gives the socket what waits for it, as far as it takes it.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => tls.flush(),
        }
    }

    /// Writes the last bytes and says that no more will come.
    pub(crate) async fn hang_up(&mut self, last: &[u8]) -> io::Result<()> {
        let tls = match self {
            Self::Plain(tcp) => {
                tcp.write_all(last).await?;
                return tcp.shutdown().await;
            }
            Self::Tls(tls) => tls,
        };
        let mut rest = last;
        while !rest.is_empty() {
            match tls.try_write(rest) {
                Ok(taken) => rest = rest.get(taken..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => tls.tcp.writable().await?,
                Err(error) => return Err(error),
            }
        }
        tls.session.send_close_notify();
        while tls.session.wants_write() {
            tls.flush()?;
            tls.tcp.writable().await?;
        }
        tls.tcp.shutdown().await
    }
}

impl Tls {
    fn read_some(&mut self, input: &mut Vec<u8>) -> io::Result<usize> {
        if self.session.read_tls(&mut Socket(&self.tcp))? == 0 {
            return Ok(0);
        }
        let read = self.take_plain(input);
        // Alerts and tickets; what does not fit now is asked for by `wants_write`.
        self.flush()?;
        read
    }

    /// Everything that is deciphered, so that none waits where readiness of the socket does not tell of it.
    fn take_plain(&mut self, input: &mut Vec<u8>) -> io::Result<usize> {
        let state = match self.session.process_new_packets() {
            Ok(state) => state,
            Err(error) => {
                // The alert says why; whether it arrives is up to the client.
                self.flush().ok();
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        };
        let waiting = state.plaintext_bytes_to_read();
        if waiting > 0 {
            return self.session.reader().take(waiting as u64).read_to_end(input);
        }
        if state.peer_has_closed() { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        if self.session.wants_write() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let some = bytes.get(..TLS_WRITE_BYTES).unwrap_or(bytes);
        let taken = self.session.writer().write(some)?;
        self.flush()?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Socket(&self.tcp)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
