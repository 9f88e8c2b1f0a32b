//! A listening Unix socket.

use super::UnixStream;
use crate::driver::{
    registration::{Registered, as_fd},
    source::{Direction, Initially},
};
use std::{io, os::unix::net::SocketAddr, path::Path};

/// A Unix socket that accepts connections.
///
/// Dropping the listener leaves the file at its path, and a new listener cannot bind to that path: remove
/// the file before or after.
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
    /// Listens at a path, where it creates the file.
    ///
    /// # Errors
    ///
    /// * `AddrInUse` if there is a file at the path.
    /// * `InvalidInput` if the path is too long for a socket (about 100 bytes).
    /// * `NotFound` or `PermissionDenied` if the file cannot be created.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// use brigade_runtime::{net::unix::UnixListener, run};
    ///
    /// run(async {
    ///     let path = std::env::temp_dir().join(format!("brigade-bind-{}", std::process::id()));
    ///     drop(UnixListener::bind(&path)?);
    ///     let again = UnixListener::bind(&path).unwrap_err();
    ///     assert_eq!(again.kind(), std::io::ErrorKind::AddrInUse, "the file is still there");
    ///     std::fs::remove_file(path)
    /// })
    /// # .unwrap();
    /// ```
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::register(mio::net::UnixListener::bind(path)?)
    }

    /// Takes over a listener of the standard library, such as one that was passed to this process.
    ///
    /// # Errors
    ///
    /// The operating system's error, if the descriptor cannot be set to non-blocking or registered.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    #[track_caller]
    pub fn from_std(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Self::register(mio::net::UnixListener::from_std(listener))
    }

    #[track_caller]
    fn register(socket: mio::net::UnixListener) -> io::Result<Self> {
        Ok(Self { socket: Registered::here("UnixListener", socket, Initially::Ready)? })
    }

    /// Waits for the next connection, and returns it with the peer's address. Several tasks may wait at once.
    ///
    /// # Errors
    ///
    /// * The operating system's error, such as `EMFILE` (a kind without a name) if the process has too many
    ///   open descriptors. The listener stays usable.
    /// * `Other` if the runtime has ended.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no connection.
    ///
    /// ```
    /// # use brigade_runtime::net::unix::{UnixListener, UnixStream};
    /// # brigade_runtime::run(async {
    /// # let path = std::env::temp_dir().join(format!("brigade-accept-{}", std::process::id()));
    /// let listener = UnixListener::bind(&path)?;
    /// let client = UnixStream::connect(&path).await?;
    /// let (server, _) = listener.accept().await?;
    /// assert_eq!(server.peer_cred()?.uid, client.peer_cred()?.uid);
    /// # std::fs::remove_file(path)
    /// # }).unwrap();
    /// ```
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, peer) = self.socket.io_among(Direction::Read, mio::net::UnixListener::accept).await?;
        Ok((UnixStream::register(stream)?, peer))
    }

    /// Returns the address that the listener is bound to.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().local_addr()
    }
}

as_fd!(UnixListener);
