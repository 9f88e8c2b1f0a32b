//! The hierarchical timing wheel: timers by deadline, with insertion, removal and expiry in constant time.
//!
//! Eight levels of 64 slots. Time is counted in moments (`clock.rs`), which are nanoseconds. A slot of level
//! 0 is 2¹⁶ moments wide, a slot of level n is 64ⁿ times as wide:
//!
//! ```text
//!   level 0   ▏▏▏▏▏▏▏▏…▏     64 slots of  66 µs
//!   level 1   ▏ ▏ ▏ ▏ …▏     64 slots of 4.2 ms
//!   level 2                  64 slots of 268 ms
//!   …
//!   level 7                  64 slots of 9 years: 2⁶⁴ moments in all
//! ```
//!
//! A timer lies on the lowest level on which its slot differs from the slot of `elapsed`, or on level 0 if
//! none differs: it is on level n > 0 if the highest bit in which `when` and `elapsed` differ is among the
//! bits 16 + 6n to 21 + 6n. When `elapsed` reaches a slot of a level above 0, the timers of that slot
//! *cascade*: each moves to the lower level where it belongs now.
//!
//! A slot is wider than a moment, yet no timer waits for the end of its slot. Each slot knows a lower bound
//! of its timers' moments. So the driver sleeps until the first timer and not until the first slot, and
//! cascading wakes nobody. On level 0 the timers of a slot fire one by one, each at its own moment.
//!
//! Most timers are timeouts, and most timeouts are cancelled before anybody asks which timers are due. So a
//! timer is *new* at first: it joins the list of new timers, and the wheel computes its moment and its slot
//! at the next call of `expire`. Only `expire` moves `elapsed`, so the timer gets the same slot that it
//! would have got at once.
//!
//! 1. The moment of every timer that is not new is later than `elapsed`, except while `expire` is at work.
//! 2. A bit of `occupied` is set exactly if that slot's list is not empty. The two lists that are no slots
//!    (the new timers, and those that never fire) have no bit.
//! 3. While a slot is occupied, none of its timers is before its bound. The bound may be too early, because
//!    a removed timer leaves it as it is. Then `expire` finds nothing that is due, and the timers that it
//!    puts back raise the bound.
//! 4. All timers of a level are later than those of the levels below. On a level, slots with a higher number
//!    are later: `elapsed` has the same higher bits as the timers of the level, so the slots never wrap.
//! 5. Lists are doubly linked (`rings.rs`), so a timer leaves its list without a search. A timer joins at
//!    the end of a list, so the timers of one moment fire in the order in which they were set. The number of
//!    a slot's list is the number of the slot, counted through all levels. The number of a timer is its
//!    index in the table plus the number of lists.
//!
//! The wheel follows Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (1987). Finding the level
//! by the highest differing bit is tokio's idea (`runtime/time/wheel`).

use super::rings::Rings;
use crate::{
    driver::slab::{Key, Slab},
    time::clock::{Clock, NEVER},
};
use std::{task::Waker, time::Instant};

/// A slot of level 0 is 2 to this power of moments wide.
const SLOT_BITS: u32 = 16;
const LEVEL_BITS: u32 = 6;
const SLOTS_PER_LEVEL: usize = 1 << LEVEL_BITS;
const LEVELS: usize = 8;
const SLOTS: usize = LEVELS * SLOTS_PER_LEVEL;
/// The number of the list of new timers.
const NEW_LIST: usize = SLOTS;
/// The number of the list of timers that never fire.
const NEVER_LIST: usize = NEW_LIST + 1;
const LISTS: usize = NEVER_LIST + 1;

// The levels cover all bits of a moment.
const _: () = assert!(SLOT_BITS + LEVEL_BITS * LEVELS as u32 == u64::BITS);

/// When a timer fires.
#[derive(Clone, Copy)]
enum When {
    /// The deadline of a new timer, whose moment is not computed yet.
    Deadline(Instant),
    /// The moment of every other timer.
    Moment(u64),
}

struct WheelTimer {
    when: When,
    waker: Waker,
}

/// A timer that fires in the present call of `expire`.
#[derive(Clone, Copy)]
struct Due {
    when: u64,
    key: Key,
}

/// The first slot that holds timers.
struct FirstSlot {
    level: usize,
    number: usize,
    /// The first moment of the slot.
    start: u64,
}

/// The timers of one shard that have not fired.
pub(crate) struct Wheel {
    /// The last moment up to which `expire` has fired all timers.
    elapsed: u64,
    /// One bit for each slot, by level.
    occupied: [u64; LEVELS],
    /// For each occupied slot, a moment at or before its first timer.
    bounds: Box<[u64; SLOTS]>,
    lists: Rings,
    timers: Slab<WheelTimer>,
    /// The timers of the slot that `expire` is at. Empty between the calls.
    due: Vec<Due>,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self {
            elapsed: 0,
            occupied: [0; LEVELS],
            bounds: Box::new([NEVER; SLOTS]),
            lists: Rings::new(LISTS),
            timers: Slab::new(),
            due: Vec::new(),
        }
    }

    /// Sets a timer. A timer whose deadline has passed already fires at the next call of `expire`.
    #[inline]
    pub(crate) fn insert(&mut self, deadline: Instant, waker: Waker) -> Key {
        let key = self.timers.insert(WheelTimer { when: When::Deadline(deadline), waker });
        self.lists.append(NEW_LIST, number(key));
        key
    }

    /// Returns the waker of a timer, or `None` if the timer has fired.
    #[inline]
    pub(crate) fn waker(&mut self, key: Key) -> Option<&mut Waker> {
        self.timers.get_mut(key).map(|timer| &mut timer.waker)
    }

    /// Takes a timer out and returns its waker, or `None` if the timer has fired.
    #[inline]
    pub(crate) fn remove(&mut self, key: Key) -> Option<Waker> {
        let timer = self.timers.remove(key)?;
        if let Some(list) = self.lists.remove(number(key)).filter(|&list| list < NEW_LIST) {
            self.occupied[list / SLOTS_PER_LEVEL] &= !(1 << (list % SLOTS_PER_LEVEL));
        }
        Some(timer.waker)
    }

    /// Advances to the moment `now` and adds the wakers of the timers that fire up to then to `fired`, in the
    /// order of their moments. Returns a moment at or before the one at which the next timer fires, or `None`
    /// if no timer is left that fires.
    pub(crate) fn expire(&mut self, clock: &Clock, now: u64, fired: &mut Vec<Waker>) -> Option<u64> {
        self.empty(NEW_LIST, clock, Self::list);
        let next = loop {
            let Some(slot) = self.first_slot() else { break None };
            let bound = self.bounds[slot.number];
            if bound > now && (slot.level == 0 || slot.start > now) {
                break Some(bound);
            }
            self.elapsed = self.elapsed.max(slot.start);
            self.occupied[slot.level] &= !(1 << (slot.number % SLOTS_PER_LEVEL));
            if slot.level == 0 {
                self.fire(slot.number, clock, now, fired)
            } else {
                self.empty(slot.number, clock, Self::list)
            }
        };
        self.elapsed = self.elapsed.max(now);
        next
    }

    /// Fires the timers of a slot of level 0 that are due, and puts the others back.
    fn fire(&mut self, slot: usize, clock: &Clock, now: u64, fired: &mut Vec<Waker>) {
        self.empty(slot, clock, |wheel, key, when| {
            if when <= now { wheel.due.push(Due { when, key }) } else { wheel.list(key, when) }
        });
        // A list is in the order in which its timers were set, which often is that of their moments.
        if !self.due.is_sorted_by_key(|due| due.when) {
            self.due.sort_by_key(|due| due.when);
        }
        for due in self.due.drain(..) {
            fired.extend(self.timers.remove(due.key).map(|timer| timer.waker));
        }
    }

    /// Empties a list and calls `then` with the key and the moment of each timer. The timer is in no list at
    /// that time.
    #[inline]
    fn empty(&mut self, list: usize, clock: &Clock, mut then: impl FnMut(&mut Self, Key, u64)) {
        let mut number = self.lists.take(list);
        while number != list {
            let next = self.lists.next(number);
            let (key, timer) = self.timers.at_mut(number - LISTS).expect("a timer in a list is in the table");
            let when = match timer.when {
                When::Deadline(deadline) => clock.moment_of(deadline),
                When::Moment(when) => when,
            };
            timer.when = When::Moment(when);
            then(self, key, when);
            number = next;
        }
    }

    /// Takes all timers out and returns their wakers.
    pub(crate) fn clear(&mut self) -> impl Iterator<Item = Waker> + use<> {
        std::mem::replace(self, Self::new()).timers.into_values().map(|timer| timer.waker)
    }

    /// Appends a timer to the list where it belongs.
    fn list(&mut self, key: Key, when: u64) {
        if when == NEVER {
            return self.lists.append(NEVER_LIST, number(key));
        }
        // A timer whose moment has passed belongs to the present slot.
        let place = when.max(self.elapsed);
        // Setting the lowest bits gives level 0, also if only these bits differ.
        let differing = (place ^ self.elapsed) | ((1 << (SLOT_BITS + LEVEL_BITS)) - 1);
        let level = ((u64::BITS - 1 - differing.leading_zeros() - SLOT_BITS) / LEVEL_BITS) as usize;
        let bit = 1 << ((place >> shift(level)) as usize % SLOTS_PER_LEVEL);
        let slot = level * SLOTS_PER_LEVEL + (place >> shift(level)) as usize % SLOTS_PER_LEVEL;
        let bound = if self.occupied[level] & bit == 0 { when } else { when.min(self.bounds[slot]) };
        self.bounds[slot] = bound;
        self.occupied[level] |= bit;
        self.lists.append(slot, number(key));
    }

    /// Returns the first slot that is not empty (rule 4).
    fn first_slot(&self) -> Option<FirstSlot> {
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        let slot = self.occupied[level].trailing_zeros();
        // The bits above the level are those of `elapsed`.
        let above = !(u64::MAX >> (u64::BITS - shift(level) - LEVEL_BITS));
        let start = (self.elapsed & above) | u64::from(slot) << shift(level);
        Some(FirstSlot { level, number: level * SLOTS_PER_LEVEL + slot as usize, start })
    }
}

/// Returns the number of bits that tell moments of one slot of this level apart.
#[inline]
fn shift(level: usize) -> u32 {
    SLOT_BITS + LEVEL_BITS * level as u32
}

/// Returns the number by which the lists know a timer.
#[inline]
fn number(key: Key) -> usize {
    LISTS + key.index as usize
}

#[cfg(all(test, not(loom)))]
mod tests;
