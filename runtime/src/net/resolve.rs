//! From names to addresses.

use crate::{blocking::unblock, context::budget};
use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6, ToSocketAddrs},
};

/// What names one or more socket addresses: a [`SocketAddr`], an [`IpAddr`] with a port, a text such as `"localhost:80"`,
/// a host name with a port.
///
/// A text that is an address needs no resolving. A host name is resolved by the operating system, which blocks, and
/// therefore on the blocking pool.
pub trait ToAddresses {
    /// The addresses.
    ///
    /// # Errors
    ///
    /// If the text is no address and no host name, or the name is unknown.
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
                Err(_) => look_up(text).await,
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
                Err(_) => look_up((host, port)).await,
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

/// The addresses that a name stands for. A host name is resolved by the operating system, on the blocking pool.
///
/// # Errors
///
/// If the text is no address and no host name, or the name is unknown. If the operating system has no thread to give.
///
/// # Panics
///
/// Outside of a runtime, if there is a name to resolve.
///
/// # Cancellation
///
/// The question goes on behind the scenes, and its answer is dropped. Nothing can break it off, so the end of the runtime waits for it, for as
/// long as the operating system asks its name servers (`timeout` and `attempts` in `/etc/resolv.conf`).
///
/// ```
/// # brigade_runtime::run(async {
/// let found = brigade_runtime::net::lookup_host("localhost:80").await?;
/// assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 80));
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
pub async fn lookup_host(name: impl ToAddresses) -> io::Result<Vec<SocketAddr>> {
    // An address needs no waiting.
    budget::turn().await;
    name.resolve().await
}

/// Asks the operating system, which may take its time.
async fn look_up(name: impl ToSocketAddrs + Send + 'static) -> io::Result<Vec<SocketAddr>> {
    unblock("a look-up of a name", move || name.to_socket_addrs().map(Iterator::collect)).await
}

/// The error of a name that means no address at all.
pub(super) fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the name stands for no address")
}
