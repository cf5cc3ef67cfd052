//! A server that acknowledges at once and forgets: how fast the generator and the loopback are by themselves.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::link::{Link, Role, each_packet};
use super::packet::{self, Malformed, Packet};
use super::plan::{BenchError, system};
use super::socket::{Interest, Listener, Poll, Ready};

/// Key of the listener.
const LISTENER: u64 = 0;
/// How often it looks whether it is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const SCRATCH: usize = 256 << 10;

/// A thread of its own that serves on loopback; ends when dropped.
pub struct NullSink {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl NullSink {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// The system gives no socket or no thread.
    pub fn start() -> Result<Self, BenchError> {
        let (listener, address) = Listener::bind().map_err(system("listen"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let serving = move || {
            if let Err(error) = serve(&listener, &stopped) {
                tracing::error!(%error, "the null sink ended");
            }
        };
        let thread = std::thread::Builder::new().name("null-sink".to_owned()).spawn(serving);
        Ok(Self { address, stop, thread: Some(thread.map_err(system("start a thread"))?) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for NullSink {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A panic in it was printed when it happened.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn serve(listener: &Listener, stop: &AtomicBool) -> io::Result<()> {
    let mut poll = Poll::new()?;
    poll.add_listener(listener, LISTENER)?;
    let (mut links, mut next, mut ready) = (HashMap::new(), LISTENER + 1, Vec::new());
    let mut scratch = vec![0; SCRATCH];
    while !stop.load(Ordering::Relaxed) {
        poll.wait(LOOK_EVERY, &mut ready)?;
        for event in &ready {
            let key = event.key;
            if key == LISTENER {
                while let Some(socket) = listener.accept() {
                    poll.add(&socket, next, Interest::Read)?;
                    links.insert(next, Link::new(Role::Subscriber, socket, next));
                    next += 1;
                }
            } else if links.get_mut(&key).is_some_and(|link| !stays(link, event, &poll, &mut scratch)) {
                // Closing takes it out of the poll.
                links.remove(&key);
            }
        }
    }
    Ok(())
}

/// Answers what came; whether the client is still there, and speaks MQTT.
fn stays(link: &mut Link, event: &Ready, poll: &Poll, scratch: &mut [u8]) -> bool {
    (!event.read || answer(link, scratch).is_ok()) && link.flush(poll).is_ok()
}

struct Gone;

impl From<Malformed> for Gone {
    fn from(_: Malformed) -> Self {
        Self
    }
}

fn answer(link: &mut Link, scratch: &mut [u8]) -> Result<(), Gone> {
    let bytes = link.read(scratch).ok().flatten().ok_or(Gone)?;
    let out = link.out();
    let rest = each_packet(bytes, |packet| {
        match packet {
            Packet::Connect => packet::put_connack(out),
            Packet::Subscribe { id } => packet::put_suback(out, id),
            Packet::Publish { id: Some(id), .. } => packet::put_puback(out, id),
            _ => {}
        }
        Ok::<_, Gone>(())
    })?;
    link.keep(rest);
    Ok(())
}
