//! Events, and the sources that can be registered.

use crate::{Interest, Registry, Token, network::Mask};
use std::io;

/// As [`os::event::Source`].
pub trait Source {
    /// Registers the source.
    ///
    /// # Errors
    ///
    /// As in mio. `Unsupported` within a run, if it is a source of the operating system.
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()>;

    /// Registers the source again, with another token or other interests.
    ///
    /// # Errors
    ///
    /// As in mio.
    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()>;

    /// Ends the registration.
    ///
    /// # Errors
    ///
    /// As in mio.
    fn deregister(&mut self, registry: &Registry) -> io::Result<()>;
}

/// As [`os::event::Event`].
#[derive(Clone, Debug)]
pub struct Event {
    token: Token,
    readable: bool,
    writable: bool,
    error: bool,
    read_closed: bool,
    write_closed: bool,
    priority: bool,
}

#[allow(missing_docs, reason = "each method is that of mio")]
impl Event {
    #[must_use]
    pub fn token(&self) -> Token {
        self.token
    }

    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.readable
    }

    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    #[must_use]
    pub fn is_error(&self) -> bool {
        self.error
    }

    #[must_use]
    pub fn is_read_closed(&self) -> bool {
        self.read_closed
    }

    #[must_use]
    pub fn is_write_closed(&self) -> bool {
        self.write_closed
    }

    #[must_use]
    pub fn is_priority(&self) -> bool {
        self.priority
    }
}

impl Event {
    /// Copies an event of the operating system.
    pub(crate) fn from_os(event: &os::event::Event) -> Self {
        Self {
            token: event.token(),
            readable: event.is_readable(),
            writable: event.is_writable(),
            error: event.is_error(),
            read_closed: event.is_read_closed(),
            write_closed: event.is_write_closed(),
            priority: event.is_priority(),
        }
    }

    /// Makes the event that mio makes of these bits of epoll.
    pub(crate) fn from_mask(token: Token, mask: Mask) -> Self {
        Self {
            token,
            readable: mask.readable,
            writable: mask.writable,
            error: mask.error,
            read_closed: mask.hung_up || mask.readable && mask.read_ended,
            write_closed: mask.hung_up || mask.error && (mask.writable || !mask.readable),
            priority: false,
        }
    }
}
