//! Unix sockets.

use super::{owned, read, source, write};
use crate::{
    network::{Family, Name, Protocol},
    socket::{Either, Socket},
};
use brigade_handle::explore;
use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    net::Shutdown,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{
            ffi::OsStrExt,
            net::{self, SocketAddr},
        },
    },
    path::Path,
};

/// As [`os::net::UnixListener`]. A simulated one makes no file.
#[derive(Debug)]
pub struct UnixListener(Either<os::net::UnixListener>);

/// As [`os::net::UnixStream`].
#[derive(Debug)]
pub struct UnixStream(Either<os::net::UnixStream>);

pub(super) fn name_of(path: impl AsRef<Path>) -> Name {
    Name::Path(path.as_ref().as_os_str().as_bytes().to_vec())
}

#[allow(missing_docs, clippy::missing_errors_doc, reason = "each method is that of mio")]
impl UnixListener {
    fn simulated(name: &Name) -> io::Result<Self> {
        Ok(Self(Either::Simulated(Socket::listen(Family::UnixStream, name)?)))
    }

    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        if explore::is_managed() {
            return Self::simulated(&name_of(path));
        }
        os::net::UnixListener::bind(path).map(Either::Os).map(Self)
    }

    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        if explore::is_managed() {
            return Self::simulated(&Name::from_unix(address));
        }
        os::net::UnixListener::bind_addr(address).map(Either::Os).map(Self)
    }

    #[must_use]
    pub fn from_std(listener: net::UnixListener) -> Self {
        Self(Either::Os(os::net::UnixListener::from_std(listener)))
    }

    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        match &self.0 {
            Either::Os(os) => os.accept().map(|(stream, peer)| (UnixStream(Either::Os(stream)), peer)),
            Either::Simulated(socket) => {
                let (stream, peer) = socket.accept()?;
                Ok((UnixStream(Either::Simulated(stream)), peer.to_unix()?))
            }
        }
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Either::Os(os) => os.local_addr(),
            Either::Simulated(socket) => socket.local_name()?.to_unix(),
        }
    }
}

#[allow(missing_docs, clippy::missing_errors_doc, reason = "each method is that of mio")]
impl UnixStream {
    pub fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        if explore::is_managed() {
            return Ok(Self(Either::Simulated(Socket::connect_unix(&name_of(path))?)));
        }
        os::net::UnixStream::connect(path).map(Either::Os).map(Self)
    }

    pub fn connect_addr(address: &SocketAddr) -> io::Result<Self> {
        if explore::is_managed() {
            return Ok(Self(Either::Simulated(Socket::connect_unix(&Name::from_unix(address))?)));
        }
        os::net::UnixStream::connect_addr(address).map(Either::Os).map(Self)
    }

    pub fn pair() -> io::Result<(Self, Self)> {
        if explore::is_managed() {
            let (one, other) = Socket::stream_pair(Protocol::Unix, Protocol::Unix)?;
            return Ok((Self(Either::Simulated(one)), Self(Either::Simulated(other))));
        }
        let (one, other) = os::net::UnixStream::pair()?;
        Ok((Self(Either::Os(one)), Self(Either::Os(other))))
    }

    #[must_use]
    pub fn from_std(stream: net::UnixStream) -> Self {
        Self(Either::Os(os::net::UnixStream::from_std(stream)))
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
            Either::Simulated(socket) => socket.shutdown(how),
        }
    }
}

read!(UnixStream);
write!(UnixStream);
source!(UnixStream, "UnixStream");
source!(UnixListener, "UnixListener");
owned!(UnixStream, os::net::UnixStream, "into_std of a UnixStream");
owned!(UnixListener, os::net::UnixListener, "into_std of a UnixListener");
