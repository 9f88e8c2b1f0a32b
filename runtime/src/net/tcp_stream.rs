//! A TCP connection.

use super::{ToAddresses, split::connection};
use crate::{
    driver::{
        conversion::{as_fd, conversions},
        registration::Registered,
        source::{Direction, Initially},
    },
    executor::blocking::place,
    sys,
};
use mio::Interest;
use std::{
    io,
    net::{Shutdown, SocketAddr},
    os::fd::{AsFd, OwnedFd},
};

/// A TCP connection, to read and write by the traits of `futures-io`.
///
/// Dropping it closes the connection. Both directions may be used at once: [`split`](Self::split) is for
/// one task, [`into_split`](Self::into_split) for two.
///
/// Urgent bytes (`MSG_OOB`) are not read, unless the option `SO_OOBINLINE` is set; the bytes before and
/// after them are.
///
/// # Cancellation
///
/// A read or write that is dropped while it is pending has done nothing.
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
///     let echo = spawn(async move {
///         let (mut stream, _) = listener.accept().await?;
///         let mut bytes = [0; 5];
///         stream.read_exact(&mut bytes).await?;
///         stream.write_all(&bytes).await
///     });
///     let mut stream = TcpStream::connect(address).await?;
///     stream.write_all(b"hello").await?;
///     let mut text = String::new();
///     stream.read_to_string(&mut text).await?;
///     assert_eq!(text, "hello");
///     echo.await.unwrap()
/// })
/// # .unwrap();
/// ```
#[derive(Debug)]
pub struct TcpStream {
    socket: Registered<mio::net::TcpStream>,
}

impl TcpStream {
    /// Connects to the first of the addresses that answers. A host name is resolved on the blocking pool.
    ///
    /// # Errors
    ///
    /// * Those of [`lookup_host`](super::lookup_host), if the name cannot be resolved.
    /// * `InvalidInput` if the name resolves to no address.
    /// * Otherwise the error of the last address: `ConnectionRefused` if nothing listens there, `TimedOut`,
    ///   `HostUnreachable` or `NetworkUnreachable` if it cannot be reached.
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
    /// use brigade_runtime::{net::{TcpListener, TcpStream}, run};
    /// use std::io::ErrorKind;
    ///
    /// run(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let address = listener.local_addr()?;
    ///     assert_eq!(TcpStream::connect(address).await?.peer_addr()?, address);
    ///     drop(listener);
    ///     let refused = TcpStream::connect(address).await.unwrap_err();
    ///     assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap();
    /// ```
    #[doc(alias = "open_connection")]
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
        stream.socket.io_among_at(Direction::Write, connected, place()).await?;
        Ok(stream)
    }

    /// Takes over a connection of the standard library.
    ///
    /// The descriptor need not be a TCP connection: another kind, such as SCTP, works if it is read and
    /// written in the same way.
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
    /// # use brigade_runtime::net::TcpStream;
    /// # brigade_runtime::run(async {
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let connection = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let stream = TcpStream::from_std(connection)?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let is_tcp = sys::is_tcp(stream.as_fd());
        let this = Self::register(mio::net::TcpStream::from_std(stream), Initially::Ready)?;
        if !is_tcp {
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
    /// # use brigade_runtime::net::{TcpListener, TcpStream};
    /// # use std::io::{Read, Write};
    /// # brigade_runtime::run(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let client = TcpStream::connect(listener.local_addr()?).await?.into_std()?;
    /// let server = listener.accept().await?.0.into_std()?;
    /// // Each goes on on a thread of its own, by blocking calls.
    /// let serving = std::thread::spawn(move || (&server).write_all(b"hello"));
    /// let mut text = String::new();
    /// (&client).read_to_string(&mut text)?;
    /// assert_eq!(text, "hello");
    /// serving.join().unwrap()
    /// # }).unwrap();
    /// ```
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        let std = std::net::TcpStream::from(OwnedFd::from(self.socket.into_io()));
        std.set_nonblocking(false)?;
        Ok(std)
    }

    #[track_caller]
    pub(super) fn register(socket: mio::net::TcpStream, initially: Initially) -> io::Result<Self> {
        let both = Interest::READABLE | Interest::WRITABLE;
        // Only Linux needs to hear of urgent bytes: other systems do not treat a short read as the last.
        #[cfg(target_os = "linux")]
        let both = both | Interest::PRIORITY;
        Ok(Self { socket: Registered::here_for("TcpStream", socket, initially, both)? })
    }

    /// Returns the address of this end.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().local_addr()
    }

    /// Returns the peer's address.
    ///
    /// # Errors
    ///
    /// `NotConnected` if the connection is closed.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().peer_addr()
    }

    /// Sets whether small writes are sent at once (true) or gathered into full packets (false, the
    /// default): the option `TCP_NODELAY`.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    ///
    /// ```
    /// # use brigade_runtime::net::{TcpListener, TcpStream};
    /// # brigade_runtime::run(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// stream.set_nodelay(true)?;
    /// assert!(stream.nodelay()?);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.io().set_nodelay(nodelay)
    }

    /// Returns whether small writes are sent at once.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.io().nodelay()
    }

    /// Closes one direction or both, at once. After `Shutdown::Write` the peer reads to the end.
    ///
    /// # Errors
    ///
    /// `NotConnected` if the connection is closed.
    ///
    /// ```
    /// # use brigade_runtime::net::{TcpListener, TcpStream};
    /// # use futures_util::AsyncReadExt;
    /// # brigade_runtime::run(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let client = TcpStream::connect(listener.local_addr()?).await?;
    /// let (mut server, _) = listener.accept().await?;
    /// client.shutdown(std::net::Shutdown::Write)?;
    /// assert_eq!(server.read(&mut [0; 8]).await?, 0);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.io().shutdown(how)
    }

    /// Reads bytes without taking them: the next read gets them again. Waits until there are some, and
    /// returns how many.
    ///
    /// # Errors
    ///
    /// * The operating system's error, such as `ConnectionReset`.
    /// * `Other` if the runtime has ended.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    ///
    /// ```
    /// # use brigade_runtime::net::{TcpListener, TcpStream};
    /// # use futures_util::{AsyncReadExt, AsyncWriteExt};
    /// # brigade_runtime::run(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let mut client = TcpStream::connect(listener.local_addr()?).await?;
    /// let (mut server, _) = listener.accept().await?;
    /// client.write_all(b"G").await?;
    /// let mut first = [0; 1];
    /// assert_eq!(server.peek(&mut first).await?, 1);
    /// assert_eq!(server.read(&mut first).await?, 1);
    /// assert_eq!(&first, b"G");
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn peek(&self, bytes: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.socket.io_among(Direction::Read, |socket| socket.peek(bytes))
    }

    /// Sets how many hops a packet of this connection may take (its time to live).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the operating system does not take this number.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.io().set_ttl(ttl)
    }
}

connection!(TcpStream);

as_fd!(TcpStream, |this| this.socket.io().as_fd());

conversions!(TcpStream, std::net::TcpStream);
