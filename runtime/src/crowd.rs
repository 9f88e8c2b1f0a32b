//! Several futures polled by one task, each with a waker of its own, so that a wake-up polls that one future and not all.
//!
//! # Why no wake-up is lost
//!
//! A child's **ticket** is *listed* while its number is in the list of the woken, or in the hands of the one who polls. Waking a
//! child lists its ticket if it is not, and wakes the parent. The parent leaves its waker, takes the list, strikes each ticket off
//! and only then polls that child:
//!
//! ```text
//!   waking                               polling
//!   make it ready                        parent = me; numbers = the list        (one critical section)
//!   listed.swap(true)? it is listed      listed.swap(false)
//!   push the number, take the parent     poll the child
//!   wake the parent
//! ```
//!
//! The two swaps are on one word: if the waking one comes first, the poll that follows sees what was made ready (the one releases, the
//! other acquires); if it comes second, it lists the number anew, and whoever is the parent then is woken.

use crate::{
    context::budget,
    shim::{AtomicBool, Mutex, Ordering, lock},
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
pub(crate) struct Woken(Mutex<List>);

#[derive(Default)]
struct List {
    numbers: VecDeque<usize>,
    parent: Option<Waker>,
}

impl Woken {
    /// Appends the numbers of those woken, and has the parent woken by the next.
    pub(crate) fn take(&self, numbers: &mut VecDeque<usize>, parent: &Waker) {
        let parent = parent.clone();
        let mut list = lock(&self.0);
        let old = list.parent.replace(parent);
        numbers.append(&mut list.numbers);
        drop(list);
        drop(old);
    }
}

/// Whether the budget is used up and others are due. They come in the next poll, for which the parent is woken, before those that are
/// listed by then: so a child that uses up the budget whenever it is polled starves none.
pub(crate) fn used_up(due: &VecDeque<usize>, cx: &Context<'_>) -> bool {
    let used_up = !due.is_empty() && !budget::is_left();
    if used_up {
        cx.waker().wake_by_ref();
    }
    used_up
}

/// What wakes one child.
pub(crate) struct Ticket {
    number: usize,
    listed: AtomicBool,
    woken: Arc<Woken>,
}

impl Ticket {
    /// A ticket that is listed: the caller has its number in its hands.
    pub(crate) fn listed(number: usize, woken: &Arc<Woken>) -> Arc<Self> {
        Arc::new(Self { number, listed: AtomicBool::new(true), woken: woken.clone() })
    }

    /// Lists it by hand. False if it was listed.
    fn list(&self) -> bool {
        // Release: the poll that comes after sees what came before the wake-up, also if it was listed already.
        !self.listed.swap(true, Ordering::Release)
    }

    /// Strikes it off the list, before the poll.
    pub(crate) fn strike(&self) {
        // A swap and not a store: Acquire pairs with the waking swaps that this one comes after.
        self.listed.swap(false, Ordering::Acquire);
    }
}

impl Wake for Ticket {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.list() {
            return;
        }
        let mut list = lock(&self.woken.0);
        list.numbers.push_back(self.number);
        let parent = list.parent.take();
        drop(list);
        parent.into_iter().for_each(Waker::wake);
    }
}

/// Futures that come and go, and whose outputs come out in the order in which they are ready.
///
/// A place whose future is ready is given to the next one, with its ticket; a late wake-up by the one before polls it once in vain.
pub(crate) struct Crowd<F> {
    places: Vec<Place<F>>,
    free: Vec<usize>,
    /// Those to poll.
    due: VecDeque<usize>,
    woken: Arc<Woken>,
}

struct Place<F> {
    future: Option<F>,
    ticket: Arc<Ticket>,
    waker: Waker,
}

impl<F> Crowd<F> {
    pub(crate) fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new(), due: VecDeque::new(), woken: Arc::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Lets a future in. It is polled at the next `poll_next`, also if the task that polls waits already: the caller has to poll.
    pub(crate) fn insert(&mut self, future: F) -> &F {
        let number = match self.free.pop() {
            Some(number) => {
                if self.places[number].ticket.list() {
                    self.due.push_back(number);
                }
                number
            }
            None => {
                let number = self.places.len();
                let ticket = Ticket::listed(number, &self.woken);
                let waker = Waker::from(ticket.clone());
                self.places.push(Place { future: None, ticket, waker });
                self.due.push_back(number);
                number
            }
        };
        self.places[number].future.insert(future)
    }

    /// Those that are not ready.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &F> {
        self.places.iter().filter_map(|place| place.future.as_ref())
    }

    /// Takes out those that are not ready, each with its number.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (usize, F)> + use<F> {
        self.free.clear();
        self.due.clear();
        let places = std::mem::take(&mut self.places).into_iter().enumerate();
        // Wakers of those that are gone must not name a place that is new.
        self.woken = Arc::default();
        places.filter_map(|(number, place)| Some((number, place.future?)))
    }
}

impl<F: Future + Unpin> Crowd<F> {
    /// The next output with the number of its place. Pending if there is none now, or nobody is in.
    ///
    /// # Panics
    ///
    /// If a future panics, with its panic. That one is out then, and the others go on.
    pub(crate) fn poll_next(&mut self, cx: &Context<'_>) -> Poll<(usize, F::Output)> {
        self.woken.take(&mut self.due, cx.waker());
        while let Some(number) = self.due.pop_front() {
            let place = &mut self.places[number];
            place.ticket.strike();
            let Some(future) = &mut place.future else { continue };
            let mut context = Context::from_waker(&place.waker);
            match catch_unwind(AssertUnwindSafe(|| Pin::new(future).poll(&mut context))) {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(output)) => {
                    place.future = None;
                    self.free.push(number);
                    return Poll::Ready((number, output));
                }
                Err(payload) => {
                    self.lose(number, cx);
                    resume_unwind(payload);
                }
            }
            if used_up(&self.due, cx) {
                return Poll::Pending;
            }
        }
        Poll::Pending
    }

    /// Takes out a future that has panicked. Whoever catches the panic is woken, since others may be due, or nobody may be left.
    #[cold]
    fn lose(&mut self, number: usize, cx: &Context<'_>) {
        let future = self.places[number].future.take();
        self.free.push(number);
        contain(|| drop(future));
        contain(|| cx.waker().wake_by_ref());
    }
}
