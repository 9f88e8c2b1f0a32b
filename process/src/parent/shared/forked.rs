//! A pool in a forked child, which has no supervisor.
//!
//! Both processes share the workers' rings and sockets and the bell: the parent misses whatever the child
//! writes or reads there. And the lock may be held by a thread that exists in the parent only. So code that
//! comes from outside (a pool, a handle) asks [`Shared::is_forked`] before it takes the lock, and leaves
//! everything alone in a forked child.

use crate::parent::shared::Shared;

impl Shared {
    /// Whether this is a copy in a forked child.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        !self.generation.is_current()
    }

    /// Refuses to go on in a forked child.
    ///
    /// # Panics
    ///
    /// Panics on the calling thread in a forked child.
    #[track_caller]
    pub(crate) fn assert_not_forked(&self) {
        if self.is_forked() {
            refuse();
        }
    }
}

#[cold]
#[track_caller]
fn refuse() -> ! {
    panic!(
        "this process pool was made before the process forked, and its workers belong to the parent; make a new ProcessPool in the child"
    )
}
