//! A Unix socket for datagrams.

use super::{descriptor, unix::name_of};
use crate::{
    network::{Family, Name},
    socket::{Either, Socket, unknown},
};
use brigade_handle::explore;
use std::{
    io,
    net::Shutdown,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::{self, SocketAddr},
    },
    path::Path,
};

/// As [`std::os::unix::net::UnixDatagram`], which is registered by its descriptor. A simulated one makes no
/// file.
#[derive(Debug)]
pub struct UnixDatagram(Either<net::UnixDatagram>);

#[allow(missing_docs, clippy::missing_errors_doc, reason = "each method is that of std")]
impl UnixDatagram {
    fn simulated(name: &Name) -> io::Result<Self> {
        Ok(Self(Either::Simulated(Socket::datagrams(Family::UnixDatagram, name)?)))
    }

    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        if explore::is_managed() {
            return Self::simulated(&name_of(path));
        }
        net::UnixDatagram::bind(path).map(Self::from)
    }

    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        if explore::is_managed() {
            return Self::simulated(&Name::from_unix(address));
        }
        net::UnixDatagram::bind_addr(address).map(Self::from)
    }

    pub fn unbound() -> io::Result<Self> {
        if explore::is_managed() {
            return Self::simulated(&Name::Unnamed);
        }
        net::UnixDatagram::unbound().map(Self::from)
    }

    pub fn pair() -> io::Result<(Self, Self)> {
        if explore::is_managed() {
            let (one, other) = Socket::datagram_pair()?;
            return Ok((Self(Either::Simulated(one)), Self(Either::Simulated(other))));
        }
        let (one, other) = net::UnixDatagram::pair()?;
        Ok((one.into(), other.into()))
    }

    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match &self.0 {
            Either::Os(os) => os.set_nonblocking(nonblocking),
            Either::Simulated(_) => Ok(()),
        }
    }

    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        match &self.0 {
            Either::Os(os) => os.connect(path),
            Either::Simulated(socket) => socket.connect_to(&name_of(path)),
        }
    }

    pub fn connect_addr(&self, address: &SocketAddr) -> io::Result<()> {
        match &self.0 {
            Either::Os(os) => os.connect_addr(address),
            Either::Simulated(socket) => socket.connect_to(&Name::from_unix(address)),
        }
    }

    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Either::Os(os) => os.send(bytes),
            Either::Simulated(socket) => socket.send(None, bytes),
        }
    }

    pub fn send_to(&self, bytes: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        match &self.0 {
            Either::Os(os) => os.send_to(bytes, path),
            Either::Simulated(socket) => socket.send(Some(&name_of(path)), bytes),
        }
    }

    pub fn send_to_addr(&self, bytes: &[u8], address: &SocketAddr) -> io::Result<usize> {
        match &self.0 {
            Either::Os(os) => os.send_to_addr(bytes, address),
            Either::Simulated(socket) => socket.send(Some(&Name::from_unix(address)), bytes),
        }
    }

    pub fn recv(&self, place: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Either::Os(os) => os.recv(place),
            Either::Simulated(socket) => socket.receive(place, false).map(|(count, _)| count),
        }
    }

    pub fn recv_from(&self, place: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Either::Os(os) => os.recv_from(place),
            Either::Simulated(socket) => {
                let (count, from) = socket.receive(place, false)?;
                Ok((count, from.to_unix()?))
            }
        }
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Either::Os(os) => os.local_addr(),
            Either::Simulated(socket) => socket.local_name()?.to_unix(),
        }
    }

    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Either::Os(os) => os.peer_addr(),
            Either::Simulated(socket) => socket.peer_name()?.to_unix(),
        }
    }

    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match &self.0 {
            Either::Os(os) => os.shutdown(how),
            Either::Simulated(_) => unknown("UnixDatagram::shutdown"),
        }
    }
}

impl From<net::UnixDatagram> for UnixDatagram {
    fn from(os: net::UnixDatagram) -> Self {
        Self(Either::Os(os))
    }
}

impl From<UnixDatagram> for net::UnixDatagram {
    /// # Panics
    ///
    /// Panics if the socket is simulated.
    #[track_caller]
    fn from(ours: UnixDatagram) -> Self {
        match ours.0 {
            Either::Os(os) => os,
            Either::Simulated(_) => panic!(
                "an explored run cannot do into_std of a UnixDatagram: the socket is simulated, and the operating \
                 system has no descriptor for it"
            ),
        }
    }
}

descriptor!(UnixDatagram);
