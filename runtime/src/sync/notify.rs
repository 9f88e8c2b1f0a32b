//! A notification without a value, for one task or for all that wait.
//!
//! ```text
//!   word   63                                2          1          0
//!         [  calls of `notify_waiters`       | WAITING  | NOTIFIED ]
//! ```
//!
//! 1. NOTIFIED is the one permit that is stored when nobody waits. It and WAITING are never set together.
//! 2. WAITING is set and cleared under the lock. While it is set, the word changes under the lock alone.
//! 3. WAITING is set whenever a task is queued. (It may stay set for a while after the last one left.)
//!
//! # Why no wake-up is lost
//!
//! A task that finds neither a permit nor a new call sets WAITING by a compare-and-swap from the very word
//! in which it looked, and joins the queue, in one critical section. `notify_one` either stores the permit
//! by a compare-and-swap from a word without WAITING, or takes the lock and finds the queue. If a waiter is
//! dropped that was granted a notification by `notify_one`, that notification is sent again. A notification
//! by `notify_waiters` was meant for that waiter alone, and is sent to nobody else.

use super::{
    wait_queue::{WaitFuture, WaitQueue},
    waiter::{Attempt, Waiter},
    wakers::{grant_all, wake},
};
use crate::shim::{self, AtomicUsize, MutexGuard, Ordering, const_fn, lock};
use brigade_trace::{Cause, Domain, Resource};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

const NOTIFIED: usize = 1 << 0;
const WAITING: usize = 1 << 1;
const ONE_CALL: usize = 1 << 2;

/// Notifies a task that waits, or the next one that will.
///
/// [`notify_one`](Self::notify_one) wakes the task that has waited longest. If nobody waits, it stores a
/// permit (one at most), and the next task that waits takes it and returns at once.
/// [`notify_waiters`](Self::notify_waiters) wakes every waiter and stores nothing.
///
/// ```
/// use brigade_runtime::{run, spawn, sync::Notify};
/// use std::sync::Arc;
///
/// run(async {
///     let notify = Arc::new(Notify::new());
///     let ours = notify.clone();
///     let waiter = spawn(async move { ours.notified().await });
///     // It does not matter whether the task waits already.
///     notify.notify_one();
///     waiter.await.unwrap();
/// });
/// ```
pub struct Notify {
    word: AtomicUsize,
    resource: Resource,
    queue: shim::Mutex<WaitQueue<NotifyRequest>>,
}

/// The number of calls that a waiter saw when its future was made, and the kind of its notification.
struct NotifyRequest {
    calls: usize,
    /// The notification came from `notify_one`: a task must receive it, so a waiter that is dropped passes
    /// it on.
    passes_on: bool,
}

impl Notify {
    const_fn! {
        /// Creates a `Notify` without a permit.
        #[must_use]
        pub const fn new() -> Self {
            Self {
                word: AtomicUsize::new(0),
                resource: Resource::new(Domain::Notify),
                queue: shim::Mutex::new(WaitQueue::new()),
            }
        }
    }

    /// Waits to be notified.
    ///
    /// The future receives [`notify_waiters`](Self::notify_waiters) from the moment when it is made, and
    /// joins the queue for [`notify_one`](Self::notify_one) at its first poll.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up its position in the queue. If `notify_one` had notified it, another
    /// task is notified instead.
    ///
    /// ```
    /// use brigade_runtime::{run, sync::Notify};
    ///
    /// let notify = Notify::new();
    /// // The permit is stored, so the wait ends at once.
    /// notify.notify_one();
    /// run(notify.notified());
    /// ```
    #[track_caller]
    pub fn notified(&self) -> Notified<'_> {
        // Acquire pairs with the Release in `notify_waiters`: a task that makes the future after that call
        // sees what was done before it.
        let calls = self.word.load(Ordering::Acquire) / ONE_CALL;
        Notified { wait: WaitFuture::new(NotifyWaiter(self), NotifyRequest { calls, passes_on: false }) }
    }

    /// Notifies the task that has waited longest, or stores a permit for the next one.
    pub fn notify_one(&self) {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & WAITING != 0 {
                return self.notify_front(lock(&self.queue));
            }
            // Release pairs with the Acquire of the task that takes the permit, also if there was a permit
            // already.
            match self.word.compare_exchange_weak(word, word | NOTIFIED, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }

    #[cold]
    fn notify_front(&self, mut queue: MutexGuard<'_, WaitQueue<NotifyRequest>>) {
        let waker = queue.grant(|request| request.passes_on = true);
        let missed = waker.is_none();
        self.settle(&queue);
        drop(queue);
        wake(Cause::Notify, waker);
        if missed {
            self.notify_one();
        }
    }

    /// Clears WAITING if nobody is queued. The lock is held.
    fn settle(&self, queue: &WaitQueue<NotifyRequest>) {
        if queue.is_empty() {
            // Relaxed: this publishes nothing.
            self.word.fetch_and(!WAITING, Ordering::Relaxed);
        }
    }

    /// Notifies all waiters, and the futures that were made but not polled yet.
    ///
    /// ```
    /// use brigade_runtime::{gather, run, sync::Notify};
    ///
    /// let notify = Notify::new();
    /// let waiters = [notify.notified(), notify.notified()];
    /// notify.notify_waiters();
    /// assert_eq!(run(async { gather(waiters).await.len() }), 2);
    /// ```
    pub fn notify_waiters(&self) {
        let queue = lock(&self.queue);
        // Release pairs with the Acquire of the waiters that find a new call.
        self.word.fetch_add(ONE_CALL, Ordering::Release);
        grant_all(&NotifyWaiter(self), queue, Cause::Notify, |_| ());
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

/// The future of [`Notify::notified`].
///
/// ```
/// use brigade_runtime::sync::Notify;
/// use std::pin::pin;
///
/// let notify = Notify::new();
/// let mut notified = pin!(notify.notified());
/// assert!(!notified.as_mut().enable());
/// notify.notify_one();
/// assert!(notified.enable());
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Notified<'a> {
    // Pinned whenever the future is.
    wait: WaitFuture<NotifyWaiter<'a>>,
}

impl<'a> Notified<'a> {
    fn wait(self: Pin<&mut Self>) -> Pin<&mut WaitFuture<NotifyWaiter<'a>>> {
        // SAFETY: the field is pinned whenever the future is: nothing moves it out, there is no destructor
        // that could move it, and the future is `Unpin` only if the field is, which it is not.
        unsafe { self.map_unchecked_mut(|this| &mut this.wait) }
    }

    /// Joins the queue for [`notify_one`](Notify::notify_one) now, rather than at the first poll. Returns
    /// whether it has been notified already, so that the `.await` will not wait.
    ///
    /// Use it to look at a condition between this call and the `.await`, without missing a change.
    ///
    /// ```
    /// use brigade_runtime::{run, spawn, sync::Notify};
    /// use std::{pin::pin, sync::{Arc, Mutex}};
    ///
    /// /// Takes an item. Without `enable`, two tasks that call this could miss an item that is
    /// /// pushed between the look and the wait.
    /// async fn pop(items: &Mutex<Vec<u32>>, pushed: &Notify) -> u32 {
    ///     loop {
    ///         let mut notified = pin!(pushed.notified());
    ///         notified.as_mut().enable();
    ///         if let Some(item) = items.lock().unwrap().pop() {
    ///             return item;
    ///         }
    ///         notified.await;
    ///     }
    /// }
    ///
    /// run(async {
    ///     let shared = Arc::new((Mutex::new(Vec::new()), Notify::new()));
    ///     let popping = [0, 1].map(|_| {
    ///         let shared = shared.clone();
    ///         spawn(async move { pop(&shared.0, &shared.1).await })
    ///     });
    ///     for item in [3, 4] {
    ///         shared.0.lock().unwrap().push(item);
    ///         shared.1.notify_one();
    ///     }
    ///     let [one, other] = popping;
    ///     assert_eq!(one.await.unwrap() + other.await.unwrap(), 7);
    /// });
    /// ```
    pub fn enable(self: Pin<&mut Self>) -> bool {
        self.wait().enable()
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.wait().poll(cx).map(drop)
    }
}

impl fmt::Debug for Notified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notified").finish_non_exhaustive()
    }
}

/// A task that waits to be notified.
struct NotifyWaiter<'a>(&'a Notify);

impl Waiter for NotifyWaiter<'_> {
    type State = WaitQueue<NotifyRequest>;
    type Request = NotifyRequest;

    fn lock(&self) -> &shim::Mutex<WaitQueue<NotifyRequest>> {
        &self.0.queue
    }

    fn queue(state: &mut WaitQueue<NotifyRequest>) -> &mut WaitQueue<NotifyRequest> {
        state
    }

    fn try_fast(&self, request: &mut NotifyRequest) -> Attempt {
        // Acquire pairs with the Release in `notify_waiters`.
        let mut word = self.0.word.load(Ordering::Acquire);
        while word / ONE_CALL == request.calls {
            if word & NOTIFIED == 0 {
                return Attempt::Wait;
            }
            let order = (Ordering::Acquire, Ordering::Acquire);
            match self.0.word.compare_exchange_weak(word, word & !NOTIFIED, order.0, order.1) {
                Ok(_) => {
                    request.passes_on = true;
                    return Attempt::Done;
                }
                Err(now) => word = now,
            }
        }
        Attempt::Done
    }

    fn try_locked(&self, _: &mut WaitQueue<NotifyRequest>, request: &mut NotifyRequest) -> Attempt {
        while self.try_fast(request) == Attempt::Wait {
            let old = self.0.word.load(Ordering::Relaxed);
            // There was no new call since then: calls are counted under the lock.
            if old & NOTIFIED == 0 {
                let set =
                    self.0.word.compare_exchange(old, old | WAITING, Ordering::Relaxed, Ordering::Relaxed);
                if set.is_ok() {
                    return Attempt::Wait;
                }
            }
        }
        Attempt::Done
    }

    fn resource(&self) -> &Resource {
        &self.0.resource
    }

    fn cause(&self) -> Cause {
        Cause::Notify
    }

    fn on_leave<'a>(&'a self, queue: MutexGuard<'a, WaitQueue<NotifyRequest>>) {
        self.0.settle(&queue);
    }

    fn give_back(&self, request: NotifyRequest) {
        if request.passes_on {
            self.0.notify_one();
        }
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stored = self.word.load(Ordering::Relaxed) & NOTIFIED != 0;
        f.debug_struct("Notify").field("stored", &stored).finish_non_exhaustive()
    }
}
