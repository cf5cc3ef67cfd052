//! A broker of one page: MQTT 3.1.1 and 5 CONNECT, QoS 1 PUBLISH, PING and DISCONNECT, and a script that decides what it
//! acknowledges and when it hangs up. Everything it saw comes out of [`Stub::next`], in order per connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// What a connection does with frames; births and states are always acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conduct {
    /// Acknowledgements are held back until this many frames wait for one.
    pub(crate) batch: usize,
    /// Frames acknowledged on this connection at most.
    pub(crate) acks_max: usize,
    /// The socket is closed when this many frames have come in and what is due was acknowledged.
    pub(crate) hang_up_after: usize,
    /// Acknowledgements leave newest first within what was read at once.
    pub(crate) reversed: bool,
    /// Reason code with which every frame is refused; MQTT 5 only.
    pub(crate) refuse: Option<u8>,
}

impl Conduct {
    /// Acknowledges every frame at once.
    pub(crate) const WILLING: Self =
        Self { batch: 1, acks_max: usize::MAX, hang_up_after: usize::MAX, reversed: false, refuse: None };
}

/// One PUBLISH as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publish {
    pub(crate) topic: String,
    pub(crate) retain: bool,
    pub(crate) payload: Vec<u8>,
}

/// What the broker saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Connect { connection: usize, client_id: String, will_topic: Option<String> },
    Publish { connection: usize, publish: Publish, unacked: usize },
    Disconnect { connection: usize },
    Ended { connection: usize },
}

pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    seen: mpsc::Receiver<Seen>,
    _tasks: JoinSet<()>,
}

impl Stub {
    /// Listens on a free port; `conduct` is asked once for each connection, counted from 0.
    pub(crate) async fn start(conduct: impl Fn(usize) -> Conduct + Send + Sync + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (tell, seen) = mpsc::channel(100_000);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::new(conduct), tell));
        Ok(Self { address, seen, _tasks: tasks })
    }

    /// The next thing seen.
    pub(crate) async fn next(&mut self) -> Seen {
        self.seen.recv().await.expect("the stub runs as long as the test")
    }

    /// Everything seen and not yet taken.
    pub(crate) fn rest(&mut self) -> Vec<Seen> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }
}

async fn accept(listener: TcpListener, conduct: Arc<dyn Fn(usize) -> Conduct + Send + Sync>, tell: mpsc::Sender<Seen>) {
    let mut connections = JoinSet::new();
    let mut count = 0;
    while let Ok((socket, _)) = listener.accept().await {
        let (conduct, tell, connection) = (conduct(count), tell.clone(), count);
        count += 1;
        connections.spawn(async move {
            let mut serve = Serve { connection, conduct, tell, v5: false, frames: 0, acked: 0, owed: Vec::new() };
            // A client that breaks off is part of the tests; what was seen until then counts.
            drop(serve.run(socket).await);
            drop(serve.tell.send(Seen::Ended { connection }).await);
        });
    }
}

struct Serve {
    connection: usize,
    conduct: Conduct,
    tell: mpsc::Sender<Seen>,
    v5: bool,
    frames: usize,
    acked: usize,
    /// Packet ids of frames not yet acknowledged.
    owed: Vec<[u8; 2]>,
}

impl Serve {
    async fn run(&mut self, mut socket: TcpStream) -> io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            if socket.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            let mut replies = Vec::new();
            while self.frames < self.conduct.hang_up_after
                && let Some((kind, body)) = take_packet(&mut buffer)
            {
                self.packet(kind, &body, &mut replies).await?;
            }
            self.pay(&mut replies);
            socket.write_all(&replies).await?;
            if self.frames >= self.conduct.hang_up_after {
                return Ok(());
            }
        }
    }

    async fn packet(&mut self, kind: u8, body: &[u8], replies: &mut Vec<u8>) -> io::Result<()> {
        let connection = self.connection;
        match kind >> 4 {
            1 => {
                let (v5, client_id, will_topic) = connect_fields(body);
                self.v5 = v5;
                self.say(Seen::Connect { connection, client_id, will_topic }).await;
                replies.extend(if v5 { [0x20, 3, 0, 0, 0].as_slice() } else { &[0x20, 2, 0, 0] });
            }
            3 => self.publish(kind, body, replies).await,
            12 => replies.extend([0xd0, 0]),
            14 => self.say(Seen::Disconnect { connection }).await,
            other => return Err(io::Error::other(format!("packet type {other}"))),
        }
        Ok(())
    }

    async fn publish(&mut self, kind: u8, body: &[u8], replies: &mut Vec<u8>) {
        let (topic, rest) = take_field(body);
        let (id, rest) = rest.split_at(2);
        let payload = if self.v5 { without_properties(rest) } else { rest };
        let publish =
            Publish { topic: String::from_utf8_lossy(topic).into(), retain: kind & 1 == 1, payload: payload.to_vec() };
        let id = [id[0], id[1]];
        if publish.topic.ends_with("/t") {
            self.frames += 1;
            self.owed.push(id);
        } else {
            replies.extend([0x40, 2, id[0], id[1]]);
        }
        self.say(Seen::Publish { connection: self.connection, publish, unacked: self.owed.len() }).await;
    }

    /// Acknowledges what is due after everything that had arrived was read.
    fn pay(&mut self, replies: &mut Vec<u8>) {
        if self.owed.len() < self.conduct.batch {
            return;
        }
        let due = self.owed.len().min(self.conduct.acks_max - self.acked);
        self.acked += due;
        let mut paid: Vec<[u8; 2]> = self.owed.drain(..due).collect();
        if self.conduct.reversed {
            paid.reverse();
        }
        for id in paid {
            match self.conduct.refuse {
                None => replies.extend([0x40, 2, id[0], id[1]]),
                Some(reason) => replies.extend([0x40, 4, id[0], id[1], reason, 0]),
            }
        }
    }

    async fn say(&self, seen: Seen) {
        // The test may have ended.
        drop(self.tell.send(seen).await);
    }
}

/// Cuts the first whole packet off the buffer: its first byte and its body.
fn take_packet(buffer: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let mut len = 0;
    for at in 1..=4 {
        let byte = *buffer.get(at)?;
        len |= usize::from(byte & 0x7f) << (7 * (at - 1));
        if byte & 0x80 == 0 {
            let end = at + 1 + len;
            if buffer.len() < end {
                return None;
            }
            let packet: Vec<u8> = buffer.drain(..end).collect();
            return Some((packet[0], packet[at + 1..].to_vec()));
        }
    }
    None
}

/// A field with a two-byte length, and what follows it.
fn take_field(bytes: &[u8]) -> (&[u8], &[u8]) {
    let len = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    bytes[2..].split_at(len)
}

/// Properties shorter than 128 bytes, skipped.
fn without_properties(bytes: &[u8]) -> &[u8] {
    &bytes[1 + usize::from(bytes[0])..]
}

/// Whether it is MQTT 5, the client id, and the will's topic.
fn connect_fields(body: &[u8]) -> (bool, String, Option<String>) {
    let (_protocol, rest) = take_field(body);
    let (v5, flags, rest) = (rest[0] == 5, rest[1], &rest[4..]);
    let rest = if v5 { without_properties(rest) } else { rest };
    let (client_id, rest) = take_field(rest);
    let rest = if v5 && flags & 0x04 != 0 { without_properties(rest) } else { rest };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let will_topic = (flags & 0x04 != 0).then(|| text(take_field(rest).0));
    (v5, text(client_id), will_topic)
}
