//! A flag that tasks wait for, like `asyncio.Event` in Python.

use super::{
    wait_queue::{WaitFuture, WaitQueue},
    waiter::{Attempt, Waiter},
    wakers::grant_all,
};
use crate::shim::{self, AtomicBool, Ordering, const_fn, lock};
use brigade_trace::{Cause, Domain, Resource};
use std::{fmt, future::Future};

/// A flag that any number of tasks wait for.
///
/// ```
/// use brigade_runtime::{run, spawn, sync::Event, yield_now};
/// use std::sync::Arc;
///
/// run(async {
///     let event = Arc::new(Event::new());
///     let ours = event.clone();
///     let waiter = spawn(async move { ours.wait().await });
///     yield_now().await;
///     assert!(!waiter.is_finished());
///     event.set();
///     waiter.await.unwrap();
/// });
/// ```
pub struct Event {
    /// Written under the lock of the wait queue, so that nobody is queued while it is set.
    set: AtomicBool,
    queue: shim::Mutex<WaitQueue<()>>,
    resource: Resource,
}

impl Event {
    const_fn! {
        /// Creates an event that is not set.
        #[must_use]
        pub const fn new() -> Self {
            Self {
                set: AtomicBool::new(false),
                queue: shim::Mutex::new(WaitQueue::new()),
                resource: Resource::new(Domain::Notify),
            }
        }
    }

    /// Sets the flag and wakes all waiters, in the order in which they came. Later calls of
    /// [`wait`](Self::wait) return at once.
    pub fn set(&self) {
        let queue = lock(&self.queue);
        // Release pairs with the Acquire load in `is_set`.
        self.set.store(true, Ordering::Release);
        grant_all(&EventWaiter(self), queue, Cause::Notify, |_| ());
    }

    /// Clears the flag, so that later calls of [`wait`](Self::wait) wait. A task that an earlier
    /// [`set`](Self::set) has woken stays woken.
    ///
    /// ```
    /// let event = brigade_runtime::sync::Event::new();
    /// event.set();
    /// event.clear();
    /// assert!(!event.is_set());
    /// ```
    pub fn clear(&self) {
        let _queue = lock(&self.queue);
        self.set.store(false, Ordering::Release);
    }

    /// Returns whether the flag is set.
    pub fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }

    /// Waits until the flag is set.
    ///
    /// # Cancellation
    ///
    /// Dropping the future has no effect on other tasks.
    #[track_caller]
    pub fn wait(&self) -> impl Future<Output = ()> {
        WaitFuture::new(EventWaiter(self), ())
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

/// A task that waits for the flag.
struct EventWaiter<'a>(&'a Event);

impl Waiter for EventWaiter<'_> {
    type State = WaitQueue<()>;
    type Request = ();

    fn lock(&self) -> &shim::Mutex<WaitQueue<()>> {
        &self.0.queue
    }

    fn queue(state: &mut WaitQueue<()>) -> &mut WaitQueue<()> {
        state
    }

    fn resource(&self) -> &Resource {
        &self.0.resource
    }

    fn cause(&self) -> Cause {
        Cause::Notify
    }

    fn try_fast(&self, (): &mut ()) -> Attempt {
        Attempt::done_if(self.0.is_set())
    }

    fn try_locked(&self, _: &mut WaitQueue<()>, (): &mut ()) -> Attempt {
        Attempt::done_if(self.0.is_set())
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("set", &self.is_set()).finish_non_exhaustive()
    }
}
