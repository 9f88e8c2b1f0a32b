//! A wait queue: the tasks that wait, in the order in which they came. Waiting does not allocate.
//!
//! A **node** (`WaitNode`) lies inside the future of a waiter ([`WaitFuture`]), which is pinned while its
//! node is linked. A **wait queue** ([`WaitQueue`]) is a doubly linked list of nodes, and part of some
//! state behind a lock. A **waiter** ([`Waiter`]) says what is requested, and which lock and which queue
//! are meant.
//!
//! ```text
//!   Mutex<State { …, queue }>       WaitFuture            WaitFuture
//!                   head ─────────▶ node ────next───────▶ node
//!                   tail ──────────────────────────────────▲
//! ```
//!
//! A **grant** is made once, by [`WaitQueue::grant`] to the waiter at the front, together with whatever is
//! written into its request. Afterwards the grant is either taken, by the poll that follows, or given back,
//! by a future that is dropped before that poll.
//!
//! # Access rules
//!
//! 1. A node belongs to its future before it is linked and after its grant. In between, while it is
//!    *linked*, everything in it except the flag `granted` belongs to the holder of the lock.
//! 2. Granting unlinks the node, takes its waker and sets `granted`. Setting the flag is the granter's last
//!    access to the node. A future that has seen the flag set by an Acquire load may go on without the
//!    lock.
//! 3. A future that is dropped while its node is linked unlinks it under the lock. So every linked node is
//!    alive.
//! 4. A linked node does not move: `WaitFuture` is pinned and not `Unpin`. Its queue does not move either:
//!    it is behind a lock that the waiter borrows, and it asserts that it is empty when it is dropped.
//! 5. A waiter names one lock and one queue for its whole life. Each node knows its queue and asserts that
//!    it is the same one when it leaves.
//!
//! # Why no wake-up is lost
//!
//! A task that finds nothing available links its node, with its waker, in the critical section in which it
//! looked ([`Waiter::try_locked`]). A task that makes something available grants it under the same lock,
//! and wakes afterwards. Consider the race that a flag and a waker in two separate words would have:
//!
//! ```text
//!   waits                        makes available
//!   looks: nothing
//!                                makes available; the queue is empty: nobody to wake
//!   joins the queue, for ever
//! ```
//!
//! It cannot happen here, because looking and joining are one critical section. A waiter that is dropped
//! with a grant gives it back ([`Waiter::give_back`]), and a waiter that leaves without one lets the
//! waiters behind it look again ([`Waiter::on_leave`]).
//!
//! The waker in a node is the latest one: a poll that finds no grant stores its own waker there, under the
//! lock. Foreign code (cloning, dropping and waking a waker) never runs under the lock.
//!
//! Long: the protocol, the list and the future belong together, and a fifth of the lines explain them.

use super::waiter::{Attempt, Waiter};
use crate::{
    shim::{AtomicBool, Ordering, UnsafeCell, lock},
    task::budget,
};
use brigade_handle::observe;
use brigade_trace::{Cause, Site, Wait, live};
use std::{
    cell::Cell,
    future::Future,
    marker::PhantomPinned,
    panic::Location,
    pin::Pin,
    ptr,
    task::{Context, Poll, Waker, ready},
};

/// The tasks that wait, in the order in which they came. The head of `wait_queue.rs` describes the
/// protocol.
#[repr(C)]
pub(super) struct WaitQueue<R> {
    head: *const WaitNode<R>,
    tail: *const WaitNode<R>,
    len: usize,
    /// Raised by [`next_round`](Self::next_round).
    round: u64,
}

// SAFETY: the queue is behind a lock, and its holder may access the linked nodes, on any thread (rule 1).
// The contents of nodes that go from thread to thread are the request, so R must be Send, and the waker,
// which is Send.
unsafe impl<R: Send> Send for WaitQueue<R> {}

/// The node of one waiter.
struct WaitNode<R> {
    /// Whether the waiter has its grant (rule 2).
    granted: AtomicBool,
    // --- these belong to the future, or to the holder of the lock (rule 1) ---
    fields: UnsafeCell<NodeFields<R>>,
}

struct NodeFields<R> {
    request: Option<R>,
    /// Present while the node is linked.
    waker: Option<Waker>,
    prev: *const WaitNode<R>,
    next: *const WaitNode<R>,
    /// The queue that links it, or null.
    queue: *const WaitQueue<R>,
    /// The round of the queue in which it was linked.
    round: u64,
}

// SAFETY: a node is linked only while it is pinned, and then its pointers are followed under the lock alone
// (rules 1 and 4). Without links, it is a request, so R must be Send, and a waker, which is Send.
unsafe impl<R: Send> Send for WaitNode<R> {}

const LINKED_NODE_IS_FILLED: &str = "a linked node has a waker and a request";

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

    /// Shows the request of the waiter at the front to `look`.
    pub(super) fn front<T>(&self, look: impl FnOnce(&R) -> T) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        // SAFETY: a linked node is alive (rule 3).
        let node = unsafe { &*self.head };
        // SAFETY: the node is linked, and the holder of the queue has the lock (rule 1).
        node.fields.with_mut(|fields| unsafe { &*fields }.request.as_ref().map(look))
    }

    /// Grants the request of the waiter at the front, after `fill` has written into it. The caller wakes it
    /// once the lock is released.
    pub(super) fn grant(&mut self, fill: impl FnOnce(&mut R)) -> Option<Waker> {
        self.grant_if(|_| true, fill)
    }

    /// Begins a new round. [`grant_before`](Self::grant_before) tells waiters apart by their rounds.
    pub(super) fn next_round(&mut self) -> u64 {
        self.round += 1;
        self.round
    }

    /// Grants the request of the waiter at the front if that joined before this round.
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
        // SAFETY: a linked node is alive (rule 3), and stays so until `granted` is set.
        let node = unsafe { &*self.head };
        let waker = node.fields.with_mut(|fields| {
            // SAFETY: the node is linked, and the holder of the queue has the lock (rule 1).
            let fields = unsafe { &mut *fields };
            if !is_due(fields) {
                return None;
            }
            fill(fields.request.as_mut().expect(LINKED_NODE_IS_FILLED));
            self.unlink(fields);
            fields.waker.take()
        })?;
        live::granted(ptr::from_ref(node).addr());
        // Release publishes the request and all that happened before; it pairs with the Acquire loads in
        // `WaitFuture::check`, `enable` and `abandon`. The node may be gone from here on (rule 2).
        node.granted.store(true, Ordering::Release);
        Some(waker)
    }

    /// Links the node at the tail.
    fn push(&mut self, node: &WaitNode<R>, waker: Waker) {
        node.fields.with_mut(|fields| {
            // SAFETY: the node has belonged to its future until now (rule 1), which calls this with the
            // lock held.
            let fields = unsafe { &mut *fields };
            fields.waker = Some(waker);
            fields.queue = self;
            fields.round = self.round;
        });
        self.link(self.tail, node);
        self.tail = node;
        self.len += 1;
    }

    /// Takes the node out of the list. Its contents stay.
    fn unlink(&mut self, fields: &mut NodeFields<R>) {
        assert!(ptr::eq(fields.queue, self), "a node leaves the queue that links it");
        let (prev, next) = (fields.prev, fields.next);
        self.link(prev, next);
        if next.is_null() {
            self.tail = prev;
        }
        (fields.prev, fields.next, fields.queue) = (ptr::null(), ptr::null(), ptr::null());
        self.len -= 1;
    }

    /// Makes `next` the successor of `prev`. Neither is a node whose fields the caller has borrowed.
    fn link(&mut self, prev: *const WaitNode<R>, next: *const WaitNode<R>) {
        // SAFETY: linked nodes are alive (rule 3).
        match unsafe { prev.as_ref() } {
            // SAFETY: the node is linked, and the holder of the queue has the lock (rule 1).
            Some(node) => node.fields.with_mut(|fields| unsafe { (*fields).next = next }),
            None => self.head = next,
        }
        // SAFETY: as above; or it is the node that is being linked.
        if let Some(node) = unsafe { next.as_ref() } {
            // SAFETY: as above.
            node.fields.with_mut(|fields| unsafe { (*fields).prev = prev });
        }
    }
}

impl<R> Drop for WaitQueue<R> {
    fn drop(&mut self) {
        assert!(self.is_empty(), "a wait queue is empty when it is dropped");
    }
}

/// The future of one waiter. Its output is the request, as it was when it was granted.
#[must_use = "futures do nothing unless awaited"]
pub(super) struct WaitFuture<W: Waiter> {
    waiter: W,
    phase: Cell<Phase>,
    /// The line of the program that waits.
    at: &'static Location<'static>,
    /// The wait, if a trace records it.
    recorded: Cell<Wait>,
    node: WaitNode<W::Request>,
    _pinned: PhantomPinned,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not polled yet.
    New,
    /// The node was linked, and its grant is not taken.
    Queued,
    Done,
}

impl<W: Waiter> WaitFuture<W> {
    #[track_caller]
    pub(super) fn new(waiter: W, request: W::Request) -> Self {
        Self::new_at(waiter, request, Location::caller())
    }

    /// Makes the future of a wait at this line of the program.
    pub(super) fn new_at(waiter: W, request: W::Request, at: &'static Location<'static>) -> Self {
        let (prev, next, queue) = (ptr::null(), ptr::null(), ptr::null());
        let fields = NodeFields { request: Some(request), waker: None, prev, next, queue, round: 0 };
        let node = WaitNode { granted: AtomicBool::new(false), fields: UnsafeCell::new(fields) };
        let (phase, recorded) = (Cell::new(Phase::New), Cell::new(Wait::NONE));
        Self { waiter, phase, at, recorded, node, _pinned: PhantomPinned }
    }

    /// Polls without regard to the task's budget. A waiter whose first poll is pending is certainly queued.
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
        let request = this.take_request();
        if this.phase.replace(Phase::Done) == Phase::Queued {
            this.record_end(this.waiter.outcome(&request));
        }
        Poll::Ready(request)
    }

    /// Tells a trace that the wait began, and who holds the resource.
    #[inline]
    fn record_begin(&self) {
        if brigade_trace::on() {
            // The node keeps its waker until it is granted.
            self.tell_waker();
            let resource = self.waiter.resource();
            self.recorded.set(Wait::begin(|| resource.id(), self.waiter.cause(), Site::of(self.at)));
            resource.still_held();
        }
    }

    /// Tells a trace which waker the node has, and the address of the node. The node is linked, and the lock
    /// held.
    #[cold]
    fn tell_waker(&self) {
        self.node.fields.with_mut(|fields| {
            // SAFETY: the node is linked and we have the lock (rule 1).
            let waker = unsafe { &(*fields).waker };
            observe::registered(waker.as_ref().expect(LINKED_NODE_IS_FILLED), self.address());
        });
    }

    fn address(&self) -> usize {
        ptr::from_ref(&self.node).addr()
    }

    /// Tells a trace that the wait ended, if it knows of the begin.
    #[inline]
    fn record_end(&self, outcome: Cause) {
        let recorded = self.recorded.replace(Wait::NONE);
        if recorded.is_recorded() {
            // The table of what waits now knows the wait by its node.
            observe::registered(Waker::noop(), self.address());
        }
        recorded.end(outcome);
    }

    /// Joins the queue before the first poll, with a waker that wakes nobody; the next poll replaces it.
    /// Returns whether the waiter has its grant, which it keeps until it is polled or dropped.
    pub(super) fn enable(self: Pin<&mut Self>) -> bool {
        let this = self.as_ref().get_ref();
        if this.phase.get() == Phase::New && this.start(Waker::noop()) == Attempt::Done {
            this.phase.set(Phase::Queued);
            // Relaxed: no other thread knows of a node that was never linked.
            this.node.granted.store(true, Ordering::Relaxed);
        }
        // Acquire pairs with the Release in `grant_if`.
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
                    // Still under the lock: a trace shows the begin of the wait before what ends it.
                    self.record_begin();
                    return Attempt::Wait;
                }
                Attempt::Retry => drop(state),
            }
            if self.with_request(|request| self.waiter.try_fast(request)) == Attempt::Done {
                return Attempt::Done;
            }
        }
    }

    /// Shows the request of a waiter that is not queued yet to `look`.
    #[inline]
    fn with_request<T>(&self, look: impl FnOnce(&mut W::Request) -> T) -> T {
        self.node.fields.with_mut(|fields| {
            // SAFETY: this is called in the phase `New` alone, in which the node is ours (rule 1).
            let request = unsafe { &mut (*fields).request };
            look(request.as_mut().expect(LINKED_NODE_IS_FILLED))
        })
    }

    /// Checks whether the request was granted. If not, stores the waker for the grant.
    fn check(&self, waker: &Waker) -> Attempt {
        let mut fresh = None;
        loop {
            // Acquire pairs with the Release in `grant_if`: the request is visible as it was filled.
            if self.node.granted.load(Ordering::Acquire) {
                return Attempt::Done;
            }
            let state = lock(self.waiter.lock());
            // Relaxed: grants are made under this lock.
            if self.node.granted.load(Ordering::Relaxed) {
                return Attempt::Done;
            }
            let replaced = self.node.fields.with_mut(|fields| {
                // SAFETY: the request is not granted and we have the lock (rule 1).
                let old_waker = unsafe { &mut (*fields).waker };
                let same = old_waker.as_ref().is_some_and(|old| old.will_wake(waker));
                if same { Some(None) } else { fresh.take().map(|fresh| old_waker.replace(fresh)) }
            });
            if replaced.is_some() && brigade_trace::on() {
                self.tell_waker();
                live::polled_again(self.address());
            }
            drop(state);
            match replaced {
                Some(_old) => return Attempt::Wait,
                None => fresh = Some(waker.clone()),
            }
        }
    }

    fn take_request(&self) -> W::Request {
        // SAFETY: the node was never linked, or its grant was seen by an Acquire load: it is ours (rules 1
        // and 2).
        let request = self.node.fields.with_mut(|fields| unsafe { (*fields).request.take() });
        request.expect("a request is taken once")
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
            self.record_end(Cause::Cancel);
            self.abandon();
        }
    }
}

impl<W: Waiter> WaitFuture<W> {
    #[cold]
    fn abandon(&self) {
        // Acquire pairs with the Release in `grant_if`.
        if !self.node.granted.load(Ordering::Acquire) {
            let mut state = lock(self.waiter.lock());
            // Relaxed: as in `check`.
            if !self.node.granted.load(Ordering::Relaxed) {
                let waker = self.node.fields.with_mut(|fields| {
                    // SAFETY: the request is not granted and we have the lock (rule 1).
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
