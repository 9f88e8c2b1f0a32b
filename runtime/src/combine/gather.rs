//! Awaiting several futures concurrently inside one task.

use crate::{
    combine::poll_set::{ChildWaker, WokenChildren, resume_panic, wake_if_budget_is_spent},
    task::budget,
};
use brigade_handle::{contain, forget_panic};
use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    thread,
};

/// Awaits all futures concurrently and returns their outputs in the order of the futures.
///
/// The futures are polled inside this task, so they may borrow, and they take turns on one thread. To run
/// them in parallel, gather the handles of spawned tasks. Each future has a waker of its own, so a wake-up
/// polls that one future and not all of them.
///
/// Python's `asyncio.gather` does this in another way: it makes a task of each coroutine. When one of them
/// raises, the others go on. Here the futures belong to the returned one and are dropped with it. An `Err` is
/// an output like any other, as with `return_exceptions=True`;
/// [`try_task_group`](crate::try_task_group) stops at the first one.
///
/// # Cancellation
///
/// Dropping the future drops all futures that are not finished.
///
/// # Panics
///
/// Panics as soon as one of the futures panics, with the same payload. If you catch that panic and await
/// again, the other futures run to their end, and then this panics as well, since one output is missing.
///
/// ```
/// # brigade_runtime::run(async {
/// let outputs = brigade_runtime::gather((1..=3).map(|n| async move { n * n })).await;
/// assert_eq!(outputs, [1, 4, 9]);
/// # });
/// ```
#[doc(alias("join_all", "join!"))]
pub fn gather<I>(futures: I) -> Gather<I::Item>
where
    I: IntoIterator,
    I::Item: Future,
{
    let children: Vec<_> = futures.into_iter().map(|future| GatherChild::Running(Box::pin(future))).collect();
    let woken = Arc::default();
    let waker = |index| {
        let child_waker = ChildWaker::new_queued(index, &woken);
        (child_waker.clone(), Waker::from(child_waker))
    };
    let wakers = (0..children.len()).map(waker).collect();
    let due = (0..children.len()).collect();
    Gather { running: children.len(), wakers, children, due, woken }
}

/// The future of [`gather`].
///
/// ```
/// # brigade_runtime::run(async {
/// let both = brigade_runtime::gather([std::future::ready(1), std::future::ready(2)]);
/// // Nothing has been polled yet.
/// assert_eq!(both.await, [1, 2]);
/// # });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Gather<F: Future> {
    children: Vec<GatherChild<F>>,
    /// The waker of each child, in both its types.
    wakers: Vec<(Arc<ChildWaker>, Waker)>,
    /// The indices of the children to poll.
    due: VecDeque<usize>,
    woken: Arc<WokenChildren>,
    /// How many children are not finished.
    running: usize,
}

enum GatherChild<F: Future> {
    Running(Pin<Box<F>>),
    Done(F::Output),
    /// The child has panicked, so there is no output.
    Panicked,
    /// The output has been returned.
    Gone,
}

// The boxes pin the children, and the outputs are not pinned at all.
impl<F: Future> Unpin for Gather<F> {}

impl<F: Future> Future for Gather<F> {
    type Output = Vec<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        ready!(budget::poll(cx));
        let mark = budget::mark();
        // Before the children are polled, so that a wake-up of a child from now on wakes this task.
        this.woken.take(&mut this.due, cx.waker());
        while let Some(index) = this.due.pop_front() {
            this.poll_child(index, cx);
            if wake_if_budget_is_spent(&this.due, cx) {
                return Poll::Pending;
            }
        }
        if this.running > 0 {
            return Poll::Pending;
        }
        let output = |child: &mut GatherChild<F>| match std::mem::replace(child, GatherChild::Gone) {
            GatherChild::Done(output) => output,
            GatherChild::Panicked => {
                panic!("a future of a `gather` has panicked, so not all outputs are there")
            }
            _ => panic!("a `gather` was polled again after it was ready"),
        };
        let outputs = this.children.iter_mut().map(output).collect();
        budget::spend_since(mark);
        Poll::Ready(outputs)
    }
}

impl<F: Future> Gather<F> {
    fn poll_child(&mut self, index: usize, cx: &Context<'_>) {
        let GatherChild::Running(future) = &mut self.children[index] else { return };
        let (child_waker, waker) = &self.wakers[index];
        // Before the poll, so that a wake-up during it queues the child again.
        child_waker.clear_queued();
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(waker)))) {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(output)) => match self.remove(index) {
                Ok(()) => self.children[index] = GatherChild::Done(output),
                Err(payload) => {
                    contain(|| drop(output));
                    resume_panic(payload, cx);
                }
            },
            Err(payload) => {
                forget_panic(self.remove(index));
                resume_panic(payload, cx);
            }
        }
    }

    /// Removes and drops a future that has ended. Returns the panic of its destructor.
    fn remove(&mut self, index: usize) -> thread::Result<()> {
        let child = std::mem::replace(&mut self.children[index], GatherChild::Panicked);
        self.running -= 1;
        catch_unwind(AssertUnwindSafe(|| drop(child)))
    }
}

impl<F: Future> fmt::Debug for Gather<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").field("running", &self.running).finish_non_exhaustive()
    }
}
