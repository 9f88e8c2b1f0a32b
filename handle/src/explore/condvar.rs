//! A condition variable whose waits and notifications are part of a run. Outside a run it is std's.

use super::{
    Kind, baton, pick, point,
    sync::MutexGuard,
    thread::{self, Thread},
};
use std::{
    fmt,
    sync::{
        self as os, Arc, LockResult, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

// Relaxed everywhere: only the thread that has the baton touches it.

/// As [`std::sync::Condvar`]. No wait ends for no reason.
#[derive(Default)]
pub struct Condvar {
    os: os::Condvar,
    /// The managed threads that wait, the first one in front.
    waiters: os::Mutex<Vec<Waiter>>,
}

struct Waiter {
    thread: Thread,
    is_notified: Arc<AtomicBool>,
}

/// As [`std::sync::WaitTimeoutResult`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Returns whether the time was over.
    #[must_use]
    pub fn timed_out(self) -> bool {
        self.0
    }
}

#[allow(missing_docs, clippy::missing_errors_doc, reason = "each method is that of std")]
impl Condvar {
    #[must_use]
    pub const fn new() -> Self {
        Self { os: os::Condvar::new(), waiters: os::Mutex::new(Vec::new()) }
    }

    #[track_caller]
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        if baton::is_managed() {
            return self.wait_managed(guard, None).0;
        }
        let (guard, lock) = guard.into_parts();
        MutexGuard::from_parts(self.os.wait(guard), lock)
    }

    #[track_caller]
    pub fn wait_while<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<MutexGuard<'a, T>> {
        let mut guard = guard;
        while condition(&mut guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    #[track_caller]
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        at_most: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let (guard, result) = if baton::is_managed() {
            self.wait_managed(guard, Some(at_most))
        } else {
            let (guard, lock) = guard.into_parts();
            let (waited, is_poisoned) = match self.os.wait_timeout(guard, at_most) {
                Ok(waited) => (waited, false),
                Err(poisoned) => (poisoned.into_inner(), true),
            };
            let guard = if is_poisoned { Err(PoisonError::new(waited.0)) } else { Ok(waited.0) };
            (MutexGuard::from_parts(guard, lock), WaitTimeoutResult(waited.1.timed_out()))
        };
        match guard {
            Ok(guard) => Ok((guard, result)),
            Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), result))),
        }
    }

    pub fn notify_one(&self) {
        point();
        let mut waiters = self.lock_waiters();
        if !waiters.is_empty() {
            let index = pick(Kind::Wake, waiters.len());
            notify(&waiters.remove(index));
        }
        self.os.notify_one();
    }

    pub fn notify_all(&self) {
        point();
        self.lock_waiters().drain(..).for_each(|waiter| notify(&waiter));
        self.os.notify_all();
    }

    /// Frees the lock, parks until a notification has come or the time is over, and takes the lock again.
    #[track_caller]
    fn wait_managed<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        at_most: Option<Duration>,
    ) -> (LockResult<MutexGuard<'a, T>>, WaitTimeoutResult) {
        let (lock, is_notified) = (guard.lock_of(), Arc::new(AtomicBool::new(false)));
        self.lock_waiters().push(Waiter { thread: thread::current(), is_notified: is_notified.clone() });
        drop(guard);
        let deadline = at_most.map(|at_most| crate::clock::after(crate::clock::now(), at_most));
        let mut is_over = false;
        while !is_notified.load(Relaxed) && !is_over {
            match deadline.map(|deadline| deadline.saturating_duration_since(crate::clock::now())) {
                None => thread::park(),
                Some(Duration::ZERO) => is_over = true,
                Some(left) => thread::park_timeout(left),
            }
        }
        self.lock_waiters().retain(|waiter| !Arc::ptr_eq(&waiter.is_notified, &is_notified));
        (lock.lock(), WaitTimeoutResult(is_over))
    }

    fn lock_waiters(&self) -> os::MutexGuard<'_, Vec<Waiter>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn notify(waiter: &Waiter) {
    waiter.is_notified.store(true, Relaxed);
    waiter.thread.unpark();
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}
