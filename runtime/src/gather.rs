//! Several futures at once inside one task.

use crate::crowd::{Ticket, Woken, used_up};
use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

/// Awaits all futures concurrently and gives their outputs in the order of the futures.
///
/// What `asyncio.gather` is in Python. The futures are polled inside this task, so they may borrow, and they take turns on
/// one thread; to run them in parallel, gather the handles of spawned tasks. Each future has a waker of its own, so that a
/// wake-up polls that one future and not all of them.
///
/// # Cancellation
///
/// Dropping the future drops all that are not finished.
///
/// ```
/// # brigade_runtime::run(async {
/// let outputs = brigade_runtime::gather((1..=3).map(|n| async move { n * n })).await;
/// assert_eq!(outputs, [1, 4, 9]);
/// # });
/// ```
pub fn gather<I>(futures: I) -> Gather<I::Item>
where
    I: IntoIterator,
    I::Item: Future,
{
    let children: Vec<_> = futures.into_iter().map(|future| Child::Running(Box::pin(future))).collect();
    let woken = Arc::default();
    let waker = |number| {
        let ticket = Ticket::listed(number, &woken);
        (ticket.clone(), Waker::from(ticket))
    };
    let wakers = (0..children.len()).map(waker).collect();
    let due = (0..children.len()).collect();
    Gather { running: children.len(), wakers, children, due, woken }
}

/// The future of [`gather`].
#[must_use = "futures do nothing unless awaited"]
pub struct Gather<F: Future> {
    children: Vec<Child<F>>,
    wakers: Vec<(Arc<Ticket>, Waker)>,
    /// Those to poll.
    due: VecDeque<usize>,
    woken: Arc<Woken>,
    running: usize,
}

enum Child<F: Future> {
    Running(Pin<Box<F>>),
    Done(F::Output),
    /// The output has been given out.
    Gone,
}

// The children are pinned by their boxes, and the outputs are not pinned at all.
impl<F: Future> Unpin for Gather<F> {}

impl<F: Future> Future for Gather<F> {
    type Output = Vec<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        // Before the children are polled: whoever wakes one from now on wakes this task.
        this.woken.take(&mut this.due, cx.waker());
        while let Some(number) = this.due.pop_front() {
            this.poll_child(number);
            if used_up(&this.due, cx) {
                return Poll::Pending;
            }
        }
        if this.running > 0 {
            return Poll::Pending;
        }
        let output = |child: &mut Child<F>| match std::mem::replace(child, Child::Gone) {
            Child::Done(output) => output,
            _ => panic!("a `gather` was polled again after it was ready"),
        };
        Poll::Ready(this.children.iter_mut().map(output).collect())
    }
}

impl<F: Future> Gather<F> {
    fn poll_child(&mut self, number: usize) {
        let Child::Running(future) = &mut self.children[number] else { return };
        let (ticket, waker) = &self.wakers[number];
        // Before the poll, so that a wake-up during it puts the child on the list again.
        ticket.strike();
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(waker)) {
            self.children[number] = Child::Done(output);
            self.running -= 1;
        }
    }
}

impl<F: Future> fmt::Debug for Gather<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").field("running", &self.running).finish_non_exhaustive()
    }
}
