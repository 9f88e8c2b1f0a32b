//! The way from an event to the table of what waits now, which lies above the functions that record.

use crate::{Event, Lane};
use brigade_handle::{Id, fork::PerProcess, observe};

/// The functions of the table of what waits now, which lies above this file.
pub(crate) struct Listener {
    /// Notes an event.
    pub(crate) apply: fn(&Event),
    /// Notes a name.
    pub(crate) label: fn(Id, &str),
    /// Notes that this thread has this role from now on.
    pub(crate) has_role: fn(Lane),
    /// Notes that the wait at this address is polled again.
    pub(crate) polled_again: fn(usize),
}

/// The table of this process. A forked child has none until it makes its own.
static LISTENER: PerProcess<Listener> = PerProcess::new();

/// Leaves the functions of the table.
pub(crate) fn listen(listener: Listener) {
    LISTENER.get_or_init(|| listener);
}

/// The functions of the table, while it is kept.
#[inline]
pub(crate) fn listener() -> Option<&'static Listener> {
    if observe::is_live() { LISTENER.get() } else { None }
}
