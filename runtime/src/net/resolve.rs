//! Name resolution: from host names to socket addresses.

use crate::{driver::explored, executor::blocking::unblock, task::budget};
use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6, ToSocketAddrs},
};

/// A value that names one or more socket addresses.
///
/// Implemented for a [`SocketAddr`] and a slice of them, an [`IpAddr`] with a port, a text such as
/// `"localhost:80"`, and a host name with a port.
///
/// A text that is an IP address with a port needs no resolving. A host name is resolved by the operating
/// system. That call blocks, so it runs on the blocking pool.
///
/// ```
/// use brigade_runtime::{net::UdpSocket, run};
/// use std::net::IpAddr;
///
/// run(async {
///     UdpSocket::bind("127.0.0.1:0").await?;
///     UdpSocket::bind(("localhost", 0)).await?;
///     UdpSocket::bind((IpAddr::from([127, 0, 0, 1]), 0)).await?;
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[doc(alias = "ToSocketAddrs")]
pub trait ToAddresses {
    /// Resolves the value to its addresses.
    ///
    /// # Errors
    ///
    /// * `InvalidInput` if a text is neither an address nor a host name with a port.
    /// * `QuotaExceeded` if a host name needs a thread to be resolved, and the operating system has none.
    /// * The resolver's error, whose kind has no name, if the host name is unknown.
    fn resolve(self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

macro_rules! at_once {
    ($($type:ty),*) => {$(
        impl ToAddresses for $type {
            fn resolve(self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
                std::future::ready(Ok(vec![SocketAddr::from(self)]))
            }
        }
    )*};
}

at_once!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16));

impl ToAddresses for &[SocketAddr] {
    fn resolve(self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
        std::future::ready(Ok(self.to_vec()))
    }
}

impl ToAddresses for &str {
    fn resolve(self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
        let text = self.to_owned();
        async move {
            match text.parse() {
                Ok(address) => Ok(vec![address]),
                Err(_) => match explored::look_up_text(&text) {
                    Some(found) => found,
                    None => look_up(text).await,
                },
            }
        }
    }
}

impl ToAddresses for (&str, u16) {
    fn resolve(self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send {
        let (host, port) = (self.0.to_owned(), self.1);
        async move {
            match host.parse::<IpAddr>() {
                Ok(address) => Ok(vec![SocketAddr::new(address, port)]),
                Err(_) => match explored::look_up(&host, port) {
                    Some(found) => found,
                    None => look_up((host, port)).await,
                },
            }
        }
    }
}

impl ToAddresses for String {
    async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        self.as_str().resolve().await
    }
}

impl ToAddresses for (String, u16) {
    async fn resolve(self) -> io::Result<Vec<SocketAddr>> {
        (self.0.as_str(), self.1).resolve().await
    }
}

/// Resolves a name to its addresses. The operating system resolves host names, on the blocking pool.
///
/// # Errors
///
/// * `InvalidInput` if a text is neither an address nor a host name with a port.
/// * `QuotaExceeded` if a host name needs a thread to be resolved, and the operating system has none.
/// * The resolver's error, whose kind has no name, if the host name is unknown.
///
/// # Panics
///
/// Panics outside of a runtime, if there is a host name to resolve.
///
/// # Cancellation
///
/// The query continues in the background and its answer is dropped. It cannot be interrupted, so the end of
/// the runtime waits for it, for as long as the operating system asks its name servers (`timeout` and
/// `attempts` in `/etc/resolv.conf`).
///
/// ```
/// # brigade_runtime::run(async {
/// let found = brigade_runtime::net::lookup_host("localhost:80").await?;
/// assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 80));
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[doc(alias = "getaddrinfo")]
pub async fn lookup_host(name: impl ToAddresses) -> io::Result<Vec<SocketAddr>> {
    // An address resolves without waiting, so the budget is charged here.
    budget::turn().await;
    name.resolve().await
}

/// Asks the operating system, on the blocking pool.
async fn look_up(name: impl ToSocketAddrs + Send + 'static) -> io::Result<Vec<SocketAddr>> {
    unblock("a look-up of a name", move || name.to_socket_addrs().map(Iterator::collect)).await
}

/// The error for a name that resolves to no address at all.
pub(super) fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the name stands for no address")
}
