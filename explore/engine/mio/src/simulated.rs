//! Requests of a run to its network.

use crate::network;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The faults that the network of a run may have. Each is a choice of the oracle, at each place where it can
/// happen. A run begins without any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    pub(crate) resets: bool,
    pub(crate) losses: bool,
    pub(crate) duplicates: bool,
    pub(crate) stalls: bool,
}

impl Faults {
    /// No faults.
    #[must_use]
    pub const fn none() -> Self {
        Self { resets: false, losses: false, duplicates: false, stalls: false }
    }

    /// TCP connections may be refused, and reset at each write.
    #[must_use]
    pub const fn resets(self) -> Self {
        Self { resets: true, ..self }
    }

    /// UDP datagrams may be lost.
    #[must_use]
    pub const fn losses(self) -> Self {
        Self { losses: true, ..self }
    }

    /// UDP datagrams may arrive twice.
    #[must_use]
    pub const fn duplicates(self) -> Self {
        Self { duplicates: true, ..self }
    }

    /// Everything that is sent may arrive a minute late.
    #[must_use]
    pub const fn stalls(self) -> Self {
        Self { stalls: true, ..self }
    }
}

/// Sets the faults that the network of this run may have from now on. Does nothing outside of a run.
pub fn set_faults(faults: Faults) {
    if brigade_handle::explore::is_managed() {
        network::with(|network| network.faults = faults);
    }
}

/// Returns whether a descriptor is that of a simulated socket of this run.
#[must_use]
pub fn is_simulated(descriptor: BorrowedFd<'_>) -> bool {
    brigade_handle::explore::is_managed()
        && network::with(|network| network.object_of(descriptor.as_raw_fd())).is_some()
}
