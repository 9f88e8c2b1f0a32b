//! A blocking call under a paused clock, which must not jump while the call runs.
//!
//! The executor counts the calls that run. A call that waits for the runtime itself, in
//! [`Handle::block_on`](crate::Handle::block_on), does not count meanwhile, since it may wait for the very
//! timer to which the clock would jump. It counts again when it is *woken*, and not when its thread goes on:
//! otherwise the clock could pass the next timer before that.
//!
//! ```text
//!   RUNNING --park--> PARKED      the future is pending: the call stops counting
//!   PARKED  --wake--> WOKEN       the call counts again, and its thread is unparked
//!   RUNNING --wake--> WOKEN       woken while it polls: it polls again and does not park
//! ```

use crate::{
    executor::reference::ExecutorHandle,
    shim::{AtomicUsize, Ordering},
};
use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
    task::{Poll, Wake, Waker},
};

/// The number of calls that run.
pub(crate) type RunningCount = Arc<AtomicUsize>;

thread_local! {
    /// The address of the count of the call that this thread makes, or 0.
    static CALL: Cell<usize> = const { Cell::new(0) };
}

/// Holds up a paused clock until the waiter for the call has been woken.
pub(super) struct RunningCall(ExecutorHandle);

impl RunningCall {
    pub(super) fn begin(executor: &ExecutorHandle) -> Self {
        executor.blocking().running().fetch_add(1, Ordering::SeqCst);
        Self(executor.clone())
    }

    /// Marks this thread as the one that makes the call, until the guard is dropped.
    pub(super) fn mark_thread(&self) -> MarkedThread {
        MarkedThread(CALL.replace(address(self.0.blocking().running())))
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.0.blocking().running().fetch_sub(1, Ordering::SeqCst);
        self.0.driver().reactor.wake();
    }
}

/// Restores the mark of the thread.
#[must_use = "the thread is marked as long as the guard lives"]
pub(super) struct MarkedThread(usize);

impl Drop for MarkedThread {
    fn drop(&mut self) {
        CALL.set(self.0);
    }
}

fn address(count: &RunningCount) -> usize {
    Arc::as_ptr(count).addr()
}

const RUNNING: u8 = 0;
const WOKEN: u8 = 1;
const PARKED: u8 = 2;

/// A wait of a counted call for its own runtime.
pub(super) struct CountedWait<'a> {
    executor: &'a ExecutorHandle,
    shared: Option<(Arc<WaitState>, Waker)>,
}

struct WaitState {
    state: AtomicU8,
    /// Not the executor: a waker that waits in the executor must not keep it.
    count: RunningCount,
    thread: Waker,
}

impl<'a> CountedWait<'a> {
    /// Begins a wait, if this thread makes a counted call of this executor.
    pub(super) fn begin(executor: &'a ExecutorHandle) -> Option<Self> {
        let call = CALL.get();
        (call != 0 && call == address(executor.blocking().running()))
            .then_some(Self { executor, shared: None })
    }

    /// Polls with a waker that keeps the count. `thread` unparks this thread.
    pub(super) fn poll<R>(&mut self, thread: &Waker, poll: impl FnOnce(&Waker) -> Poll<R>) -> Poll<R> {
        let (shared, waker) = self.shared.get_or_insert_with(|| {
            let count = self.executor.blocking().running().clone();
            let shared = Arc::new(WaitState { state: AtomicU8::new(RUNNING), count, thread: thread.clone() });
            let waker = shared.clone().into();
            (shared, waker)
        });
        if shared.state.swap(RUNNING, SeqCst) == PARKED {
            // Unparked by something else than this waker.
            shared.count.fetch_add(1, Ordering::SeqCst);
        }
        let polled = poll(waker);
        if polled.is_pending() && shared.state.compare_exchange(RUNNING, PARKED, SeqCst, SeqCst).is_ok() {
            // A wake-up that comes between these two lines counts the call twice for a moment.
            shared.count.fetch_sub(1, Ordering::SeqCst);
            self.executor.driver().reactor.wake();
        }
        polled
    }
}

impl Wake for WaitState {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, SeqCst) == PARKED {
            self.count.fetch_add(1, Ordering::SeqCst);
        }
        self.thread.wake_by_ref();
    }
}
