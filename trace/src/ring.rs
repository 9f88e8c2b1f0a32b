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
//! The ring of a worker process lies in memory that it shares with its parent ([`Ring::lent`]). The parent
//! copies it in the same way ([`copy`]), also after the worker was killed in the middle of an event.
//!
//! The slots are made in chunks when the writer first needs them, so that a thread with few events takes
//! little memory. A reader finds the chunks of all events below `head`, whose store comes after them.
//!
//! The words are atomics only to avoid unsafe code: a relaxed store to a cache line that no other thread
//! touches costs as much as a plain store.

use crate::{
    event::{EVENT_WORDS, Event},
    export::Mode,
    sync::{AtomicU64, Ordering, fence},
};
// Not loom's: the store of `head` orders the chunks for readers.
use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

/// A chunk has room for this many events: 8 KiB.
const CHUNK_EVENTS: usize = 256;

/// The words of an event.
pub(crate) type Slot = [AtomicU64; EVENT_WORDS];

/// A ring of events with a fixed capacity, written by one thread, through its [`RingWriter`].
#[derive(Debug)]
pub struct Ring {
    place: Place,
    capacity: usize,
    mode: Mode,
    /// Those of a ring in this process's memory.
    counters: [AtomicU64; COUNTERS],
}

/// Where the events of a ring lie.
#[derive(Debug)]
enum Place {
    /// In chunks. Each is made when it is first written to. Only the writer makes them, so nobody waits here.
    Own(Box<[OnceLock<Arc<[Slot]>>]>),
    /// In shared memory, which lasts as long as the process.
    Lent { counters: &'static [AtomicU64; COUNTERS], slots: &'static [Slot] },
}

/// The counters of a ring, by their places.
pub(crate) const COUNTERS: usize = 3;
const CLAIMED: usize = 0;
const HEAD: usize = 1;
/// The events that found the ring full.
const REFUSED: usize = 2;

impl Ring {
    /// Makes a ring for `capacity` events, at least one.
    pub fn new(capacity: usize, mode: Mode) -> Self {
        Self::with_capacity(capacity.max(1), mode)
    }

    fn with_capacity(capacity: usize, mode: Mode) -> Self {
        let chunks = (0..capacity.div_ceil(CHUNK_EVENTS)).map(|_| OnceLock::new()).collect();
        let counters = std::array::from_fn(|_| AtomicU64::new(0));
        Self { place: Place::Own(chunks), capacity, mode, counters }
    }

    /// Makes a ring in shared memory.
    pub(crate) fn lent(counters: &'static [AtomicU64; COUNTERS], slots: &'static [Slot], mode: Mode) -> Self {
        let place = Place::Lent { counters, slots };
        Self { place, capacity: slots.len(), ..Self::with_capacity(0, mode) }
    }

    /// Makes a ring that has room for no event, and counts them all.
    pub fn counting() -> Self {
        Self::with_capacity(0, Mode::KeepFirst)
    }

    /// Whether this ring was made by [`counting`](Self::counting).
    pub fn only_counts(&self) -> bool {
        self.capacity == 0
    }

    #[inline]
    fn counters(&self) -> &[AtomicU64; COUNTERS] {
        match &self.place {
            Place::Own(_) => &self.counters,
            Place::Lent { counters, .. } => counters,
        }
    }

    /// The slot at this position, which the writer has written to.
    fn slot(&self, position: usize) -> &Slot {
        match &self.place {
            Place::Own(chunks) => {
                let slots = chunks[position / CHUNK_EVENTS].get();
                &slots.expect("a chunk is made before an event in it counts")[position % CHUNK_EVENTS]
            }
            Place::Lent { slots, .. } => &slots[position],
        }
    }

    /// The slots that the writer fills after `chunk` others, if there are more. The first call makes them.
    fn slots(&self, chunk: usize) -> Option<Slots> {
        match &self.place {
            Place::Own(chunks) => {
                let events = self.capacity.saturating_sub(chunk * CHUNK_EVENTS).min(CHUNK_EVENTS);
                let make = || (0..events).map(|_| std::array::from_fn(|_| AtomicU64::new(0))).collect();
                Some(Slots::Own(chunks.get(chunk)?.get_or_init(make).clone()))
            }
            Place::Lent { slots, .. } => (chunk == 0).then_some(Slots::Lent(slots)),
        }
    }

    /// Copies the events that are there, oldest first, and counts those that are missing.
    pub fn snapshot(&self) -> (Vec<Event>, u64) {
        copy(self.counters(), self.capacity, self.mode, |position| self.slot(position))
    }

    /// The number of events that the thread has had, also those that are missing.
    pub fn written(&self) -> u64 {
        // Relaxed: counts, read for information.
        let [_, head, refused] = self.counters();
        head.load(Ordering::Relaxed) + refused.load(Ordering::Relaxed)
    }

    /// For how many events it takes memory.
    pub fn room(&self) -> usize {
        match &self.place {
            Place::Own(chunks) => chunks.iter().filter_map(OnceLock::get).map(|chunk| chunk.len()).sum(),
            Place::Lent { .. } => 0,
        }
    }

    /// Which events the ring keeps.
    pub fn mode(&self) -> Mode {
        self.mode
    }
}

/// The writing end of a ring: the slots that it fills, and the place of the next event in them. A thread has
/// it for itself, so that an event costs little more than its four stores.
#[derive(Debug)]
pub struct RingWriter {
    ring: Arc<Ring>,
    slots: Slots,
    /// The slot of `slots` that is written next.
    next: usize,
    /// How many chunks come before the next one.
    chunks: usize,
    head: u64,
}

/// Some slots of a ring.
#[derive(Debug)]
enum Slots {
    Own(Arc<[Slot]>),
    Lent(&'static [Slot]),
}

impl Deref for Slots {
    type Target = [Slot];

    #[inline]
    fn deref(&self) -> &[Slot] {
        match self {
            Self::Own(slots) => slots,
            Self::Lent(slots) => slots,
        }
    }
}

impl RingWriter {
    /// Makes the writer of a new ring. A second one could overwrite events, though nothing worse.
    pub fn new(ring: Arc<Ring>) -> Self {
        Self { ring, slots: Slots::Lent(&[]), next: 0, chunks: 0, head: 0 }
    }

    /// Writes an event, or counts it as dropped.
    pub fn push(&mut self, event: Event) {
        let words = event.to_words();
        if !self.push_quickly(words) && self.turn() {
            self.push_quickly(words);
        }
    }

    /// Writes the words of an event. Returns false if there is no room in the present slots.
    #[inline(always)]
    pub(crate) fn push_quickly(&mut self, [at, subject, by, tail]: [u64; EVENT_WORDS]) -> bool {
        let Some(slot) = self.slots.get(self.next) else { return false };
        let counters = self.ring.counters();
        self.next += 1;
        self.head = self.head.wrapping_add(1);
        // Relaxed: the fence orders it before the words.
        counters[CLAIMED].store(self.head, Ordering::Relaxed);
        fence(Ordering::Release);
        slot[0].store(at, Ordering::Relaxed);
        slot[1].store(subject, Ordering::Relaxed);
        slot[2].store(by, Ordering::Relaxed);
        slot[3].store(tail, Ordering::Relaxed);
        // Release publishes the words.
        counters[HEAD].store(self.head, Ordering::Release);
        true
    }

    /// Goes to the next slots. Returns false if there are none: then an event is counted.
    fn turn(&mut self) -> bool {
        if self.ring.mode == Mode::KeepLast && self.chunks > 0 && self.ring.slots(self.chunks).is_none() {
            self.chunks = 0;
        }
        let Some(slots) = self.ring.slots(self.chunks) else {
            let refused = &self.ring.counters()[REFUSED];
            // Relaxed, both: only this thread stores it.
            refused.store(refused.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            return false;
        };
        (self.slots, self.next) = (slots, 0);
        self.chunks += 1;
        true
    }
}

/// Copies the events of a ring, as [`Ring::snapshot`] does. The words may be another process's, which may
/// have written anything.
pub(crate) fn copy<'a>(
    counters: &[AtomicU64; COUNTERS],
    capacity: usize,
    mode: Mode,
    slot: impl Fn(usize) -> &'a Slot,
) -> (Vec<Event>, u64) {
    // Acquire pairs with the writer's store of `head`.
    let head = counters[HEAD].load(Ordering::Acquire);
    let refused = counters[REFUSED].load(Ordering::Relaxed);
    let size = capacity as u64;
    let read = |n: u64| {
        let slot = slot((n % size) as usize);
        Event::from_words(std::array::from_fn(|word| slot[word].load(Ordering::Relaxed)))
    };
    if mode == Mode::KeepFirst {
        return ((0..head.min(size)).map(read).collect(), refused);
    }
    let oldest = head.saturating_sub(size);
    let mut events: Vec<_> = (oldest..head).map(read).collect();
    // Pairs with the writer's fence; see above.
    fence(Ordering::Acquire);
    let overwritten = counters[CLAIMED].load(Ordering::Relaxed).saturating_sub(size);
    let missing = overwritten.clamp(oldest, head);
    events.drain(..(missing - oldest) as usize);
    (events, missing.saturating_add(refused))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{Cause, Id, Kind};
    use std::thread;

    fn ring(capacity: usize, mode: Mode) -> (Arc<Ring>, RingWriter) {
        let ring = Arc::new(Ring::new(capacity, mode));
        (ring.clone(), RingWriter::new(ring))
    }

    fn event(at: u64) -> Event {
        let by = Id::from_bits(at.wrapping_mul(3));
        Event { at, kind: Kind::Spawn, subject: Id::from_bits(!at), by, cause: Cause::Unknown, detail: at }
    }

    #[test]
    fn a_full_ring_that_keeps_the_first_drops_the_newest_and_counts_them() {
        let (ring, mut writer) = ring(2, Mode::KeepFirst);
        (1..=5).for_each(|at| writer.push(event(at)));
        assert_eq!(ring.snapshot(), (vec![event(1), event(2)], 3));
    }

    #[test]
    fn a_full_ring_that_keeps_the_last_drops_the_oldest_and_counts_them() {
        let (ring, mut writer) = ring(2, Mode::KeepLast);
        writer.push(event(1));
        assert_eq!(ring.snapshot(), (vec![event(1)], 0));
        (2..=5).for_each(|at| writer.push(event(at)));
        assert_eq!(ring.snapshot(), (vec![event(4), event(5)], 3));
        writer.push(event(6));
        assert_eq!(ring.snapshot(), (vec![event(5), event(6)], 4));
    }

    #[test]
    fn a_ring_takes_memory_for_the_events_that_it_has() {
        for mode in [Mode::KeepFirst, Mode::KeepLast] {
            let (ring, mut writer) = ring(CHUNK_EVENTS * 4 + 1, mode);
            let made = || ring.room();
            assert_eq!(made(), 0);
            (0..=CHUNK_EVENTS as u64).for_each(|at| writer.push(event(at)));
            assert_eq!(made(), 2 * CHUNK_EVENTS);
            (0..5000).for_each(|at| writer.push(event(at)));
            assert_eq!(made(), CHUNK_EVENTS * 4 + 1);
            assert_eq!(ring.written(), 5001 + CHUNK_EVENTS as u64);
        }
    }

    #[test]
    fn no_snapshot_of_a_busy_ring_holds_a_torn_event() {
        const EVENTS: u64 = 200_000;
        for capacity in [1, 3, 64] {
            let (ring, mut writer) = ring(capacity, Mode::KeepLast);
            let writer = thread::spawn(move || (0..EVENTS).for_each(|at| writer.push(event(at))));
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
