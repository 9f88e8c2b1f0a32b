//! The platform wall: a fence that one side pays for.
//!
//! Two places need the pattern of Dekker: store mine, fence, look at yours. A full fence costs about 5 ns on each side. Here
//! one side is hot (a `join`, a spawn) and the other is rare (a steal, a worker that goes to sleep), so the rare side
//! pays for both: [`heavy`] makes every thread of the process run a full fence (`membarrier(2)`, private expedited,
//! Linux 4.14), and [`light`] only keeps the compiler from reordering.
//!
//! ```text
//!   hot side                 rare side
//!   mine = 1                 yours = 1
//!   light()                  heavy()
//!   read yours               read mine
//! ```
//!
//! While the rare side is inside `heavy`, the hot side runs a full fence at some point P. If P is after `mine = 1`, the rare
//! side reads it. If P is before, then `read yours` is after P and reads 1. So at least one side sees the other.
//!
//! **What a port must provide**: nothing. Where there is no `membarrier`, both are plain sequentially consistent fences,
//! for which the same holds by the rules of the language; also under loom, which therefore checks the protocols.

use crate::sync::Ordering;

#[cfg(all(target_os = "linux", not(loom)))]
mod barrier {
    use std::sync::atomic::{AtomicU8, Ordering, compiler_fence, fence};

    const UNKNOWN: u8 = 0;
    const ASYMMETRIC: u8 = 1;
    const SYMMETRIC: u8 = 2;
    static KIND: AtomicU8 = AtomicU8::new(UNKNOWN);

    fn membarrier(command: libc::c_int) -> libc::c_long {
        // SAFETY: membarrier takes a command and two zeros, and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) }
    }

    /// Finds out which kind of fence this process uses. Called before the first fence of a pool.
    pub(crate) fn prepare() {
        if KIND.load(Ordering::Relaxed) == UNKNOWN {
            let registered = membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
            let kind = if registered { ASYMMETRIC } else { SYMMETRIC };
            // Relaxed: a thread reads it only after it got hold of a pool, which publishes it; and all who race here
            // find the same, since a registration holds for the whole process.
            KIND.store(kind, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    pub(crate) fn light() {
        // Relaxed: decided before the pool was made.
        if KIND.load(Ordering::Relaxed) == ASYMMETRIC {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    pub(crate) fn heavy() {
        fence(Ordering::SeqCst);
        if KIND.load(Ordering::Relaxed) == ASYMMETRIC {
            let done = membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
            assert!(done == 0, "membarrier cannot fail once the process has registered for it");
        }
    }
}

#[cfg(not(all(target_os = "linux", not(loom))))]
mod barrier {
    use super::Ordering;
    #[cfg(loom)]
    use loom::sync::atomic::fence;
    #[cfg(not(loom))]
    use std::sync::atomic::fence;

    pub(crate) fn prepare() {}

    #[inline(always)]
    pub(crate) fn light() {
        fence(Ordering::SeqCst);
    }

    pub(crate) fn heavy() {
        fence(Ordering::SeqCst);
    }
}

pub(crate) use barrier::prepare;

/// The hot side's fence. See the head of `sys.rs`.
#[inline(always)]
pub(crate) fn light() {
    barrier::light();
}

/// The rare side's fence. See the head of `sys.rs`.
pub(crate) fn heavy() {
    barrier::heavy();
}
