//! Non-blocking sockets, readiness and a fine timer; the only file that names the system.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime};

/// Connections the system may hold ready for a listener.
const BACKLOG: i32 = 4_096;
/// Events taken at once.
const EVENTS: usize = 1_024;
/// Key of the timer.
const TIMER: u64 = u64::MAX;

/// What a non-blocking call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    Bytes(usize),
    Later,
    End,
}

/// One TCP connection.
pub(super) struct Socket(OwnedFd);

impl Socket {
    /// Begins to connect; ready to write when done. `receive_buffer` bytes, or the system's choice.
    pub(super) fn connect(address: SocketAddr, receive_buffer: Option<usize>) -> io::Result<Self> {
        let fd = tcp(address)?;
        if let Some(bytes) = receive_buffer {
            sockopt::set_socket_recv_buffer_size(&fd, bytes)?;
        }
        match net::connect(&fd, &address) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(Self(fd)),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the connection was made, once ready to write.
    pub(super) fn connected(&self) -> io::Result<()> {
        sockopt::socket_error(&self.0)?.map_err(Into::into)
    }

    pub(super) fn read(&self, into: &mut [u8]) -> io::Result<Moved> {
        moved(net::recv(&self.0, into, RecvFlags::empty()).map(|(bytes, _)| bytes))
    }

    pub(super) fn write(&self, from: &[u8]) -> io::Result<Moved> {
        moved(net::send(&self.0, from, SendFlags::NOSIGNAL))
    }
}

fn moved(done: rustix::io::Result<usize>) -> io::Result<Moved> {
    match done {
        Ok(0) => Ok(Moved::End),
        Ok(bytes) => Ok(Moved::Bytes(bytes)),
        Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => Ok(Moved::Later),
        Err(error) => Err(error.into()),
    }
}

fn tcp(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&fd, true)?;
    Ok(fd)
}

/// A listener on loopback.
pub(super) struct Listener(OwnedFd);

impl Listener {
    pub(super) fn bind() -> io::Result<(Self, SocketAddr)> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let fd = tcp(any)?;
        net::bind(&fd, &any)?;
        net::listen(&fd, BACKLOG)?;
        let address = SocketAddr::try_from(net::getsockname(&fd)?)?;
        Ok((Self(fd), address))
    }

    pub(super) fn accept(&self) -> Option<Socket> {
        let fd = net::accept_with(&self.0, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC).ok()?;
        // Only latency suffers without it.
        sockopt::set_tcp_nodelay(&fd, true).ok();
        Some(Socket(fd))
    }
}

/// What a key is told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    Read,
    Write,
    Both,
}

impl From<Interest> for epoll::EventFlags {
    fn from(interest: Interest) -> Self {
        match interest {
            Interest::Read => Self::IN,
            Interest::Write => Self::OUT,
            Interest::Both => Self::IN | Self::OUT,
        }
    }
}

/// Something that happened to the socket of this key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    pub(super) key: u64,
    pub(super) read: bool,
    pub(super) write: bool,
}

/// Waits for many sockets.
pub(super) struct Poll {
    epoll: OwnedFd,
    timer: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poll {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // Edge-triggered, so that it need not be read: setting it anew clears it.
        epoll::add(&epoll, &timer, epoll::EventData::new_u64(TIMER), epoll::EventFlags::IN | epoll::EventFlags::ET)?;
        Ok(Self { epoll, timer, events: Vec::with_capacity(EVENTS) })
    }

    pub(super) fn add(&self, socket: &Socket, key: u64, interest: Interest) -> io::Result<()> {
        self.add_fd(&socket.0, key, interest)
    }

    pub(super) fn add_listener(&self, listener: &Listener, key: u64) -> io::Result<()> {
        self.add_fd(&listener.0, key, Interest::Read)
    }

    fn add_fd(&self, fd: &impl AsFd, key: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, epoll::EventData::new_u64(key), interest.into())?)
    }

    pub(super) fn change(&self, socket: &Socket, key: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, &socket.0, epoll::EventData::new_u64(key), interest.into())?)
    }

    pub(super) fn remove(&self, socket: &Socket) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, &socket.0)?)
    }

    /// Waits until something is ready or `timeout` has passed, which is exact to microseconds.
    pub(super) fn wait(&mut self, timeout: Duration, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        self.events.clear();
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let wait = if timeout.is_zero() {
            Some(&at_once)
        } else {
            let value = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
            let once = Itimerspec { it_interval: at_once, it_value: value };
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
            None
        };
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), wait) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &self.events {
            let (flags, key) = (event.flags, event.data.u64());
            let over = flags.intersects(epoll::EventFlags::ERR | epoll::EventFlags::HUP);
            let read = over || flags.contains(epoll::EventFlags::IN);
            let write = over || flags.contains(epoll::EventFlags::OUT);
            if key != TIMER {
                ready.push(Ready { key, read, write });
            }
        }
        Ok(())
    }
}
