//! Waits for a change of a value that a mutex guards, like `asyncio.Condition` in Python.
//!
//! # Why no notification is lost
//!
//! A waiter joins the queue *before* it releases the lock. A task that changes the value holds the lock, so
//! it comes afterwards, and its notification finds the waiter in the queue. A waiter has seen the change
//! once it has the lock again. If it is notified and dropped before that, it passes the notification on,
//! since the change is still there for another task.

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
use brigade_trace::{Cause, Domain, Resource};
use std::{
    fmt,
    future::{Future, poll_fn},
    panic::Location,
    pin::pin,
    task::Poll,
};

/// Tasks that wait until a value that a [`Mutex`](super::Mutex) guards has changed.
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
/// A notification without the lock reaches the tasks that wait at that moment. No task is woken without a
/// notification. But a task that is woken has to look again, because another task may have held the lock in
/// between. [`wait_for`](Self::wait_for) does so.
#[doc(alias = "Condvar")]
pub struct Condition {
    resource: Resource,
    queue: shim::Mutex<WaitQueue<ConditionRequest>>,
}

/// Whether another task must receive the notification if this waiter is dropped.
struct ConditionRequest {
    passes_on: bool,
}

/// The notification of a waiter that does not have the lock again yet. Dropping it passes the notification
/// on.
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
        /// Creates a condition that nobody waits for.
        #[must_use]
        pub const fn new() -> Self {
            Self { resource: Resource::new(Domain::Notify), queue: shim::Mutex::new(WaitQueue::new()) }
        }
    }

    /// Releases the lock, waits for a notification, and waits for the lock again.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the mutex to others. If [`notify`](Self::notify) had notified it, another
    /// task is notified instead, even if the future was already waiting for the lock.
    #[track_caller]
    pub fn wait<'a, T: ?Sized>(&self, guard: Guard<'a, T>) -> impl Future<Output = Guard<'a, T>> {
        self.wait_at(guard, Location::caller())
    }

    async fn wait_at<'a, T: ?Sized>(
        &self,
        guard: Guard<'a, T>,
        at: &'static Location<'static>,
    ) -> Guard<'a, T> {
        let mutex = guard.mutex();
        let request = ConditionRequest { passes_on: false };
        let mut wait = pin!(WaitFuture::new_at(ConditionWaiter(self), request, at));
        // Joins the queue, whatever the budget.
        let waits = poll_fn(|cx| Poll::Ready(wait.as_mut().poll_unbudgeted(cx).is_pending())).await;
        debug_assert!(waits, "nobody is notified before it waits");
        drop(guard);
        let mut notified = PendingNotification { condition: self, request: wait.as_mut().await };
        let guard = mutex.lock_at(at).await;
        notified.request.passes_on = false;
        guard
    }

    /// [`wait`](Self::wait)s until `is_true` returns true for the value. It does not wait if that is so
    /// now.
    ///
    /// # Cancellation
    ///
    /// As with [`wait`](Self::wait).
    ///
    /// ```
    /// use brigade_runtime::{run, sync::{Condition, Mutex}};
    ///
    /// let (dishes, changed) = (Mutex::new(2), Condition::new());
    /// run(async {
    ///     let guard = changed.wait_for(dishes.lock().await, |dishes| *dishes >= 2).await;
    ///     assert_eq!(*guard, 2);
    /// });
    /// ```
    #[track_caller]
    pub fn wait_for<'a, T: ?Sized>(
        &self,
        mut guard: Guard<'a, T>,
        mut is_true: impl FnMut(&mut T) -> bool,
    ) -> impl Future<Output = Guard<'a, T>> {
        let at = Location::caller();
        async move {
            budget::turn().await;
            while !is_true(&mut guard) {
                guard = self.wait_at(guard, at).await;
            }
            guard
        }
    }

    /// Notifies the `count` tasks that have waited longest, or all if fewer wait.
    ///
    /// ```
    /// use brigade_runtime::{gather, run, sync::{Condition, Mutex}};
    ///
    /// let (ready, changed) = (Mutex::new(false), Condition::new());
    /// let wait = async || drop(changed.wait_for(ready.lock().await, |ready| *ready).await);
    /// let open = async || {
    ///     *ready.lock().await = true;
    ///     changed.notify(1);
    /// };
    /// run(async {
    ///     let tasks: [std::pin::Pin<Box<dyn Future<Output = ()>>>; 2] =
    ///         [Box::pin(wait()), Box::pin(open())];
    ///     gather(tasks).await;
    /// });
    /// ```
    pub fn notify(&self, count: usize) {
        self.notify_some(count, ConditionRequest { passes_on: true });
    }

    /// Notifies all waiters.
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

/// A task that waits for a notification.
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

    fn resource(&self) -> &Resource {
        &self.0.resource
    }

    fn cause(&self) -> Cause {
        Cause::Notify
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
