//! The platform wall: a fence that one side pays for, and the processors.
//!
//! Two places need the pattern of Dekker: store mine, fence, look at yours. A full fence costs about 5 ns
//! on each side. Here one side is hot (a `join`, a spawn) and the other is rare (a steal, a worker that
//! goes to sleep). So the rare side pays for both: [`heavy`] makes every thread of the process run a full
//! fence (`membarrier(2)`, private expedited, Linux 4.14), and the hot side, a [`Fence`], only keeps the
//! compiler from reordering.
//!
//! ```text
//!   hot side                 rare side
//!   mine = 1                 yours = 1
//!   light fence              heavy fence
//!   read yours               read mine
//! ```
//!
//! While the rare side is inside `heavy`, the hot side runs a full fence at some point P. If P is after
//! `mine = 1`, the rare side reads it. If P is before, then `read yours` is after P and reads 1. So at
//! least one side sees the other.
//!
//! **A port must provide** nothing. Where there is no `membarrier`, both are plain sequentially
//! consistent fences, for which the same holds by the rules of the language. The same fences are used
//! under loom, which therefore checks the protocols.

use crate::sync::{Ordering, fence};
#[cfg(feature = "explore")]
use brigade_handle::explore;

/// The processors that an explored run seems to have.
#[cfg(feature = "explore")]
const EXPLORED_PROCESSORS: usize = 2;

/// The hot side's fence. A type chooses it, so that the choice costs nothing.
pub trait Fence {
    /// Executes the fence.
    fn light();
}

/// The fence for where [`is_asymmetric`] holds: the rare side pays.
#[derive(Debug)]
pub struct Light;

/// A full fence, which is correct everywhere.
#[derive(Debug)]
pub struct Full;

impl Fence for Full {
    #[inline(always)]
    fn light() {
        fence(Ordering::SeqCst);
    }
}

impl Fence for Light {
    #[inline(always)]
    fn light() {
        platform::keep_order();
    }
}

/// Returns whether [`heavy`] pays for the hot side, so that [`Light`] is enough there. Each process
/// decides it once.
pub(crate) fn is_asymmetric() -> bool {
    platform::is_asymmetric()
}

#[cfg(all(test, not(loom)))]
thread_local! {
    /// How many heavy fences this thread has executed.
    pub(crate) static HEAVY_FENCES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Executes the rare side's fence.
pub fn heavy() {
    #[cfg(all(test, not(loom)))]
    HEAVY_FENCES.set(HEAVY_FENCES.get() + 1);
    fence(Ordering::SeqCst);
    // An explored run is sequentially consistent: only one of its threads runs at a time.
    #[cfg(feature = "explore")]
    if explore::is_managed() {
        return;
    }
    if is_asymmetric() {
        platform::everywhere();
    }
}

/// Does what the first pool of a process needs once, if this thread is alone in its process.
///
/// Alone, it takes microseconds. In a process with several threads the kernel takes 10 ms or more, for which
/// the start of the first pool waits. So a program that starts threads of its own before it makes a pool
/// calls this first. A runtime with workers calls it before it starts them.
///
/// ```
/// brigade_pool::prepare();
/// let thread = std::thread::spawn(|| brigade_pool::Pool::new());
/// assert!(thread.join().unwrap().is_ok());
/// ```
pub fn prepare() {
    if platform::is_alone() {
        is_asymmetric();
    }
}

/// Returns how many threads of this process can run at a time, where the system tells, and otherwise 1.
pub(crate) fn processors() -> usize {
    #[cfg(feature = "explore")]
    if explore::is_managed() {
        return EXPLORED_PROCESSORS;
    }
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Returns the number of the processor that this thread runs on at the moment, where the system tells.
pub(crate) fn processor() -> Option<usize> {
    #[cfg(feature = "explore")]
    if explore::is_managed() {
        return None;
    }
    platform::processor()
}

#[cfg(all(target_os = "linux", not(loom)))]
mod platform {
    use brigade_handle::fork::PerProcess;
    use std::{
        os::linux::fs::MetadataExt,
        sync::atomic::{Ordering, compiler_fence},
    };

    fn membarrier(command: libc::c_int) -> libc::c_long {
        // SAFETY: membarrier takes a command and two zeros, and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) }
    }

    pub(super) fn is_asymmetric() -> bool {
        // Registering twice does no harm. A forked child inherits the registration, and asks again.
        static REGISTERED: PerProcess<bool> = PerProcess::new();
        *REGISTERED.get_or_init(|| membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0)
    }

    pub(super) fn is_alone() -> bool {
        // A folder has a link from its parent, one from itself, and one from each folder in it.
        std::fs::metadata("/proc/self/task").is_ok_and(|threads| threads.st_nlink() == 2 + 1)
    }

    #[inline(always)]
    pub(super) fn keep_order() {
        compiler_fence(Ordering::SeqCst);
    }

    pub(super) fn everywhere() {
        let done = membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
        assert!(done == 0, "membarrier cannot fail once the process has registered for it");
    }

    pub(super) fn processor() -> Option<usize> {
        // SAFETY: it takes no arguments and touches no memory of ours.
        let number = unsafe { libc::sched_getcpu() };
        usize::try_from(number).ok()
    }
}

#[cfg(not(all(target_os = "linux", not(loom))))]
mod platform {
    use super::{Fence, Full};

    pub(super) fn is_asymmetric() -> bool {
        false
    }

    pub(super) fn is_alone() -> bool {
        false
    }

    #[inline(always)]
    pub(super) fn keep_order() {
        Full::light();
    }

    pub(super) fn everywhere() {}

    pub(super) fn processor() -> Option<usize> {
        None
    }
}
