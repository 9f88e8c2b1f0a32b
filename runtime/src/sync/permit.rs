//! Permits of a semaphore, and why there is none.

use super::semaphore::Semaphore;
use std::{error, fmt, sync::Arc};

/// Permits of a [`Semaphore`], which go back when this is dropped.
#[must_use = "the permits go back as soon as this is dropped"]
#[derive(Debug)]
pub struct Permit<'a> {
    pub(super) semaphore: &'a Semaphore,
    pub(super) permits: usize,
}

/// Permits of a [`Semaphore`] that borrow nothing, and go back when this is dropped.
#[must_use = "the permits go back as soon as this is dropped"]
#[derive(Debug)]
pub struct OwnedPermit {
    pub(super) semaphore: Arc<Semaphore>,
    pub(super) permits: usize,
}

/// What both kinds of permits can do.
macro_rules! permit {
    ($($name:ident $(<$life:lifetime>)?),*) => {$(
        impl $name $(<$life>)? {
            /// How many permits these are.
            pub fn count(&self) -> usize {
                self.permits
            }

            /// Takes these permits out of the world: they do not go back.
            pub fn forget(mut self) {
                self.permits = 0;
            }
        }

        impl Drop for $name $(<$life>)? {
            #[inline]
            fn drop(&mut self) {
                if self.permits > 0 {
                    self.semaphore.release(self.permits);
                }
            }
        }
    )*};
}
permit!(Permit<'_>, OwnedPermit);

/// The semaphore was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed(pub(super) ());

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the semaphore is closed")
    }
}

impl error::Error for Closed {}

/// Why there was no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryAcquireError {
    /// The semaphore is closed.
    Closed,
    /// There are too few, or somebody waits for them.
    NoPermits,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the semaphore is closed",
            Self::NoPermits => "there are too few permits, or somebody waits for them",
        })
    }
}

impl error::Error for TryAcquireError {}
