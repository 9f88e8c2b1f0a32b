//! The deque of shared halves: its owner pushes and pops without a fence, a thief pays for both.
//!
//! This is the deque of Chase and Lev ("Dynamic circular work-stealing deque", 2005) with the orderings of Lê et al. ("Correct
//! and efficient work-stealing for weak memory models", 2013), cut down to what `join` needs, and with their two fences replaced by
//! the asymmetric pair of `sys.rs`.
//!
//! ```text
//!            top (thieves, only up)          bottom (owner, up and down)
//!             v                               v
//!   ... gone | oldest | ...        | newest  | free ...        entry i lies in slot i % capacity
//! ```
//!
//! 1. Only the owner writes `bottom` and the slots. `top` only grows, by compare-and-swap: whoever moves it from `i` to `i + 1`
//!    has taken entry `i`.
//! 2. The owner takes the newest entry `b` *without* a compare-and-swap if, after `bottom = b`, it reads `top < b`. A thief
//!    takes entry `t` only if, after reading `top = t`, it reads `bottom > t`.
//! 3. Entry `b` is not taken twice. Suppose the owner took it by rule 2 and a thief did, too. The thief read `top = b`, fenced,
//!    then read `bottom > b`, so it did not see `bottom = b`; the owner wrote `bottom = b`, fenced, then read `top < b`, so it did not see
//!    what the thief had seen before its fence. Of two such sides at least one sees the other (`sys.rs`).
//! 4. If only one entry is left (`top == b`), both sides use the compare-and-swap.
//! 5. A slot is overwritten only when `bottom - top` is below the capacity, so a thief whose entry was overwritten while it read
//!    loses its compare-and-swap. A buffer that became too small is kept until the deque is dropped, since a thief may be
//!    reading there; its entries from `top` on stay what they were.
//!
//! The owner's stack discipline (`join` pops what it pushed) means that `pop` need not return the entry: it is the caller's
//! own, or it was stolen.

use crate::{
    sync::{AtomicPtr, AtomicUsize, Mutex, Ordering, Padded},
    sys::{self, Fence},
};
use std::{cell::Cell, ptr, ptr::NonNull, sync::Arc};

/// How many entries a new deque has room for. Loom needs a small one to see the wrapping.
const CAPACITY: usize = if cfg!(loom) { 2 } else { 256 };

struct Buffer<T> {
    mask: usize,
    slots: Box<[AtomicPtr<T>]>,
}

impl<T> Buffer<T> {
    fn new(capacity: usize) -> Box<Self> {
        let slots = (0..capacity).map(|_| AtomicPtr::new(ptr::null_mut())).collect();
        Box::new(Self { mask: capacity - 1, slots })
    }

    fn slot(&self, index: usize) -> &AtomicPtr<T> {
        &self.slots[index & self.mask]
    }

    fn first(&self) -> NonNull<AtomicPtr<T>> {
        NonNull::from(&*self.slots).cast()
    }
}

/// What the owner and its thieves share.
pub struct Shared<T> {
    // --- written by the owner ---
    bottom: Padded<AtomicUsize>,
    // --- written by thieves, and by the owner for the last entry ---
    top: Padded<AtomicUsize>,
    // --- written by the owner when it grows; points into `buffers` ---
    buffer: AtomicPtr<Buffer<T>>,
    fence: Fence,
    // The boxes are kept because thieves may read in old ones (rule 5).
    #[allow(clippy::vec_box)]
    buffers: Mutex<Vec<Box<Buffer<T>>>>,
}

/// The owner's end. Neither `Sync` nor cloned: it is used by one thread at a time.
pub struct Owner<T> {
    shared: Arc<Shared<T>>,
    /// The newest buffer's slots and mask.
    slots: Cell<NonNull<AtomicPtr<T>>>,
    mask: Cell<usize>,
    /// `bottom` may grow up to here before the owner has to look at `top` again.
    limit: Cell<usize>,
    fence: Fence,
}

/// Where an entry was pushed: evidence for [`Owner::pop`].
#[derive(Debug)]
#[must_use = "what was pushed must be popped before its frame ends"]
pub struct Place(usize);

// SAFETY: an owner moves between threads as a whole; what it points to is shared and synchronised, and the entries are
// pointers that it never follows.
unsafe impl<T> Send for Owner<T> {}

/// What came of an attempt to steal.
#[derive(Debug, PartialEq, Eq)]
pub enum Steal<T> {
    /// There was nothing.
    Empty,
    /// Somebody else was quicker.
    Lost,
    /// The oldest entry.
    Taken(T),
}

impl<T> Owner<T> {
    /// A new deque; the owner's end. The other end is [`shared`](Self::shared).
    pub fn new() -> Self {
        let first = Buffer::new(CAPACITY);
        let fence = sys::detect();
        let (slots, buffer) = (first.first(), ptr::from_ref(&*first).cast_mut());
        let shared = Shared {
            bottom: Padded(AtomicUsize::new(0)),
            top: Padded(AtomicUsize::new(0)),
            buffer: AtomicPtr::new(buffer),
            fence,
            buffers: Mutex::new(vec![first]),
        };
        Self {
            shared: Arc::new(shared),
            slots: Cell::new(slots),
            mask: Cell::new(CAPACITY - 1),
            limit: Cell::new(CAPACITY),
            fence,
        }
    }

    /// The thieves' end.
    pub fn shared(&self) -> Arc<Shared<T>> {
        self.shared.clone()
    }

    /// Adds an entry.
    #[inline(always)]
    pub fn push(&self, entry: NonNull<T>) -> Place {
        // Relaxed: only this thread stores it (rule 1).
        let bottom = self.shared.bottom.0.load(Ordering::Relaxed);
        if bottom == self.limit.get() {
            self.make_room(bottom);
        }
        // SAFETY: the masked index is below the number of slots, which live as long as `shared` (rule 5).
        let slot = unsafe { self.slots.get().add(bottom & self.mask.get()) };
        // SAFETY: as above.
        let slot = unsafe { slot.as_ref() };
        // Relaxed: published by the store below.
        slot.store(entry.as_ptr(), Ordering::Relaxed);
        // Release publishes the entry, and what it points to, to the thief's Acquire.
        self.shared.bottom.0.store(bottom + 1, Ordering::Release);
        Place(bottom)
    }

    /// Takes back the newest entry, which was pushed to `place`. False if it was stolen.
    ///
    /// That `bottom` comes with the place, and is not loaded, keeps it out of one long chain of loads and stores: that made
    /// a join of nothing 5.3 ns, and now it is half of that (`fib30_join`).
    #[inline(always)]
    pub fn pop(&self, place: Place) -> bool {
        let bottom = place.0;
        // Release: a thief that reads this value must still see the older entries.
        self.shared.bottom.0.store(bottom, Ordering::Release);
        // Pairs with `heavy` in `steal` (rule 3).
        self.fence.light();
        let top = self.shared.top.0.load(Ordering::Relaxed);
        if top < bottom { true } else { self.pop_last(top, bottom) }
    }

    /// The newest entry is the last one or was stolen (rule 4).
    #[cold]
    fn pop_last(&self, top: usize, bottom: usize) -> bool {
        let swap = |from| {
            // Relaxed on failure: the thief's work is awaited by other means.
            self.shared.top.0.compare_exchange(from, from + 1, Ordering::SeqCst, Ordering::Relaxed)
        };
        let last = top == bottom;
        let mine = last && swap(top).is_ok();
        // Empty again, `bottom == top`: of the last entry whoever took it has moved `top`; and if `top` was above, what
        // was pushed later has been stolen, too, and nobody can move it further.
        self.shared.bottom.0.store(if last { bottom + 1 } else { top }, Ordering::Release);
        mine
    }

    #[cold]
    #[inline(never)]
    fn make_room(&self, bottom: usize) {
        // Acquire: the thief's read of its slot comes before we overwrite it (rule 5).
        let top = self.shared.top.0.load(Ordering::Acquire);
        if bottom - top > self.mask.get() {
            self.grow(top, bottom);
        }
        self.limit.set(top + self.mask.get() + 1);
    }

    fn grow(&self, top: usize, bottom: usize) {
        let mut buffers = self.shared.buffers.lock().expect("nothing panics while it holds the lock");
        let old = buffers.last().expect("there is a buffer from the first");
        let new = Buffer::new((old.mask + 1) * 2);
        for index in top..bottom {
            new.slot(index).store(old.slot(index).load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.slots.set(new.first());
        self.mask.set(new.mask);
        // Release publishes the copied entries to the thief's Acquire.
        self.shared.buffer.store(ptr::from_ref(&*new).cast_mut(), Ordering::Release);
        buffers.push(new);
    }
}

impl<T> Default for Owner<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Shared<T> {
    /// Whether there is nothing to steal, as far as two plain loads tell.
    #[inline]
    pub fn looks_empty(&self) -> bool {
        // Relaxed: whoever needs to be sure fences first.
        self.top.0.load(Ordering::Relaxed) >= self.bottom.0.load(Ordering::Relaxed)
    }

    /// Takes the oldest entry.
    pub fn steal(&self) -> Steal<NonNull<T>> {
        if self.looks_empty() {
            return Steal::Empty;
        }
        // Acquire pairs with the compare-and-swap that stored it, so that we read a slot not older than `top`.
        let top = self.top.0.load(Ordering::Acquire);
        // Pairs with `light` in `pop` (rule 3).
        self.fence.heavy();
        // Acquire pairs with the owner's Release, so that we see the entry.
        if self.bottom.0.load(Ordering::Acquire) <= top {
            return Steal::Empty;
        }
        let buffer = self.buffer.load(Ordering::Acquire);
        // SAFETY: buffers live as long as `self` (rule 5).
        let buffer = unsafe { &*buffer };
        let entry = buffer.slot(top).load(Ordering::Relaxed);
        // SeqCst as in Lê et al.; it also releases our read of the slot to the owner's Acquire in `make_room`.
        let swap = self.top.0.compare_exchange(top, top + 1, Ordering::SeqCst, Ordering::Relaxed);
        match (swap, NonNull::new(entry)) {
            (Ok(_), Some(entry)) => Steal::Taken(entry),
            _ => Steal::Lost,
        }
    }
}
