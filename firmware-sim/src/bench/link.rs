//! One connection: what it has still to write, what it has read in part, and which publishes are under way on it.

use std::collections::VecDeque;
use std::io;

use super::packet::{self, Malformed, Packet};
use super::socket::{Interest, Moved, Poll, Socket};

/// Publishes without an acknowledgement on one connection at which a broker counts as unable to follow: fewer than there
/// are packet ids.
pub(super) const UNDER_WAY_MAX: usize = 65_000;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Publisher,
    Subscriber,
    SlowReader,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Connecting,
    Greeted,
    Subscribed,
    Ready,
    Closed,
}

pub(super) struct Link {
    pub(super) role: Role,
    pub(super) stage: Stage,
    socket: Socket,
    key: u64,
    out: Vec<u8>,
    written: usize,
    partial: Vec<u8>,
    awaits_room: bool,
    next_id: u16,
    /// Packet id, and when it was due.
    under_way: VecDeque<(u16, u64)>,
    /// Publishes that no answer, of the kind that counts, has come for.
    pub(super) unanswered: usize,
}

impl Link {
    pub(super) fn new(role: Role, socket: Socket, key: u64) -> Self {
        Self {
            role,
            stage: Stage::Connecting,
            socket,
            key,
            out: Vec::new(),
            written: 0,
            partial: Vec::new(),
            awaits_room: false,
            next_id: 0,
            under_way: VecDeque::new(),
            unanswered: 0,
        }
    }

    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Where packets are appended; [`Link::flush`] sends them.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// The packet id of a publish that is appended next.
    pub(super) fn begin_publish(&mut self, due: u64) -> u16 {
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        self.under_way.push_back((self.next_id, due));
        self.next_id
    }

    /// When the publish that is acknowledged now was due.
    pub(super) fn acknowledged(&mut self, id: u16) -> Option<u64> {
        match self.under_way.front() {
            Some((oldest, _)) if *oldest == id => self.under_way.pop_front(),
            _ => {
                let at = self.under_way.iter().position(|(known, _)| *known == id)?;
                self.under_way.remove(at)
            }
        }
        .map(|(_, due)| due)
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Writes what the system takes, and asks to be told when it takes more.
    pub(super) fn flush(&mut self, poll: &Poll) -> io::Result<()> {
        while self.written < self.out.len() {
            match self.socket.write(&self.out[self.written..])? {
                Moved::Bytes(bytes) => self.written += bytes,
                Moved::Later | Moved::End => {
                    if !self.awaits_room {
                        self.awaits_room = true;
                        poll.change(&self.socket, self.key, Interest::Both)?;
                    }
                    return Ok(());
                }
            }
        }
        self.out.clear();
        self.written = 0;
        if self.awaits_room {
            self.awaits_room = false;
            poll.change(&self.socket, self.key, Interest::Read)?;
        }
        Ok(())
    }

    /// Reads once into `scratch`; the bytes that came, behind those of a packet begun before. `None` at the end.
    pub(super) fn read<'a>(&mut self, scratch: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
        let before = self.partial.len().min(scratch.len() / 2);
        scratch[..before].copy_from_slice(&self.partial[..before]);
        self.partial.clear();
        match self.socket.read(&mut scratch[before..])? {
            Moved::Bytes(bytes) => Ok(Some(&scratch[..before + bytes])),
            Moved::Later => Ok(Some(&scratch[..before])),
            Moved::End => Ok(None),
        }
    }

    /// Keeps what [`Link::read`] gave and [`packet::split`] could not use yet.
    pub(super) fn keep(&mut self, partial: &[u8]) {
        self.partial.extend_from_slice(partial);
    }
}

/// Splits `bytes` into packets; what is left over.
pub(super) fn each_packet<'a, E: From<Malformed>>(
    mut bytes: &'a [u8],
    mut take: impl FnMut(Packet<'a>) -> Result<(), E>,
) -> Result<&'a [u8], E> {
    while let Some((packet, len)) = packet::split(bytes)? {
        take(packet)?;
        bytes = &bytes[len..];
    }
    Ok(bytes)
}
