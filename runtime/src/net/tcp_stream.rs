//! A TCP connection.

use super::{ToAddresses, split::connection};
use crate::{
    registered::{Registered, as_fd},
    source::{Direction, Initially},
    sys,
};
use mio::Interest;
use std::{
    io,
    net::{Shutdown, SocketAddr},
    os::fd::AsFd,
};

/// A TCP connection, to read and write by the traits of `futures-io`.
///
/// Dropping it closes the connection. Both directions may be used at once, by [`split`](Self::split) in one task and by
/// [`into_split`](Self::into_split) in two.
///
/// Urgent bytes (`MSG_OOB`) are not read, unless the option `SO_OOBINLINE` is set; those before and behind them are.
///
/// # Cancellation
///
/// A read or write that is dropped while it is pending has done nothing.
#[derive(Debug)]
pub struct TcpStream {
    socket: Registered<mio::net::TcpStream>,
}

impl TcpStream {
    /// Connects to the first of the addresses that answers. A host name is resolved on the blocking pool.
    ///
    /// # Errors
    ///
    /// If the name cannot be resolved, or the last address refuses.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives the attempt up.
    pub async fn connect(addresses: impl ToAddresses) -> io::Result<Self> {
        let mut last = None;
        for address in addresses.resolve().await? {
            match Self::connect_one(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(super::resolve::no_address))
    }

    async fn connect_one(address: SocketAddr) -> io::Result<Self> {
        let stream = Self::register(mio::net::TcpStream::connect(address)?, Initially::Pending)?;
        // The socket becomes writable when the attempt has ended, either way.
        let connected = |socket: &mio::net::TcpStream| {
            if let Some(error) = socket.take_error()? {
                return Err(error);
            }
            match socket.peer_addr() {
                Ok(_) => Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    Err(io::ErrorKind::WouldBlock.into())
                }
                Err(error) => Err(error),
            }
        };
        stream.socket.io_among(Direction::Write, connected).await?;
        Ok(stream)
    }

    /// Takes over a connection of the standard library. What is no TCP connection in there, such as one of SCTP, works as well, if it is read
    /// and written in the same way.
    ///
    /// # Errors
    ///
    /// If the descriptor cannot be set to non-blocking or registered.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let is_tcp = sys::is_tcp(stream.as_fd());
        let this = Self::register(mio::net::TcpStream::from_std(stream), Initially::Ready)?;
        if !is_tcp {
            this.socket.source().set_records();
        }
        Ok(this)
    }

    #[track_caller]
    pub(super) fn register(socket: mio::net::TcpStream, initially: Initially) -> io::Result<Self> {
        let both = Interest::READABLE | Interest::WRITABLE;
        // Elsewhere a short read is not taken for the last.
        #[cfg(target_os = "linux")]
        let both = both | Interest::PRIORITY;
        Ok(Self { socket: Registered::here_for("TcpStream", socket, initially, both)? })
    }

    /// Our address.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().local_addr()
    }

    /// The other side's address.
    ///
    /// # Errors
    ///
    /// If the connection is closed.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().peer_addr()
    }

    /// Whether small writes are sent at once (true) or gathered into full packets (false, as it begins).
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.io().set_nodelay(nodelay)
    }

    /// Whether small writes are sent at once.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.io().nodelay()
    }

    /// Closes one direction, or both, at once.
    ///
    /// # Errors
    ///
    /// If the connection is closed.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.io().shutdown(how)
    }

    /// Reads what has come and leaves it there.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost.
    pub async fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.socket.io_among(Direction::Read, |socket| socket.peek(bytes)).await
    }

    /// How many networks a packet of this connection may cross.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.io().set_ttl(ttl)
    }
}

connection!(TcpStream);

as_fd!(TcpStream);
