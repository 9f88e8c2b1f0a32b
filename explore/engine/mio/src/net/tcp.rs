//! TCP.

use super::{owned, read, source, write};
use crate::{
    network::{Family, Name},
    socket::{Either, Socket},
};
use brigade_handle::explore;
use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    net::{self, Shutdown, SocketAddr},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// As [`os::net::TcpListener`].
#[derive(Debug)]
pub struct TcpListener(Either<os::net::TcpListener>);

/// As [`os::net::TcpStream`]. Options that change nothing in memory are taken and forgotten.
#[derive(Debug)]
pub struct TcpStream(Either<os::net::TcpStream>);

#[allow(missing_docs, clippy::missing_errors_doc, reason = "each method is that of mio")]
impl TcpListener {
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        if explore::is_managed() {
            return Ok(Self(Either::Simulated(Socket::listen(Family::Tcp, &Name::Address(address))?)));
        }
        os::net::TcpListener::bind(address).map(Either::Os).map(Self)
    }

    #[must_use]
    pub fn from_std(listener: net::TcpListener) -> Self {
        Self(Either::Os(os::net::TcpListener::from_std(listener)))
    }

    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match &self.0 {
            Either::Os(os) => os.accept().map(|(stream, peer)| (TcpStream(Either::Os(stream)), peer)),
            Either::Simulated(socket) => {
                let (stream, peer) = socket.accept()?;
                Ok((TcpStream(Either::Simulated(stream)), peer.address()?))
            }
        }
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Either::Os(os) => os.local_addr(),
            Either::Simulated(socket) => socket.local_name()?.address(),
        }
    }
}

#[allow(missing_docs, clippy::missing_errors_doc, reason = "each method is that of mio")]
impl TcpStream {
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        if explore::is_managed() {
            return Ok(Self(Either::Simulated(Socket::connect(address)?)));
        }
        os::net::TcpStream::connect(address).map(Either::Os).map(Self)
    }

    #[must_use]
    pub fn from_std(stream: net::TcpStream) -> Self {
        Self(Either::Os(os::net::TcpStream::from_std(stream)))
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Either::Os(os) => os.local_addr(),
            Either::Simulated(socket) => socket.local_name()?.address(),
        }
    }

    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Either::Os(os) => os.peer_addr(),
            Either::Simulated(socket) => socket.peer_name()?.address(),
        }
    }

    pub fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Either::Os(os) => os.peek(bytes),
            Either::Simulated(socket) => socket.peek(bytes),
        }
    }

    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match &self.0 {
            Either::Os(os) => os.shutdown(how),
            Either::Simulated(socket) => socket.shutdown(how),
        }
    }

    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match &self.0 {
            Either::Os(os) => os.take_error(),
            Either::Simulated(socket) => socket.take_error(),
        }
    }

    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        match &self.0 {
            Either::Os(os) => os.set_nodelay(nodelay),
            Either::Simulated(_) => Ok(()),
        }
    }

    pub fn nodelay(&self) -> io::Result<bool> {
        match &self.0 {
            Either::Os(os) => os.nodelay(),
            // In memory nothing waits for more bytes.
            Either::Simulated(_) => Ok(true),
        }
    }

    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        match &self.0 {
            Either::Os(os) => os.set_ttl(ttl),
            Either::Simulated(_) => Ok(()),
        }
    }
}

read!(TcpStream);
write!(TcpStream);
source!(TcpStream, "TcpStream");
source!(TcpListener, "TcpListener");
owned!(TcpStream, os::net::TcpStream, "into_std of a TcpStream");
owned!(TcpListener, os::net::TcpListener, "into_std of a TcpListener");
