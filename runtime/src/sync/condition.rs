//! Waiting for a change of what a mutex guards: what Python calls `asyncio.Condition`.
//!
//! # Why no notification is lost
//!
//! Who waits stands in line *before* it gives up the lock. Whoever changes the value has the lock, so it comes after, and its
//! notification finds the line. Who is notified and dropped before it has seen the change, which is when it has the lock again, hands the
//! notification on, since the change is still there for another.

use super::{
    mutex::Guard,
    wait_queue::{WaitFuture, WaitQueue},
    waiter::{Attempt, Waiter},
    wakers::Wakers,
};
use crate::{
    shim::{self, const_fn, lock},
    task::budget,
};
use brigade_trace::Cause;
use std::{fmt, future::poll_fn, pin::pin, task::Poll};

/// Tasks that wait until what a [`Mutex`](super::Mutex) guards has changed.
///
/// ```
/// use brigade_runtime::{run, spawn, sync::{Condition, Mutex}};
/// use std::sync::Arc;
///
/// run(async {
///     let shared = Arc::new((Mutex::new(0), Condition::new()));
///     let ours = shared.clone();
///     let waiter = spawn(async move {
///         let (dishes, changed) = &*ours;
///         let guard = changed.wait_for(dishes.lock().await, |dishes| *dishes >= 2).await;
///         *guard
///     });
///     for _ in 0..2 {
///         *shared.0.lock().await += 1;
///         shared.1.notify_all();
///     }
///     assert_eq!(waiter.await.unwrap(), 2);
/// });
/// ```
///
/// A notification without the lock reaches those who wait by then. Nobody is woken without a notification, but who is has
/// to look again: another may have had the lock in between. [`wait_for`](Self::wait_for) does.
pub struct Condition {
    queue: shim::Mutex<WaitQueue<ConditionRequest>>,
}

/// Whether somebody must get the notification.
struct ConditionRequest {
    passes_on: bool,
}

/// One who was notified and does not have the lock yet. Dropped like this, it hands the notification on.
struct PendingNotification<'a> {
    condition: &'a Condition,
    request: ConditionRequest,
}

impl Drop for PendingNotification<'_> {
    fn drop(&mut self) {
        if self.request.passes_on {
            self.condition.notify(1);
        }
    }
}

impl Condition {
    const_fn! {
        /// A condition that nobody waits for.
        #[must_use]
        pub const fn new() -> Self {
            Self { queue: shim::Mutex::new(WaitQueue::new()) }
        }
    }

    /// Gives up the lock, waits for a notification, and waits for the lock again.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the mutex to others. If it was notified by [`notify`](Self::notify), another is notified
    /// in its place, also if the future was waiting for the lock already.
    pub async fn wait<'a, T: ?Sized>(&self, guard: Guard<'a, T>) -> Guard<'a, T> {
        let mutex = guard.mutex();
        let mut wait = pin!(WaitFuture::new(ConditionWaiter(self), ConditionRequest { passes_on: false }));
        // Stands in line, whatever the budget.
        let waits = poll_fn(|cx| Poll::Ready(wait.as_mut().poll_unbudgeted(cx).is_pending())).await;
        debug_assert!(waits, "nobody is notified before it waits");
        drop(guard);
        let mut notified = PendingNotification { condition: self, request: wait.as_mut().await };
        let guard = mutex.lock().await;
        notified.request.passes_on = false;
        guard
    }

    /// [`wait`](Self::wait)s until `is_true` of the value; not at all if it is so now.
    ///
    /// # Cancellation
    ///
    /// As with [`wait`](Self::wait).
    pub async fn wait_for<'a, T: ?Sized>(
        &self,
        mut guard: Guard<'a, T>,
        mut is_true: impl FnMut(&mut T) -> bool,
    ) -> Guard<'a, T> {
        budget::turn().await;
        while !is_true(&mut guard) {
            guard = self.wait(guard).await;
        }
        guard
    }

    /// Notifies the `count` who wait longest, or all if they are fewer.
    pub fn notify(&self, count: usize) {
        self.notify_some(count, ConditionRequest { passes_on: true });
    }

    /// Notifies all who wait.
    pub fn notify_all(&self) {
        self.notify_some(usize::MAX, ConditionRequest { passes_on: false });
    }

    fn notify_some(&self, mut count: usize, request: ConditionRequest) {
        let mut queue = lock(&self.queue);
        let round = queue.next_round();
        let mut wakers = Wakers::new();
        while count > 0 {
            let Some(waker) = queue.grant_before(round, |its| its.passes_on = request.passes_on) else {
                break;
            };
            count -= 1;
            wakers.push(waker);
            if wakers.is_full() {
                drop(queue);
                wakers.wake(Cause::Notify);
                queue = lock(&self.queue);
            }
        }
        drop(queue);
        wakers.wake(Cause::Notify);
    }
}

impl Default for Condition {
    fn default() -> Self {
        Self::new()
    }
}

/// One who waits for a notification.
struct ConditionWaiter<'a>(&'a Condition);

impl Waiter for ConditionWaiter<'_> {
    type State = WaitQueue<ConditionRequest>;
    type Request = ConditionRequest;

    fn lock(&self) -> &shim::Mutex<WaitQueue<ConditionRequest>> {
        &self.0.queue
    }

    fn queue(state: &mut WaitQueue<ConditionRequest>) -> &mut WaitQueue<ConditionRequest> {
        state
    }

    fn try_fast(&self, _: &mut ConditionRequest) -> Attempt {
        Attempt::Wait
    }

    fn try_locked(&self, _: &mut WaitQueue<ConditionRequest>, _: &mut ConditionRequest) -> Attempt {
        Attempt::Wait
    }

    fn give_back(&self, request: ConditionRequest) {
        if request.passes_on {
            self.0.notify(1);
        }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = lock(&self.queue).len();
        f.debug_struct("Condition").field("waiting", &waiting).finish_non_exhaustive()
    }
}
