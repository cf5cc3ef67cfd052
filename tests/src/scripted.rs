//! A broker of MQTT 5 that says what a script says: refusals, silence, echoes that never come. It forwards nothing.

use std::io::{self, Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Longest packet taken.
const PACKET_BYTES_MAX: usize = 1 << 20;

/// What it does beside CONNACK.
#[derive(Clone, Copy)]
pub struct Script {
    /// Reason of every SUBACK; `None`: nothing is answered any more once the CONNACK is said, pings neither.
    pub subscription: Option<u8>,
    /// Reason of the PUBACK to a message of this topic.
    pub answer: fn(&str) -> u8,
}

/// A running one; ends when dropped.
pub struct Scripted {
    address: SocketAddr,
    /// Topics and payloads of what it took with success, in the order they came.
    taken: Taken,
    _tasks: JoinSet<()>,
}

type Taken = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

impl Scripted {
    /// Listens on a free loopback port.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(script: Script) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let (address, taken, mut tasks) = (listener.local_addr()?, Taken::default(), JoinSet::new());
        tasks.spawn(serve(listener, script, Arc::clone(&taken)));
        Ok(Self { address, taken, _tasks: tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Topics and payloads of what it took with success, repeats too.
    pub fn taken(&self) -> MutexGuard<'_, Vec<(String, Vec<u8>)>> {
        lock(&self.taken)
    }
}

fn lock(taken: &Taken) -> MutexGuard<'_, Vec<(String, Vec<u8>)>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, script: Script, taken: Taken) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let taken = Arc::clone(&taken);
        // A client that leaves is no error of ours.
        connections.spawn(async move { drop(answer(stream, script, &taken).await) });
    }
}

async fn answer(mut stream: TcpStream, script: Script, taken: &Taken) -> io::Result<()> {
    loop {
        let (first, body) = packet(&mut stream).await?;
        let said = match (first >> 4, script.subscription) {
            (1, _) => vec![0x20, 3, 0, 0, 0],
            (_, None) => continue,
            (8, Some(reason)) => {
                let [high, low] = take(&body, 0)?;
                vec![0x90, 4, high, low, 0, reason]
            }
            (3, _) => {
                let length = usize::from(u16::from_be_bytes(take(&body, 0)?));
                let topic =
                    String::from_utf8_lossy(body.get(2..2 + length).ok_or(ErrorKind::InvalidData)?).into_owned();
                let [high, low] = take(&body, 2 + length)?;
                let reason = (script.answer)(&topic);
                if reason == 0 {
                    lock(taken).push((topic, body.get(4 + length..).unwrap_or_default().to_vec()));
                }
                vec![0x40, 4, high, low, reason, 0]
            }
            (12, _) => vec![0xd0, 0],
            (14, _) => return Ok(()),
            (other, _) => return Err(Error::other(format!("packet type {other} is not in the script"))),
        };
        stream.write_all(&said).await?;
    }
}

fn take(body: &[u8], at: usize) -> io::Result<[u8; 2]> {
    let two = body.get(at..at + 2).and_then(|two| two.try_into().ok());
    two.ok_or_else(|| ErrorKind::InvalidData.into())
}

async fn packet(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let first = stream.read_u8().await?;
    let mut length = 0_usize;
    for shift in [0, 7, 14, 21] {
        let byte = stream.read_u8().await?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    if length > PACKET_BYTES_MAX {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((first, body))
}
