//! Locks and atomics whose order the exploring scheduler decides. Each item is that of [`std::sync`].
//!
//! `Arc` and `Weak` are std's: their counters decide nothing that another thread waits for.

use crate::thread::place;
use brigade_explore::{
    handle::explore::{Kind, is_managed, pick, point},
    remark, sync as explored, thread as scheduled,
};
use std::{
    cell::Cell,
    ops::{Deref, DerefMut},
    sync::{self as os, LockResult, PoisonError, atomic::Ordering::SeqCst},
};

pub use brigade_explore::sync::atomic;
pub use std::sync::{Arc, Weak};

/// As [`std::sync::Mutex`].
#[derive(Debug, Default)]
pub struct Mutex<T: ?Sized>(explored::Mutex<T>);

/// As [`std::sync::MutexGuard`].
#[derive(Debug)]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    guard: explored::MutexGuard<'a, T>,
}

impl<T> Mutex<T> {
    /// Makes a lock around a value.
    pub const fn new(value: T) -> Self {
        Self(explored::Mutex::new(value))
    }

    /// Returns the value.
    ///
    /// # Errors
    ///
    /// Returns the value as an error if a thread has panicked with the lock.
    pub fn into_inner(self) -> LockResult<T> {
        self.0.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Takes the lock. Waits until it is free.
    ///
    /// # Errors
    ///
    /// Returns the guard as an error if a thread has panicked with the lock.
    #[track_caller]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let wrap = |guard| MutexGuard { mutex: self, guard };
        self.0.lock().map(wrap).map_err(|poisoned| PoisonError::new(wrap(poisoned.into_inner())))
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

/// As [`std::sync::Condvar`]: a wait may also end for no reason.
#[derive(Debug, Default)]
pub struct Condvar {
    /// No choice point lies under this lock, so it can be std's.
    waiters: os::Mutex<Vec<os::Arc<Waiter>>>,
}

#[derive(Debug)]
struct Waiter {
    is_notified: os::atomic::AtomicBool,
    thread: scheduled::Thread,
}

impl Waiter {
    fn notify(&self) {
        self.is_notified.store(true, SeqCst);
        self.thread.unpark();
    }
}

thread_local! {
    /// Whether a wait of this thread has ended for no reason. One is enough to show what comes of it.
    static WAS_SPURIOUS: Cell<bool> = const { Cell::new(false) };
}

impl Condvar {
    /// Makes a condition variable.
    #[must_use]
    pub const fn new() -> Self {
        Self { waiters: os::Mutex::new(Vec::new()) }
    }

    fn waiters(&self) -> os::MutexGuard<'_, Vec<os::Arc<Waiter>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frees the lock and waits for a notification, then takes the lock again. No notification is lost
    /// between the two. The wait may end for no reason, so look again at what you wait for.
    ///
    /// # Errors
    ///
    /// Returns the guard as an error if a thread has panicked with the lock.
    #[track_caller]
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        let mutex = guard.mutex;
        let waiter = os::Arc::new(Waiter {
            is_notified: os::atomic::AtomicBool::new(false),
            thread: scheduled::current(),
        });
        let at = place();
        remark(|| format!("wait for a notification{at}"));
        // The lock is still held here. A notification without the lock comes too early.
        point();
        self.waiters().push(waiter.clone());
        drop(guard);
        if is_spurious() {
            self.waiters().retain(|other| !os::Arc::ptr_eq(other, &waiter));
            remark(|| "the wait ends for no reason".to_owned());
            return mutex.lock();
        }
        let mut took_token = false;
        while !waiter.is_notified.load(SeqCst) {
            scheduled::park();
            took_token |= !waiter.is_notified.load(SeqCst);
        }
        if took_token {
            // An unpark came that was meant for a park of the student's code.
            waiter.thread.unpark();
        }
        remark(|| "the wait ends".to_owned());
        mutex.lock()
    }

    /// Waits while the condition holds.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    #[track_caller]
    pub fn wait_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<MutexGuard<'a, T>> {
        while condition(&mut guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// Ends the wait of one thread, the first that began to wait.
    #[track_caller]
    pub fn notify_one(&self) {
        let at = place();
        remark(|| format!("notify one{at}"));
        point();
        let mut waiters = self.waiters();
        if !waiters.is_empty() {
            waiters.remove(0).notify();
        }
    }

    /// Ends the waits of all threads.
    #[track_caller]
    pub fn notify_all(&self) {
        let at = place();
        remark(|| format!("notify all{at}"));
        point();
        self.waiters().drain(..).for_each(|waiter| waiter.notify());
    }
}

/// Whether a wait ends for no reason: at most one of each thread, if the schedule says so.
fn is_spurious() -> bool {
    let is_spurious = is_managed() && !WAS_SPURIOUS.get() && pick(Kind::Spurious, 2) == 1;
    if is_spurious {
        WAS_SPURIOUS.set(true);
    }
    is_spurious
}
