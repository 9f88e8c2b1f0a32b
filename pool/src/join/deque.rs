//! The deque of shared halves: its owner pushes and pops without a fence. A thief asks the owner for the oldest half, and takes it
//! if there is no answer, with a fence that pays for both.
//!
//! This is the deque of Chase and Lev ("Dynamic circular work-stealing deque", 2005) with the orderings of Lê et al. ("Correct
//! and efficient work-stealing for weak memory models", 2013), cut down to what `join` needs: of a fixed size, and with their two
//! fences replaced by the asymmetric pair of `sys.rs`.
//!
//! ```text
//!            top (thieves, only up)          bottom (owner, up and down)
//!             v                               v
//!   ... gone | oldest | ...        | newest  | free ...        entry i lies in slot i % CAPACITY
//! ```
//!
//! 1. Only the owner writes `bottom` and the slots. `top` only grows, by compare-and-swap: whoever moves it from `i` to `i + 1`
//!    has taken entry `i`.
//! 2. The owner takes the newest entry `b` *without* a compare-and-swap if, after `bottom = b`, it reads `top < b`. A thief
//!    takes entry `t` only if, after reading `top = t`, it reads `bottom > t`.
//! 3. Entry `b` is not taken twice. Suppose the owner took it by rule 2 and a thief did, too. The thief read `top = b`, fenced,
//!    then read `bottom > b`, so it did not see `bottom = b`; the owner wrote `bottom = b`, fenced, then read `top < b`, so it did not
//!    see what the thief had seen before its fence. Of two such sides at least one sees the other (`sys.rs`).
//! 4. If only one entry is left (`top == b`), both sides use the compare-and-swap.
//! 5. A slot is overwritten only after `top` was seen above its old entry, so a thief whose entry was overwritten while it read
//!    loses its compare-and-swap.
//!
//! The owner's stack discipline (`join` pops what it pushed) means that `pop` need not return the entry: it is the caller's
//! own, or it was stolen.
//!
//! # The limit
//!
//! After a push the owner compares `bottom` with `limit`, once, for two reasons. Normally the limit says up to where there is
//! room. But somebody who wants to hear of the next half *rings*: it sets the limit to 0, so that the owner turns aside
//! ([`Owner::attend`]) and looks at the sleep counters, which need not be read in every join. The owner fences between `bottom` and `limit`, and
//! whoever rings fences between `limit` and `bottom`; so either the owner hears the bell, or who rang sees the half.
//!
//! # Requests
//!
//! The fence of a thief interrupts the owner; together they lose ten microseconds and more. An owner that joins all the time hears the bell
//! long before that. So a thief [requests](Deque::request) first, by the bell. An owner that was rung for steals its own oldest entry, as any
//! thief would but without a fence, since both sides of rule 3 are the same thread, and puts it into the place `offer`. After Acar,
//! Charguéraud and Rainey, "Scheduling parallel programs by work stealing with private deques" (2013); there an owner that does not
//! answer is waited for. When to ask, and for how long to wait, `steal.rs` says.
//!
//! 6. Only the owner fills `offer`, when it is empty; whoever empties it, by a compare-and-swap, has that entry.
//! 7. The entry on offer is older than all in the deque, and a thief takes none of those as long as it is there. So when an owner comes
//!    to pop an entry that was given away or stolen, the deque is empty and nothing older is on offer: it takes that entry back, or
//!    somebody has it, and nothing else is to be had of an owner that waits (`join.rs`).
//! 8. That a thief does not overtake the offer: the owner says [`coming`] before it moves `top`. A thief that reads `top` above an entry
//!    that was given away therefore finds the place full, until that entry is taken; and if another is given away after the thief
//!    looked there, `top` has moved, and the thief loses its compare-and-swap.

use crate::{
    sync::{AtomicPtr, AtomicUsize, Ordering, Padded},
    sys::{self, Fence},
};
use std::{marker::PhantomData, ptr, ptr::NonNull};

/// How many entries there is room for, and one more. Whoever needs more queues it elsewhere (`join.rs`). Loom needs few to see the
/// wrapping.
const CAPACITY: usize = if cfg!(loom) { 4 } else { 1024 };

const _: () = assert!(CAPACITY.is_power_of_two(), "the position of an entry is cut out by a mask");

/// The limit that makes the owner attend.
const NOTIFIED: usize = 0;

/// What `offer` holds while the owner is about to fill it: the address of no entry.
fn offer_pending<T>() -> *mut T {
    ptr::without_provenance_mut(usize::MAX)
}

/// A deque of pointers. See the head of `deque.rs`. The layout keeps the words that every join touches a few slots away, modulo
/// the page size, from the slots that it writes: a processor that takes them for the same forwards its stores wrongly.
#[repr(C)]
pub struct Deque<T> {
    // --- written by the owner, `limit` also by whoever rings ---
    owner: Padded<OwnerLine>,
    // --- written by thieves, and by the owner for the last entry or an offer ---
    thieves: Padded<ThievesLine<T>>,
    // --- written by the owner (rule 1) ---
    slots: [AtomicPtr<T>; CAPACITY],
}

#[derive(Debug)]
struct OwnerLine {
    bottom: AtomicUsize,
    limit: AtomicUsize,
}

#[derive(Debug)]
struct ThievesLine<T> {
    top: AtomicUsize,
    /// An entry that the owner has given away and nobody has taken yet (rules 6 to 8).
    offer: AtomicPtr<T>,
}

/// The owner's end: for one thread at a time, which is why it is made by an unsafe act.
pub struct Owner<'deque, T> {
    deque: &'deque Deque<T>,
    _one_thread: PhantomData<*const T>,
}

impl<T> Clone for Owner<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Owner<'_, T> {}

/// Where an entry was pushed: evidence for [`Owner::pop`].
#[derive(Debug)]
#[must_use = "what was pushed must be popped before its frame ends"]
pub struct Position(usize);

/// What came of an attempt to steal.
#[derive(Debug, PartialEq, Eq)]
pub enum Steal<T> {
    /// There was nothing.
    Empty,
    /// There was something, but no more after the fence.
    Gone,
    /// Somebody else was quicker.
    Lost,
    /// The oldest entry.
    Taken(T),
}

/// What came of attending after a push.
#[derive(Debug)]
pub enum SlowPush {
    /// The entry is in the deque, which has room for another.
    Pushed(Position),
    /// There would be no room for another, so the entry was taken out again.
    Full,
}

impl<T> Default for Deque<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deque<T> {
    /// An empty deque.
    pub fn new() -> Self {
        let owner = OwnerLine { bottom: AtomicUsize::new(0), limit: AtomicUsize::new(CAPACITY) };
        let thieves = ThievesLine { top: AtomicUsize::new(0), offer: AtomicPtr::new(ptr::null_mut()) };
        Self {
            owner: Padded(owner),
            thieves: Padded(thieves),
            slots: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
        }
    }

    /// The owner's end.
    ///
    /// # Safety
    ///
    /// There is one owner at a time, and the copies of its end stay on its thread.
    #[inline(always)]
    pub unsafe fn owner(&self) -> Owner<'_, T> {
        Owner { deque: self, _one_thread: PhantomData }
    }

    /// The owner's end, for a model that has one owner.
    #[cfg(loom)]
    pub fn owner_in_model(&self) -> Owner<'_, T> {
        // SAFETY: as the model says.
        unsafe { self.owner() }
    }

    /// Has the owner attend after its next push. Whoever relies on that fences next, then looks into the deque.
    pub fn notify_owner(&self) {
        // Release pairs with the swap in `attend`: the owner sees why it was rung for. A swap, since a store would hide who rang
        // before from the owner.
        self.owner.0.limit.swap(NOTIFIED, Ordering::Release);
    }

    /// Whether there is nothing to be had, as far as plain loads tell. What the owner is about to offer is not there yet: it looks who is to be
    /// woken for it afterwards (`attend`).
    #[inline]
    pub fn looks_empty(&self) -> bool {
        self.has_no_entry() && self.current_offer().is_none()
    }

    /// What is on offer at the moment.
    #[inline]
    fn current_offer(&self) -> Option<NonNull<T>> {
        // Relaxed: whoever needs to be sure fences first.
        NonNull::new(self.thieves.0.offer.load(Ordering::Relaxed))
            .filter(|entry| entry.as_ptr() != offer_pending())
    }

    #[inline]
    fn has_no_entry(&self) -> bool {
        // Relaxed: as for `looks_empty`.
        self.thieves.0.top.load(Ordering::Relaxed) >= self.owner.0.bottom.load(Ordering::Relaxed)
    }

    /// Asks the owner for its oldest entry: it will be on offer after the owner's next push.
    pub fn request(&self) {
        // Relaxed: if it was rung already, so much the better.
        if self.owner.0.limit.load(Ordering::Relaxed) != NOTIFIED {
            self.notify_owner();
        }
    }

    /// Takes what the owner has on offer, if anything.
    #[inline]
    pub fn accept_offer(&self) -> Option<NonNull<T>> {
        // A first look, so that who polls leaves the line where it is.
        let entry = self.current_offer()?.as_ptr();
        // Acquire pairs with the owner's Release in `give`: we see what the entry points to. If it is another one at the same address by
        // now, that one is as good.
        let offer = &self.thieves.0.offer;
        let swap = offer.compare_exchange(entry, ptr::null_mut(), Ordering::Acquire, Ordering::Relaxed);
        swap.ok().and_then(NonNull::new)
    }

    /// Takes the oldest entry, without asking.
    pub fn steal(&self) -> Steal<NonNull<T>> {
        if self.has_no_entry() {
            return Steal::Empty;
        }
        // Acquire pairs with the compare-and-swap that stored it, so that we read a slot, and an offer, not older than `top`.
        let top = self.thieves.0.top.load(Ordering::Acquire);
        // Relaxed: only that it is empty matters, and `accept` looks again (rule 8).
        if !self.thieves.0.offer.load(Ordering::Relaxed).is_null() {
            return self.accept_offer().map_or(Steal::Lost, Steal::Taken);
        }
        // Pairs with the light fence in `pop` (rule 3).
        sys::heavy();
        // Acquire pairs with the owner's Release, so that we see the entry.
        if self.owner.0.bottom.load(Ordering::Acquire) <= top {
            return Steal::Gone;
        }
        let entry = self.slots[top % CAPACITY].load(Ordering::Relaxed);
        // SeqCst as in Lê et al.; it also releases our read of the slot to the owner's Acquire in `attend`.
        let swap = self.thieves.0.top.compare_exchange(top, top + 1, Ordering::SeqCst, Ordering::Relaxed);
        match (swap, NonNull::new(entry)) {
            (Ok(_), Some(entry)) => Steal::Taken(entry),
            _ => Steal::Lost,
        }
    }
}

impl<T> Owner<'_, T> {
    /// Adds an entry. If this says no, the owner has to [`attend`](Self::attend) before anything else.
    #[inline(always)]
    pub fn push<F: Fence>(self, entry: NonNull<T>) -> (Position, bool) {
        let line = &self.deque.owner.0;
        // Relaxed: only this thread stores it (rule 1).
        let bottom = line.bottom.load(Ordering::Relaxed);
        // Relaxed: published by the store below.
        self.deque.slots[bottom % CAPACITY].store(entry.as_ptr(), Ordering::Relaxed);
        // Release publishes the entry, and what it points to, to the thief's Acquire.
        line.bottom.store(bottom + 1, Ordering::Release);
        // Pairs with the heavy fence of whoever rings.
        F::light();
        // Relaxed: if it was rung, `attend` acquires why.
        (Position(bottom), bottom + 1 < line.limit.load(Ordering::Relaxed))
    }

    /// Takes back the newest entry, which was pushed to `place`. False if it was stolen.
    ///
    /// That `bottom` comes with the place, and is not loaded, keeps it out of one long chain of loads and stores (`fib30_join`).
    #[inline(always)]
    pub fn pop<F: Fence>(self, position: Position) -> bool {
        let bottom = position.0;
        // Release: a thief that reads this value must still see the older entries.
        self.deque.owner.0.bottom.store(bottom, Ordering::Release);
        // Pairs with `heavy` in `steal` (rule 3).
        F::light();
        let top = self.deque.thieves.0.top.load(Ordering::Relaxed);
        if top < bottom { true } else { self.pop_last(top, bottom) }
    }

    /// The newest entry is the last one or was stolen (rule 4).
    #[cold]
    #[inline(never)]
    fn pop_last(self, top: usize, bottom: usize) -> bool {
        let last = top == bottom;
        // Relaxed on failure: the thief's work is awaited by other means.
        let swap = |from| {
            self.deque.thieves.0.top.compare_exchange(from, from + 1, Ordering::SeqCst, Ordering::Relaxed)
        };
        let mine = last && swap(top).is_ok();
        // Empty again, `bottom == top`: of the last entry whoever took it has moved `top`; and if `top` was above, what
        // was pushed later has been stolen, too, and nobody can move it further.
        self.deque.owner.0.bottom.store(if last { bottom + 1 } else { top }, Ordering::Release);
        mine
    }

    /// What the owner does after a push that reached the limit. `look` is called if it was rung for, or may have been.
    #[cold]
    #[inline(never)]
    pub fn push_slow(self, position: Position, on_notified: impl FnOnce()) -> SlowPush {
        // Acquire: the thief's read of its slot comes before we overwrite it (rule 5).
        let top = self.deque.thieves.0.top.load(Ordering::Acquire);
        // Acquire pairs with every `ring` so far; a ring that comes later stays.
        self.deque.owner.0.limit.swap(top + CAPACITY, Ordering::Acquire);
        // Before the look: whoever is woken finds it, and is woken if it looked before.
        self.offer_oldest(position.0);
        on_notified();
        if position.0 + 1 < top + CAPACITY {
            return SlowPush::Pushed(position);
        }
        let again = Position(position.0);
        // `Full` is right everywhere.
        if self.pop::<sys::Full>(position) { SlowPush::Full } else { SlowPush::Pushed(again) }
    }

    /// Offers the oldest entry, if none is on offer. `newest` is the place of the newest one.
    fn offer_oldest(self, newest: usize) {
        let ThievesLine { top, offer } = &self.deque.thieves.0;
        // Relaxed: only we fill it (rule 6).
        if !offer.load(Ordering::Relaxed).is_null() {
            return;
        }
        // Acquire: as in `steal`, of which this is the owner's form.
        let oldest = top.load(Ordering::Acquire);
        if oldest > newest {
            return;
        }
        let entry = self.deque.slots[oldest % CAPACITY].load(Ordering::Relaxed);
        // Relaxed: the compare-and-swap releases it to whoever acquires `top` (rule 8).
        offer.store(offer_pending(), Ordering::Relaxed);
        let swap = top.compare_exchange(oldest, oldest + 1, Ordering::SeqCst, Ordering::Relaxed);
        let given = swap.map_or(ptr::null_mut(), |_| entry);
        // Release publishes what the entry points to.
        offer.store(given, Ordering::Release);
    }

    /// Takes an entry back that `pop` did not find because it is on offer. False if somebody has taken it.
    #[must_use = "who has taken it runs it"]
    pub fn take_back_offer(self, entry: NonNull<T>) -> bool {
        let offer = &self.deque.thieves.0.offer;
        // Relaxed: on success the entry is ours again, as we wrote it; on failure it is awaited by other means.
        offer.compare_exchange(entry.as_ptr(), ptr::null_mut(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}
