//! The deque of stack jobs. Its owner pushes and pops without a fence. A thief asks the owner for the
//! oldest entry. If the owner does not answer, the thief takes the entry itself, with a fence that pays
//! for both sides.
//!
//! This is the deque of Chase and Lev ("Dynamic circular work-stealing deque", 2005) with the orderings
//! of Lê et al. ("Correct and efficient work-stealing for weak memory models", 2013), reduced to the
//! needs of `join`: it has a fixed size, and the asymmetric pair of fences of `sys.rs` replaces the two
//! fences of the paper.
//!
//! ```text
//!            top (thieves, only up)          bottom (owner, up and down)
//!             v                               v
//!   ... gone | oldest | ...        | newest  | free ...        entry i lies in slot i % CAPACITY
//! ```
//!
//! 1. Only the owner writes `bottom` and the slots. `top` only grows, by compare-and-swap: the thread
//!    that moves it from `i` to `i + 1` has taken entry `i`.
//! 2. The owner takes the newest entry `b` *without* a compare-and-swap if, after `bottom = b`, it reads
//!    `top < b`. A thief takes entry `t` only if, after reading `top = t`, it reads `bottom > t`.
//! 3. Entry `b` is not taken twice. Suppose the owner took it by rule 2, and a thief took it too. The
//!    thief read `top = b`, fenced, then read `bottom > b`, so it did not see `bottom = b`. The owner
//!    wrote `bottom = b`, fenced, then read `top < b`, so it did not see what the thief had seen before
//!    its fence. But of two such sides at least one sees the other (`sys.rs`).
//! 4. If only one entry is left (`top == b`), both sides use the compare-and-swap.
//! 5. A slot is overwritten only after the owner saw `top` above its old entry. So a thief whose entry
//!    was overwritten while it read the slot loses its compare-and-swap.
//!
//! `join` pops what it pushed, in the order of a stack. So `pop` need not return the entry: either it is
//! the entry that the caller pushed, or it was stolen.
//!
//! # The limit
//!
//! After each push the owner compares `bottom` with `limit`, once, for two reasons. Normally the limit
//! says how far there is room. But a thread that wants to hear of the next entry *notifies* the owner: it
//! sets the limit to 0, so that the owner takes the slow path ([`Owner::push_slow`]) and looks at the
//! sleep counters there. So the fast path of a join need not read those counters. The owner fences
//! between `bottom` and `limit`, and the notifier fences between `limit` and `bottom`. So either the
//! owner sees the notification, or the notifier sees the entry.
//!
//! # Requests
//!
//! The fence of a thief interrupts the owner; together they lose ten microseconds and more. An owner that
//! joins all the time sees a notification long before that. So a thief [requests](Deque::request) an
//! entry first, by a notification. The notified owner steals its own oldest entry, and puts it into the
//! field `offer`. It does so like any thief, but without a fence, because both sides of rule 3 are the
//! same thread. This follows Acar, Charguéraud and Rainey, "Scheduling parallel programs by work stealing
//! with private deques" (2013); but there a thief waits for an owner that does not answer.
//! `worker/steal.rs` decides when to request, and how long to wait.
//!
//! 6. Only the owner fills `offer`, and only when it is empty. The thread that empties it, by a
//!    compare-and-swap, has that entry.
//! 7. The entry on offer is older than all entries in the deque, and a thief takes none of those while
//!    the offer stands. So when an owner wants to pop an entry that was offered or stolen, the deque is
//!    empty and nothing older is on offer. Either the owner takes that entry back, or another thread has
//!    it; and thieves can take nothing else from an owner that waits (`join/mod.rs`).
//! 8. A thief does not overtake the offer, because the owner stores [`offer_pending`] before it moves
//!    `top`. A thief that reads `top` above an offered entry therefore finds `offer` full until that
//!    entry is taken. If the owner offers another entry after the thief looked at `offer`, `top` has
//!    moved, and the thief loses its compare-and-swap.

use crate::{
    sync::{AtomicPtr, AtomicUsize, Ordering, Padded},
    sys::{self, Fence},
};
use std::{marker::PhantomData, ptr, ptr::NonNull};

/// The size of the ring of slots. The deque holds at most one entry less; a join beyond that opens a
/// scope (`join/mod.rs`). Loom models use a small ring, so that indices wrap.
const CAPACITY: usize = if cfg!(loom) { 4 } else { 1024 };

const _: () = assert!(CAPACITY.is_power_of_two(), "the position of an entry is cut out by a mask");

/// The value of `limit` that sends the owner to the slow path.
const NOTIFIED: usize = 0;

/// The value of `offer` while the owner is about to fill it. It is the address of no entry.
fn offer_pending<T>() -> *mut T {
    ptr::without_provenance_mut(usize::MAX)
}

/// A deque of pointers. `join/deque.rs` describes the protocol.
///
/// The layout keeps the words that every join touches a few slots away, modulo the page size, from the
/// slots that the join writes. A processor that confuses such addresses forwards its stores to the wrong
/// loads.
#[repr(C)]
pub struct Deque<T> {
    // --- written by the owner, `limit` also by notifiers ---
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
    /// An entry that the owner has offered and that no thread has taken yet (rules 6 to 8).
    offer: AtomicPtr<T>,
}

/// The owner's end of a [`Deque`]. Only one thread may use it, so making it is unsafe.
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

/// The position at which an entry was pushed. [`Owner::pop`] takes it as evidence.
#[derive(Debug)]
#[must_use = "a pushed entry must be popped before its frame ends"]
pub struct Position(usize);

/// The outcome of an attempt to steal.
#[derive(Debug, PartialEq, Eq)]
pub enum Steal<T> {
    /// There was no entry.
    Empty,
    /// There was an entry, but it was gone after the fence.
    Gone,
    /// Another thread was faster.
    Lost,
    /// The thief has the oldest entry.
    Taken(T),
}

/// The outcome of the slow path of a push.
#[derive(Debug)]
pub enum SlowPush {
    /// The entry is in the deque, which has room for another one.
    Pushed(Position),
    /// The deque would have no room for another entry, so this one was taken out again.
    Full,
}

impl<T> Default for Deque<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deque<T> {
    /// Makes an empty deque.
    pub fn new() -> Self {
        let owner = OwnerLine { bottom: AtomicUsize::new(0), limit: AtomicUsize::new(CAPACITY) };
        let thieves = ThievesLine { top: AtomicUsize::new(0), offer: AtomicPtr::new(ptr::null_mut()) };
        Self {
            owner: Padded(owner),
            thieves: Padded(thieves),
            slots: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
        }
    }

    /// Returns the owner's end.
    ///
    /// # Safety
    ///
    /// There is one owner at a time, and all copies of its end stay on the owner's thread.
    #[inline(always)]
    pub unsafe fn owner(&self) -> Owner<'_, T> {
        Owner { deque: self, _one_thread: PhantomData }
    }

    /// Returns the owner's end, for a model that has one owner.
    #[cfg(loom)]
    pub fn owner_in_model(&self) -> Owner<'_, T> {
        // SAFETY: a model calls this on one thread only.
        unsafe { self.owner() }
    }

    /// Makes the owner take the slow path after its next push. A caller that relies on this fences next,
    /// then looks into the deque.
    pub fn notify_owner(&self) {
        // Release pairs with the swap in `push_slow`: the owner sees what this thread wrote before it
        // notified. This is a swap and not a store, because a store would hide earlier notifiers from the
        // owner.
        self.owner.0.limit.swap(NOTIFIED, Ordering::Release);
    }

    /// Returns whether the deque looks empty to plain loads. An entry that the owner is about to offer
    /// does not count: after offering, the owner checks whether to wake a worker for it (`push_slow`).
    #[inline]
    pub fn looks_empty(&self) -> bool {
        self.has_no_entry() && self.current_offer().is_none()
    }

    /// Returns the entry that is on offer at the moment.
    #[inline]
    fn current_offer(&self) -> Option<NonNull<T>> {
        // Relaxed: a caller that needs to be sure fences first.
        NonNull::new(self.thieves.0.offer.load(Ordering::Relaxed))
            .filter(|entry| entry.as_ptr() != offer_pending())
    }

    #[inline]
    fn has_no_entry(&self) -> bool {
        // Relaxed: as in `current_offer`.
        self.thieves.0.top.load(Ordering::Relaxed) >= self.owner.0.bottom.load(Ordering::Relaxed)
    }

    /// Requests the oldest entry. The owner offers it after its next push.
    pub fn request(&self) {
        // Relaxed: if another thread has notified the owner already, that is as good.
        if self.owner.0.limit.load(Ordering::Relaxed) != NOTIFIED {
            self.notify_owner();
        }
    }

    /// Takes the entry that is on offer, if there is one.
    #[inline]
    pub fn accept_offer(&self) -> Option<NonNull<T>> {
        // This load comes first, so that a polling thief does not take the cache line away from the
        // owner.
        let entry = self.current_offer()?.as_ptr();
        // Acquire pairs with the owner's Release in `offer_oldest`: we see the job that the entry points
        // to. If another entry lies at the same address by now, that one is as good.
        let offer = &self.thieves.0.offer;
        let swap = offer.compare_exchange(entry, ptr::null_mut(), Ordering::Acquire, Ordering::Relaxed);
        swap.ok().and_then(NonNull::new)
    }

    /// Takes the oldest entry without asking the owner.
    pub fn steal(&self) -> Steal<NonNull<T>> {
        if self.has_no_entry() {
            return Steal::Empty;
        }
        // Acquire pairs with the compare-and-swap that stored it, so that the slot and the offer that we
        // read are not older than `top`.
        let top = self.thieves.0.top.load(Ordering::Acquire);
        // Relaxed: only its emptiness matters, and `accept_offer` loads it again (rule 8).
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
        // SeqCst as in Lê et al. It also releases our read of the slot to the owner's Acquire in
        // `push_slow`.
        let swap = self.thieves.0.top.compare_exchange(top, top + 1, Ordering::SeqCst, Ordering::Relaxed);
        match (swap, NonNull::new(entry)) {
            (Ok(_), Some(entry)) => Steal::Taken(entry),
            _ => Steal::Lost,
        }
    }
}

impl<T> Owner<'_, T> {
    /// Adds an entry. If the second value is false, the owner must call [`push_slow`](Self::push_slow)
    /// before anything else.
    #[inline(always)]
    pub fn push<F: Fence>(self, entry: NonNull<T>) -> (Position, bool) {
        let line = &self.deque.owner.0;
        // Relaxed: only this thread stores it (rule 1).
        let bottom = line.bottom.load(Ordering::Relaxed);
        // Relaxed: published by the store below.
        self.deque.slots[bottom % CAPACITY].store(entry.as_ptr(), Ordering::Relaxed);
        // Release publishes the entry, and what it points to, to the thief's Acquire.
        line.bottom.store(bottom + 1, Ordering::Release);
        // Pairs with the heavy fence of a notifier.
        F::light();
        // Relaxed: if the owner was notified, `push_slow` acquires the reason.
        (Position(bottom), bottom + 1 < line.limit.load(Ordering::Relaxed))
    }

    /// Returns whether thieves can take this many entries, and none of them waits for the next push.
    #[inline(always)]
    pub fn has_for_thieves(self, enough: usize) -> bool {
        // Relaxed: an old value leads to a push too many or too few.
        self.len() >= enough && self.deque.owner.0.limit.load(Ordering::Relaxed) != NOTIFIED
    }

    /// Returns whether no entry is left, as far as the owner knows.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Returns how many entries are left. `bottom` is at least `top`, except inside `pop`.
    #[inline(always)]
    fn len(self) -> usize {
        // Relaxed, both: only this thread stores `bottom`. Thieves may have moved `top` further.
        let bottom = self.deque.owner.0.bottom.load(Ordering::Relaxed);
        bottom.wrapping_sub(self.deque.thieves.0.top.load(Ordering::Relaxed))
    }

    /// Takes back the newest entry, which was pushed at `position`. Returns false if it was stolen.
    ///
    /// `bottom` comes with the position and is not loaded. This keeps it out of one long chain of loads
    /// and stores (`fib30_join`).
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

    /// Decides who has the newest entry when it is the last one or was stolen (rule 4).
    #[cold]
    #[inline(never)]
    fn pop_last(self, top: usize, bottom: usize) -> bool {
        let last = top == bottom;
        // Relaxed on failure: the caller waits for the thief's work by other means.
        let swap = |from| {
            self.deque.thieves.0.top.compare_exchange(from, from + 1, Ordering::SeqCst, Ordering::Relaxed)
        };
        let mine = last && swap(top).is_ok();
        // The deque is empty again: `bottom == top`. If this was the last entry, the thread that took it
        // has moved `top`. If `top` was above `bottom`, all later entries have been stolen too, and no
        // thread can move `top` further.
        self.deque.owner.0.bottom.store(if last { bottom + 1 } else { top }, Ordering::Release);
        mine
    }

    /// Returns whether a thread has notified the owner since its last slow push.
    #[inline]
    pub fn is_notified(self) -> bool {
        // Relaxed: as in `push`. The next push acquires the reason.
        self.deque.owner.0.limit.load(Ordering::Relaxed) == NOTIFIED
    }

    /// Completes a push that reached the limit. Calls `on_notified` if a thread has notified the owner,
    /// or may have.
    #[cold]
    #[inline(never)]
    pub fn push_slow(self, position: Position, on_notified: impl FnOnce()) -> SlowPush {
        // Acquire: the thief's read of its slot comes before we overwrite the slot (rule 5).
        let top = self.deque.thieves.0.top.load(Ordering::Acquire);
        // Acquire pairs with the Release of every notification so far. A later notification remains in
        // `limit`.
        self.deque.owner.0.limit.swap(top + CAPACITY, Ordering::Acquire);
        // The offer comes before `on_notified`: a worker that is woken there finds it, and a worker that
        // looked too early is woken there.
        self.offer_oldest(position.0);
        on_notified();
        if position.0 + 1 < top + CAPACITY {
            return SlowPush::Pushed(position);
        }
        let again = Position(position.0);
        // `Full` is correct on every platform.
        if self.pop::<sys::Full>(position) { SlowPush::Full } else { SlowPush::Pushed(again) }
    }

    /// Offers the oldest entry, if none is on offer. `newest` is the position of the newest entry.
    fn offer_oldest(self, newest: usize) {
        let ThievesLine { top, offer } = &self.deque.thieves.0;
        // Relaxed: only the owner fills it (rule 6).
        if !offer.load(Ordering::Relaxed).is_null() {
            return;
        }
        // Acquire: as in `steal`. This is the owner's form of it.
        let oldest = top.load(Ordering::Acquire);
        if oldest > newest {
            return;
        }
        let entry = self.deque.slots[oldest % CAPACITY].load(Ordering::Relaxed);
        // Relaxed: the compare-and-swap below releases it to a thief that acquires `top` (rule 8).
        offer.store(offer_pending(), Ordering::Relaxed);
        let swap = top.compare_exchange(oldest, oldest + 1, Ordering::SeqCst, Ordering::Relaxed);
        let given = swap.map_or(ptr::null_mut(), |_| entry);
        // Release publishes the job that the entry points to.
        offer.store(given, Ordering::Release);
    }

    /// Takes back an entry that `pop` did not find because it is on offer. Returns false if another
    /// thread has taken it.
    #[must_use = "if false, another thread runs it"]
    pub fn take_back_offer(self, entry: NonNull<T>) -> bool {
        let offer = &self.deque.thieves.0.offer;
        // Relaxed: on success the entry is ours again, as we wrote it. On failure the caller waits for it
        // by other means.
        offer.compare_exchange(entry.as_ptr(), ptr::null_mut(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}
