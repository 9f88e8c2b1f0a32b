//! A thread's ring of events: one writer, any number of readers, no lock and no unsafe.
//!
//! ```text
//!   claimed   number of events whose writing has begun   stored by the writer only
//!   head      number of events ever written              stored by the writer only
//!   event n lies in slot n % capacity; head ≤ claimed ≤ head + 1
//! ```
//!
//! A ring that keeps the **first** events is written until it is full; then new events are counted and
//! dropped. A slot is written once. The writer publishes it by storing `head` (Release), which a reader
//! loads (Acquire) before it reads the slots below.
//!
//! A ring that keeps the **last** events (a flight recorder) overwrites the oldest, perhaps while a reader
//! copies it. The reader finds out afterwards, as with a sequence lock:
//!
//! ```text
//!   writes event n                          copies the ring
//!   claimed = n + 1
//!   fence (Release)                         h = head (Acquire)
//!   the words of slot n % capacity          the words of the slots of events h - capacity .. h
//!   head = n + 1 (Release)                  fence (Acquire)
//!                                           c = claimed
//!                                           keeps the events m with c ≤ m + capacity
//! ```
//!
//! The slot of event m is written next for event m + capacity, which claims m + capacity + 1 before. If a
//! reader has read a word of that later event, then the two fences synchronize: the store of the claim
//! happened before the load, so c ≥ m + capacity + 1, and the reader drops event m. So each event that it
//! keeps is whole. `trace/tests/loom.rs` checks it.
//!
//! The words are atomics only to avoid unsafe code: a relaxed store to a cache line that no other thread
//! touches costs as much as a plain store.

use crate::{
    event::{EVENT_WORDS, Event},
    export::Mode,
    sync::{AtomicU64, AtomicUsize, Ordering, fence},
};

/// A ring of events with a fixed capacity, written by one thread.
#[derive(Debug)]
pub struct Ring {
    slots: Box<[[AtomicU64; EVENT_WORDS]]>,
    mode: Mode,
    claimed: AtomicUsize,
    head: AtomicUsize,
    /// The events that found the ring full.
    refused: AtomicU64,
}

impl Ring {
    /// Makes a ring for `capacity` events, at least one.
    pub fn new(capacity: usize, mode: Mode) -> Self {
        let slot = || std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            slots: (0..capacity.max(1)).map(|_| slot()).collect(),
            mode,
            claimed: AtomicUsize::new(0),
            head: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Writes an event, or counts it as dropped. Called by the writing thread only; a second writer could
    /// overwrite events, though nothing worse.
    #[inline]
    pub fn push(&self, event: Event) {
        // Relaxed: only this thread stores it.
        let head = self.head.load(Ordering::Relaxed);
        let position = match self.mode {
            Mode::KeepFirst if head == self.slots.len() => {
                // Relaxed: a count, read for information, with one writer.
                let refused = self.refused.load(Ordering::Relaxed);
                return self.refused.store(refused + 1, Ordering::Relaxed);
            }
            Mode::KeepFirst => head,
            Mode::KeepLast => {
                // Relaxed: the fence orders it before the words.
                self.claimed.store(head.wrapping_add(1), Ordering::Relaxed);
                fence(Ordering::Release);
                head % self.slots.len()
            }
        };
        for (place, word) in self.slots[position].iter().zip(event.to_words()) {
            place.store(word, Ordering::Relaxed);
        }
        // Release publishes the words.
        self.head.store(head.wrapping_add(1), Ordering::Release);
    }

    /// Copies the events that are there, oldest first, and counts those that are missing.
    pub fn snapshot(&self) -> (Vec<Event>, u64) {
        // Acquire pairs with the writer's store of `head`.
        let head = self.head.load(Ordering::Acquire);
        let oldest = head.saturating_sub(self.slots.len());
        let read = |n: usize| {
            let slot = &self.slots[n % self.slots.len()];
            Event::from_words(std::array::from_fn(|word| slot[word].load(Ordering::Relaxed)))
        };
        let mut events: Vec<_> = (oldest..head).map(read).collect();
        let mut missing = oldest;
        if self.mode == Mode::KeepLast {
            // Pairs with the writer's fence; see above.
            fence(Ordering::Acquire);
            let overwritten = self.claimed.load(Ordering::Relaxed).saturating_sub(self.slots.len());
            missing = overwritten.clamp(oldest, head);
            events.drain(..missing - oldest);
        }
        (events, missing as u64 + self.refused.load(Ordering::Relaxed))
    }

    /// Which events the ring keeps.
    pub fn mode(&self) -> Mode {
        self.mode
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{Cause, Id, Kind};
    use std::{sync::Arc, thread};

    fn event(at: u64) -> Event {
        let by = Id::from_bits(at.wrapping_mul(3));
        Event { at, kind: Kind::Spawn, subject: Id::from_bits(!at), by, cause: Cause::Unknown, detail: at }
    }

    #[test]
    fn a_full_ring_that_keeps_the_first_drops_the_newest_and_counts_them() {
        let ring = Ring::new(2, Mode::KeepFirst);
        (1..=5).for_each(|at| ring.push(event(at)));
        assert_eq!(ring.snapshot(), (vec![event(1), event(2)], 3));
    }

    #[test]
    fn a_full_ring_that_keeps_the_last_drops_the_oldest_and_counts_them() {
        let ring = Ring::new(2, Mode::KeepLast);
        ring.push(event(1));
        assert_eq!(ring.snapshot(), (vec![event(1)], 0));
        (2..=5).for_each(|at| ring.push(event(at)));
        assert_eq!(ring.snapshot(), (vec![event(4), event(5)], 3));
        ring.push(event(6));
        assert_eq!(ring.snapshot(), (vec![event(5), event(6)], 4));
    }

    #[test]
    fn no_snapshot_of_a_busy_ring_holds_a_torn_event() {
        const EVENTS: u64 = 200_000;
        for capacity in [1, 3, 64] {
            let ring = Arc::new(Ring::new(capacity, Mode::KeepLast));
            let theirs = ring.clone();
            let writer = thread::spawn(move || (0..EVENTS).for_each(|at| theirs.push(event(at))));
            loop {
                let ended = writer.is_finished();
                let (events, missing) = ring.snapshot();
                for (index, seen) in events.iter().enumerate() {
                    assert_eq!(*seen, event(missing + index as u64));
                }
                if ended {
                    assert_eq!((events.len(), missing), (capacity, EVENTS - capacity as u64));
                    break;
                }
            }
            writer.join().unwrap();
        }
    }
}
