//! The hierarchical timing wheel: timers by deadline, with insertion, removal and expiry in constant time.
//!
//! Six levels of 64 slots. A slot of level 0 is one tick wide, a slot of level n is 64ⁿ ticks wide:
//!
//! ```text
//!   level 0   ▏▏▏▏▏▏▏▏…▏     64 slots of  1 ms
//!   level 1   ▏ ▏ ▏ ▏ …▏     64 slots of 64 ms
//!   …
//!   level 5                  64 slots of 12 days: 2 years in all
//! ```
//!
//! A timer lies on the lowest level on which its slot differs from the slot of `elapsed`: it is on level n if the
//! highest bit in which `when` and `elapsed` differ is among the bits 6n to 6n + 5. When `elapsed` reaches a slot of a
//! level above 0, its timers *cascade*: each is put where it belongs now, on a lower level. What lies further ahead than
//! the wheel reaches goes into the slot of the top level that comes last, and is put anew when that is reached.
//!
//! 1. Every timer's `when` is later than `elapsed`, or equal to it only while `expire` is at work.
//! 2. A bit of `occupied` is set exactly if that slot's list is not empty.
//! 3. Lists are doubly linked by key, so that a timer leaves its list without a search, and the first knows the last, so
//!    that timers of one tick fire in the order in which they were set.
//!
//! After Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (1987); the levels by highest differing bit are
//! tokio's (`runtime/time/wheel`).

use crate::slab::{Key, Slab};
use std::task::Waker;

const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = 6;
const REACH: u64 = 1 << (BITS * LEVELS as u32);

struct Timer {
    /// The tick at which it fires.
    when: u64,
    waker: Waker,
    level: u8,
    slot: u8,
    /// The one before; of the first, the last.
    previous: Key,
    next: Option<Key>,
}

struct Level {
    occupied: u64,
    slots: [Option<Key>; SLOTS],
}

/// Timers that have not fired.
pub(crate) struct Wheel {
    elapsed: u64,
    levels: Box<[Level]>,
    timers: Slab<Timer>,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        let level = || Level { occupied: 0, slots: [None; SLOTS] };
        Self { elapsed: 0, levels: (0..LEVELS).map(|_| level()).collect(), timers: Slab::new() }
    }

    /// Sets a timer. One whose tick has passed already fires at the next call of `expire`.
    pub(crate) fn insert(&mut self, when: u64, waker: Waker) -> Key {
        let unlinked = Key::from_bits(0);
        let key =
            self.timers.insert(Timer { when, waker, level: 0, slot: 0, previous: unlinked, next: None });
        self.link(key, when);
        key
    }

    /// The waker of a timer that has not fired.
    pub(crate) fn waker(&mut self, key: Key) -> Option<&mut Waker> {
        self.timers.get_mut(key).map(|timer| &mut timer.waker)
    }

    /// Takes a timer out. None if it has fired.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Waker> {
        let timer = self.timers.remove(key)?;
        let (level, slot) = (usize::from(timer.level), usize::from(timer.slot));
        let head = self.levels[level].slots[slot].expect("the list of a timer in it is not empty");
        if head == key {
            self.levels[level].slots[slot] = timer.next;
            match timer.next {
                Some(next) => self.timer(next).previous = timer.previous,
                None => self.levels[level].occupied &= !(1 << slot),
            }
        } else {
            self.timer(timer.previous).next = timer.next;
            self.timer(timer.next.unwrap_or(head)).previous = timer.previous;
        }
        Some(timer.waker)
    }

    /// A tick at or before the first at which a timer fires.
    pub(crate) fn next(&self) -> Option<u64> {
        self.next_slot().map(|(_, _, start)| start)
    }

    /// Advances to `now` and gives the wakers of the timers that fire until then, earlier ticks first.
    pub(crate) fn expire(&mut self, now: u64, fired: &mut Vec<Waker>) {
        while let Some((level, slot, start)) = self.next_slot() {
            if start > now {
                break;
            }
            self.elapsed = self.elapsed.max(start);
            self.levels[level].occupied &= !(1 << slot);
            let mut list = self.levels[level].slots[slot].take();
            while let Some(key) = list {
                let timer = self.timer(key);
                list = timer.next;
                let when = timer.when;
                if when <= self.elapsed {
                    let timer = self.timers.remove(key).expect("a timer in a list is in the table");
                    fired.push(timer.waker);
                } else {
                    self.link(key, when);
                }
            }
        }
        self.elapsed = self.elapsed.max(now);
    }

    /// Takes all timers out.
    pub(crate) fn clear(&mut self) -> impl Iterator<Item = Waker> + use<> {
        std::mem::replace(self, Self::new()).timers.into_values().map(|timer| timer.waker)
    }

    fn timer(&mut self, key: Key) -> &mut Timer {
        self.timers.get_mut(key).expect("a timer in a list is in the table")
    }

    /// Puts a timer at the end of the list where it belongs.
    fn link(&mut self, key: Key, when: u64) {
        // One that is due already counts as due at the next tick (rule 1), and one out of reach as due at the end of it.
        let when = when.max(self.elapsed + 1).min(self.elapsed.saturating_add(REACH - 1));
        // The lowest level is 0, also if only the lowest bits differ.
        let differing = (when ^ self.elapsed) | (SLOTS as u64 - 1);
        // Beyond the top level's turn the slot is one that comes before `elapsed`'s own, and so one turn later.
        let level = (((u64::BITS - 1 - differing.leading_zeros()) / BITS) as usize).min(LEVELS - 1);
        let slot = (when >> (BITS * level as u32)) as usize % SLOTS;
        let head = *self.levels[level].slots[slot].get_or_insert(key);
        self.levels[level].occupied |= 1 << slot;
        // A list of one is its own last.
        let last = if head == key { key } else { std::mem::replace(&mut self.timer(head).previous, key) };
        let timer = self.timer(key);
        (timer.level, timer.slot) = (level as u8, slot as u8);
        (timer.previous, timer.next) = (last, None);
        if head != key {
            self.timer(last).next = Some(key);
        }
    }

    /// The first slot that is not empty, with its level and its first tick.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        let first = |(level, slots): (usize, &Level)| {
            if slots.occupied == 0 {
                return None;
            }
            let shift = BITS * level as u32;
            let here = (self.elapsed >> shift) as u32 % SLOTS as u32;
            // The slots in the order in which they come, beginning with the one after `elapsed`'s own: what is in that
            // one itself is a whole turn away.
            let ahead = slots.occupied.rotate_right((here + 1) % SLOTS as u32).trailing_zeros() + 1;
            let start = ((self.elapsed >> shift) + u64::from(ahead)) << shift;
            Some((level, (here + ahead) as usize % SLOTS, start))
        };
        // A lower level comes before a higher one: a higher slot begins where the lower levels' turn ends.
        self.levels
            .iter()
            .enumerate()
            .filter_map(first)
            .min_by_key(|&(level, _, start)| (start, LEVELS - level))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        task::Wake,
    };

    /// A waker that says which it is.
    struct Named(u64, Arc<AtomicU64>);

    impl Wake for Named {
        fn wake(self: Arc<Self>) {
            self.1.store(self.0, Ordering::Relaxed);
        }
    }

    struct Names(Arc<AtomicU64>);

    impl Names {
        fn waker(&self, name: u64) -> Waker {
            Waker::from(Arc::new(Named(name, self.0.clone())))
        }

        fn of(&self, fired: Vec<Waker>) -> Vec<u64> {
            let name = |waker: Waker| {
                waker.wake();
                self.0.load(Ordering::Relaxed)
            };
            fired.into_iter().map(name).collect()
        }
    }

    fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
        let mut state = seed;
        move |below| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        }
    }

    #[test]
    fn timers_of_one_tick_fire_in_the_order_in_which_they_were_set() {
        let (mut wheel, names) = (Wheel::new(), Names(Arc::default()));
        (0..5).for_each(|name| _ = wheel.insert(1000, names.waker(name)));
        let mut fired = Vec::new();
        wheel.expire(999, &mut fired);
        assert!(fired.is_empty());
        wheel.expire(1000, &mut fired);
        assert_eq!(names.of(fired), [0, 1, 2, 3, 4]);
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn a_timer_fires_in_its_tick_and_no_earlier_for_any_distance() {
        let names = Names(Arc::default());
        for start in [0, 1, 63, 64, 4095, 1 << 20, (1 << 36) - 1, 1 << 40] {
            for distance in [1, 2, 63, 64, 65, 4095, 4096, 4097, 1 << 30, (1 << 36) - 1, 1 << 36, 1 << 41] {
                let mut wheel = Wheel::new();
                let mut fired = Vec::new();
                wheel.expire(start, &mut fired);
                wheel.insert(start + distance, names.waker(7));
                while let Some(next) = wheel.next().filter(|&next| next < start + distance) {
                    wheel.expire(next, &mut fired);
                    assert!(fired.is_empty(), "{distance} after {start} fired at {next}");
                }
                assert_eq!(wheel.next(), Some(start + distance));
                wheel.expire(start + distance, &mut fired);
                assert_eq!(names.of(fired), [7]);
            }
        }
    }

    #[test]
    fn a_random_history_fires_what_a_sorted_list_fires() {
        for seed in 0..200 {
            let (mut wheel, names, mut number) = (Wheel::new(), Names(Arc::default()), numbers(seed));
            let mut model: Vec<(u64, u64, Key)> = Vec::new();
            let mut now = 0;
            for name in 0..300 {
                match number(4) {
                    0 if !model.is_empty() => {
                        let (.., key) = model.swap_remove(number(model.len() as u64) as usize);
                        assert!(wheel.remove(key).is_some());
                        assert!(wheel.remove(key).is_none());
                    }
                    1 => {
                        now += number(200);
                        let mut fired = Vec::new();
                        wheel.expire(now, &mut fired);
                        let mut due: Vec<_> = model.iter().filter(|timer| timer.0 <= now).collect();
                        due.sort_by_key(|timer| (timer.0, timer.1));
                        let due: Vec<_> = due.into_iter().map(|timer| timer.1).collect();
                        assert_eq!(names.of(fired), due, "seed {seed} at {now}");
                        model.retain(|timer| timer.0 > now);
                    }
                    _ => {
                        let when = now + 1 + number(10_000) * number(2) + number(100);
                        model.push((when, name, wheel.insert(when, names.waker(name))));
                    }
                }
            }
            assert_eq!(wheel.clear().count(), model.len());
        }
    }
}
