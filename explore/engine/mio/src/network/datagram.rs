//! Sockets for datagrams: UDP, which promises nothing, and Unix sockets, which lose nothing.

use super::{Arrival, Family, Id, Mask, Name, Network, Object, errno, gone, names, ways};
use crate::sys;
use std::{collections::VecDeque, io};

/// The longest UDP datagram over IPv4.
const MAX_UDP_BYTES: usize = 65_507;
/// How many UDP datagrams wait at most. Further ones are lost, as on any system.
const MAX_UDP_WAITING: usize = 256;
/// How many Unix datagrams wait at most. Further senders wait.
const MAX_UNIX_WAITING: usize = 11;

/// A datagram with its sender.
pub(crate) struct Received {
    pub(crate) from: Name,
    pub(crate) bytes: Vec<u8>,
}

/// A socket for datagrams.
pub(super) struct DatagramSocket {
    family: Family,
    pub(super) local: Name,
    peer: Option<Peer>,
    waiting: VecDeque<Received>,
    /// The first datagram was looked at, so it stays the first one.
    is_first_seen: bool,
    error: Option<i32>,
}

/// The receiver that a socket is connected to.
#[derive(Clone)]
struct Peer {
    name: Name,
    /// For Unix sockets, the very socket.
    id: Option<Id>,
}

impl DatagramSocket {
    pub(super) fn peer_name(&self) -> Option<Name> {
        self.peer.as_ref().map(|peer| peer.name.clone())
    }

    pub(super) fn take_error(&mut self) -> Option<io::Error> {
        self.error.take().map(errno)
    }

    fn is_full(&self) -> bool {
        self.family == Family::UnixDatagram && self.waiting.len() >= MAX_UNIX_WAITING
    }
}

impl Network {
    fn datagrams(&mut self, id: Id) -> io::Result<&mut DatagramSocket> {
        match self.objects.get_mut(&id) {
            Some(Object::Datagrams(socket)) => Ok(socket),
            _ => Err(gone()),
        }
    }

    fn datagrams_ref(&self, id: Id) -> Option<&DatagramSocket> {
        match self.objects.get(&id) {
            Some(Object::Datagrams(socket)) => Some(socket),
            _ => None,
        }
    }

    /// Makes a socket with this name.
    pub(crate) fn add_datagrams(&mut self, family: Family, name: &Name) -> io::Result<Id> {
        let socket = DatagramSocket {
            family,
            local: name.clone(),
            peer: None,
            waiting: VecDeque::new(),
            is_first_seen: false,
            error: None,
        };
        let id = self.add(Object::Datagrams(socket));
        match self.bind(family, name, id) {
            Ok(bound) => {
                self.datagrams(id)?.local = bound;
                Ok(id)
            }
            Err(error) => {
                self.objects.remove(&id);
                Err(error)
            }
        }
    }

    /// Makes two Unix sockets that are connected to each other.
    pub(crate) fn add_datagram_pair(&mut self) -> io::Result<(Id, Id)> {
        let one = self.add_datagrams(Family::UnixDatagram, &Name::Unnamed)?;
        let other = self.add_datagrams(Family::UnixDatagram, &Name::Unnamed)?;
        for (socket, peer) in [(one, other), (other, one)] {
            self.datagrams(socket)?.peer = Some(Peer { name: Name::Unnamed, id: Some(peer) });
        }
        Ok((one, other))
    }

    /// Returns the bits that epoll has for a socket.
    pub(super) fn datagrams_mask(&self, socket: &DatagramSocket) -> Mask {
        let peer = socket.peer.as_ref().and_then(|peer| peer.id);
        let is_peer_full =
            peer.and_then(|peer| self.datagrams_ref(peer)).is_some_and(DatagramSocket::is_full);
        Mask {
            readable: !socket.waiting.is_empty() || socket.error.is_some(),
            writable: !is_peer_full,
            error: socket.error.is_some(),
            ..Mask::default()
        }
    }

    /// Connects a socket to a receiver.
    pub(crate) fn connect_datagrams(&mut self, id: Id, name: &Name) -> io::Result<()> {
        let family = self.datagrams(id)?.family;
        let peer = match *name {
            Name::Address(address) => Peer { name: Name::Address(names::reached(address)), id: None },
            ref name => Peer { name: name.clone(), id: Some(self.unix_receiver(name)?) },
        };
        let socket = self.datagrams(id)?;
        if family == Family::Udp {
            socket.waiting.retain(|received| received.from == peer.name);
        }
        socket.peer = Some(peer);
        Ok(())
    }

    fn unix_receiver(&self, name: &Name) -> io::Result<Id> {
        let is_path = matches!(name, Name::Path(_));
        let missing = || errno(if is_path { sys::ENOENT } else { sys::ECONNREFUSED });
        self.find(Family::UnixDatagram, name).ok_or_else(missing)
    }

    /// Sends a datagram to this receiver, or to the one that the socket is connected to.
    pub(crate) fn send_datagram(&mut self, id: Id, to: Option<&Name>, bytes: &[u8]) -> io::Result<usize> {
        let socket = self.datagrams(id)?;
        if let Some(error) = socket.take_error() {
            return Err(error);
        }
        let (family, sender, peer) = (socket.family, socket.local.clone(), socket.peer.clone());
        if family == Family::UnixDatagram {
            return self.send_unix(id, to, peer, sender, bytes);
        }
        let to = match (to, peer) {
            (Some(Name::Address(address)), _) => Name::Address(names::reached(*address)),
            (None, Some(peer)) => peer.name,
            _ => return Err(errno(sys::EDESTADDRREQ)),
        };
        if bytes.len() > MAX_UDP_BYTES {
            return Err(errno(sys::EMSGSIZE));
        }
        let sender = match (sender, &to) {
            (Name::Address(from), Name::Address(to)) if from.ip().is_unspecified() => {
                Name::Address(std::net::SocketAddr::new(to.ip(), from.port()))
            }
            (sender, _) => sender,
        };
        let copies = match self.fate() {
            ways::Fate::Arrives => 1,
            ways::Fate::IsLost => 0,
            ways::Fate::ArrivesTwice => 2,
        };
        for _ in 0..copies {
            let (sender, to, bytes) = (sender.clone(), to.clone(), bytes.to_vec());
            let delay = self.delay();
            self.send(delay, Arrival::Datagram { from: id, sender, to, bytes });
        }
        Ok(bytes.len())
    }

    fn send_unix(
        &mut self,
        id: Id,
        to: Option<&Name>,
        peer: Option<Peer>,
        sender: Name,
        bytes: &[u8],
    ) -> io::Result<usize> {
        let receiver = match (to, peer) {
            (Some(name), _) => self.unix_receiver(name)?,
            (None, Some(Peer { id: Some(receiver), .. })) => receiver,
            _ => return Err(errno(sys::ENOTCONN)),
        };
        let Ok(socket) = self.datagrams(receiver) else {
            return Err(errno(if to.is_none() { sys::ECONNRESET } else { sys::ECONNREFUSED }));
        };
        if socket.is_full() && receiver != id {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        socket.waiting.push_back(Received { from: sender, bytes: bytes.to_vec() });
        self.happen(receiver);
        Ok(bytes.len())
    }

    /// A UDP datagram has come to the machine that it is for.
    pub(super) fn receive_datagram(&mut self, from: Id, sender: Name, to: &Name, bytes: Vec<u8>) {
        let receiver = self.find(Family::Udp, to).and_then(|id| Some((id, self.datagrams(id).ok()?)));
        let Some((id, socket)) = receiver else {
            // The other machine says that nobody receives there. Only a connected socket hears of it.
            if let Ok(socket) = self.datagrams(from)
                && socket.peer.is_some()
            {
                socket.error = Some(sys::ECONNREFUSED);
                self.happen(from);
            }
            return;
        };
        let is_for_it = socket.peer.as_ref().is_none_or(|peer| peer.name == sender);
        if is_for_it && socket.waiting.len() < MAX_UDP_WAITING {
            socket.waiting.push_back(Received { from: sender, bytes });
            self.happen(id);
        }
    }

    /// Takes the datagram that comes first. With `leaves`, shows it only.
    pub(crate) fn receive_from(&mut self, id: Id, leaves: bool) -> io::Result<Received> {
        let socket = self.datagrams(id)?;
        if let Some(error) = socket.take_error() {
            return Err(error);
        }
        let can_overtake = socket.family == Family::Udp && !socket.is_first_seen;
        let first = ways::datagram(if can_overtake { socket.waiting.len() } else { 1 });
        socket.is_first_seen = leaves;
        let was_full = socket.is_full();
        let received = socket.waiting.remove(first).ok_or(io::ErrorKind::WouldBlock)?;
        if leaves {
            let shown = Received { from: received.from.clone(), bytes: received.bytes.clone() };
            socket.waiting.push_front(received);
            return Ok(shown);
        }
        if was_full {
            self.tell_room(id);
        }
        Ok(received)
    }

    /// Tells the sockets that are connected to this one that it has room.
    fn tell_room(&mut self, id: Id) {
        let is_connected = |object: &Object| match object {
            Object::Datagrams(socket) => socket.peer.as_ref().and_then(|peer| peer.id) == Some(id),
            _ => false,
        };
        let senders: Vec<_> = self.objects.iter().filter(|(_, object)| is_connected(object)).collect();
        let senders: Vec<_> = senders.into_iter().map(|(&sender, _)| sender).collect();
        senders.into_iter().for_each(|sender| self.happen(sender));
    }

    pub(super) fn close_datagrams(&mut self, socket: &DatagramSocket) {
        if let Some(Peer { id: Some(peer), .. }) = socket.peer {
            // Only the other one of a pair hears of it.
            self.happen(peer);
        }
    }
}
