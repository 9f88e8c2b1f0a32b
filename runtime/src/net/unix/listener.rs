//! A listening Unix socket.

use super::{UnixStream, address::check_stream_address};
use crate::driver::{
    conversion::{as_fd, conversions},
    registration::Registered,
    source::{Direction, Initially},
};
use std::{
    io,
    os::{fd::OwnedFd, unix::net::SocketAddr},
    path::Path,
    task::{Context, Poll},
};

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

    /// Listens at an address of the standard library, such as an [abstract](super::abstract_address) one.
    ///
    /// # Errors
    ///
    /// * `AddrInUse` if another socket has the address.
    /// * `NotFound` or `PermissionDenied` if it is a path and the file cannot be created.
    /// * `InvalidInput` if it is an abstract name that is empty or begins with a zero byte.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// [`abstract_address`](super::abstract_address) has an example.
    #[track_caller]
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        check_stream_address(address)?;
        Self::register(mio::net::UnixListener::bind_addr(address)?)
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

    /// Ends the registration and returns the listener as one of the standard library, set to blocking.
    /// Connections that nobody has accepted yet stay with it.
    ///
    /// # Errors
    ///
    /// The operating system's error, if the descriptor cannot be set to blocking. It is closed then.
    ///
    /// ```
    /// # use brigade_runtime::net::unix::UnixListener;
    /// # brigade_runtime::run(async {
    /// # let path = std::env::temp_dir().join(format!("brigade-into-std-{}", std::process::id()));
    /// let listener = UnixListener::bind(&path)?.into_std()?;
    /// let _client = std::os::unix::net::UnixStream::connect(&path)?;
    /// listener.accept()?;
    /// # std::fs::remove_file(path)
    /// # }).unwrap();
    /// ```
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixListener> {
        let std = std::os::unix::net::UnixListener::from(OwnedFd::from(self.socket.into_io()));
        std.set_nonblocking(false)?;
        Ok(std)
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
    #[track_caller]
    pub fn accept(&self) -> impl Future<Output = io::Result<(UnixStream, SocketAddr)>> {
        let accepting = self.socket.io_among(Direction::Read, mio::net::UnixListener::accept);
        async move {
            let (stream, peer) = accepting.await?;
            Ok((UnixStream::register(stream)?, peer))
        }
    }

    /// Polls for what [`accept`](Self::accept) waits for. Several tasks may wait at once.
    ///
    /// # Errors
    ///
    /// Those of [`accept`](Self::accept).
    ///
    /// ```
    /// # use brigade_runtime::net::unix::{UnixListener, UnixStream};
    /// # brigade_runtime::run(async {
    /// # let path = std::env::temp_dir().join(format!("brigade-poll-accept-{}", std::process::id()));
    /// let listener = UnixListener::bind(&path)?;
    /// let _client = UnixStream::connect(&path).await?;
    /// let (_server, peer) = std::future::poll_fn(|cx| listener.poll_accept(cx)).await?;
    /// assert!(peer.is_unnamed());
    /// # std::fs::remove_file(path)
    /// # }).unwrap();
    /// ```
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(UnixStream, SocketAddr)>> {
        let accepted = self.socket.poll_io(cx, Direction::Read, mio::net::UnixListener::accept);
        accepted.map(|accepted| accepted.and_then(|(stream, peer)| Ok((UnixStream::register(stream)?, peer))))
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

as_fd!(UnixListener, |this| this.socket.io().as_fd());

conversions!(UnixListener, std::os::unix::net::UnixListener);
