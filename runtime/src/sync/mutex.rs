//! A lock that may be held across an `.await`: what Python calls `asyncio.Lock`.
//!
//! It is a [`Semaphore`] of one permit and a value.
//!
//! 1. The value is touched by whoever has the permit, and by nobody else. A guard is the permit.
//! 2. Putting the permit back releases, and taking it acquires: the next holder sees what the one before did.

use super::semaphore::Semaphore;
use crate::shim::const_fn;
use std::{
    cell::UnsafeCell,
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
};

/// A value that one task at a time may have, in the order in which they asked.
///
/// While nobody waits, locking and unlocking is one compare-and-swap each. For a critical section without an `.await` in it,
/// `std::sync::Mutex` is as good. A panic of who holds it does not poison it: the value is free again as the panic left it.
/// A guard that is leaked leaves it locked for ever.
///
/// ```
/// use brigade_runtime::{gather, run, sync::Mutex, yield_now};
///
/// let counter = Mutex::new(0);
/// let add = async || {
///     let mut counter = counter.lock().await;
///     let before = *counter;
///     yield_now().await;
///     *counter = before + 1;
/// };
/// run(async { gather([add(), add(), add()]).await });
/// assert_eq!(counter.into_inner(), 3);
/// ```
pub struct Mutex<T: ?Sized> {
    permit: Semaphore,
    // --- the holder's of the permit (rule 1) ---
    value: UnsafeCell<T>,
}

// SAFETY: one thread at a time touches the value (rule 1), which goes from thread to thread, so T must be Send.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    const_fn! {
        /// A mutex that nobody holds.
        #[must_use]
        pub const fn new(value: T) -> Self {
            Self { permit: Semaphore::new(1), value: UnsafeCell::new(value) }
        }
    }

    /// The value, which nobody can hold any more.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for its turn, and has the value until the guard is dropped.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up the place in line; asked again, it is a new one at the end. If it was its turn already,
    /// the lock goes to the next.
    pub async fn lock(&self) -> Guard<'_, T> {
        self.permit.take(1).await.expect(NEVER_CLOSED);
        Guard { mutex: self }
    }

    /// Has the value if nobody holds it and nobody waits for it.
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.permit.try_take(1).is_ok().then(|| Guard { mutex: self })
    }

    /// [`lock`](Self::lock), for a guard that borrows nothing.
    ///
    /// # Cancellation
    ///
    /// As with [`lock`](Self::lock).
    pub async fn lock_owned(self: Arc<Self>) -> OwnedGuard<T> {
        self.permit.take(1).await.expect(NEVER_CLOSED);
        OwnedGuard { mutex: self }
    }

    /// The value, which nobody can hold while it is borrowed so.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

const NEVER_CLOSED: &str = "nobody closes the semaphore of a mutex";

/// Has the value of a [`Mutex`] until it is dropped. It may be held across an `.await` and go to another thread.
#[must_use = "the mutex is free again as soon as the guard is dropped"]
pub struct Guard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
}

// SAFETY: a shared guard gives shared access to the value alone, so T must be Sync.
unsafe impl<T: ?Sized + Sync> Sync for Guard<'_, T> {}

impl<'a, T: ?Sized> Guard<'a, T> {
    /// The mutex whose value it has.
    pub(super) fn mutex(&self) -> &'a Mutex<T> {
        self.mutex
    }
}

/// Has the value of a [`Mutex`] until it is dropped, and borrows nothing: it keeps the mutex alive.
#[must_use = "the mutex is free again as soon as the guard is dropped"]
pub struct OwnedGuard<T: ?Sized> {
    mutex: Arc<Mutex<T>>,
}

// SAFETY: a shared guard gives shared access to the value alone, so T must be Sync; the mutex is shared with other
// threads, which may get the value next, so T must be Send.
unsafe impl<T: ?Sized + Send + Sync> Sync for OwnedGuard<T> {}

/// What both kinds of guards can do.
macro_rules! guard {
    ($($name:ident $(<$life:lifetime>)?),*) => {$(
        impl<T: ?Sized> Deref for $name<$($life,)? T> {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                // SAFETY: the guard is the permit, and it is borrowed for as long (rule 1).
                unsafe { &*self.mutex.value.get() }
            }
        }

        impl<T: ?Sized> DerefMut for $name<$($life,)? T> {
            #[inline]
            fn deref_mut(&mut self) -> &mut T {
                // SAFETY: the guard is the permit, and it is borrowed exclusively for as long (rule 1).
                unsafe { &mut *self.mutex.value.get() }
            }
        }

        impl<T: ?Sized> Drop for $name<$($life,)? T> {
            #[inline]
            fn drop(&mut self) {
                self.mutex.permit.release(1);
            }
        }

        impl<T: ?Sized + fmt::Debug> fmt::Debug for $name<$($life,)? T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    )*};
}
guard!(Guard<'_>, OwnedGuard);

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let free = self.permit.available_permits() > 0;
        f.debug_struct("Mutex").field("free", &free).finish_non_exhaustive()
    }
}
