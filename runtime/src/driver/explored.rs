//! The driver within an explored run, where mio's sockets lie in memory and other descriptors mean nothing.
//!
//! Without the feature `explore` the calls here are mio's, or empty, and the compiler leaves those out.

use mio::{Events, Poll};
use std::{io, net::SocketAddr, os::fd::BorrowedFd, time::Duration};

/// How long the thread in the poller sleeps at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SleepLimits {
    /// The time until the first timer.
    pub(crate) timers: Option<Duration>,
    /// The time after which the executor looks after itself. No user has asked for it, so an explored run may
    /// end without it.
    pub(crate) upkeep: Option<Duration>,
}

impl SleepLimits {
    /// Returns the shorter of both.
    pub(crate) fn first(self) -> Option<Duration> {
        self.timers.into_iter().chain(self.upkeep).min()
    }

    /// Sleeps in the poller until there are events, or until a limit is over.
    #[inline(always)]
    pub(crate) fn poll(self, poll: &mut Poll, events: &mut Events) -> io::Result<()> {
        #[cfg(feature = "explore")]
        return poll.poll_within(events, self.timers, self.upkeep);
        #[cfg(not(feature = "explore"))]
        poll.poll(events, self.first())
    }
}

/// Refuses something of the operating system within an explored run. `what` names it, or the call that needs
/// it.
///
/// # Errors
///
/// Returns `Unsupported` there.
#[inline(always)]
pub(crate) fn refuse(_what: &str) -> io::Result<()> {
    #[cfg(feature = "explore")]
    if brigade_handle::explore::is_managed() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("an explored run does not simulate {_what}"),
        ));
    }
    Ok(())
}

/// Resolves a host name within an explored run, which knows `localhost` alone. Returns `None` outside of one.
#[inline(always)]
pub(crate) fn look_up(_host: &str, _port: u16) -> Option<io::Result<Vec<SocketAddr>>> {
    #[cfg(feature = "explore")]
    if brigade_handle::explore::is_managed() {
        use std::net::{Ipv4Addr, Ipv6Addr};
        let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        return Some(if _host.eq_ignore_ascii_case("localhost") {
            Ok(loopback.map(|address| SocketAddr::new(address, _port)).to_vec())
        } else {
            Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!(
                    "an explored run does not ask a name server for {_host:?}: it knows localhost alone. Give an \
                     address, such as 127.0.0.1:{_port}"
                ),
            ))
        });
    }
    None
}

/// Resolves a text of a host name and a port, as [`look_up`] does.
#[inline(always)]
pub(crate) fn look_up_text(_text: &str) -> Option<io::Result<Vec<SocketAddr>>> {
    #[cfg(feature = "explore")]
    if brigade_handle::explore::is_managed() {
        let parts = _text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        return match parts {
            Some((host, port)) => look_up(host, port),
            None => Some(Err(io::Error::new(io::ErrorKind::InvalidInput, "invalid socket address"))),
        };
    }
    None
}

/// Returns the descriptor of a socket for the user's own system calls.
///
/// # Panics
///
/// Panics if the socket is simulated: no system call can use it.
#[inline(always)]
#[track_caller]
pub(crate) fn for_user<'a>(descriptor: BorrowedFd<'a>, _of: &str) -> BorrowedFd<'a> {
    #[cfg(feature = "explore")]
    assert!(
        !mio::simulated::is_simulated(descriptor),
        "an explored run cannot do as_fd of a {_of}: it is simulated, and no system call can use it"
    );
    descriptor
}
