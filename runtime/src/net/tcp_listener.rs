//! A listening TCP socket.

use super::{TcpStream, ToAddresses, lookup_host};
use crate::driver::{
    conversion::{as_fd, conversions},
    registration::Registered,
    source::{Direction, Initially},
};
use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    task::{Context, Poll},
};

/// A TCP socket that accepts connections.
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
#[doc(alias = "start_server")]
#[derive(Debug)]
pub struct TcpListener {
    socket: Registered<mio::net::TcpListener>,
}

impl TcpListener {
    /// Listens on the first of the addresses that is available. Port 0 takes any free port.
    ///
    /// # Errors
    ///
    /// * Those of [`lookup_host`], if the name cannot be resolved.
    /// * `InvalidInput` if the name resolves to no address.
    /// * Otherwise the error of the last address: `AddrInUse` if another socket listens there,
    ///   `AddrNotAvailable` if the address is not one of this machine, `PermissionDenied` if the port is
    ///   reserved.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// use brigade_runtime::{net::TcpListener, run};
    /// use std::io::ErrorKind;
    ///
    /// run(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let again = TcpListener::bind(listener.local_addr()?).await;
    ///     assert_eq!(again.unwrap_err().kind(), ErrorKind::AddrInUse);
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap();
    /// ```
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
    /// The operating system's error, if the descriptor cannot be set to non-blocking or registered.
    ///
    /// # Panics
    ///
    /// Panics outside of a runtime.
    ///
    /// ```
    /// # use brigade_runtime::net::TcpListener;
    /// # brigade_runtime::run(async {
    /// let inherited = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let listener = TcpListener::from_std(inherited)?;
    /// # drop(listener);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Self::register(mio::net::TcpListener::from_std(listener))
    }

    /// Ends the registration and returns the listener as one of the standard library, set to blocking.
    /// Connections that nobody has accepted yet stay with it.
    ///
    /// # Errors
    ///
    /// The operating system's error, if the descriptor cannot be set to blocking. It is closed then.
    ///
    /// ```
    /// # use brigade_runtime::net::TcpListener;
    /// # brigade_runtime::run(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let address = listener.local_addr()?;
    /// let listener = listener.into_std()?;
    /// let _client = std::net::TcpStream::connect(address)?;
    /// listener.accept()?;
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        let std = std::net::TcpListener::from(OwnedFd::from(self.socket.into_io()));
        std.set_nonblocking(false)?;
        Ok(std)
    }

    #[track_caller]
    fn register(socket: mio::net::TcpListener) -> io::Result<Self> {
        Ok(Self { socket: Registered::here("TcpListener", socket, Initially::Ready)? })
    }

    /// Waits for the next connection, and returns it with the peer's address. Several tasks may wait at once.
    ///
    /// # Errors
    ///
    /// * The operating system's error of this one connection, such as `ConnectionAborted`, or `EMFILE` (a
    ///   kind without a name) if the process has too many open descriptors. The listener stays usable.
    /// * `Other` if the runtime has ended.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no connection.
    ///
    /// ```
    /// use brigade_runtime::{net::{TcpListener, TcpStream}, run, spawn};
    /// use futures_util::AsyncWriteExt;
    ///
    /// run(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let address = listener.local_addr()?;
    ///     let server = spawn(async move {
    ///         while let Ok((mut stream, peer)) = listener.accept().await {
    ///             // Each connection gets its own task.
    ///             spawn(async move { stream.write_all(format!("hello {peer}").as_bytes()).await });
    ///         }
    ///     });
    ///     TcpStream::connect(address).await?;
    ///     server.cancel();
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap();
    /// ```
    #[track_caller]
    pub fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> {
        let accepting = self.socket.io_among(Direction::Read, mio::net::TcpListener::accept);
        async move {
            let (stream, peer) = accepting.await?;
            Ok((TcpStream::register(stream, Initially::Ready)?, peer))
        }
    }

    /// Polls for what [`accept`](Self::accept) waits for. Several tasks may wait at once.
    ///
    /// # Errors
    ///
    /// Those of [`accept`](Self::accept).
    ///
    /// ```
    /// # use brigade_runtime::net::{TcpListener, TcpStream};
    /// # brigade_runtime::run(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let client = TcpStream::connect(listener.local_addr()?).await?;
    /// let (_server, peer) = std::future::poll_fn(|cx| listener.poll_accept(cx)).await?;
    /// assert_eq!(peer, client.local_addr()?);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let accepted = self.socket.poll_io(cx, Direction::Read, mio::net::TcpListener::accept);
        accepted.map(|accepted| {
            accepted.and_then(|(stream, peer)| Ok((TcpStream::register(stream, Initially::Ready)?, peer)))
        })
    }

    /// Returns the address that the listener is bound to, such as the port that the operating system chose
    /// for port 0.
    ///
    /// # Errors
    ///
    /// The operating system's error.
    ///
    /// ```
    /// # use brigade_runtime::net::TcpListener;
    /// # brigade_runtime::run(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// assert_ne!(listener.local_addr()?.port(), 0);
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().local_addr()
    }
}

as_fd!(TcpListener, |this| this.socket.io().as_fd());

conversions!(TcpListener, std::net::TcpListener);
