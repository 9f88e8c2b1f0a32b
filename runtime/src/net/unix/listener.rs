//! A listening Unix socket.

use super::UnixStream;
use crate::{
    registered::{Registered, as_fd},
    source::{Direction, Initially},
};
use std::{io, os::unix::net::SocketAddr, path::Path};

/// A Unix socket that waits for connections.
///
/// Its path stays when it is dropped, and a new listener cannot take it: remove the file before or after.
///
/// # Example
///
/// ```
/// use brigade_runtime::{net::unix::{UnixListener, UnixStream}, run, spawn};
/// use futures_util::{AsyncReadExt, AsyncWriteExt};
///
/// run(async {
///     let path = std::env::temp_dir().join(format!("brigade-listener-{}", std::process::id()));
///     let listener = UnixListener::bind(&path)?;
///     let server = spawn(async move { listener.accept().await?.0.write_all(b"hello").await });
///     let mut text = String::new();
///     UnixStream::connect(&path).await?.read_to_string(&mut text).await?;
///     std::fs::remove_file(path)?;
///     assert_eq!(text, "hello");
///     server.await.unwrap()
/// })
/// # .unwrap();
/// ```
#[derive(Debug)]
pub struct UnixListener {
    socket: Registered<mio::net::UnixListener>,
}

impl UnixListener {
    /// Listens at a path, where it makes the socket.
    ///
    /// # Errors
    ///
    /// If there is something at the path, or it is too long for a socket (about 100 bytes).
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::register(mio::net::UnixListener::bind(path)?)
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
    #[track_caller]
    pub fn from_std(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Self::register(mio::net::UnixListener::from_std(listener))
    }

    #[track_caller]
    fn register(socket: mio::net::UnixListener) -> io::Result<Self> {
        Ok(Self { socket: Registered::here("UnixListener", socket, Initially::Ready)? })
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
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, peer) = self.socket.io_among(Direction::Read, mio::net::UnixListener::accept).await?;
        Ok((UnixStream::register(stream)?, peer))
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

as_fd!(UnixListener);
