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

use super::role::{Come, Role};
use crate::{
    context::budget,
    shim::{AtomicBool, Ordering, UnsafeCell, lock},
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
pub(super) struct Line<W> {
    first: *const Place<W>,
    last: *const Place<W>,
    len: usize,
    /// Raised by [`next_round`](Self::next_round).
    round: u64,
}

// SAFETY: it is behind a lock, and may touch the places that it links while the lock is held (rule 1), on any thread. What
// goes from thread to thread in them is the wish and the waker, which is Send.
unsafe impl<W: Send> Send for Line<W> {}

/// The place of one who waits.
struct Place<W> {
    /// The turn was granted (rule 2).
    granted: AtomicBool,
    // --- the future's own, or the holder's of the lock (rule 1) ---
    inside: UnsafeCell<Inside<W>>,
}

struct Inside<W> {
    wish: Option<W>,
    /// There while the place is linked.
    waker: Option<Waker>,
    before: *const Place<W>,
    after: *const Place<W>,
    /// The line that links it; null if none does.
    line: *const Line<W>,
    /// The round of the line in which it came.
    round: u64,
}

// SAFETY: a place is linked only while it is pinned, and then the pointers in it are followed under the lock alone (rules 1
// and 4); without links it is a wish and a waker, which is Send.
unsafe impl<W: Send> Send for Place<W> {}

const STANDS: &str = "a place that is linked has a waker and a wish";

impl<W> Line<W> {
    pub(super) const fn new() -> Self {
        Self { first: ptr::null(), last: ptr::null(), len: 0, round: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// What the one at the front wants.
    pub(super) fn front<R>(&self, look: impl FnOnce(&W) -> R) -> Option<R> {
        if self.is_empty() {
            return None;
        }
        // SAFETY: a linked place is alive (rule 3).
        let place = unsafe { &*self.first };
        // SAFETY: it is linked and whoever has the line has the lock (rule 1).
        place.inside.with_mut(|inside| unsafe { &*inside }.wish.as_ref().map(look))
    }

    /// Grants a turn to the one at the front, and writes into its wish. It is to be woken when the lock is free.
    pub(super) fn grant(&mut self, give: impl FnOnce(&mut W)) -> Option<Waker> {
        self.grant_if(|_| true, give)
    }

    /// Begins a new round: what [`grant_before`](Self::grant_before) goes by.
    pub(super) fn next_round(&mut self) -> u64 {
        self.round += 1;
        self.round
    }

    /// Grants a turn to the one at the front if it came before this round.
    pub(super) fn grant_before(&mut self, round: u64, give: impl FnOnce(&mut W)) -> Option<Waker> {
        self.grant_if(|inside| inside.round < round, give)
    }

    fn grant_if(&mut self, due: impl FnOnce(&Inside<W>) -> bool, give: impl FnOnce(&mut W)) -> Option<Waker> {
        if self.is_empty() {
            return None;
        }
        // SAFETY: a linked place is alive (rule 3), and it is so until `granted` is set.
        let place = unsafe { &*self.first };
        let waker = place.inside.with_mut(|inside| {
            // SAFETY: it is linked and whoever has the line has the lock (rule 1).
            let inside = unsafe { &mut *inside };
            if !due(inside) {
                return None;
            }
            give(inside.wish.as_mut().expect(STANDS));
            self.unlink(inside);
            inside.waker.take()
        })?;
        // Release publishes what was given, and all that happened before; pairs with the Acquire in `Stand::look` and in
        // its drop. The place may be gone from here on (rule 2).
        place.granted.store(true, Ordering::Release);
        Some(waker)
    }

    /// Links the place at the end.
    fn push(&mut self, place: &Place<W>, waker: Waker) {
        place.inside.with_mut(|inside| {
            // SAFETY: the place is its future's own until now (rule 1), who called with the lock held.
            let inside = unsafe { &mut *inside };
            inside.waker = Some(waker);
            inside.line = self;
            inside.round = self.round;
        });
        self.link(self.last, place);
        self.last = place;
        self.len += 1;
    }

    /// Takes the place out of the list; what is in it stays.
    fn unlink(&mut self, inside: &mut Inside<W>) {
        assert!(ptr::eq(inside.line, self), "a place leaves the line in which it stands");
        let (before, after) = (inside.before, inside.after);
        self.link(before, after);
        if after.is_null() {
            self.last = before;
        }
        (inside.before, inside.after, inside.line) = (ptr::null(), ptr::null(), ptr::null());
        self.len -= 1;
    }

    /// Makes `after` the one that follows `before`. Neither is the place that the caller has in hand.
    fn link(&mut self, before: *const Place<W>, after: *const Place<W>) {
        // SAFETY: what is linked is alive (rule 3).
        match unsafe { before.as_ref() } {
            // SAFETY: it is linked and whoever has the line has the lock (rule 1).
            Some(place) => place.inside.with_mut(|inside| unsafe { (*inside).after = after }),
            None => self.first = after,
        }
        // SAFETY: as above; or it is the place that is being linked.
        if let Some(place) = unsafe { after.as_ref() } {
            // SAFETY: as above.
            place.inside.with_mut(|inside| unsafe { (*inside).before = before });
        }
    }
}

impl<W> Drop for Line<W> {
    fn drop(&mut self) {
        assert!(self.is_empty(), "nobody stands in a line that ends");
    }
}

/// The future of one who waits: gives the wish, as it was when it was fulfilled.
#[must_use = "futures do nothing unless awaited"]
pub(super) struct Stand<R: Role> {
    role: R,
    phase: Cell<Phase>,
    place: Place<R::Wish>,
    _pinned: PhantomPinned,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Was not polled yet.
    New,
    /// Was linked, and its turn not taken.
    Stands,
    Over,
}

impl<R: Role> Stand<R> {
    pub(super) fn new(role: R, wish: R::Wish) -> Self {
        let (before, after, line) = (ptr::null(), ptr::null(), ptr::null());
        let inside = Inside { wish: Some(wish), waker: None, before, after, line, round: 0 };
        let place = Place { granted: AtomicBool::new(false), inside: UnsafeCell::new(inside) };
        Self { role, phase: Cell::new(Phase::New), place, _pinned: PhantomPinned }
    }

    /// What a poll does, without regard to the budget: so after the first one that is pending it certainly stands.
    pub(super) fn enroll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R::Wish> {
        let this = self.as_ref().get_ref();
        let come = match this.phase.get() {
            Phase::New => this.come(cx.waker()),
            Phase::Stands => this.look(cx.waker()),
            Phase::Over => panic!("a future was polled again after it was ready"),
        };
        if come == Come::Waits {
            return Poll::Pending;
        }
        this.phase.set(Phase::Over);
        Poll::Ready(this.take())
    }

    /// Stands in line without a task to wake, which the next poll leaves. Whether it has its turn, which it keeps until it is polled
    /// or dropped.
    pub(super) fn come_early(self: Pin<&mut Self>) -> bool {
        let this = self.as_ref().get_ref();
        if this.phase.get() == Phase::New && this.come(Waker::noop()) == Come::Has {
            this.phase.set(Phase::Stands);
            // Relaxed: nobody else knows of a place that was not linked.
            this.place.granted.store(true, Ordering::Relaxed);
        }
        // Acquire pairs with the Release in `grant`.
        this.phase.get() == Phase::Over || this.place.granted.load(Ordering::Acquire)
    }

    #[inline]
    fn come(&self, waker: &Waker) -> Come {
        if self.with_wish(|wish| self.role.quick(wish)) == Come::Has {
            return Come::Has;
        }
        self.come_slowly(waker.clone())
    }

    #[cold]
    fn come_slowly(&self, waker: Waker) -> Come {
        loop {
            let mut state = lock(self.role.lock());
            match self.with_wish(|wish| self.role.come(&mut state, wish)) {
                Come::Has => return Come::Has,
                Come::Waits => {
                    R::line(&mut state).push(&self.place, waker);
                    self.phase.set(Phase::Stands);
                    return Come::Waits;
                }
                Come::Again => drop(state),
            }
            if self.with_wish(|wish| self.role.quick(wish)) == Come::Has {
                return Come::Has;
            }
        }
    }

    /// The wish of one who does not stand yet.
    #[inline]
    fn with_wish<T>(&self, look: impl FnOnce(&mut R::Wish) -> T) -> T {
        self.place.inside.with_mut(|inside| {
            // SAFETY: this is called in the phase `New` alone, in which the place is ours (rule 1).
            let wish = unsafe { &mut (*inside).wish };
            look(wish.as_mut().expect(STANDS))
        })
    }

    /// Looks whether it is its turn; if not, leaves the waker for it.
    fn look(&self, waker: &Waker) -> Come {
        let mut fresh = None;
        loop {
            // Acquire pairs with the Release in `grant`: what was given is visible.
            if self.place.granted.load(Ordering::Acquire) {
                return Come::Has;
            }
            let state = lock(self.role.lock());
            // Relaxed: it is granted under this lock.
            if self.place.granted.load(Ordering::Relaxed) {
                return Come::Has;
            }
            let replaced = self.place.inside.with_mut(|inside| {
                // SAFETY: no turn is granted and we have the lock (rule 1).
                let place = unsafe { &mut (*inside).waker };
                let same = place.as_ref().is_some_and(|old| old.will_wake(waker));
                if same { Some(None) } else { fresh.take().map(|fresh| place.replace(fresh)) }
            });
            drop(state);
            match replaced {
                Some(_old) => return Come::Waits,
                None => fresh = Some(waker.clone()),
            }
        }
    }

    fn take(&self) -> R::Wish {
        // SAFETY: the place did not stand, or its turn was granted and seen so by an Acquire: it is ours (rules 1 and 2).
        let wish = self.place.inside.with_mut(|inside| unsafe { (*inside).wish.take() });
        wish.expect("a wish is taken once")
    }
}

impl<R: Role> Future for Stand<R> {
    type Output = R::Wish;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R::Wish> {
        ready!(budget::poll(cx));
        let result = self.as_mut().enroll(cx);
        if result.is_ready() {
            budget::spend();
        }
        result
    }
}

impl<R: Role> Drop for Stand<R> {
    fn drop(&mut self) {
        if self.phase.get() == Phase::Stands {
            self.leave();
        }
    }
}

impl<R: Role> Stand<R> {
    #[cold]
    fn leave(&self) {
        // Acquire pairs with the Release in `grant`.
        if !self.place.granted.load(Ordering::Acquire) {
            let mut state = lock(self.role.lock());
            // Relaxed: as in `look`.
            if !self.place.granted.load(Ordering::Relaxed) {
                let waker = self.place.inside.with_mut(|inside| {
                    // SAFETY: no turn is granted and we have the lock (rule 1).
                    let inside = unsafe { &mut *inside };
                    R::line(&mut state).unlink(inside);
                    inside.waker.take()
                });
                self.role.left(state);
                drop(waker);
                return;
            }
        }
        self.role.give_back(self.take());
    }
}
