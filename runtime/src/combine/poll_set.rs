//! The poll set: several futures polled by one task, each with its own waker, so that a wake-up polls only
//! that one future. `FuturesUnordered` of `futures-util` is the same idea.
//!
//! # Why no wake-up is lost
//!
//! A child waker is *queued* while its index is in the list of woken children, or has been taken by the
//! task that polls. Waking a child queues its index, unless it is queued already, and wakes the parent. The
//! parent leaves its waker, takes the list, clears the flag of each index, and only then polls that child:
//!
//! ```text
//!   a thread that wakes                  the task that polls
//!   makes the child ready                parent = me; indices = the list        (one critical section)
//!   queued.swap(true): was it queued?    queued.swap(false)
//!   if not: pushes the index,            polls the child
//!           takes the parent
//!           and wakes it
//! ```
//!
//! The two swaps are on one word. If the waking one comes first, the poll that follows sees that the child
//! is ready, because the waking swap releases and the polling swap acquires. If it comes second, it queues
//! the index anew and wakes the task that is the parent then.

use crate::{
    shim::{AtomicBool, Mutex, Ordering, lock},
    task::budget,
};
use brigade_handle::{contain, forget_panic};
use std::{
    any::Any,
    collections::VecDeque,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread,
};

/// The list of woken children, and the waker of their parent.
#[derive(Default)]
pub(crate) struct WokenChildren(Mutex<WokenList>);

#[derive(Default)]
struct WokenList {
    indices: VecDeque<usize>,
    /// The waker of the task that polls. None once a wake-up has taken it.
    parent: Option<Waker>,
}

impl WokenChildren {
    /// Moves the indices of the woken children to the end of `indices`. The next wake-up wakes `parent`.
    pub(crate) fn take(&self, indices: &mut VecDeque<usize>, parent: &Waker) {
        let parent = parent.clone();
        let mut list = lock(&self.0);
        let old = list.parent.replace(parent);
        indices.append(&mut list.indices);
        drop(list);
        drop(old);
    }
}

/// Wakes the parent if the budget is spent while children are due, and returns whether that is so.
///
/// The next poll takes the due children before those that are woken by then. So a child that spends the
/// whole budget each time it is polled does not starve the others.
pub(crate) fn wake_if_budget_is_spent(due: &VecDeque<usize>, cx: &Context<'_>) -> bool {
    let must_yield = !due.is_empty() && !budget::is_left();
    if must_yield {
        cx.waker().wake_by_ref();
    }
    must_yield
}

/// Goes on with the panic of a child, in its poll or its destructor. Wakes the task for the case that it
/// catches the panic, since other children may be due, or none may be left.
#[cold]
pub(crate) fn resume_panic(payload: Box<dyn Any + Send>, cx: &Context<'_>) -> ! {
    contain(|| cx.waker().wake_by_ref());
    resume_unwind(payload)
}

/// The waker of one child.
pub(crate) struct ChildWaker {
    index: usize,
    /// Whether the index is in the list, or has been taken by the task that polls and not been cleared yet.
    queued: AtomicBool,
    woken: Arc<WokenChildren>,
}

impl ChildWaker {
    /// Makes a waker that counts as queued: the caller will poll its index.
    pub(crate) fn new_queued(index: usize, woken: &Arc<WokenChildren>) -> Arc<Self> {
        Arc::new(Self { index, queued: AtomicBool::new(true), woken: woken.clone() })
    }

    /// Sets the flag, and returns whether it was clear before. If so, the caller must queue the index.
    fn set_queued(&self) -> bool {
        // Release: the poll that comes after sees everything before the wake-up, also if the flag was set
        // already.
        !self.queued.swap(true, Ordering::Release)
    }

    /// Clears the flag, before the poll.
    pub(crate) fn clear_queued(&self) {
        // A swap and not a store: Acquire pairs with the waking swaps in `set_queued` that this one comes
        // after.
        self.queued.swap(false, Ordering::Acquire);
    }
}

impl Wake for ChildWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.set_queued() {
            return;
        }
        let mut list = lock(&self.woken.0);
        list.indices.push_back(self.index);
        let parent = list.parent.take();
        drop(list);
        parent.into_iter().for_each(Waker::wake);
    }
}

/// A set of futures that come and go. Their outputs come out in the order in which they are ready.
///
/// A slot whose future is ready is reused for the next future, together with its child waker. A late
/// wake-up for the old future polls the new one once in vain.
pub(crate) struct PollSet<F> {
    slots: Vec<PollSlot<F>>,
    /// The slots without a future.
    free: Vec<usize>,
    /// The indices of the futures to poll.
    due: VecDeque<usize>,
    woken: Arc<WokenChildren>,
}

/// A place for one future. `waker` is its `child_waker` as a [`Waker`].
struct PollSlot<F> {
    future: Option<F>,
    child_waker: Arc<ChildWaker>,
    waker: Waker,
}

impl<F> PollSet<F> {
    pub(crate) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), due: VecDeque::new(), woken: Arc::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Inserts a future. The next `poll_next` polls it. This does not wake a task that waits already, so
    /// the caller must poll.
    pub(crate) fn insert(&mut self, future: F) -> &F {
        let index = match self.free.pop() {
            Some(index) => {
                if self.slots[index].child_waker.set_queued() {
                    self.due.push_back(index);
                }
                index
            }
            None => {
                let index = self.slots.len();
                let child_waker = ChildWaker::new_queued(index, &self.woken);
                let waker = Waker::from(child_waker.clone());
                self.slots.push(PollSlot { future: None, child_waker, waker });
                self.due.push_back(index);
                index
            }
        };
        self.slots[index].future.insert(future)
    }

    /// Iterates over the futures that are not ready.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &F> {
        self.slots.iter().filter_map(|slot| slot.future.as_ref())
    }

    /// Takes out the futures that are not ready, each with its index.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (usize, F)> + use<F> {
        self.free.clear();
        self.due.clear();
        let slots = std::mem::take(&mut self.slots).into_iter().enumerate();
        // The wakers of the removed futures must not wake slots that are made later.
        self.woken = Arc::default();
        slots.filter_map(|(index, slot)| Some((index, slot.future?)))
    }
}

impl<F: Future + Unpin> PollSet<F> {
    /// Polls the woken futures, and returns the next output with the index of its slot. Pending if no
    /// future is ready, or the set is empty.
    ///
    /// # Panics
    ///
    /// Panics if a future panics, with its payload. That future has been removed, and the others can go on.
    pub(crate) fn poll_next(&mut self, cx: &Context<'_>) -> Poll<(usize, F::Output)> {
        self.woken.take(&mut self.due, cx.waker());
        while let Some(index) = self.due.pop_front() {
            let slot = &mut self.slots[index];
            slot.child_waker.clear_queued();
            let Some(future) = &mut slot.future else { continue };
            let mut context = Context::from_waker(&slot.waker);
            match catch_unwind(AssertUnwindSafe(|| Pin::new(future).poll(&mut context))) {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(output)) => match self.remove(index) {
                    Ok(()) => return Poll::Ready((index, output)),
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
            if wake_if_budget_is_spent(&self.due, cx) {
                return Poll::Pending;
            }
        }
        Poll::Pending
    }

    /// Removes and drops a future that has ended. Returns the panic of its destructor.
    fn remove(&mut self, index: usize) -> thread::Result<()> {
        let future = self.slots[index].future.take();
        self.free.push(index);
        catch_unwind(AssertUnwindSafe(|| drop(future)))
    }
}
