//! A thread as a waker: parks until woken.

use crate::{
    clock,
    linger::Linger,
    sync::{AtomicBool, Ordering, Thread, park_timeout, thread},
};
use std::{
    sync::Arc,
    task::{Wake, Waker},
    time::Instant,
};

/// One thread's place to sleep. The flag says whether there was a wake-up. The token that std keeps for each
/// thread (`unpark` sets it, `park` waits for it and takes it) only ends the sleep. So other code that parks
/// and unparks the same thread (another `block_on`, say) cannot take a wake-up from this parker.
///
/// # Why no wake-up is lost
///
/// ```text
///   waker                     parked thread
///   notified = true           notified.swap(false)? true: go
///   thread.unpark()           thread.park()            returns at once if the token is there
/// ```
///
/// If the swap comes before the store, the token comes after the swap. The park that follows finds the
/// token or is ended by it. A park that ends for another reason only goes round the loop.
///
/// A thread whose wake-up is expected soon looks at the flag for a while before it parks ([`Linger`]). That
/// changes nothing above: it is a thread that comes late to its swap.
pub(crate) struct Parker {
    notified: AtomicBool,
    thread: Thread,
    linger: Linger,
}

impl Parker {
    /// Makes a parker for the calling thread, which is the only one that may call [`park`](Self::park).
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { notified: AtomicBool::new(false), thread: thread::current(), linger: Linger::new() })
    }

    /// Takes a wake-up, if there was one.
    fn take(&self) -> bool {
        // Acquire pairs with the waker's Release, so that this thread sees everything that the waker did
        // before.
        self.notified.swap(false, Ordering::Acquire)
    }

    /// Sleeps until woken, or not at all if woken since the last call.
    pub(crate) fn park(&self) {
        self.sleep(|| {
            while !self.take() {
                thread::park();
            }
            true
        });
    }

    /// Sleeps like [`park`](Self::park), but until the deadline at most. Returns false if the deadline has
    /// passed without a wake-up.
    pub(crate) fn park_until(&self, deadline: Instant) -> bool {
        self.sleep(|| {
            while !self.take() {
                let left = deadline.saturating_duration_since(clock::now());
                if left.is_zero() {
                    return false;
                }
                park_timeout(left);
            }
            true
        })
    }

    /// Waits awake if the wake-up is expected soon, and otherwise by this function. Returns whether there was
    /// a wake-up.
    fn sleep(&self, park: impl FnOnce() -> bool) -> bool {
        // Relaxed: `take` synchronizes.
        let is_woken = || self.notified.load(Ordering::Relaxed);
        if self.take() || (self.linger.wait_awake(is_woken) && self.take()) {
            return true;
        }
        self.linger.begin_sleep();
        let was_woken = park();
        self.linger.end_sleep();
        was_woken
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.linger.stamp();
        // Release pairs with the swap in `take`. Only the first of several wakes has to unpark.
        if !self.notified.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }
}

/// Calls `f` with a parker of this thread and the waker that belongs to it. They are kept between calls.
/// A call inside a call gets its own, because the inner wait could otherwise take the outer one's
/// wake-up.
#[cfg(not(loom))]
pub(crate) fn with_parker<R>(f: impl FnOnce(&Parker, &Waker) -> R) -> R {
    use std::cell::Cell;
    thread_local! {
        static KEPT: Cell<Option<(Arc<Parker>, Waker)>> = const { Cell::new(None) };
    }
    // `try_with`: the thread may be ending, and its locals may be gone.
    let (parker, waker) = KEPT.try_with(Cell::take).ok().flatten().unwrap_or_else(fresh);
    let result = f(&parker, &waker);
    let _ = KEPT.try_with(|kept| kept.set(Some((parker, waker))));
    result
}

/// Under loom the threads of a model share one real thread, so nothing is kept.
#[cfg(loom)]
pub(crate) fn with_parker<R>(f: impl FnOnce(&Parker, &Waker) -> R) -> R {
    let (parker, waker) = fresh();
    f(&parker, &waker)
}

fn fresh() -> (Arc<Parker>, Waker) {
    let parker = Parker::new();
    let waker = Waker::from(parker.clone());
    (parker, waker)
}
