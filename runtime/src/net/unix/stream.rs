//! A Unix connection.

use crate::{
    context::budget,
    io::backoff,
    net::split::connection,
    registered::{Registered, as_fd},
    source::Initially,
    sys,
};
use std::{
    io,
    net::Shutdown,
    os::{fd::AsFd, unix::net as os},
    path::Path,
};

pub use crate::sys::Credentials;

/// A connection within one machine, to read and write by the traits of `futures-io`.
///
/// # Cancellation
///
/// A read or write that is dropped while it is pending has done nothing.
#[derive(Debug)]
pub struct UnixStream {
    pub(crate) socket: Registered<mio::net::UnixStream>,
}

impl UnixStream {
    /// Connects to the listener at a path. If its queue of connections is full, this tries again, after pauses of up to 64 ms, until there is
    /// room.
    ///
    /// # Errors
    ///
    /// If there is no socket at the path, or nobody listens.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives the attempt up.
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        // As a rule there is room, and nothing to wait for.
        budget::turn().await;
        Self::register(backoff::retry_with_backoff(|| mio::net::UnixStream::connect(path)).await?)
    }

    /// Two ends of a connection.
    ///
    /// # Errors
    ///
    /// If the operating system refuses descriptors.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = mio::net::UnixStream::pair()?;
        Ok((Self::register(one)?, Self::register(other)?))
    }

    /// Takes over a connection of the standard library. One of packets (`SOCK_SEQPACKET`) in there works as well: each read gets one, and what
    /// does not fit into the buffer is lost.
    ///
    /// # Errors
    ///
    /// If the descriptor cannot be set to non-blocking or registered.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn from_std(stream: os::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let is_stream = sys::is_unix_stream(stream.as_fd());
        let this = Self::register(mio::net::UnixStream::from_std(stream))?;
        if !is_stream {
            this.socket.source().set_records();
        }
        Ok(this)
    }

    #[track_caller]
    pub(super) fn register(socket: mio::net::UnixStream) -> io::Result<Self> {
        Ok(Self { socket: Registered::here("UnixStream", socket, Initially::Ready)? })
    }

    /// Our address, which has no path unless it was bound to one.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn local_addr(&self) -> io::Result<os::SocketAddr> {
        self.socket.io().local_addr()
    }

    /// The other side's address.
    ///
    /// # Errors
    ///
    /// If the connection is closed.
    pub fn peer_addr(&self) -> io::Result<os::SocketAddr> {
        self.socket.io().peer_addr()
    }

    /// Who the other side was when it connected or listened, as the operating system vouches for.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn peer_cred(&self) -> io::Result<Credentials> {
        sys::peer_cred(self.socket.io().as_fd())
    }

    /// Closes one direction, or both, at once.
    ///
    /// # Errors
    ///
    /// If the connection is closed.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.io().shutdown(how)
    }
}

connection!(UnixStream);

as_fd!(UnixStream);
