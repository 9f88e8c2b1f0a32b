//! A line: those who wait, in the order in which they came. Nobody allocates to wait.
//!
//! A **place** in a line lies inside the future of the one who waits ([`Stand`]), which is pinned while it stands. A **line**
//! ([`Line`]) is a doubly linked list of places, and a part of some state behind a lock. A **role** ([`Role`]) says what one
//! who waits wants, and which lock and which line are meant.
//!
//! ```text
//!   Mutex<State { …, line }>        Stand (a future)      Stand (a future)
//!                  first ─────────▶ place ───after──────▶ place
//!                  last  ──────────────────────────────────▲
//! ```
//!
//! A **turn** is granted once, by [`Line::grant`] to the one at the front, together with whatever is written into its wish.
//! From then on it is either taken, by the poll that follows, or given back, by a future that is dropped before.
//!
//! # Who may touch what, and when
//!
//! 1. A place is its future's own before it stands and after its turn was granted. In between (it is *linked*) all in it but
//!    the flag `granted` belongs to the holder of the lock.
//! 2. Granting unlinks the place, takes its waker and sets `granted`, which is the last that the granter does with it.
//!    Whoever sees the flag set by an Acquire may go on without the lock.
//! 3. A future that is dropped while its place is linked unlinks it under the lock: so whatever a line links is alive.
//! 4. A linked place does not move: `Stand` is pinned and not `Unpin`. Nor does its line: it is behind a lock that the role
//!    borrows, and it asserts that it is empty when it ends.
//! 5. A role names one lock and one line for as long as it lives. Each place knows its line and asserts that it is the same.
//!
//! # Why no wake-up is lost
//!
//! Whoever finds nothing for it stands in line in the critical section in which it looked ([`Role::come`]), with its waker.
//! Whoever makes something available grants turns under the same lock, and wakes after. The race that a flag and a waker in
//! two words would have,
//!
//! ```text
//!   waits                        makes available
//!   looks: nothing
//!                                makes available; nobody in line to wake
//!   stands in line, for ever
//! ```
//!
//! cannot happen because looking and standing are one critical section. One who was granted a turn and is dropped gives it
//! back ([`Role::give_back`]), and one who leaves lets those behind it look again ([`Role::left`]).
//!
//! The waker in a place is the latest: a poll that finds no turn puts its own there, under the lock. Foreign code (cloning,
//! dropping and waking a waker) never runs under a lock.

use super::waiter::{Attempt, Waiter};
use crate::{
    shim::{AtomicBool, Ordering, UnsafeCell, lock},
    task::budget,
};
use std::{
    cell::Cell,
    future::Future,
    marker::PhantomPinned,
    pin::Pin,
    ptr,
    task::{Context, Poll, Waker, ready},
};

/// Those who wait. See the head of `line.rs`.
#[repr(C)]
pub(super) struct WaitQueue<R> {
    head: *const WaitNode<R>,
    tail: *const WaitNode<R>,
    len: usize,
    /// Raised by [`next_round`](Self::next_round).
    round: u64,
}

// SAFETY: it is behind a lock, and may touch the places that it links while the lock is held (rule 1), on any thread. What
// goes from thread to thread in them is the wish and the waker, which is Send.
unsafe impl<R: Send> Send for WaitQueue<R> {}

/// The place of one who waits.
struct WaitNode<R> {
    /// The turn was granted (rule 2).
    granted: AtomicBool,
    // --- the future's own, or the holder's of the lock (rule 1) ---
    fields: UnsafeCell<NodeFields<R>>,
}

struct NodeFields<R> {
    request: Option<R>,
    /// There while the place is linked.
    waker: Option<Waker>,
    prev: *const WaitNode<R>,
    next: *const WaitNode<R>,
    /// The line that links it; null if none does.
    queue: *const WaitQueue<R>,
    /// The round of the line in which it came.
    round: u64,
}

// SAFETY: a place is linked only while it is pinned, and then the pointers in it are followed under the lock alone (rules 1
// and 4); without links it is a wish and a waker, which is Send.
unsafe impl<R: Send> Send for WaitNode<R> {}

const LINKED_IS_FULL: &str = "a place that is linked has a waker and a wish";

impl<R> WaitQueue<R> {
    pub(super) const fn new() -> Self {
        Self { head: ptr::null(), tail: ptr::null(), len: 0, round: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// What the one at the front wants.
    pub(super) fn front<T>(&self, look: impl FnOnce(&R) -> T) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        // SAFETY: a linked place is alive (rule 3).
        let node = unsafe { &*self.head };
        // SAFETY: it is linked and whoever has the line has the lock (rule 1).
        node.fields.with_mut(|fields| unsafe { &*fields }.request.as_ref().map(look))
    }

    /// Grants a turn to the one at the front, and writes into its wish. It is to be woken when the lock is free.
    pub(super) fn grant(&mut self, fill: impl FnOnce(&mut R)) -> Option<Waker> {
        self.grant_if(|_| true, fill)
    }

    /// Begins a new round: what [`grant_before`](Self::grant_before) goes by.
    pub(super) fn next_round(&mut self) -> u64 {
        self.round += 1;
        self.round
    }

    /// Grants a turn to the one at the front if it came before this round.
    pub(super) fn grant_before(&mut self, round: u64, fill: impl FnOnce(&mut R)) -> Option<Waker> {
        self.grant_if(|fields| fields.round < round, fill)
    }

    fn grant_if(
        &mut self,
        is_due: impl FnOnce(&NodeFields<R>) -> bool,
        fill: impl FnOnce(&mut R),
    ) -> Option<Waker> {
        if self.is_empty() {
            return None;
        }
        // SAFETY: a linked place is alive (rule 3), and it is so until `granted` is set.
        let node = unsafe { &*self.head };
        let waker = node.fields.with_mut(|fields| {
            // SAFETY: it is linked and whoever has the line has the lock (rule 1).
            let fields = unsafe { &mut *fields };
            if !is_due(fields) {
                return None;
            }
            fill(fields.request.as_mut().expect(LINKED_IS_FULL));
            self.unlink(fields);
            fields.waker.take()
        })?;
        // Release publishes what was given, and all that happened before; pairs with the Acquire in `Stand::look` and in
        // its drop. The place may be gone from here on (rule 2).
        node.granted.store(true, Ordering::Release);
        Some(waker)
    }

    /// Links the place at the end.
    fn push(&mut self, node: &WaitNode<R>, waker: Waker) {
        node.fields.with_mut(|fields| {
            // SAFETY: the place is its future's own until now (rule 1), who called with the lock held.
            let fields = unsafe { &mut *fields };
            fields.waker = Some(waker);
            fields.queue = self;
            fields.round = self.round;
        });
        self.link(self.tail, node);
        self.tail = node;
        self.len += 1;
    }

    /// Takes the place out of the list; what is in it stays.
    fn unlink(&mut self, fields: &mut NodeFields<R>) {
        assert!(ptr::eq(fields.queue, self), "a place leaves the line in which it stands");
        let (prev, next) = (fields.prev, fields.next);
        self.link(prev, next);
        if next.is_null() {
            self.tail = prev;
        }
        (fields.prev, fields.next, fields.queue) = (ptr::null(), ptr::null(), ptr::null());
        self.len -= 1;
    }

    /// Makes `after` the one that follows `before`. Neither is the place that the caller has in hand.
    fn link(&mut self, prev: *const WaitNode<R>, next: *const WaitNode<R>) {
        // SAFETY: what is linked is alive (rule 3).
        match unsafe { prev.as_ref() } {
            // SAFETY: it is linked and whoever has the line has the lock (rule 1).
            Some(node) => node.fields.with_mut(|fields| unsafe { (*fields).next = next }),
            None => self.head = next,
        }
        // SAFETY: as above; or it is the place that is being linked.
        if let Some(node) = unsafe { next.as_ref() } {
            // SAFETY: as above.
            node.fields.with_mut(|fields| unsafe { (*fields).prev = prev });
        }
    }
}

impl<R> Drop for WaitQueue<R> {
    fn drop(&mut self) {
        assert!(self.is_empty(), "nobody stands in a line that ends");
    }
}

/// The future of one who waits: gives the wish, as it was when it was fulfilled.
#[must_use = "futures do nothing unless awaited"]
pub(super) struct WaitFuture<W: Waiter> {
    waiter: W,
    phase: Cell<Phase>,
    node: WaitNode<W::Request>,
    _pinned: PhantomPinned,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Was not polled yet.
    New,
    /// Was linked, and its turn not taken.
    Queued,
    Done,
}

impl<W: Waiter> WaitFuture<W> {
    pub(super) fn new(waiter: W, request: W::Request) -> Self {
        let (prev, next, queue) = (ptr::null(), ptr::null(), ptr::null());
        let fields = NodeFields { request: Some(request), waker: None, prev, next, queue, round: 0 };
        let node = WaitNode { granted: AtomicBool::new(false), fields: UnsafeCell::new(fields) };
        Self { waiter, phase: Cell::new(Phase::New), node, _pinned: PhantomPinned }
    }

    /// What a poll does, without regard to the budget: so after the first one that is pending it certainly stands.
    pub(super) fn poll_unbudgeted(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<W::Request> {
        let this = self.as_ref().get_ref();
        let attempt = match this.phase.get() {
            Phase::New => this.start(cx.waker()),
            Phase::Queued => this.check(cx.waker()),
            Phase::Done => panic!("a future was polled again after it was ready"),
        };
        if attempt == Attempt::Wait {
            return Poll::Pending;
        }
        this.phase.set(Phase::Done);
        Poll::Ready(this.take_request())
    }

    /// Stands in line without a task to wake, which the next poll leaves. Whether it has its turn, which it keeps until it is polled
    /// or dropped.
    pub(super) fn enable(self: Pin<&mut Self>) -> bool {
        let this = self.as_ref().get_ref();
        if this.phase.get() == Phase::New && this.start(Waker::noop()) == Attempt::Done {
            this.phase.set(Phase::Queued);
            // Relaxed: nobody else knows of a place that was not linked.
            this.node.granted.store(true, Ordering::Relaxed);
        }
        // Acquire pairs with the Release in `grant`.
        this.phase.get() == Phase::Done || this.node.granted.load(Ordering::Acquire)
    }

    #[inline]
    fn start(&self, waker: &Waker) -> Attempt {
        if self.with_request(|request| self.waiter.try_fast(request)) == Attempt::Done {
            return Attempt::Done;
        }
        self.start_slow(waker.clone())
    }

    #[cold]
    fn start_slow(&self, waker: Waker) -> Attempt {
        loop {
            let mut state = lock(self.waiter.lock());
            match self.with_request(|request| self.waiter.try_locked(&mut state, request)) {
                Attempt::Done => return Attempt::Done,
                Attempt::Wait => {
                    W::queue(&mut state).push(&self.node, waker);
                    self.phase.set(Phase::Queued);
                    return Attempt::Wait;
                }
                Attempt::Retry => drop(state),
            }
            if self.with_request(|request| self.waiter.try_fast(request)) == Attempt::Done {
                return Attempt::Done;
            }
        }
    }

    /// The wish of one who does not stand yet.
    #[inline]
    fn with_request<T>(&self, look: impl FnOnce(&mut W::Request) -> T) -> T {
        self.node.fields.with_mut(|fields| {
            // SAFETY: this is called in the phase `New` alone, in which the place is ours (rule 1).
            let request = unsafe { &mut (*fields).request };
            look(request.as_mut().expect(LINKED_IS_FULL))
        })
    }

    /// Looks whether it is its turn; if not, leaves the waker for it.
    fn check(&self, waker: &Waker) -> Attempt {
        let mut fresh = None;
        loop {
            // Acquire pairs with the Release in `grant`: what was given is visible.
            if self.node.granted.load(Ordering::Acquire) {
                return Attempt::Done;
            }
            let state = lock(self.waiter.lock());
            // Relaxed: it is granted under this lock.
            if self.node.granted.load(Ordering::Relaxed) {
                return Attempt::Done;
            }
            let replaced = self.node.fields.with_mut(|fields| {
                // SAFETY: no turn is granted and we have the lock (rule 1).
                let old_waker = unsafe { &mut (*fields).waker };
                let same = old_waker.as_ref().is_some_and(|old| old.will_wake(waker));
                if same { Some(None) } else { fresh.take().map(|fresh| old_waker.replace(fresh)) }
            });
            drop(state);
            match replaced {
                Some(_old) => return Attempt::Wait,
                None => fresh = Some(waker.clone()),
            }
        }
    }

    fn take_request(&self) -> W::Request {
        // SAFETY: the place did not stand, or its turn was granted and seen so by an Acquire: it is ours (rules 1 and 2).
        let request = self.node.fields.with_mut(|fields| unsafe { (*fields).request.take() });
        request.expect("a wish is taken once")
    }
}

impl<W: Waiter> Future for WaitFuture<W> {
    type Output = W::Request;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<W::Request> {
        ready!(budget::poll(cx));
        let result = self.as_mut().poll_unbudgeted(cx);
        if result.is_ready() {
            budget::spend();
        }
        result
    }
}

impl<W: Waiter> Drop for WaitFuture<W> {
    fn drop(&mut self) {
        if self.phase.get() == Phase::Queued {
            self.abandon();
        }
    }
}

impl<W: Waiter> WaitFuture<W> {
    #[cold]
    fn abandon(&self) {
        // Acquire pairs with the Release in `grant`.
        if !self.node.granted.load(Ordering::Acquire) {
            let mut state = lock(self.waiter.lock());
            // Relaxed: as in `look`.
            if !self.node.granted.load(Ordering::Relaxed) {
                let waker = self.node.fields.with_mut(|fields| {
                    // SAFETY: no turn is granted and we have the lock (rule 1).
                    let fields = unsafe { &mut *fields };
                    W::queue(&mut state).unlink(fields);
                    fields.waker.take()
                });
                self.waiter.on_leave(state);
                drop(waker);
                return;
            }
        }
        self.waiter.give_back(self.take_request());
    }
}
