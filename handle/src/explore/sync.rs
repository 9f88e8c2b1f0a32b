//! Atomics and locks whose operations are choice points of a run. Outside a run they are std's.

use super::{LockOutcome, baton};

pub use super::condvar::{Condvar, WaitTimeoutResult};

use std::{
    fmt,
    ops::{Deref, DerefMut},
    panic::Location,
    sync::{self as os, LockResult, PoisonError, TryLockError, TryLockResult},
};

/// The atomics.
pub mod atomic {
    use crate::explore::baton;
    use std::sync::atomic as os;

    pub use os::Ordering;

    #[inline(always)]
    fn point() {
        if baton::is_managed() {
            baton::preempt_at_atomic();
        }
    }

    /// Notes an operation that may have changed the value.
    #[inline(always)]
    fn changed_if(is_changed: bool) {
        if is_changed {
            baton::changed();
        }
    }

    /// Tells an operation of the checked code to the oracle, with what it has read or written.
    #[inline(always)]
    #[track_caller]
    fn told(operation: &str, value: &dyn std::fmt::Debug) {
        if baton::is_managed() {
            baton::tell(operation, value);
        }
    }

    /// A fence, as [`std::sync::atomic::fence`].
    #[inline(always)]
    pub fn fence(order: Ordering) {
        point();
        os::fence(order);
    }

    macro_rules! atomic {
        ($name:ident, $value:ty $(, $generic:ident)?) => {
            #[doc = concat!("As [`std::sync::atomic::", stringify!($name), "`].")]
            #[derive(Debug, Default)]
            #[repr(transparent)]
            pub struct $name$(<$generic>)?(os::$name$(<$generic>)?);

            #[allow(missing_docs, reason = "each method is that of std")]
            impl$(<$generic>)? $name$(<$generic>)? {
                #[inline(always)]
                pub const fn new(value: $value) -> Self {
                    Self(os::$name::new(value))
                }

                #[inline(always)]
                pub fn get_mut(&mut self) -> &mut $value {
                    self.0.get_mut()
                }

                #[inline(always)]
                pub fn into_inner(self) -> $value {
                    self.0.into_inner()
                }

                #[inline(always)]
                #[track_caller]
                pub fn load(&self, order: Ordering) -> $value {
                    point();
                    let value = self.0.load(order);
                    told("load", &value);
                    value
                }

                #[inline(always)]
                #[track_caller]
                pub fn store(&self, value: $value, order: Ordering) {
                    point();
                    if baton::is_managed() {
                        // Only the thread that has the baton comes here, so these are one operation.
                        changed_if(self.0.load(Ordering::Relaxed) != value);
                    }
                    self.0.store(value, order);
                    told("store", &value);
                }

                atomic!(@change $value: swap(value: $value));

                #[inline(always)]
                #[track_caller]
                pub fn compare_exchange(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    point();
                    let result = self.0.compare_exchange(current, new, success, failure);
                    changed_if(result.is_ok());
                    told("compare_exchange", &result);
                    result
                }

                #[inline(always)]
                #[track_caller]
                pub fn compare_exchange_weak(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    // It does not fail for no reason: the run has to be the same each time.
                    self.compare_exchange(current, new, success, failure)
                }

                #[inline(always)]
                #[track_caller]
                pub fn fetch_update(
                    &self,
                    set: Ordering,
                    fetch: Ordering,
                    change: impl FnMut($value) -> Option<$value>,
                ) -> Result<$value, $value> {
                    point();
                    let result = self.0.fetch_update(set, fetch, change);
                    changed_if(result.is_ok());
                    told("fetch_update", &result);
                    result
                }
            }
        };
        (@change $value:ty: $($method:ident($argument:ident: $type:ty)),*) => {$(
            #[inline(always)]
            #[track_caller]
            pub fn $method(&self, $argument: $type, order: Ordering) -> $value {
                point();
                let before = self.0.$method($argument, order);
                changed_if(before != self.0.load(Ordering::Relaxed));
                told(stringify!($method), &before);
                before
            }
        )*};
        (@number $($name:ident $value:ty),*) => {$(
            atomic!($name, $value);

            #[allow(missing_docs, reason = "each method is that of std")]
            impl $name {
                atomic!(@change $value: fetch_add(value: $value), fetch_sub(value: $value), fetch_and(value: $value),
                    fetch_or(value: $value), fetch_xor(value: $value), fetch_max(value: $value),
                    fetch_min(value: $value));
            }
        )*};
    }

    atomic!(@number AtomicU8 u8, AtomicU16 u16, AtomicU32 u32, AtomicU64 u64, AtomicUsize usize, AtomicIsize isize);
    atomic!(AtomicBool, bool);
    atomic!(AtomicPtr, *mut T, T);

    #[allow(missing_docs, reason = "each method is that of std")]
    impl AtomicBool {
        atomic!(@change bool: fetch_and(value: bool), fetch_or(value: bool), fetch_xor(value: bool));
    }
}

/// A guard of one of the locks below. When it is dropped, the threads of the run that wait for it go on.
#[derive(Debug)]
pub struct Guard<G, L = ()> {
    /// `None` only while the guard is dropped, or given to a condition variable.
    guard: Option<G>,
    /// The lock, if a condition variable may take it again.
    lock: L,
    address: usize,
    /// The place of the call that has taken the lock.
    at: &'static Location<'static>,
}

impl<G, L: Copy> Guard<G, L> {
    /// Makes a guard of std's, which may be poisoned.
    fn wrap(
        guard: LockResult<G>,
        lock: L,
        address: usize,
        at: &'static Location<'static>,
    ) -> LockResult<Self> {
        let wrap = |guard| Self { guard: Some(guard), lock, address, at };
        guard.map(wrap).map_err(|poisoned| PoisonError::new(wrap(poisoned.into_inner())))
    }

    /// Comes to a choice point, and takes the lock if it is free.
    #[track_caller]
    fn try_take(
        operation: &str,
        lock: L,
        address: usize,
        try_lock: impl FnOnce() -> TryLockResult<G>,
    ) -> TryLockResult<Self> {
        super::point();
        let (is_managed, at) = (baton::is_managed(), Location::caller());
        let guard = match try_lock() {
            Ok(guard) => Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => Err(poisoned),
            Err(TryLockError::WouldBlock) => {
                if is_managed {
                    baton::tell_lock(address, operation, LockOutcome::Refused, at);
                }
                return Err(TryLockError::WouldBlock);
            }
        };
        if is_managed {
            baton::take_lock(address);
            baton::tell_lock(address, operation, LockOutcome::Done, at);
        }
        Self::wrap(guard, lock, address, at).map_err(TryLockError::Poisoned)
    }

    /// Takes the lock. Within a run, a thread waits for it without blocking in the operating system.
    #[track_caller]
    fn take(
        operation: &str,
        lock: L,
        address: usize,
        take: impl FnOnce() -> LockResult<G>,
        try_lock: impl Fn() -> TryLockResult<G>,
    ) -> LockResult<Self> {
        if !baton::is_managed() {
            return Self::wrap(take(), lock, address, Location::caller());
        }
        loop {
            match Self::try_take(operation, lock, address, &try_lock) {
                Ok(guard) => return Ok(guard),
                Err(TryLockError::Poisoned(poisoned)) => return Err(poisoned),
                Err(TryLockError::WouldBlock) => baton::wait_for_lock(address),
            }
        }
    }
}

impl<G: Deref, L> Deref for Guard<G, L> {
    type Target = G::Target;

    fn deref(&self) -> &G::Target {
        self.guard.as_ref().expect("the guard lives")
    }
}

impl<G: DerefMut, L> DerefMut for Guard<G, L> {
    fn deref_mut(&mut self) -> &mut G::Target {
        self.guard.as_mut().expect("the guard lives")
    }
}

impl<G, L> Drop for Guard<G, L> {
    fn drop(&mut self) {
        if self.guard.take().is_some() && baton::is_managed() {
            baton::release_lock(self.address);
            baton::tell_lock(self.address, "unlock", LockOutcome::Done, self.at);
        }
    }
}

/// As [`std::sync::Mutex`].
#[derive(Default)]
pub struct Mutex<T: ?Sized>(os::Mutex<T>);

/// As [`std::sync::MutexGuard`].
pub type MutexGuard<'a, T> = Guard<os::MutexGuard<'a, T>, &'a Mutex<T>>;

#[allow(missing_docs, clippy::missing_errors_doc, reason = "each method is that of std")]
impl<T> Mutex<T> {
    pub const fn new(value: T) -> Self {
        Self(os::Mutex::new(value))
    }

    pub fn into_inner(self) -> LockResult<T> {
        self.0.into_inner()
    }
}

#[allow(missing_docs, clippy::missing_errors_doc, reason = "each method is that of std")]
impl<T: ?Sized> Mutex<T> {
    fn address(&self) -> usize {
        (&raw const self.0).addr()
    }

    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.0.get_mut()
    }

    #[track_caller]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        Guard::take("lock", self, self.address(), || self.0.lock(), || self.0.try_lock())
    }

    #[track_caller]
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        Guard::try_take("try_lock", self, self.address(), || self.0.try_lock())
    }
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Takes the guard of std's out, and says which lock it was of. The run still counts the lock as held.
    pub(super) fn into_parts(mut self) -> (os::MutexGuard<'a, T>, &'a Mutex<T>) {
        (self.guard.take().expect("the guard lives"), self.lock)
    }

    /// Makes a guard of std's, which may be poisoned, outside of a run.
    #[track_caller]
    pub(super) fn from_parts(
        guard: LockResult<os::MutexGuard<'a, T>>,
        lock: &'a Mutex<T>,
    ) -> LockResult<Self> {
        Self::wrap(guard, lock, lock.address(), Location::caller())
    }

    pub(super) fn lock_of(&self) -> &'a Mutex<T> {
        self.lock
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// As [`std::sync::RwLock`].
#[derive(Default)]
pub struct RwLock<T: ?Sized>(os::RwLock<T>);

/// As [`std::sync::RwLockReadGuard`].
pub type RwLockReadGuard<'a, T> = Guard<os::RwLockReadGuard<'a, T>>;

/// As [`std::sync::RwLockWriteGuard`].
pub type RwLockWriteGuard<'a, T> = Guard<os::RwLockWriteGuard<'a, T>>;

#[allow(missing_docs, clippy::missing_errors_doc, reason = "each method is that of std")]
impl<T> RwLock<T> {
    pub const fn new(value: T) -> Self {
        Self(os::RwLock::new(value))
    }

    pub fn into_inner(self) -> LockResult<T> {
        self.0.into_inner()
    }
}

#[allow(missing_docs, clippy::missing_errors_doc, reason = "each method is that of std")]
impl<T: ?Sized> RwLock<T> {
    fn address(&self) -> usize {
        (&raw const self.0).addr()
    }

    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.0.get_mut()
    }

    #[track_caller]
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        Guard::take("read", (), self.address(), || self.0.read(), || self.0.try_read())
    }

    #[track_caller]
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        Guard::take("write", (), self.address(), || self.0.write(), || self.0.try_write())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
