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
    sys,
};
use std::{cell::Cell, marker::PhantomData, ptr, ptr::NonNull, sync::Arc};

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

    #[inline(always)]
    fn slot(&self, index: usize) -> &AtomicPtr<T> {
        let index = index & self.mask;
        debug_assert!(index < self.slots.len());
        // SAFETY: the mask is the length minus one, and the length is a power of two (`new`, `grow`).
        unsafe { self.slots.get_unchecked(index) }
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
    // The boxes are kept because thieves may read in old ones (rule 5).
    #[allow(clippy::vec_box)]
    buffers: Mutex<Vec<Box<Buffer<T>>>>,
}

/// The owner's end. Neither `Sync` nor cloned: it is used by one thread at a time.
pub struct Owner<T> {
    shared: Arc<Shared<T>>,
    /// The newest buffer.
    buffer: Cell<NonNull<Buffer<T>>>,
    /// `bottom` may grow up to here before the owner has to look at `top` again.
    limit: Cell<usize>,
    _not_sync: PhantomData<Cell<()>>,
}

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
        let mut first = Buffer::new(CAPACITY);
        let buffer = NonNull::from(&mut *first);
        let shared = Shared {
            bottom: Padded(AtomicUsize::new(0)),
            top: Padded(AtomicUsize::new(0)),
            buffer: AtomicPtr::new(buffer.as_ptr()),
            buffers: Mutex::new(vec![first]),
        };
        Self {
            shared: Arc::new(shared),
            buffer: Cell::new(buffer),
            limit: Cell::new(CAPACITY),
            _not_sync: PhantomData,
        }
    }

    /// The thieves' end.
    pub fn shared(&self) -> Arc<Shared<T>> {
        self.shared.clone()
    }

    /// Adds an entry.
    #[inline(always)]
    pub fn push(&self, entry: NonNull<T>) {
        // Relaxed: only this thread stores it (rule 1).
        let bottom = self.shared.bottom.0.load(Ordering::Relaxed);
        if bottom == self.limit.get() {
            self.make_room(bottom);
        }
        // SAFETY: the buffer lives as long as `shared` (rule 5).
        let buffer = unsafe { self.buffer.get().as_ref() };
        // Relaxed: published by the store below.
        buffer.slot(bottom).store(entry.as_ptr(), Ordering::Relaxed);
        // Release publishes the entry, and what it points to, to the thief's Acquire.
        self.shared.bottom.0.store(bottom + 1, Ordering::Release);
    }

    /// Takes back the newest entry. False if it was stolen.
    #[inline(always)]
    pub fn pop(&self) -> bool {
        let bottom = self.shared.bottom.0.load(Ordering::Relaxed) - 1;
        // Release: a thief that reads this value must still see the older entries.
        self.shared.bottom.0.store(bottom, Ordering::Release);
        // Pairs with `heavy` in `steal` (rule 3).
        sys::light();
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
        let mine = top == bottom && swap(top).is_ok();
        // Empty again: top == bottom + 1.
        self.shared.bottom.0.store(bottom + 1, Ordering::Release);
        mine
    }

    /// Whether there is nothing in it, as far as the owner sees.
    pub fn is_empty(&self) -> bool {
        self.shared.looks_empty()
    }

    #[cold]
    #[inline(never)]
    fn make_room(&self, bottom: usize) {
        // Acquire: the thief's read of its slot comes before we overwrite it (rule 5).
        let top = self.shared.top.0.load(Ordering::Acquire);
        // SAFETY: as in `push`.
        let mut buffer = unsafe { self.buffer.get().as_ref() };
        if bottom - top > buffer.mask {
            self.grow(buffer, top, bottom);
            // SAFETY: as in `push`.
            buffer = unsafe { self.buffer.get().as_ref() };
        }
        self.limit.set(top + buffer.mask + 1);
    }

    fn grow(&self, old: &Buffer<T>, top: usize, bottom: usize) {
        let mut new = Buffer::new((old.mask + 1) * 2);
        for index in top..bottom {
            new.slot(index).store(old.slot(index).load(Ordering::Relaxed), Ordering::Relaxed);
        }
        let place = NonNull::from(&mut *new);
        self.shared.buffers.lock().expect("nothing panics while it holds the lock").push(new);
        self.buffer.set(place);
        // Release publishes the copied entries to the thief's Acquire.
        self.shared.buffer.store(place.as_ptr(), Ordering::Release);
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
        sys::heavy();
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
