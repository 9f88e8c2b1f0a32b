//! Permits of a semaphore, and the errors of acquiring them.

use super::semaphore::Semaphore;
use brigade_trace::Id;
use std::{error, fmt, sync::Arc};

/// Permits of a [`Semaphore`]. Dropping this returns them.
///
/// ```
/// use brigade_runtime::sync::Semaphore;
///
/// let semaphore = Semaphore::new(2);
/// let permit = semaphore.try_acquire().unwrap();
/// assert_eq!((permit.count(), semaphore.available_permits()), (1, 1));
/// drop(permit);
/// assert_eq!(semaphore.available_permits(), 2);
/// ```
#[doc(alias = "SemaphorePermit")]
#[must_use = "the permits go back as soon as this is dropped"]
#[derive(Debug)]
pub struct Permit<'a> {
    pub(super) semaphore: &'a Semaphore,
    pub(super) permits: usize,
    /// The task that a trace has told to hold them.
    pub(super) holder: Id,
}

/// Permits of a [`Semaphore`] that keep it alive instead of borrowing it. Dropping this returns them.
///
/// ```
/// use brigade_runtime::{run, spawn, sync::Semaphore};
/// use std::sync::Arc;
///
/// run(async {
///     let semaphore = Arc::new(Semaphore::new(1));
///     let permit = semaphore.clone().acquire_owned().await.unwrap();
///     // The permit moves into the task, which returns it when it ends.
///     spawn(async move { drop(permit) }).await.unwrap();
///     assert_eq!(semaphore.available_permits(), 1);
/// });
/// ```
#[doc(alias = "OwnedSemaphorePermit")]
#[must_use = "the permits go back as soon as this is dropped"]
#[derive(Debug)]
pub struct OwnedPermit {
    pub(super) semaphore: Arc<Semaphore>,
    pub(super) permits: usize,
    /// The task that a trace has told to hold them.
    pub(super) holder: Id,
}

/// The methods of both kinds of permits.
macro_rules! permit {
    ($($name:ident $(<$life:lifetime>)?),*) => {$(
        impl $name $(<$life>)? {
            /// Returns how many permits these are.
            pub fn count(&self) -> usize {
                self.permits
            }

            /// Removes these permits from the semaphore for good: they are not returned.
            pub fn forget(mut self) {
                self.semaphore.resource().released_by(self.holder, self.permits);
                self.permits = 0;
            }
        }

        impl Drop for $name $(<$life>)? {
            #[inline]
            fn drop(&mut self) {
                if self.permits > 0 {
                    self.semaphore.resource().released_by(self.holder, self.permits);
                    self.semaphore.release(self.permits);
                }
            }
        }
    )*};
}
permit!(Permit<'_>, OwnedPermit);

/// The error of acquiring permits of a semaphore that is closed.
///
/// ```
/// use brigade_runtime::{run, sync::Semaphore};
///
/// let semaphore = Semaphore::new(1);
/// semaphore.close();
/// assert_eq!(run(semaphore.acquire()).unwrap_err().to_string(), "the semaphore is closed");
/// ```
#[doc(alias = "AcquireError")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed(pub(super) ());

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the semaphore is closed")
    }
}

impl error::Error for Closed {}

/// The error of acquiring permits without waiting.
///
/// ```
/// use brigade_runtime::sync::{Semaphore, TryAcquireError};
///
/// let semaphore = Semaphore::new(0);
/// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
/// semaphore.close();
/// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryAcquireError {
    /// The semaphore is closed.
    Closed,
    /// Too few permits are free, or another task waits for them.
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
