//! UDP.

use super::{owned, source};
use crate::{
    network::{Family, Name},
    socket::{Either, Socket},
};
use brigade_handle::explore;
use std::{
    io,
    net::{self, SocketAddr},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// As [`os::net::UdpSocket`]. Options that change nothing in memory are taken and forgotten.
#[derive(Debug)]
pub struct UdpSocket(Either<os::net::UdpSocket>);

#[allow(missing_docs, clippy::missing_errors_doc, reason = "each method is that of mio")]
impl UdpSocket {
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        if explore::is_managed() {
            return Ok(Self(Either::Simulated(Socket::datagrams(Family::Udp, &Name::Address(address))?)));
        }
        os::net::UdpSocket::bind(address).map(Either::Os).map(Self)
    }

    #[must_use]
    pub fn from_std(socket: net::UdpSocket) -> Self {
        Self(Either::Os(os::net::UdpSocket::from_std(socket)))
    }

    pub fn connect(&self, address: SocketAddr) -> io::Result<()> {
        match &self.0 {
            Either::Os(os) => os.connect(address),
            Either::Simulated(socket) => socket.connect_to(&Name::Address(address)),
        }
    }

    pub fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        match &self.0 {
            Either::Os(os) => os.send_to(bytes, to),
            Either::Simulated(socket) => socket.send(Some(&Name::Address(to)), bytes),
        }
    }

    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Either::Os(os) => os.send(bytes),
            Either::Simulated(socket) => socket.send(None, bytes),
        }
    }

    pub fn recv_from(&self, place: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Either::Os(os) => os.recv_from(place),
            Either::Simulated(socket) => {
                let (count, from) = socket.receive(place, false)?;
                Ok((count, from.address()?))
            }
        }
    }

    pub fn peek_from(&self, place: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Either::Os(os) => os.peek_from(place),
            Either::Simulated(socket) => {
                let (count, from) = socket.receive(place, true)?;
                Ok((count, from.address()?))
            }
        }
    }

    pub fn recv(&self, place: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Either::Os(os) => os.recv(place),
            Either::Simulated(socket) => socket.receive(place, false).map(|(count, _)| count),
        }
    }

    pub fn peek(&self, place: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Either::Os(os) => os.peek(place),
            Either::Simulated(socket) => socket.receive(place, true).map(|(count, _)| count),
        }
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

    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        match &self.0 {
            Either::Os(os) => os.set_broadcast(broadcast),
            Either::Simulated(_) => Ok(()),
        }
    }

    pub fn broadcast(&self) -> io::Result<bool> {
        match &self.0 {
            Either::Os(os) => os.broadcast(),
            Either::Simulated(_) => crate::socket::unknown("UdpSocket::broadcast"),
        }
    }

    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        match &self.0 {
            Either::Os(os) => os.set_ttl(ttl),
            Either::Simulated(_) => Ok(()),
        }
    }

    pub fn ttl(&self) -> io::Result<u32> {
        match &self.0 {
            Either::Os(os) => os.ttl(),
            Either::Simulated(_) => crate::socket::unknown("UdpSocket::ttl"),
        }
    }
}

source!(UdpSocket, "UdpSocket");
owned!(UdpSocket, os::net::UdpSocket, "into_std of a UdpSocket");
