//! The driver within an explored run, where the operating system's descriptors and time mean nothing.
//!
//! Without the feature `explore` everything here is empty, and the compiler leaves it out.

use std::{io, time::Duration};

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
}

/// The place where a thread of an explored run sleeps in the driver.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bell {
    #[cfg(feature = "explore")]
    bell: std::sync::Arc<brigade_handle::explore::Bell>,
}

#[cfg(not(feature = "explore"))]
#[allow(clippy::unused_self, reason = "the other version needs it")]
impl Bell {
    /// Sleeps, and returns true. Outside of an explored run, returns false.
    #[inline(always)]
    pub(crate) fn wait(&self, _limits: SleepLimits) -> bool {
        false
    }

    /// Wakes the thread that sleeps, and returns true. Outside of an explored run, returns false.
    #[inline(always)]
    pub(crate) fn ring(&self) -> bool {
        false
    }
}

#[cfg(feature = "explore")]
impl Bell {
    /// Sleeps, and returns true. Outside of an explored run, returns false.
    pub(crate) fn wait(&self, limits: SleepLimits) -> bool {
        let is_explored = brigade_handle::explore::is_managed();
        if is_explored {
            self.bell.wait(limits.timers, limits.upkeep);
        }
        is_explored
    }

    /// Wakes the thread that sleeps, and returns true. Outside of an explored run, returns false.
    pub(crate) fn ring(&self) -> bool {
        let is_explored = brigade_handle::explore::is_managed();
        if is_explored {
            self.bell.ring();
        }
        is_explored
    }
}

/// Refuses a descriptor of the operating system within an explored run.
///
/// # Errors
///
/// Returns `Unsupported` there, with the name of the descriptor's type.
#[inline(always)]
pub(crate) fn refuse<S>(_descriptor: &S) -> io::Result<()> {
    #[cfg(feature = "explore")]
    if brigade_handle::explore::is_managed() {
        let name = std::any::type_name::<S>().rsplit("::").next().unwrap_or_default();
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!(
                "an explored run has no {name} of the operating system: give the code a stream in memory"
            ),
        ));
    }
    Ok(())
}
