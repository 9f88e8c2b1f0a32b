//! A lock that may be held across an `.await`, like `asyncio.Lock` in Python.
//!
//! It consists of a [`Semaphore`] with one permit, and a value.
//!
//! 1. The holder of the permit accesses the value, and nobody else does. A guard is the permit.
//! 2. Returning the permit is a Release and taking it an Acquire: the next holder sees what the previous
//!    one did.

use super::semaphore::Semaphore;
use crate::shim::const_fn;
use brigade_trace::{Domain, live};
use std::{
    cell::UnsafeCell,
    fmt,
    future::Future,
    ops::{Deref, DerefMut},
    panic::Location,
    sync::Arc,
};

/// A value that one task at a time can access, in the order in which the tasks asked.
///
/// While nobody waits, locking and unlocking is one compare-and-swap each. For a critical section without
/// an `.await`, `std::sync::Mutex` is as good. A panic of the holder does not poison the mutex: the next
/// holder finds the value as the panic left it. A guard that is leaked leaves the mutex locked for ever.
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
    // --- belongs to the holder of the permit (rule 1) ---
    value: UnsafeCell<T>,
}

// SAFETY: one thread at a time accesses the value (rule 1), which goes from thread to thread, so T must be
// Send.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    const_fn! {
        /// Creates an unlocked mutex.
        #[must_use]
        pub const fn new(value: T) -> Self {
            Self { permit: Semaphore::of(1, Domain::Lock), value: UnsafeCell::new(value) }
        }
    }

    /// Consumes the mutex and returns its value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits until the mutex is free, and locks it until the guard is dropped.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up its position in the queue; a new call joins at the end. If the lock was
    /// already granted to it, it goes to the next waiter.
    ///
    /// ```
    /// use brigade_runtime::{run, sync::Mutex};
    ///
    /// let menu = Mutex::new(vec!["soup"]);
    /// run(async { menu.lock().await.push("pie") });
    /// assert_eq!(menu.into_inner(), ["soup", "pie"]);
    /// ```
    #[track_caller]
    pub fn lock(&self) -> impl Future<Output = Guard<'_, T>> {
        self.lock_at(Location::caller())
    }

    /// Locks for this line of the program.
    #[expect(clippy::manual_async_fn, reason = "an async fn reads its arguments when it is polled first")]
    pub(super) fn lock_at(&self, at: &'static Location<'static>) -> impl Future<Output = Guard<'_, T>> {
        async move {
            if !self.permit.take_at_once(1) {
                self.permit.wait(1, at).await.expect(NEVER_CLOSED);
            }
            self.permit.resource().held(1);
            Guard { mutex: self }
        }
    }

    /// Gives the mutex a name that traces show.
    ///
    /// ```
    /// let menu = brigade_runtime::sync::Mutex::new("soup");
    /// menu.set_name("menu");
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        self.permit.set_name(name);
    }

    /// Locks the mutex if it is free and nobody waits for it.
    ///
    /// ```
    /// let mutex = brigade_runtime::sync::Mutex::new(1);
    /// let guard = mutex.try_lock().unwrap();
    /// assert!(mutex.try_lock().is_none());
    /// assert_eq!(*guard, 1);
    /// ```
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.permit.try_take(1).is_ok().then(|| {
            self.permit.resource().held(1);
            Guard { mutex: self }
        })
    }

    /// Like [`lock`](Self::lock), for a guard that keeps the mutex alive instead of borrowing it.
    ///
    /// # Cancellation
    ///
    /// As with [`lock`](Self::lock).
    #[track_caller]
    pub fn lock_owned(self: Arc<Self>) -> impl Future<Output = OwnedGuard<T>> {
        let at = Location::caller();
        async move {
            if !self.permit.take_at_once(1) {
                self.permit.wait(1, at).await.expect(NEVER_CLOSED);
            }
            self.permit.resource().held(1);
            live::travels(self.permit.resource());
            OwnedGuard { mutex: self }
        }
    }

    /// Returns the value. No lock is needed, because the mutex is borrowed exclusively.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

const NEVER_CLOSED: &str = "nobody closes the semaphore of a mutex";

/// Exclusive access to the value of a [`Mutex`], until this is dropped. It may be held across an `.await`
/// and move to another thread.
///
/// ```
/// use brigade_runtime::sync::Mutex;
///
/// let mutex = Mutex::new(1);
/// {
///     let mut guard = mutex.try_lock().unwrap();
///     *guard += 1;
/// }
/// assert_eq!(mutex.into_inner(), 2);
/// ```
#[doc(alias = "MutexGuard")]
#[must_use = "the mutex is free again as soon as the guard is dropped"]
pub struct Guard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
}

// SAFETY: a shared guard gives shared access to the value alone, so T must be Sync.
unsafe impl<T: ?Sized + Sync> Sync for Guard<'_, T> {}

impl<'a, T: ?Sized> Guard<'a, T> {
    /// The mutex that this guard has locked.
    pub(super) fn mutex(&self) -> &'a Mutex<T> {
        self.mutex
    }
}

/// Exclusive access to the value of a [`Mutex`], until this is dropped. It keeps the mutex alive instead of
/// borrowing it.
///
/// ```
/// use brigade_runtime::{run, spawn, sync::Mutex};
/// use std::sync::Arc;
///
/// run(async {
///     let mutex = Arc::new(Mutex::new(1));
///     let mut guard = mutex.clone().lock_owned().await;
///     // The guard moves into the task.
///     spawn(async move { *guard += 1 }).await.unwrap();
///     assert_eq!(*mutex.lock().await, 2);
/// });
/// ```
#[doc(alias = "OwnedMutexGuard")]
#[must_use = "the mutex is free again as soon as the guard is dropped"]
pub struct OwnedGuard<T: ?Sized> {
    mutex: Arc<Mutex<T>>,
}

// SAFETY: a shared guard gives shared access to the value alone, so T must be Sync; the mutex is shared
// with other threads, which may get the value next, so T must be Send.
unsafe impl<T: ?Sized + Send + Sync> Sync for OwnedGuard<T> {}

/// The methods of both kinds of guards.
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
                self.mutex.permit.resource().released_by_holder();
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
