//! Several futures polled by one task, each with a waker of its own, so that a wake-up polls that one future and not all.
//!
//! # Why no wake-up is lost
//!
//! A child's **child_waker** is *listed* while its index is in the list of the woken, or in the hands of the one who polls. Waking a
//! child lists its child_waker if it is not, and wakes the parent. The parent leaves its waker, takes the list, strikes each child_waker off
//! and only then polls that child:
//!
//! ```text
//!   waking                               polling
//!   make it ready                        parent = me; indices = the list        (one critical section)
//!   listed.swap(true)? it is listed      listed.swap(false)
//!   push the index, take the parent     poll the child
//!   wake the parent
//! ```
//!
//! The two swaps are on one word: if the waking one comes first, the poll that follows sees what was made ready (the one releases, the
//! other acquires); if it comes second, it lists the index anew, and whoever is the parent then is woken.

use crate::{
    shim::{AtomicBool, Mutex, Ordering, lock},
    task::budget,
};
use brigade_handle::contain;
use std::{
    collections::VecDeque,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

/// The children that were woken, and whom to tell.
#[derive(Default)]
pub(crate) struct WokenChildren(Mutex<WokenList>);

#[derive(Default)]
struct WokenList {
    indices: VecDeque<usize>,
    parent: Option<Waker>,
}

impl WokenChildren {
    /// Appends the indices of those woken, and has the parent woken by the next.
    pub(crate) fn take(&self, indices: &mut VecDeque<usize>, parent: &Waker) {
        let parent = parent.clone();
        let mut list = lock(&self.0);
        let old = list.parent.replace(parent);
        indices.append(&mut list.indices);
        drop(list);
        drop(old);
    }
}

/// Whether the budget is used up and others are due. They come in the next poll, for which the parent is woken, before those that are
/// listed by then: so a child that uses up the budget whenever it is polled starves none.
pub(crate) fn wake_if_budget_is_spent(due: &VecDeque<usize>, cx: &Context<'_>) -> bool {
    let must_yield = !due.is_empty() && !budget::is_left();
    if must_yield {
        cx.waker().wake_by_ref();
    }
    must_yield
}

/// What wakes one child.
pub(crate) struct ChildWaker {
    index: usize,
    queued: AtomicBool,
    woken: Arc<WokenChildren>,
}

impl ChildWaker {
    /// A child_waker that is listed: the caller has its index in its hands.
    pub(crate) fn new_queued(index: usize, woken: &Arc<WokenChildren>) -> Arc<Self> {
        Arc::new(Self { index, queued: AtomicBool::new(true), woken: woken.clone() })
    }

    /// Lists it by hand. False if it was listed.
    fn set_queued(&self) -> bool {
        // Release: the poll that comes after sees what came before the wake-up, also if it was listed already.
        !self.queued.swap(true, Ordering::Release)
    }

    /// Strikes it off the list, before the poll.
    pub(crate) fn clear_queued(&self) {
        // A swap and not a store: Acquire pairs with the waking swaps that this one comes after.
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

/// Futures that come and go, and whose outputs come out in the order in which they are ready.
///
/// A slot whose future is ready is given to the next one, with its child_waker; a late wake-up by the one before polls it once in vain.
pub(crate) struct PollSet<F> {
    slots: Vec<PollSlot<F>>,
    free: Vec<usize>,
    /// Those to poll.
    due: VecDeque<usize>,
    woken: Arc<WokenChildren>,
}

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

    /// Lets a future in. It is polled at the next `poll_next`, also if the task that polls waits already: the caller has to poll.
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

    /// Those that are not ready.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &F> {
        self.slots.iter().filter_map(|slot| slot.future.as_ref())
    }

    /// Takes out those that are not ready, each with its index.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (usize, F)> + use<F> {
        self.free.clear();
        self.due.clear();
        let slots = std::mem::take(&mut self.slots).into_iter().enumerate();
        // Wakers of those that are gone must not name a slot that is new.
        self.woken = Arc::default();
        slots.filter_map(|(index, slot)| Some((index, slot.future?)))
    }
}

impl<F: Future + Unpin> PollSet<F> {
    /// The next output with the index of its slot. Pending if there is none now, or nobody is in.
    ///
    /// # Panics
    ///
    /// If a future panics, with its panic. That one is out then, and the others go on.
    pub(crate) fn poll_next(&mut self, cx: &Context<'_>) -> Poll<(usize, F::Output)> {
        self.woken.take(&mut self.due, cx.waker());
        while let Some(index) = self.due.pop_front() {
            let slot = &mut self.slots[index];
            slot.child_waker.clear_queued();
            let Some(future) = &mut slot.future else { continue };
            let mut context = Context::from_waker(&slot.waker);
            match catch_unwind(AssertUnwindSafe(|| Pin::new(future).poll(&mut context))) {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(output)) => {
                    slot.future = None;
                    self.free.push(index);
                    return Poll::Ready((index, output));
                }
                Err(payload) => {
                    self.discard_panicked(index, cx);
                    resume_unwind(payload);
                }
            }
            if wake_if_budget_is_spent(&self.due, cx) {
                return Poll::Pending;
            }
        }
        Poll::Pending
    }

    /// Takes out a future that has panicked. Whoever catches the panic is woken, since others may be due, or nobody may be left.
    #[cold]
    fn discard_panicked(&mut self, index: usize, cx: &Context<'_>) {
        let future = self.slots[index].future.take();
        self.free.push(index);
        contain(|| drop(future));
        contain(|| cx.waker().wake_by_ref());
    }
}
