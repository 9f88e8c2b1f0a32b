//! Simulated sockets: the names of objects of the network, with a descriptor each.

use crate::{
    Interest, Token,
    network::{self, Family, Id, Name, Network, Protocol, Received},
    poll::{Registry, Selector},
    sys,
};
use brigade_handle::explore;
use std::{
    fs::{File, OpenOptions},
    io::{self, IoSlice, IoSliceMut},
    net::{Shutdown, SocketAddr},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    sync::OnceLock,
};

/// A simulated socket. It is closed when it is dropped.
#[derive(Debug)]
pub(crate) struct Socket {
    id: Id,
    /// Selectors find the object by it. All other calls on it fail, because it is only a path.
    descriptor: OwnedFd,
}

/// A value that is one of the operating system's, or simulated.
#[derive(Debug)]
pub(crate) enum Either<T> {
    Os(T),
    Simulated(Socket),
}

/// Opens one more descriptor on which all calls fail.
fn open_descriptor() -> io::Result<OwnedFd> {
    static PATH: OnceLock<File> = OnceLock::new();
    let path = match PATH.get() {
        Some(path) => path,
        None => {
            let path = OpenOptions::new().read(true).custom_flags(sys::PATH_ONLY).open("/")?;
            PATH.get_or_init(|| path)
        }
    };
    path.as_fd().try_clone_to_owned()
}

/// Comes to a choice point, and calls `f` with the network.
fn call<R>(f: impl FnOnce(&mut Network) -> R) -> R {
    explore::point();
    network::with(f)
}

impl Socket {
    /// Makes the socket of an object.
    fn new(id: Id) -> io::Result<Self> {
        let descriptor = open_descriptor().inspect_err(|_| network::with(|network| network.close(id)))?;
        network::with(|network| network.set_descriptor(descriptor.as_raw_fd(), id));
        Ok(Self { id, descriptor })
    }

    fn pair((one, other): (Id, Id)) -> io::Result<(Self, Self)> {
        Ok((Self::new(one)?, Self::new(other)?))
    }

    pub(crate) fn listen(family: Family, name: &Name) -> io::Result<Self> {
        Self::new(call(|network| network.listen(family, name))?)
    }

    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::new(call(|network| network.connect(address))?)
    }

    pub(crate) fn connect_unix(name: &Name) -> io::Result<Self> {
        Self::new(call(|network| network.connect_unix(name))?)
    }

    pub(crate) fn stream_pair(first: Protocol, second: Protocol) -> io::Result<(Self, Self)> {
        Self::pair(call(|network| network.add_pair(first, second)))
    }

    pub(crate) fn datagrams(family: Family, name: &Name) -> io::Result<Self> {
        Self::new(call(|network| network.add_datagrams(family, name))?)
    }

    pub(crate) fn datagram_pair() -> io::Result<(Self, Self)> {
        Self::pair(call(Network::add_datagram_pair)?)
    }

    pub(crate) fn accept(&self) -> io::Result<(Self, Name)> {
        let (id, peer) = call(|network| network.accept(self.id))?;
        Ok((Self::new(id)?, peer))
    }

    pub(crate) fn read(&self, places: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let asked = places.iter().map(|place| place.len()).sum();
        let bytes = call(|network| network.read(self.id, asked))?;
        let mut rest = bytes.as_slice();
        for place in places {
            let count = place.len().min(rest.len());
            place[..count].copy_from_slice(&rest[..count]);
            rest = &rest[count..];
        }
        Ok(bytes.len())
    }

    pub(crate) fn peek(&self, place: &mut [u8]) -> io::Result<usize> {
        let bytes = call(|network| network.peek(self.id, place.len()))?;
        place[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    pub(crate) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        call(|network| network.write(self.id, &bytes))
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        call(|network| network.shut_down(self.id, how))
    }

    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        call(|network| network.take_error(self.id))
    }

    pub(crate) fn local_name(&self) -> io::Result<Name> {
        network::with(|network| network.local_name(self.id))
    }

    pub(crate) fn peer_name(&self) -> io::Result<Name> {
        network::with(|network| network.peer_name(self.id))
    }

    pub(crate) fn connect_to(&self, name: &Name) -> io::Result<()> {
        call(|network| network.connect_datagrams(self.id, name))
    }

    pub(crate) fn send(&self, to: Option<&Name>, bytes: &[u8]) -> io::Result<usize> {
        call(|network| network.send_datagram(self.id, to, bytes))
    }

    /// Receives a datagram. Bytes that do not fit are lost.
    pub(crate) fn receive(&self, place: &mut [u8], leaves: bool) -> io::Result<(usize, Name)> {
        let Received { from, bytes } = call(|network| network.receive_from(self.id, leaves))?;
        let count = place.len().min(bytes.len());
        place[..count].copy_from_slice(&bytes[..count]);
        Ok((count, from))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        call(|network| network.close(self.id));
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Refuses a source of the operating system within a run.
pub(crate) fn refuse<R>(name: &str) -> io::Result<R> {
    let message = format!(
        "an explored run has no {name} of the operating system: make the {name} within the run, so that it is \
         simulated"
    );
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}

/// Refuses to tell what a simulated socket does not know.
pub(crate) fn unknown<R>(call: &str) -> io::Result<R> {
    Err(io::Error::new(io::ErrorKind::Unsupported, format!("an explored run does not simulate {call}")))
}

/// Registers a simulated object.
pub(crate) fn register(registry: &Registry, id: Id, token: Token, interests: Interest) -> io::Result<()> {
    match &registry.0 {
        &Selector::Simulated(selector) => {
            network::with(|network| network.register(id, selector, token, interests))
        }
        Selector::Os(_) => Err(io::Error::other("this selector was made outside of the explored run")),
    }
}

impl<T: os::event::Source> Either<T> {
    pub(crate) fn register(
        &mut self,
        name: &str,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        match (self, &registry.0) {
            (Self::Os(io), Selector::Os(os)) => os.register(io, token, interests),
            (Self::Os(_), Selector::Simulated(_)) => refuse(name),
            (Self::Simulated(socket), _) => register(registry, socket.id, token, interests),
        }
    }

    pub(crate) fn reregister(
        &mut self,
        name: &str,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        match (self, &registry.0) {
            (Self::Os(io), Selector::Os(os)) => os.reregister(io, token, interests),
            (Self::Os(_), Selector::Simulated(_)) => refuse(name),
            (Self::Simulated(socket), _) => {
                network::with(|network| network.deregister(socket.id))?;
                register(registry, socket.id, token, interests)
            }
        }
    }

    pub(crate) fn deregister(&mut self, name: &str, registry: &Registry) -> io::Result<()> {
        match (self, &registry.0) {
            (Self::Os(io), Selector::Os(os)) => os.deregister(io),
            (Self::Os(_), Selector::Simulated(_)) => refuse(name),
            (Self::Simulated(socket), _) => network::with(|network| network.deregister(socket.id)),
        }
    }
}
