//! A TCP proxy that does to a connection what networks do: cut, stall, swallow, crawl. What it does changes at a word.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Bytes taken at a time; nothing else is held.
const PIECE_BYTES: usize = 4_096;

/// What happens to the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They pass.
    Pass,
    /// They pass, this many a second each way.
    Slow(u32),
    /// Nothing is read and nothing passes, either way; connections are accepted.
    Stall,
    /// Requests pass, answers do not.
    StallAnswers,
    /// Everything is read and nothing passes. A connection that has lost bytes ends before another one passes.
    Swallow,
    /// Every connection is ended, and so is every new one.
    Refuse,
}

/// A proxy in front of one server; ends when dropped.
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<(u64, Mode)>,
    /// Held by each connection.
    alive: Arc<()>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Listens on a free loopback port for connections to `target`.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (mode, seen) = watch::channel((0, Mode::Pass));
        let (mut tasks, alive) = (JoinSet::new(), Arc::new(()));
        tasks.spawn(serve(listener, target, seen, Arc::downgrade(&alive)));
        Ok(Self { address, mode, alive, _tasks: tasks })
    }

    /// Where to connect instead.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether there is no connection: no byte of an earlier one passes any more.
    pub fn is_idle(&self) -> bool {
        Arc::strong_count(&self.alive) == 1
    }

    /// From now on, for connections there are too.
    pub fn set(&self, mode: Mode) {
        self.mode.send_modify(|it| it.1 = mode);
    }

    /// Ends the connections there are; new ones are as before.
    pub fn cut(&self) {
        self.mode.send_modify(|it| it.0 += 1);
    }
}

async fn serve(listener: TcpListener, target: SocketAddr, mode: watch::Receiver<(u64, Mode)>, alive: Weak<()>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let (mode, alive) = (mode.clone(), alive.upgrade());
        connections.spawn(async move {
            let _alive = alive;
            if mode.borrow().1 == Mode::Refuse {
                return;
            }
            // A server that is not there is a connection that ends.
            if let Ok(server) = TcpStream::connect(target).await {
                join(client, server, mode).await;
            }
        });
    }
}

async fn join(client: TcpStream, server: TcpStream, mut mode: watch::Receiver<(u64, Mode)>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let life = mode.borrow().0;
    let over = mode.clone();
    let ended = async move { drop(mode.wait_for(|(now, mode)| *now != life || *mode == Mode::Refuse).await) };
    tokio::select! {
        () = pipe(from_client, to_server, over.clone(), false) => {}
        () = pipe(from_server, to_client, over, true) => {}
        () = ended => {}
    }
}

async fn pipe(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut mode: watch::Receiver<(u64, Mode)>, answers: bool) {
    let mut piece = vec![0; PIECE_BYTES];
    let mut has_swallowed = false;
    loop {
        let stalls = |mode: Mode| mode == Mode::Stall || answers && mode == Mode::StallAnswers;
        if mode.wait_for(|(_, mode)| !stalls(*mode)).await.is_err() {
            return;
        }
        let read = tokio::select! {
            read = from.read(&mut piece) => read,
            _ = mode.changed() => continue,
        };
        let Ok(count @ 1..) = read else { return };
        // What was read when a stall began waits with it.
        let now = match mode.wait_for(|(_, mode)| !stalls(*mode)).await {
            Ok(now) => now.1,
            Err(_) => return,
        };
        match now {
            Mode::Swallow => {
                has_swallowed = true;
                continue;
            }
            // TCP has no holes.
            _ if has_swallowed => return,
            Mode::Refuse => return,
            Mode::Slow(rate) => {
                tokio::time::sleep(Duration::from_micros(count as u64 * 1_000_000 / u64::from(rate.max(1)))).await;
            }
            _ => {}
        }
        let Some(piece) = piece.get(..count) else { return };
        if to.write_all(piece).await.is_err() {
            return;
        }
    }
}
