//! A lock that many tasks may hold to read, or one to write, across an `.await`.
//!
//! It consists of a [`Semaphore`] and a value. A reader holds one permit, a writer holds them all.
//!
//! 1. The holder of a permit may read the value. The holder of all permits may write it, because nobody
//!    else has one. A guard is its permits.
//! 2. Returning permits is a Release and taking them an Acquire: each holder sees what the previous ones
//!    did.
//!
//! After tokio's `sync/rwlock.rs`.

use super::semaphore::Semaphore;
use crate::shim::const_fn;
use brigade_trace::{Domain, Id, live};
use std::{
    cell::UnsafeCell,
    fmt,
    future::Future,
    mem,
    ops::{Deref, DerefMut},
    panic::Location,
    ptr,
    sync::Arc,
};

/// The number of permits, and so of readers at once. There cannot be that many readers.
const ALL_PERMITS: usize = Semaphore::MAX_PERMITS;

/// A value that many tasks may read at once, or one may change, in the order in which they asked.
///
/// Readers do not overtake a writer that came before them: they wait behind it. So a task that holds a read
/// guard and asks to read again may deadlock, if a writer came in between. A panic of a holder does not
/// poison the lock.
///
/// ```
/// use brigade_runtime::{run, sync::RwLock};
///
/// run(async {
///     let menu = RwLock::new(vec!["soup"]);
///     {
///         let (one, other) = (menu.read().await, menu.read().await);
///         assert_eq!(one.len() + other.len(), 2);
///     }
///     menu.write().await.push("pie");
///     assert_eq!(*menu.read().await, ["soup", "pie"]);
/// });
/// ```
pub struct RwLock<T: ?Sized> {
    permits: Semaphore,
    // --- rule 1 ---
    value: UnsafeCell<T>,
}

// SAFETY: readers share the value among threads, so T must be Sync; a writer may take it to its thread, so
// T must be Send (rule 1).
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T> RwLock<T> {
    const_fn! {
        /// Creates an unlocked lock.
        #[must_use]
        pub const fn new(value: T) -> Self {
            Self { permits: Semaphore::of(ALL_PERMITS, Domain::Lock), value: UnsafeCell::new(value) }
        }
    }

    /// Consumes the lock and returns its value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until no writer holds the lock or waits ahead, and locks it for reading.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up its position in the queue. If the lock was already granted to it, it
    /// goes to the next waiter.
    #[track_caller]
    pub fn read(&self) -> impl Future<Output = ReadGuard<'_, T>> {
        let at = Location::caller();
        async move {
            if !self.permits.take_at_once(1) {
                self.permits.wait(1, at).await.expect(NEVER_CLOSED);
            }
            let holder = self.permits.resource().held(1);
            ReadGuard { lock: self, holder }
        }
    }

    /// Waits until no other task holds the lock or waits ahead, and locks it for writing.
    ///
    /// # Cancellation
    ///
    /// As with [`read`](Self::read).
    ///
    /// ```
    /// use brigade_runtime::{run, sync::RwLock};
    ///
    /// let count = RwLock::new(1);
    /// run(async { *count.write().await += 1 });
    /// assert_eq!(count.into_inner(), 2);
    /// ```
    #[track_caller]
    pub fn write(&self) -> impl Future<Output = WriteGuard<'_, T>> {
        let at = Location::caller();
        async move {
            if !self.permits.take_at_once(ALL_PERMITS) {
                self.permits.wait(ALL_PERMITS, at).await.expect(NEVER_CLOSED);
            }
            self.permits.resource().held(ALL_PERMITS);
            WriteGuard { lock: self }
        }
    }

    /// Like [`read`](Self::read), for a guard that keeps the lock alive instead of borrowing it.
    ///
    /// # Cancellation
    ///
    /// As with [`read`](Self::read).
    ///
    /// ```
    /// use brigade_runtime::{run, spawn, sync::RwLock};
    /// use std::sync::Arc;
    ///
    /// run(async {
    ///     let menu = Arc::new(RwLock::new(vec!["soup"]));
    ///     let mut writing = menu.clone().write_owned().await;
    ///     // The guard moves to another task, which may outlive this one.
    ///     spawn(async move { writing.push("pie") }).await.unwrap();
    ///     assert_eq!(menu.read_owned().await.len(), 2);
    /// });
    /// ```
    #[track_caller]
    pub fn read_owned(self: Arc<Self>) -> impl Future<Output = OwnedReadGuard<T>> {
        let at = Location::caller();
        async move {
            if !self.permits.take_at_once(1) {
                self.permits.wait(1, at).await.expect(NEVER_CLOSED);
            }
            let holder = self.permits.resource().held(1);
            live::travels(self.permits.resource());
            OwnedReadGuard { lock: self, holder }
        }
    }

    /// Like [`write`](Self::write), for a guard that keeps the lock alive instead of borrowing it.
    ///
    /// # Cancellation
    ///
    /// As with [`read`](Self::read).
    #[track_caller]
    pub fn write_owned(self: Arc<Self>) -> impl Future<Output = OwnedWriteGuard<T>> {
        let at = Location::caller();
        async move {
            if !self.permits.take_at_once(ALL_PERMITS) {
                self.permits.wait(ALL_PERMITS, at).await.expect(NEVER_CLOSED);
            }
            self.permits.resource().held(ALL_PERMITS);
            live::travels(self.permits.resource());
            OwnedWriteGuard { lock: self }
        }
    }

    /// Locks for reading if no writer holds the lock and nobody waits.
    ///
    /// ```
    /// let lock = brigade_runtime::sync::RwLock::new(1);
    /// let reading = lock.try_read().unwrap();
    /// assert!(lock.try_read().is_some() && lock.try_write().is_none());
    /// assert_eq!(*reading, 1);
    /// ```
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        self.permits.try_take(1).is_ok().then(|| {
            let holder = self.permits.resource().held(1);
            ReadGuard { lock: self, holder }
        })
    }

    /// Gives the lock a name that traces show.
    ///
    /// ```
    /// let menu = brigade_runtime::sync::RwLock::new("soup");
    /// menu.set_name("menu");
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        self.permits.set_name(name);
    }

    /// Locks for writing if nobody holds the lock and nobody waits.
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        self.permits.try_take(ALL_PERMITS).is_ok().then(|| {
            self.permits.resource().held(ALL_PERMITS);
            WriteGuard { lock: self }
        })
    }

    /// Tells a trace that the task which held the lock to write now holds it to read. Returns that task.
    fn record_downgrade(&self) -> Id {
        let lock = self.permits.resource();
        let holder = lock.holder();
        lock.released_by(holder, ALL_PERMITS - 1);
        // A release says that the task is no longer a holder.
        lock.held_by(holder, 1);
        holder
    }

    /// Returns the value. No lock is needed, because it is borrowed exclusively.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

const NEVER_CLOSED: &str = "nobody closes the semaphore of a lock";

/// Shared access to the value of an [`RwLock`], until this is dropped.
///
/// ```
/// let lock = brigade_runtime::sync::RwLock::new("soup");
/// let (one, other) = (lock.try_read().unwrap(), lock.try_read().unwrap());
/// assert_eq!(*one, *other);
/// ```
#[doc(alias = "RwLockReadGuard")]
#[must_use = "the lock is given up as soon as the guard is dropped"]
pub struct ReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    /// The task that a trace has told to hold it.
    holder: Id,
}

/// Exclusive access to the value of an [`RwLock`], until this is dropped.
///
/// ```
/// let lock = brigade_runtime::sync::RwLock::new(1);
/// let mut writing = lock.try_write().unwrap();
/// *writing += 1;
/// assert_eq!(*writing.downgrade(), 2);
/// ```
#[doc(alias = "RwLockWriteGuard")]
#[must_use = "the lock is given up as soon as the guard is dropped"]
pub struct WriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
}

/// Shared access to the value of an [`RwLock`], until this is dropped. It keeps the lock alive instead of
/// borrowing it.
///
/// ```
/// use brigade_runtime::{run, sync::RwLock};
/// use std::sync::Arc;
///
/// let reading = run(Arc::new(RwLock::new("soup")).read_owned());
/// assert_eq!(*reading, "soup");
/// ```
#[must_use = "the lock is given up as soon as the guard is dropped"]
pub struct OwnedReadGuard<T: ?Sized> {
    lock: Arc<RwLock<T>>,
    /// The task that a trace has told to hold it.
    holder: Id,
}

/// Exclusive access to the value of an [`RwLock`], until this is dropped. It keeps the lock alive instead
/// of borrowing it.
///
/// ```
/// use brigade_runtime::{run, sync::RwLock};
/// use std::sync::Arc;
///
/// let mut writing = run(Arc::new(RwLock::new(1)).write_owned());
/// *writing += 1;
/// assert_eq!(*writing.downgrade(), 2);
/// ```
#[must_use = "the lock is given up as soon as the guard is dropped"]
pub struct OwnedWriteGuard<T: ?Sized> {
    lock: Arc<RwLock<T>>,
}

// SAFETY: a shared guard gives shared access to the value alone, so T must be Sync.
unsafe impl<T: ?Sized + Sync> Sync for ReadGuard<'_, T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Sync> Sync for WriteGuard<'_, T> {}

impl<'a, T: ?Sized> WriteGuard<'a, T> {
    /// Turns this guard into one for reading. Readers that wait may then read as well, and no writer comes
    /// in between.
    pub fn downgrade(self) -> ReadGuard<'a, T> {
        let lock = self.lock;
        mem::forget(self);
        let holder = lock.record_downgrade();
        lock.permits.release(ALL_PERMITS - 1);
        ReadGuard { lock, holder }
    }
}

impl<T: ?Sized> OwnedWriteGuard<T> {
    /// Turns this guard into one for reading. Readers that wait may then read as well, and no writer comes
    /// in between.
    pub fn downgrade(self) -> OwnedReadGuard<T> {
        let this = mem::ManuallyDrop::new(self);
        // SAFETY: the guard is not dropped, so the lock is moved out of it once.
        let lock = unsafe { ptr::read(&this.lock) };
        let holder = lock.record_downgrade();
        live::travels(lock.permits.resource());
        lock.permits.release(ALL_PERMITS - 1);
        OwnedReadGuard { lock, holder }
    }
}

/// The methods of all kinds of guards, with the number of permits of each kind, and the task that a trace has
/// told to hold them. The resource knows its latest holder, and a writer is the only one.
macro_rules! guard {
    ($($name:ident $(<$life:lifetime>)? = $permits:expr, held by |$guard:ident| $holder:expr;)*) => {$(
        impl<T: ?Sized> Deref for $name<$($life,)? T> {
            type Target = T;

            fn deref(&self) -> &T {
                // SAFETY: the guard is one permit at least, and it is borrowed for as long (rule 1).
                unsafe { &*self.lock.value.get() }
            }
        }

        impl<T: ?Sized> Drop for $name<$($life,)? T> {
            fn drop(&mut self) {
                let $guard = &*self;
                self.lock.permits.resource().released_by($holder, $permits);
                self.lock.permits.release($permits);
            }
        }

        impl<T: ?Sized + fmt::Debug> fmt::Debug for $name<$($life,)? T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    )*};
}
guard! {
    ReadGuard<'_> = 1, held by |guard| guard.holder;
    OwnedReadGuard = 1, held by |guard| guard.holder;
    WriteGuard<'_> = ALL_PERMITS, held by |guard| guard.lock.permits.resource().holder();
    OwnedWriteGuard = ALL_PERMITS, held by |guard| guard.lock.permits.resource().holder();
}

/// The methods of the guards that write.
macro_rules! writes {
    ($($name:ident $(<$life:lifetime>)?),*) => {$(
        impl<T: ?Sized> DerefMut for $name<$($life,)? T> {
            fn deref_mut(&mut self) -> &mut T {
                // SAFETY: the guard is all permits, and it is borrowed exclusively for as long (rule 1).
                unsafe { &mut *self.lock.value.get() }
            }
        }
    )*};
}
writes!(WriteGuard<'_>, OwnedWriteGuard);

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holders = match ALL_PERMITS - self.permits.available_permits() {
            ALL_PERMITS => "a writer".to_owned(),
            readers => format!("{readers} readers"),
        };
        f.debug_struct("RwLock").field("held_by", &holders).finish_non_exhaustive()
    }
}
