//! Listening, and the life of all connections together.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{coop, yield_now};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::complaint::Limiter;
use super::config::Config;
use super::receipt::{Kick, Mailbox};
use super::router::Router;
use super::seam::{OwnedTopics, SessionKey, Sink};
use super::stream::Stream;
use super::task::Connection;
use crate::clock::Clock;
use crate::metrics::Metrics;

/// Connections above the limit that are still answered "quota exceeded"; beyond them sockets are closed unanswered.
const REFUSALS_MAX: usize = 64;
/// Out of file descriptors, say: how long to leave the listener alone.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that may wait to be accepted; the system lowers it (Linux: `net.core.somaxconn`, 4,096). A fleet that
/// comes back at once fills a short queue, and who finds it full asks again after a second, or three.
const WAITING_MAX: u32 = 1 << 16;
/// Connections accepted before others get their turn: far more at once than of other work, so that the queue stays short.
const ACCEPTED_MAX: usize = 1024;

/// Why the broker cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Others could reach it, and nobody would be asked who they are.
    #[error("listening on {addr} needs authentication, and there are no accounts")]
    NotLoopback {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// Somebody listens there already.
    #[error(
        "{addr} is already in use, perhaps by another MQTT broker; stop it, or listen on another port, for example {}:{}",
        addr.ip(),
        addr.port().checked_add(1).unwrap_or(1883)
    )]
    Taken {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// Anything else the operating system says.
    #[error("listen on {addr}: {error}")]
    Io {
        /// The address asked for.
        addr: SocketAddr,
        /// What it said.
        error: io::Error,
    },
}

/// Listens; port 0 takes any free port. Whether others may reach the address is for the caller to judge.
///
/// # Errors
/// By variant; each says the way out.
pub fn bind(addr: SocketAddr) -> Result<TcpListener, BindError> {
    listen(addr).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { addr },
        _ => BindError::Io { addr, error },
    })
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart finds its port although connections of before linger. On Windows it would be another's port as well.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(WAITING_MAX)
}

/// Only this machine reaches `addr`.
///
/// # Errors
/// [`BindError::NotLoopback`].
pub fn check_loopback(addr: SocketAddr) -> Result<(), BindError> {
    if addr.ip().is_loopback() { Ok(()) } else { Err(BindError::NotLoopback { addr }) }
}

/// The MQTT front: serves listeners until it is told to stop. Clones are one broker.
#[derive(Clone)]
pub struct Broker(Arc<Shared>);

/// A connection that got its place.
pub(crate) struct Admitted {
    pub(crate) peer: SocketAddr,
    /// It came in on a listener that only this machine reaches.
    pub(crate) local: bool,
    pub(crate) key: SessionKey,
    pub(crate) mailbox: Arc<Mailbox>,
    /// All places are taken: it is told so.
    pub(crate) full: bool,
}

/// What every connection uses.
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) router: Router,
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) owned: Arc<dyn OwnedTopics>,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) complaints: Limiter,
    connections: Mutex<HashMap<SessionKey, Arc<Mailbox>>>,
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, HashMap<SessionKey, Arc<Mailbox>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn connection_over(&self, key: SessionKey) {
        self.connections().remove(&key);
        self.metrics.broker_closed_total.add(1);
    }
}

impl Broker {
    /// Joins the parts; `router` carries the policy and may be in use already.
    pub fn new(
        config: Config,
        router: Router,
        sink: Arc<dyn Sink>,
        owned: Arc<dyn OwnedTopics>,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (config, complaints, connections) = (Arc::new(config), Limiter::default(), Mutex::default());
        Self(Arc::new(Shared { config, router, sink, owned, clock, metrics, complaints, connections }))
    }

    /// Accepts connections, each a task on `tracker`, until `stop` is cancelled; then tells every client that the gateway stops, lets
    /// what is in flight settle for at most `shutdown_s`, and returns when every connection is over.
    pub async fn serve(self, listener: TcpListener, tracker: TaskTracker, stop: CancellationToken) {
        self.serve_on(listener, None, tracker, stop).await;
    }

    /// As [`Broker::serve`], under TLS. A handshake has `connect_timeout_s`.
    pub async fn serve_tls(
        self,
        listener: TcpListener,
        tls: Arc<ServerConfig>,
        tracker: TaskTracker,
        stop: CancellationToken,
    ) {
        self.serve_on(listener, Some(TlsAcceptor::from(tls)), tracker, stop).await;
    }

    async fn serve_on(
        self,
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        tracker: TaskTracker,
        stop: CancellationToken,
    ) {
        let alive = TaskTracker::new();
        let local = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
        let mut taken: usize = 0;
        while let Some(accepted) = stop.run_until_cancelled(coop::unconstrained(listener.accept())).await {
            taken += 1;
            if taken.is_multiple_of(ACCEPTED_MAX) {
                yield_now().await;
            }
            match accepted {
                Ok((stream, peer)) => {
                    let Some(admitted) = self.admit(peer, local) else { continue };
                    let shared = Arc::clone(&self.0);
                    if let Some(tls) = tls.clone() {
                        let connection = secured(shared, stream, tls, admitted, stop.clone());
                        drop(tracker.spawn(alive.track_future(connection)));
                    } else {
                        let connection = Connection::new(shared, (Stream::Plain(stream), Vec::new()), admitted);
                        drop(tracker.spawn(alive.track_future(connection.run())));
                    }
                }
                Err(error) => {
                    warn!(%error, "connection not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        self.0.connections().values().for_each(|mailbox| mailbox.kick(Kick::Shutdown));
        alive.close();
        alive.wait().await;
    }

    fn admit(&self, peer: SocketAddr, local: bool) -> Option<Admitted> {
        self.0.metrics.broker_connections_total.add(1);
        let mut connections = self.0.connections();
        if connections.len() >= self.0.config.connections_max.saturating_add(REFUSALS_MAX) {
            self.0.metrics.broker_closed_total.add(1);
            return None;
        }
        let full = connections.len() >= self.0.config.connections_max;
        let (key, mailbox) = (self.0.router.next_key(), Arc::<Mailbox>::default());
        connections.insert(key, Arc::clone(&mailbox));
        Some(Admitted { peer, local, key, mailbox, full })
    }
}

/// Shakes hands before the connection begins. A client that does not is no client of ours: nobody is told.
async fn secured(
    shared: Arc<Shared>,
    stream: TcpStream,
    tls: TlsAcceptor,
    admitted: Admitted,
    stop: CancellationToken,
) {
    let patience = Duration::from_secs(shared.config.connect_timeout_s);
    let shaken = timeout(patience, Box::pin(Stream::secure(stream, &tls)));
    match stop.run_until_cancelled(shaken).await {
        Some(Ok(Ok(secured))) => Connection::new(shared, secured, admitted).run().await,
        ended => {
            if let Some(Ok(Err(error))) = ended {
                debug!(%error, peer = %admitted.peer, "TLS handshake failed");
            }
            shared.metrics.broker_protocol_errors_total.add(1);
            shared.connection_over(admitted.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use tokio::task::JoinSet;

    use super::*;

    #[test]
    fn an_address_others_can_reach_is_refused() {
        let error = check_loopback("0.0.0.0:1883".parse().unwrap()).unwrap_err().to_string();
        assert!(error.starts_with("listening on 0.0.0.0:1883 needs authentication"), "{error}");
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_the_way_out() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = first.local_addr().unwrap();
        let error = bind(addr).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{addr} is already in use")), "{error}");
    }

    /// Nobody accepts here: who finds the queue full asks again after a second, for ever.
    #[tokio::test]
    async fn more_than_a_thousand_clients_may_come_before_the_first_is_accepted() {
        const CLIENTS: usize = 1_200;
        let allowed =
            std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok().and_then(|it| it.trim().parse().ok());
        if allowed.is_none_or(|allowed: usize| allowed < CLIENTS) || !may_open(2 * CLIENTS as u64) {
            assert!(std::env::var_os("CI").is_none(), "this machine lets too few connections wait");
            return println!("SKIP: this machine lets too few connections wait");
        }
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = listener.local_addr().unwrap();
        let mut all: JoinSet<_> = (0..CLIENTS).map(|_| TcpStream::connect(addr)).collect();
        let mut connected = Vec::new();
        // A guard only: what does not fit would ask again for minutes.
        while let Some(one) = timeout(Duration::from_secs(60), all.join_next()).await.expect("there is room") {
            connected.push(one.unwrap().unwrap());
        }
        assert_eq!(connected.len(), CLIENTS);
    }

    fn may_open(files: u64) -> bool {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= files);
        enough(current)
            || (enough(maximum) && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok())
    }
}
