//! The name resolver of the blocking client.
//!
//! The system's resolver has no time limit, so a name is resolved on a short-lived thread, which is left
//! alone when the time is up. An address needs no resolver and no thread. The thread is not counted among a
//! mode's workers, because it is gone before the waiting begins.

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};
use ureq::{
    Error,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{ResolvedSocketAddrs, Resolver},
        transport::NextTimeout,
    },
};

/// How many addresses of a name are tried at most.
const ADDRESSES_MAX: usize = 16;

/// Resolves each name on a thread of its own.
#[derive(Debug)]
pub(super) struct ThreadResolver;

impl Resolver for ThreadResolver {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().ok_or(Error::HostNotFound)?.trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => {
                look_up(host.to_owned(), port, *timeout.after)?.ok_or(Error::Timeout(timeout.reason))?
            }
        };
        let mut addresses = self.empty();
        found.into_iter().take(ADDRESSES_MAX).for_each(|address| addresses.push(address));
        if addresses.is_empty() { Err(Error::HostNotFound) } else { Ok(addresses) }
    }
}

/// Looks a name up. Returns None if that takes longer than `limit`.
fn look_up(host: String, port: u16, limit: Duration) -> io::Result<Option<Vec<SocketAddr>>> {
    let (report, found) = mpsc::sync_channel(1);
    let body = move || {
        let addresses = (host, port).to_socket_addrs().map(Iterator::collect);
        // Nobody listens if the time was up.
        let _ = report.send(addresses);
    };
    thread::Builder::new().name("resolver".into()).spawn(body)?;
    match found.recv_timeout(limit) {
        Ok(addresses) => addresses.map(Some),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the resolver's thread died")),
    }
}
