//! A client's bytes, in the clear or under TLS, by readiness: nothing here waits but [`Stream::moved`],
//! [`Stream::read`], the handshake and the goodbye.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::ServerConnection;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// Bytes asked of the socket at a time; the buffer exists only while bytes are in it.
const READ_BYTES: usize = 16 << 10;
/// Most bytes given to TLS at a time: one record of it.
const TLS_WRITE_BYTES: usize = 16 << 10;

thread_local! {
    /// Where bytes arrive, before it is known how many: a connection's own buffer holds what came and no more.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// Reading less than there was room for tells the runtime that nothing is left: it does not ask the socket again.
fn poll_plain(tcp: Pin<&mut TcpStream>, context: &mut Context<'_>, input: &mut Vec<u8>) -> Poll<io::Result<usize>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut buffer = ReadBuf::new(scratch);
        ready!(tcp.poll_read(context, &mut buffer))?;
        input.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    })
}

/// What [`Stream::moved`] waited for.
pub(crate) enum Moved {
    /// How many bytes came; 0 = the client has closed. `WouldBlock`: they were not for the client's reader. Any other
    /// error ends the connection.
    Read(io::Result<usize>),
    /// The socket takes bytes, or has failed.
    Writable(io::Result<()>),
}

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

    /// Appends what came, about [`READ_BYTES`] at most, if `reading`, or says that the socket takes bytes, if `writing`;
    /// waits until there is one or the other. Cancel safe.
    pub(crate) async fn moved(&mut self, input: &mut Vec<u8>, reading: bool, writing: bool) -> Moved {
        poll_fn(|context| {
            if reading && let Poll::Ready(read) = self.poll_read(context, input) {
                return Poll::Ready(Moved::Read(read));
            }
            if writing {
                return self.tcp().poll_write_ready(context).map(Moved::Writable);
            }
            Poll::Pending
        })
        .await
    }

    /// As [`Stream::moved`], reading alone.
    pub(crate) async fn read(&mut self, input: &mut Vec<u8>) -> io::Result<usize> {
        poll_fn(|context| self.poll_read(context, input)).await
    }

    fn poll_read(&mut self, context: &mut Context<'_>, input: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(tcp) => poll_plain(Pin::new(tcp), context, input),
            Self::Tls(tls) => {
                ready!(tls.tcp.poll_read_ready(context))?;
                Poll::Ready(tls.read_some(input))
            }
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
