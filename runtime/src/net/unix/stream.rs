//! A Unix stream connection.

use super::address::check_stream_address;
use crate::{
    driver::{
        conversion::{as_fd, conversions},
        registration::Registered,
        source::Initially,
    },
    io::backoff,
    net::split::connection,
    sys,
    task::budget,
};
use std::{
    io,
    net::Shutdown,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net as os,
    },
    path::Path,
};

pub use crate::sys::Credentials;

/// A connection within one machine, to read and write by the traits of `futures-io`.
///
/// # Cancellation
///
/// A read or write that is dropped while it is pending has done nothing.
///
/// # Example
///
/// ```
/// use brigade_runtime::{net::unix::UnixStream, run};
/// use futures_util::{AsyncReadExt, AsyncWriteExt};
///
/// run(async {
///     let (mut one, mut other) = UnixStream::pair()?;
///     one.write_all(b"hello").await?;
///     drop(one);
///     let mut text = String::new();
///     other.read_to_string(&mut text).await?;
///     assert_eq!(text, "hello");
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[derive(Debug)]
pub struct UnixStream {
    pub(crate) socket: Registered<mio::net::UnixStream>,
}

impl UnixStream {
    /// Connects to the listener at a path. If its queue of connections is full, this tries again until
    /// there is room, after pauses of up to 64 ms.
    ///
    /// # Errors
    ///
    /// * `NotFound` if there is no file at the path.
    /// * `ConnectionRefused` if nobody listens there.
    /// * `PermissionDenied` if the file may not be written.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// # Cancellation
    ///
    /// Dropping the future abandons the attempt.
    ///
    /// ```
    /// use brigade_runtime::{net::unix::{UnixListener, UnixStream}, run};
    /// use std::io::ErrorKind;
    ///
    /// run(async {
    ///     let path = std::env::temp_dir().join(format!("brigade-connect-{}", std::process::id()));
    ///     let listener = UnixListener::bind(&path)?;
    ///     UnixStream::connect(&path).await?;
    ///     drop(listener);
    ///     let refused = UnixStream::connect(&path).await.unwrap_err();
    ///     assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    ///     std::fs::remove_file(path)
    /// })
    /// # .unwrap();
    /// ```
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        Self::connect_by(|| mio::net::UnixStream::connect(path)).await
    }

    /// Does the same as [`connect`](Self::connect), for an address of the standard library, such as an
    /// [abstract](super::abstract_address) one.
    ///
    /// # Errors
    ///
    /// * `ConnectionRefused` if nobody listens there.
    /// * `NotFound` if it is a path and there is no file, `PermissionDenied` if that may not be written.
    /// * `InvalidInput` if it is an abstract name that is empty or begins with a zero byte.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// # Cancellation
    ///
    /// Dropping the future abandons the attempt.
    ///
    /// [`abstract_address`](super::abstract_address) has an example.
    pub async fn connect_addr(address: &os::SocketAddr) -> io::Result<Self> {
        check_stream_address(address)?;
        Self::connect_by(|| mio::net::UnixStream::connect_addr(address)).await
    }

    async fn connect_by(connect: impl FnMut() -> io::Result<mio::net::UnixStream>) -> io::Result<Self> {
        // There is usually room and nothing to wait for, so the budget is charged here.
        budget::turn().await;
        Self::register(backoff::retry_with_backoff(connect).await?)
    }

    /// Makes the two ends of a connection.
    ///
    /// # Errors
    ///
    /// The operating system's error, if it refuses descriptors.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// # use futures_util::{AsyncReadExt, AsyncWriteExt};
    /// # brigade_runtime::run(async {
    /// let (mut one, mut other) = brigade_runtime::net::unix::UnixStream::pair()?;
    /// one.write_all(b"hi").await?;
    /// other.read_exact(&mut [0; 2]).await?;
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = mio::net::UnixStream::pair()?;
        Ok((Self::register(one)?, Self::register(other)?))
    }

    /// Takes over a connection of the standard library.
    ///
    /// The descriptor may also be a connection of packets (`SOCK_SEQPACKET`): then each read gets one
    /// packet, and bytes that do not fit into the buffer are lost.
    ///
    /// # Errors
    ///
    /// The operating system's error, if the descriptor cannot be set to non-blocking or registered.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// # use futures_util::AsyncReadExt;
    /// # use std::io::Write;
    /// # brigade_runtime::run(async {
    /// let (mut theirs, ours) = std::os::unix::net::UnixStream::pair()?;
    /// let mut ours = brigade_runtime::net::unix::UnixStream::from_std(ours)?;
    /// theirs.write_all(b"hi")?;
    /// ours.read_exact(&mut [0; 2]).await?;
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
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

    /// Ends the registration and returns the connection as one of the standard library, set to blocking.
    ///
    /// # Errors
    ///
    /// The operating system's error, if the descriptor cannot be set to blocking. It is closed then.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// # brigade_runtime::run(async {
    /// let (one, other) = brigade_runtime::net::unix::UnixStream::pair()?;
    /// let (mut one, mut other) = (one.into_std()?, other.into_std()?);
    /// one.write_all(b"hi")?;
    /// assert_eq!(other.read(&mut [0; 8])?, 2);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn into_std(self) -> io::Result<os::UnixStream> {
        let std = os::UnixStream::from(OwnedFd::from(self.socket.into_io()));
        std.set_nonblocking(false)?;
        Ok(std)
    }

    #[track_caller]
    pub(super) fn register(socket: mio::net::UnixStream) -> io::Result<Self> {
        Ok(Self { socket: Registered::here("UnixStream", socket, Initially::Ready)? })
    }

    /// Returns the address of this end. It has no path unless the socket was bound to one.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    pub fn local_addr(&self) -> io::Result<os::SocketAddr> {
        self.socket.io().local_addr()
    }

    /// Returns the peer's address.
    ///
    /// # Errors
    ///
    /// `NotConnected` if the connection is closed.
    pub fn peer_addr(&self) -> io::Result<os::SocketAddr> {
        self.socket.io().peer_addr()
    }

    /// Returns the peer's user, group and process at the time when it connected or listened, as vouched for
    /// by the operating system.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    ///
    /// ```
    /// # brigade_runtime::run(async {
    /// let (ours, _theirs) = brigade_runtime::net::unix::UnixStream::pair()?;
    /// let peer = ours.peer_cred()?;
    /// println!("user {}, group {}, process {:?}", peer.uid, peer.gid, peer.pid);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn peer_cred(&self) -> io::Result<Credentials> {
        sys::peer_cred(self.socket.io().as_fd())
    }

    /// Closes one direction or both, at once. After `Shutdown::Write` the peer reads to the end.
    ///
    /// # Errors
    ///
    /// The operating system's error, such as `NotConnected` if the connection is closed.
    ///
    /// ```
    /// # use futures_util::AsyncReadExt;
    /// # brigade_runtime::run(async {
    /// let (ours, mut theirs) = brigade_runtime::net::unix::UnixStream::pair()?;
    /// ours.shutdown(std::net::Shutdown::Write)?;
    /// assert_eq!(theirs.read(&mut [0; 8]).await?, 0);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.io().shutdown(how)
    }
}

connection!(UnixStream);

as_fd!(UnixStream, |this| this.socket.io().as_fd());

conversions!(UnixStream, os::UnixStream);
