//! Several futures at once inside one task.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
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
    let list = Mutex::new(List { woken: (0..children.len()).collect(), parent: None });
    let shared = Arc::new(Shared { list });
    let waker = |index| {
        let child = Arc::new(ChildWaker { index, listed: AtomicBool::new(true), shared: shared.clone() });
        (child.clone(), Waker::from(child))
    };
    let wakers = (0..children.len()).map(waker).collect();
    Gather { running: children.len(), wakers, children, shared }
}

/// The future of [`gather`].
#[must_use = "futures do nothing unless awaited"]
pub struct Gather<F: Future> {
    children: Vec<Child<F>>,
    wakers: Vec<(Arc<ChildWaker>, Waker)>,
    shared: Arc<Shared>,
    running: usize,
}

enum Child<F: Future> {
    Running(Pin<Box<F>>),
    Done(F::Output),
    /// The output has been given out.
    Gone,
}

struct Shared {
    list: Mutex<List>,
}

struct List {
    /// The children to poll.
    woken: Vec<usize>,
    parent: Option<Waker>,
}

/// Puts one child on the list.
struct ChildWaker {
    index: usize,
    /// The child is on the list.
    listed: AtomicBool,
    shared: Arc<Shared>,
}

impl Wake for ChildWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // AcqRel pairs with the swap in `poll`: either this puts the child on the list, or the poll that follows the swap
        // sees what the caller did before.
        if self.listed.swap(true, Ordering::AcqRel) {
            return;
        }
        let parent = {
            let mut list = lock(&self.shared.list);
            list.woken.push(self.index);
            list.parent.take()
        };
        parent.into_iter().for_each(Waker::wake);
    }
}

fn lock(list: &Mutex<List>) -> std::sync::MutexGuard<'_, List> {
    // No foreign code runs under the lock.
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

// The children are pinned by their boxes, and the outputs are not pinned at all.
impl<F: Future> Unpin for Gather<F> {}

impl<F: Future> Future for Gather<F> {
    type Output = Vec<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let (woken, old) = {
            let mut list = lock(&this.shared.list);
            // Stored before the children are polled: whoever wakes one from now on wakes this task.
            let old = list.parent.replace(cx.waker().clone());
            (std::mem::take(&mut list.woken), old)
        };
        drop(old);
        for index in woken {
            this.poll_child(index);
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
    fn poll_child(&mut self, index: usize) {
        let Child::Running(future) = &mut self.children[index] else { return };
        let (child, waker) = &self.wakers[index];
        // Before the poll, so that a wake-up during it puts the child on the list again.
        child.listed.swap(false, Ordering::AcqRel);
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(waker)) {
            self.children[index] = Child::Done(output);
            self.running -= 1;
        }
    }
}

impl<F: Future> fmt::Debug for Gather<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").field("running", &self.running).finish_non_exhaustive()
    }
}
