//! A listening TCP socket.

use super::{TcpStream, ToAddresses, lookup_host};
use crate::{
    registered::{Registered, as_fd},
    source::{Direction, Initially},
};
use std::{io, net::SocketAddr, os::fd::AsFd};

/// A TCP socket that waits for connections.
///
/// # Example
///
/// ```
/// use brigade_runtime::{net::{TcpListener, TcpStream}, run, spawn};
/// use futures_util::{AsyncReadExt, AsyncWriteExt};
///
/// run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let address = listener.local_addr()?;
///     let server = spawn(async move {
///         let (mut stream, _) = listener.accept().await?;
///         stream.write_all(b"hello").await
///     });
///     let mut text = String::new();
///     TcpStream::connect(address).await?.read_to_string(&mut text).await?;
///     assert_eq!(text, "hello");
///     server.await.unwrap()
/// })
/// # .unwrap();
/// ```
#[derive(Debug)]
pub struct TcpListener {
    socket: Registered<mio::net::TcpListener>,
}

impl TcpListener {
    /// Listens on the first of the addresses on which it can. Port 0 takes any free port.
    ///
    /// # Errors
    ///
    /// If the name cannot be resolved, or the last address is in use or not ours.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub async fn bind(addresses: impl ToAddresses) -> io::Result<Self> {
        let mut last = None;
        for address in lookup_host(addresses).await? {
            match mio::net::TcpListener::bind(address) {
                Ok(socket) => {
                    crate::sys::widen_backlog(socket.as_fd())?;
                    return Self::register(socket);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(super::resolve::no_address))
    }

    /// Takes over a listener of the standard library, such as one that was passed to this process.
    ///
    /// # Errors
    ///
    /// If the descriptor cannot be set to non-blocking or registered.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Self::register(mio::net::TcpListener::from_std(listener))
    }

    #[track_caller]
    fn register(socket: mio::net::TcpListener) -> io::Result<Self> {
        Ok(Self { socket: Registered::here("TcpListener", socket, Initially::Ready)? })
    }

    /// Waits for the next connection. Several tasks may wait at once.
    ///
    /// # Errors
    ///
    /// What the operating system says, such as too many open descriptors. The listener stays usable.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no connection.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.socket.io_among(Direction::Read, mio::net::TcpListener::accept).await?;
        Ok((TcpStream::register(stream, Initially::Ready)?, peer))
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().local_addr()
    }
}

as_fd!(TcpListener);
