//! Connections of bytes: TCP, Unix streams, pipes.

use super::{
    Arrival, Id, Mask, Name, Network, Object, errno,
    flow::{Flow, FlowEnd},
    gone, now, ways,
};
use crate::sys;
use std::{io, net::Shutdown, time::Instant};

/// A write of at most so many bytes to a pipe is taken whole or not at all (`PIPE_BUF`).
const ATOMIC_PIPE_BYTES: usize = 4096;

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Tcp,
    Unix,
    /// The end of a pipe from which bytes are read.
    PipeReader,
    /// The end of a pipe to which bytes are written.
    PipeWriter,
}

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting,
    Open,
    /// It was refused or reset.
    Broken,
}

/// One end of a connection.
pub(super) struct Stream {
    pub(super) protocol: Protocol,
    pub(super) phase: Phase,
    /// The other end. `None` once that is closed.
    pub(super) peer: Option<Id>,
    pub(super) incoming: Flow,
    /// The error that the next call takes.
    pub(super) error: Option<i32>,
    is_read_shut: bool,
    is_write_shut: bool,
    /// The buffer has no room for a while, although the reader is not behind.
    is_congested: bool,
    pub(super) local: Name,
    pub(super) remote: Name,
}

impl Stream {
    pub(super) fn new(protocol: Protocol, phase: Phase, local: Name, remote: Name) -> Self {
        Self {
            protocol,
            phase,
            peer: None,
            incoming: Flow::default(),
            error: None,
            is_read_shut: false,
            is_write_shut: false,
            is_congested: false,
            local,
            remote,
        }
    }

    pub(super) fn remote_if_connected(&self) -> Option<Name> {
        let is_connected =
            self.phase == Phase::Open && (self.protocol == Protocol::Tcp || self.peer.is_some());
        is_connected.then(|| self.remote.clone())
    }

    fn has_end(&self) -> bool {
        self.incoming.end.has_arrived() || self.is_read_shut || self.phase == Phase::Broken
    }
}

impl Network {
    pub(super) fn stream(&self, id: Id) -> io::Result<&Stream> {
        match self.objects.get(&id) {
            Some(Object::Stream(stream)) => Ok(stream),
            _ => Err(gone()),
        }
    }

    pub(super) fn stream_mut(&mut self, id: Id) -> io::Result<&mut Stream> {
        match self.objects.get_mut(&id) {
            Some(Object::Stream(stream)) => Ok(stream),
            _ => Err(gone()),
        }
    }

    /// Returns the end of the connection to which this one writes.
    fn reader_of(&self, stream: &Stream) -> Option<&Stream> {
        stream.peer.and_then(|peer| self.stream(peer).ok())
    }

    /// Makes two ends that are connected to each other.
    pub(crate) fn add_pair(&mut self, first: Protocol, second: Protocol) -> (Id, Id) {
        let end = |protocol| Object::Stream(Stream::new(protocol, Phase::Open, Name::Unnamed, Name::Unnamed));
        let (one, other) = (self.add(end(first)), self.add(end(second)));
        self.join(one, other);
        (one, other)
    }

    pub(super) fn join(&mut self, one: Id, other: Id) {
        for (end, peer) in [(one, other), (other, one)] {
            if let Ok(stream) = self.stream_mut(end) {
                stream.peer = Some(peer);
            }
        }
    }

    /// Returns the bits that epoll has for a connection.
    pub(super) fn stream_mask(&self, stream: &Stream) -> Mask {
        let reader = self.reader_of(stream);
        let has_room = !stream.is_congested && reader.is_none_or(|reader| reader.incoming.has_much_room());
        let available = stream.incoming.available() > 0;
        match stream.protocol {
            _ if stream.phase == Phase::Connecting => Mask::default(),
            Protocol::PipeReader => {
                Mask { readable: available, hung_up: stream.incoming.end.has_arrived(), ..Mask::default() }
            }
            Protocol::PipeWriter => Mask { writable: has_room, error: reader.is_none(), ..Mask::default() },
            Protocol::Tcp | Protocol::Unix => {
                let is_write_ended = stream.is_write_shut || stream.phase == Phase::Broken;
                let is_gone = stream.protocol == Protocol::Unix && stream.peer.is_none();
                Mask {
                    readable: available || stream.has_end(),
                    writable: is_write_ended || has_room,
                    read_ended: stream.has_end(),
                    hung_up: stream.has_end() && is_write_ended || is_gone,
                    error: stream.error.is_some(),
                }
            }
        }
    }

    /// Reads at most `asked` bytes.
    pub(crate) fn read(&mut self, id: Id, asked: usize) -> io::Result<Vec<u8>> {
        let available = self.before_read(id)?;
        let Some(available) = available.filter(|_| asked > 0) else { return Ok(Vec::new()) };
        let stream = self.stream_mut(id)?;
        let most = asked.min(available);
        let is_whole = stream.incoming.end == FlowEnd::Seen || stream.phase == Phase::Broken;
        // TCP promises that a short read has emptied the buffer, so the bytes after it are still under way.
        // Nobody has seen them, nor the end behind them.
        let puts_back = stream.protocol == Protocol::Tcp;
        let least = if puts_back && is_whole { most } else { most.min(stream.incoming.seen()) };
        let count = ways::length(most, least);
        if puts_back && count < most {
            self.put_back(id, count);
        }
        let stream = self.stream_mut(id)?;
        let bytes = stream.incoming.take(count);
        let (peer, is_awaited) = (stream.peer, stream.incoming.is_awaited);
        if is_awaited && stream.incoming.has_much_room() {
            stream.incoming.is_awaited = false;
            peer.into_iter().for_each(|peer| self.happen(peer));
        }
        Ok(bytes)
    }

    /// Reads at most `asked` bytes, and leaves them.
    pub(crate) fn peek(&mut self, id: Id, asked: usize) -> io::Result<Vec<u8>> {
        let available = self.before_read(id)?;
        Ok(available.map_or_else(Vec::new, |available| {
            let stream = self.stream_mut(id);
            stream.map_or_else(|_| Vec::new(), |stream| stream.incoming.peek(asked.min(available)))
        }))
    }

    /// Returns how many bytes can be read, or `None` at the end.
    fn before_read(&mut self, id: Id) -> io::Result<Option<usize>> {
        let stream = self.stream_mut(id)?;
        let available = stream.incoming.available();
        if stream.phase == Phase::Connecting {
            Err(io::ErrorKind::WouldBlock.into())
        } else if available > 0 {
            Ok(Some(available))
        } else if let Some(error) = stream.error.take_if(|_| stream.incoming.end != FlowEnd::Seen) {
            Err(errno(error))
        } else if stream.has_end() {
            if stream.incoming.end == FlowEnd::Arrived {
                stream.incoming.end = FlowEnd::Seen;
            }
            Ok(None)
        } else {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    /// Lets only `left` bytes have arrived. The others, and an end behind them, arrive a little later.
    fn put_back(&mut self, id: Id, left: usize) {
        let Ok(stream) = self.stream_mut(id) else { return };
        let before = stream.incoming.put_back(left);
        let had_end = stream.incoming.end == FlowEnd::Arrived;
        if had_end {
            stream.incoming.end = FlowEnd::UnderWay;
        }
        let at = now() + ways::SHORT;
        self.send_at(at, Arrival::Bytes { to: id, before });
        if had_end {
            self.send_at(at, Arrival::End { to: id });
        }
    }

    /// Writes bytes, as many as there is room for. Returns their number.
    pub(crate) fn write(&mut self, id: Id, bytes: &[u8]) -> io::Result<usize> {
        let is_tcp = self.stream(id)?.protocol == Protocol::Tcp;
        if is_tcp && self.stream(id)?.phase == Phase::Open && self.resets() {
            self.reset_both(id);
        }
        let stream = self.stream_mut(id)?;
        if stream.phase == Phase::Connecting {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if let Some(error) = stream.error.take() {
            return Err(errno(error));
        }
        if stream.is_write_shut || stream.phase == Phase::Broken || stream.peer.is_none() && !is_tcp {
            return Err(errno(sys::EPIPE));
        }
        let (is_congested, protocol) = (stream.is_congested, stream.protocol);
        let Some(peer) = stream.peer else {
            // The other machine has no such connection any more, and says so.
            self.send_in_order(id, None, Arrival::Reset { to: id });
            return Ok(bytes.len());
        };
        let incoming = &mut self.stream_mut(peer)?.incoming;
        let room = if is_congested { 0 } else { incoming.room() };
        let is_atomic = protocol == Protocol::PipeWriter && bytes.len() <= ATOMIC_PIPE_BYTES;
        let most = if is_atomic && room < bytes.len() { 0 } else { bytes.len().min(room) };
        if most < bytes.len() {
            incoming.is_awaited = true;
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        if most == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = ways::length(most, if is_atomic { most } else { 1 });
        if count < most {
            // Linux promises that a short write has filled the buffer, and tells when there is room.
            self.stream_mut(id)?.is_congested = true;
            self.send(ways::SHORT, Arrival::Room { of: id });
        }
        let before = self.stream_mut(peer)?.incoming.push(&bytes[..count]);
        self.send_in_order(peer, None, Arrival::Bytes { to: peer, before });
        Ok(count)
    }

    /// Lets something arrive at `to` after all that was sent there before, or at `soonest` if that is later.
    /// Between machines it may take a while.
    pub(super) fn send_in_order(&mut self, to: Id, soonest: Option<Instant>, arrival: Arrival) {
        let is_tcp = self.stream(to).is_ok_and(|stream| stream.protocol == Protocol::Tcp);
        let at = if is_tcp { now() + self.delay() } else { now() };
        let Ok(stream) = self.stream_mut(to) else { return };
        let at = at.max(soonest.unwrap_or(at)).max(stream.incoming.latest.unwrap_or(at));
        stream.incoming.latest = Some(at);
        self.send_at(at, arrival);
    }

    /// Closes directions of a connection.
    pub(crate) fn shut_down(&mut self, id: Id, how: Shutdown) -> io::Result<()> {
        let stream = self.stream_mut(id)?;
        if stream.phase != Phase::Open || stream.protocol == Protocol::Unix && stream.peer.is_none() {
            return Err(errno(sys::ENOTCONN));
        }
        if matches!(how, Shutdown::Read | Shutdown::Both) {
            stream.is_read_shut = true;
        }
        let ends = matches!(how, Shutdown::Write | Shutdown::Both) && !stream.is_write_shut;
        let peer = stream.peer;
        if ends {
            stream.is_write_shut = true;
            peer.into_iter().for_each(|peer| self.send_end(peer));
        }
        self.happen(id);
        Ok(())
    }

    fn send_end(&mut self, to: Id) {
        if let Ok(stream) = self.stream_mut(to) {
            stream.incoming.end = FlowEnd::UnderWay;
            self.send_in_order(to, None, Arrival::End { to });
        }
    }

    /// Takes the error of a connection.
    pub(crate) fn take_error(&mut self, id: Id) -> io::Result<Option<io::Error>> {
        match self.objects.get_mut(&id) {
            Some(Object::Stream(stream)) => Ok(stream.error.take().map(errno)),
            Some(Object::Datagrams(socket)) => Ok(socket.take_error()),
            Some(Object::Listener(_)) => Ok(None),
            None => Err(gone()),
        }
    }

    fn reset_both(&mut self, id: Id) {
        let peer = self.stream(id).ok().and_then(|stream| stream.peer);
        self.receive_reset(id);
        peer.into_iter().for_each(|peer| self.receive_reset(peer));
    }

    pub(super) fn close_stream(&mut self, stream: Stream) {
        let Some(peer) = stream.peer else { return };
        let Ok(other) = self.stream_mut(peer) else { return };
        other.peer = None;
        let has_lost_bytes = !stream.incoming.is_empty();
        match stream.protocol {
            Protocol::Tcp if has_lost_bytes => self.send_in_order(peer, None, Arrival::Reset { to: peer }),
            Protocol::Unix if has_lost_bytes => {
                other.error = Some(sys::ECONNRESET);
                self.receive_end(peer);
            }
            _ if stream.is_write_shut => {}
            _ => self.send_end(peer),
        }
        self.happen(peer);
    }

    pub(super) fn receive_bytes(&mut self, to: Id, before: u64) {
        let Ok(stream) = self.stream_mut(to) else { return };
        if stream.incoming.arrive(before) {
            self.happen(to);
        }
    }

    pub(super) fn receive_end(&mut self, to: Id) {
        let Ok(stream) = self.stream_mut(to) else { return };
        let all = stream.incoming.sent();
        stream.incoming.arrive(all);
        if !stream.incoming.end.has_arrived() {
            stream.incoming.end = FlowEnd::Arrived;
        }
        self.happen(to);
    }

    pub(super) fn receive_reset(&mut self, to: Id) {
        let Ok(stream) = self.stream_mut(to) else { return };
        if stream.phase == Phase::Broken {
            return;
        }
        let has_end = stream.incoming.end.has_arrived();
        stream.error = Some(if has_end { sys::EPIPE } else { sys::ECONNRESET });
        stream.phase = Phase::Broken;
        stream.incoming.cut();
        let peer = stream.peer.take();
        if let Some(peer) = peer.and_then(|peer| self.stream_mut(peer).ok()) {
            peer.peer = None;
        }
        self.happen(to);
    }

    pub(super) fn receive_room(&mut self, of: Id) {
        if let Ok(stream) = self.stream_mut(of) {
            stream.is_congested = false;
            self.happen(of);
        }
    }
}
