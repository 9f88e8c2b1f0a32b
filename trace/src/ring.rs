//! A thread's ring of events: one writer, one reader, no lock and no unsafe.
//!
//! ```text
//!   head   number of events ever written   stored by the writer only
//!   tail   number of events ever read      stored by the reader only
//!   event n lies in slot n % capacity; tail ≤ head ≤ tail + capacity
//! ```
//!
//! 1. The writer writes slot `head` only while `head - tail < capacity`, then publishes it by storing
//!    `head` (Release).
//! 2. The reader reads slots `tail..head` after loading `head` (Acquire), then gives them back by storing
//!    `tail` (Release), which the writer loads (Acquire) before it writes there again.
//!
//! So no word is written while it may be read. The words are atomics only to avoid unsafe code: a relaxed
//! store to a cache line that no other thread touches costs as much as a plain store. When the ring is
//! full, the *new* event is dropped and counted, because the events that led to a state explain it better
//! than those that came long after.

use crate::{
    event::{EVENT_WORDS, Event},
    sync::{AtomicU64, AtomicUsize, Ordering},
};

/// A ring of events with a fixed capacity, written by one thread and read by one other at a time.
#[derive(Debug)]
pub struct Ring {
    slots: Box<[[AtomicU64; EVENT_WORDS]]>,
    // --- written by the writer only ---
    head: AtomicUsize,
    dropped: AtomicU64,
    // --- written by the reader only ---
    tail: AtomicUsize,
}

impl Ring {
    /// Makes a ring for `capacity` events, at least one.
    pub fn new(capacity: usize) -> Self {
        let slot = || std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            slots: (0..capacity.max(1)).map(|_| slot()).collect(),
            head: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            tail: AtomicUsize::new(0),
        }
    }

    /// Writes an event, or counts it as dropped. Called by the writing thread only; a second writer could
    /// overwrite events, though nothing worse.
    pub fn push(&self, event: Event) {
        // Relaxed: only this thread stores it.
        let head = self.head.load(Ordering::Relaxed);
        // Acquire pairs with the reader's store: its reads of the slot come before our writes (rule 2).
        if head.wrapping_sub(self.tail.load(Ordering::Acquire)) >= self.slots.len() {
            // Relaxed: a count, read for information.
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let slot = &self.slots[head % self.slots.len()];
        for (place, word) in slot.iter().zip(event.to_words()) {
            place.store(word, Ordering::Relaxed);
        }
        // Release publishes the words (rule 1).
        self.head.store(head.wrapping_add(1), Ordering::Release);
    }

    /// Takes out all events. Called by one reader at a time.
    pub fn drain(&self) -> Vec<Event> {
        // Relaxed: only this side stores it.
        let tail = self.tail.load(Ordering::Relaxed);
        // Acquire pairs with the writer's store of `head` (rule 1).
        let head = self.head.load(Ordering::Acquire);
        let read = |n: usize| {
            let slot = &self.slots[n % self.slots.len()];
            Event::from_words(std::array::from_fn(|word| slot[word].load(Ordering::Relaxed)))
        };
        let events = (tail..head).map(read).collect();
        // Release gives the slots back (rule 2).
        self.tail.store(head, Ordering::Release);
        events
    }

    /// The number of events that found the ring full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{Cause, Id, Kind};

    fn event(at: u64) -> Event {
        Event { at, kind: Kind::Spawn, subject: Id::NONE, by: Id::NONE, cause: Cause::Unknown, detail: 0 }
    }

    #[test]
    fn a_full_ring_drops_the_newest_and_counts_them() {
        let ring = Ring::new(2);
        (1..=5).for_each(|at| ring.push(event(at)));
        assert_eq!(ring.drain(), [event(1), event(2)]);
        assert_eq!(ring.dropped(), 3);
        ring.push(event(6));
        assert_eq!(ring.drain(), [event(6)]);
    }
}
