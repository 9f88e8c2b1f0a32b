//! The platform wall: a fence that one side pays for.
//!
//! Two places need the pattern of Dekker: store mine, fence, look at yours. A full fence costs about 5 ns on each side. Here
//! one side is hot (a `join`, a spawn) and the other is rare (a steal, a worker that goes to sleep), so the rare side
//! pays for both: [`heavy`](Fence::heavy) makes every thread of the process run a full fence (`membarrier(2)`, private expedited,
//! Linux 4.14), and [`light`](Fence::light) only keeps the compiler from reordering.
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

use crate::sync::{Ordering, fence};

/// What the hot side's fence has to be on this system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fence {
    /// Only the compiler has to be kept from reordering; [`heavy`] does the rest.
    Light,
    /// Both sides fence.
    Full,
}

impl Fence {
    /// The hot side's fence. See the head of `sys.rs`.
    #[inline(always)]
    pub(crate) fn light(self) {
        match self {
            Self::Light => barrier::compiler(),
            Self::Full => fence(Ordering::SeqCst),
        }
    }

    /// The rare side's fence. See the head of `sys.rs`.
    pub(crate) fn heavy(self) {
        fence(Ordering::SeqCst);
        if self == Self::Light {
            barrier::everywhere();
        }
    }
}

#[cfg(all(target_os = "linux", not(loom)))]
mod barrier {
    use super::Fence;
    use std::sync::{
        OnceLock,
        atomic::{Ordering, compiler_fence},
    };

    fn membarrier(command: libc::c_int) -> libc::c_long {
        // SAFETY: membarrier takes a command and two zeros, and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) }
    }

    pub(super) fn detect() -> Fence {
        static FENCE: OnceLock<Fence> = OnceLock::new();
        *FENCE.get_or_init(|| match membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) {
            0 => Fence::Light,
            _ => Fence::Full,
        })
    }

    #[inline(always)]
    pub(super) fn compiler() {
        compiler_fence(Ordering::SeqCst);
    }

    pub(super) fn everywhere() {
        let done = membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
        assert!(done == 0, "membarrier cannot fail once the process has registered for it");
    }
}

#[cfg(not(all(target_os = "linux", not(loom))))]
mod barrier {
    use super::Fence;

    pub(super) fn detect() -> Fence {
        Fence::Full
    }

    pub(super) fn compiler() {
        unreachable!("without membarrier both sides fence");
    }

    pub(super) fn everywhere() {
        unreachable!("without membarrier both sides fence");
    }
}

/// Finds out, once a process, what this system can do.
pub(crate) fn detect() -> Fence {
    barrier::detect()
}
