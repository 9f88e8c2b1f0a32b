//! Listening sockets, and connecting to them.

use super::{
    Arrival, Family, Id, Mask, Name, Network, Object, errno, gone, names,
    stream::{Phase, Protocol, Stream},
};
use crate::sys;
use std::{collections::VecDeque, io, net::SocketAddr, time::Duration};

/// A socket that listens.
pub(super) struct Listener {
    protocol: Protocol,
    pub(super) local: Name,
    /// Our ends of the connections that nobody has accepted yet.
    waiting: VecDeque<Id>,
}

impl Listener {
    pub(super) fn mask(&self) -> Mask {
        Mask { readable: !self.waiting.is_empty(), ..Mask::default() }
    }
}

impl Network {
    /// Makes a listener with this name.
    pub(crate) fn listen(&mut self, family: Family, name: &Name) -> io::Result<Id> {
        let protocol = if family == Family::Tcp { Protocol::Tcp } else { Protocol::Unix };
        let id =
            self.add(Object::Listener(Listener { protocol, local: name.clone(), waiting: VecDeque::new() }));
        match self.bind(family, name, id) {
            Ok(bound) => {
                if let Some(Object::Listener(listener)) = self.objects.get_mut(&id) {
                    listener.local = bound;
                }
                Ok(id)
            }
            Err(error) => {
                self.objects.remove(&id);
                Err(error)
            }
        }
    }

    /// Begins to connect to an address. The connection becomes writable when the attempt has ended.
    pub(crate) fn connect(&mut self, address: SocketAddr) -> io::Result<Id> {
        let remote = names::reached(address);
        let local = self.local_address(Family::Tcp, remote)?;
        let stream = Stream::new(Protocol::Tcp, Phase::Connecting, local, Name::Address(remote));
        let id = self.add(Object::Stream(stream));
        self.send_in_order(id, None, Arrival::Request { from: id });
        Ok(id)
    }

    /// Connects to a Unix socket.
    pub(crate) fn connect_unix(&mut self, name: &Name) -> io::Result<Id> {
        let Some(listener) = self.find(Family::UnixStream, name) else {
            let is_path = matches!(name, Name::Path(_));
            return Err(errno(if is_path { sys::ENOENT } else { sys::ECONNREFUSED }));
        };
        let id =
            self.add(Object::Stream(Stream::new(Protocol::Unix, Phase::Open, Name::Unnamed, name.clone())));
        self.enqueue(listener, id);
        Ok(id)
    }

    /// A request to connect has come to the machine that it is for.
    pub(super) fn receive_request(&mut self, from: Id) {
        let Ok(stream) = self.stream(from) else { return };
        let listener = self.find(Family::Tcp, &stream.remote);
        let is_refused = self.resets();
        let Ok(stream) = self.stream_mut(from) else { return };
        match listener.filter(|_| !is_refused) {
            Some(listener) => {
                stream.phase = Phase::Open;
                self.enqueue(listener, from);
            }
            None => {
                stream.phase = Phase::Broken;
                stream.error = Some(sys::ECONNREFUSED);
            }
        }
        self.happen(from);
    }

    /// Makes the other end of a connection, which the listener will accept.
    fn enqueue(&mut self, listener: Id, client: Id) {
        let Ok(stream) = self.stream(client) else { return };
        let end = Stream::new(stream.protocol, Phase::Open, stream.remote.clone(), stream.local.clone());
        let server = self.add(Object::Stream(end));
        self.join(client, server);
        if let Some(Object::Listener(listener)) = self.objects.get_mut(&listener) {
            listener.waiting.push_back(server);
        }
        self.happen(listener);
    }

    /// Takes a connection that waits.
    pub(crate) fn accept(&mut self, id: Id) -> io::Result<(Id, Name)> {
        let Some(Object::Listener(listener)) = self.objects.get_mut(&id) else { return Err(gone()) };
        let accepted = listener.waiting.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        let peer = self.stream(accepted)?.remote.clone();
        Ok((accepted, peer))
    }

    pub(super) fn close_listener(&mut self, listener: Listener) {
        for waiting in listener.waiting {
            let Some(Object::Stream(stream)) = self.objects.remove(&waiting) else { continue };
            match (listener.protocol, stream.peer) {
                (Protocol::Tcp, Some(client)) => self.send(Duration::ZERO, Arrival::Reset { to: client }),
                _ => self.close_stream(stream),
            }
        }
    }
}
