//! A pool in a forked child, where its supervisor is not.
//!
//! The workers' rings and sockets and the bell are one for both processes: what the child writes or reads
//! there, the parent misses. And the lock was held by whichever thread had it when the process was forked.
//! So whoever comes from outside (a pool, a handle) asks [`Shared::is_forked`] before it takes the lock,
//! and leaves everything alone there.

use crate::parent::shared::Shared;

impl Shared {
    /// Whether this is a copy in a forked child.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        !self.generation.is_current()
    }

    /// # Panics
    ///
    /// In a forked child.
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
