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
//! A timer lies on the lowest level on which its slot differs from the slot of `elapsed`: it is on level n
//! if the highest bit in which `when` and `elapsed` differ is among the bits 6n to 6n + 5. When `elapsed`
//! reaches a slot of a level above 0, the timers of that slot *cascade*: each moves to the lower level
//! where it belongs now.
//!
//! The wheel reaches 2 years ahead. A timer beyond that goes into the last slot of the top level that
//! `elapsed` will reach, and is placed again when `elapsed` reaches it. A timer at tick [`FAR`] or later
//! never fires: it stays in a list of its own.
//!
//! Most timers are timeouts, and most timeouts are cancelled before anybody asks which timers are due. So a
//! timer is *new* at first: it joins the list of new timers, and the wheel computes its tick and its slot
//! at the next call of `expire`. Only `expire` moves `elapsed`, so the timer gets the same slot that it
//! would have got at once.
//!
//! 1. The tick of every timer that is not new is later than `elapsed`. It may be equal to `elapsed` only
//!    while `expire` is at work.
//! 2. A bit of `occupied` is set exactly if that slot's list is not empty. The two lists that are no slots
//!    (the new timers and the far ones) have no bit.
//! 3. Lists are doubly linked (`rings.rs`), so a timer leaves its list without a search. A timer joins at
//!    the end of a list, so the timers of one tick fire in the order in which they were set. The number of
//!    a slot's list is the number of the slot, counted through all levels. The number of a timer is its
//!    index in the table plus the number of lists.
//!
//! The wheel follows Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (1987). Finding the level
//! by the highest differing bit is tokio's idea (`runtime/time/wheel`).

use super::rings::Rings;
use crate::{
    driver::slab::{Key, Slab},
    time::clock::Clock,
};
use std::{task::Waker, time::Instant};

const LEVEL_BITS: u32 = 6;
const SLOTS_PER_LEVEL: usize = 1 << LEVEL_BITS;
const LEVELS: usize = 6;
/// The number of the list of new timers.
const NEW_LIST: usize = LEVELS * SLOTS_PER_LEVEL;
/// The number of the list of timers that never fire.
const FAR_LIST: usize = NEW_LIST + 1;
const LISTS: usize = FAR_LIST + 1;
/// The first tick at which a timer never fires: 35,000 years ahead. No test runs long enough for its paused
/// clock to reach this tick.
pub(super) const FAR: u64 = 1 << 50;
const REACH_TICKS: u64 = 1 << (LEVEL_BITS * LEVELS as u32);

/// When a timer fires.
#[derive(Clone, Copy)]
enum When {
    /// The deadline of a new timer, whose tick is not computed yet.
    Deadline(Instant),
    /// The tick of every other timer.
    Tick(u64),
}

struct WheelTimer {
    when: When,
    waker: Waker,
}

/// The timers of one shard that have not fired.
pub(crate) struct Wheel {
    /// The last tick up to which `expire` has fired all timers.
    elapsed: u64,
    /// One bit for each slot, by level.
    occupied: [u64; LEVELS],
    lists: Rings,
    timers: Slab<WheelTimer>,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self { elapsed: 0, occupied: [0; LEVELS], lists: Rings::new(LISTS), timers: Slab::new() }
    }

    /// Sets a timer. A timer whose tick has passed already fires when `expire` next reaches a later tick.
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

    /// Advances to the tick `now` and adds the wakers of the timers that fire up to then to `fired`,
    /// earlier ticks first. Returns a tick at or before the one at which the next timer fires, or `None` if
    /// no timer is left that fires.
    pub(crate) fn expire(&mut self, clock: &Clock, now: u64, fired: &mut Vec<Waker>) -> Option<u64> {
        self.empty(NEW_LIST, clock, Self::list);
        let next = loop {
            let Some((level, slot, start)) = self.next_slot() else { break None };
            if start > now {
                break Some(start);
            }
            self.elapsed = self.elapsed.max(start);
            self.occupied[level] &= !(1 << slot);
            self.empty(level * SLOTS_PER_LEVEL + slot, clock, |wheel, key, when| {
                if when <= wheel.elapsed {
                    fired.extend(wheel.timers.remove(key).map(|timer| timer.waker));
                } else {
                    wheel.list(key, when);
                }
            });
        };
        self.elapsed = self.elapsed.max(now);
        next
    }

    /// Empties a list and calls `then` with the key and the tick of each timer. The timer is in no list at
    /// that moment.
    #[inline]
    fn empty(&mut self, list: usize, clock: &Clock, mut then: impl FnMut(&mut Self, Key, u64)) {
        let mut number = self.lists.take(list);
        while number != list {
            let next = self.lists.next(number);
            let (key, timer) = self.timers.at_mut(number - LISTS).expect("a timer in a list is in the table");
            let when = match timer.when {
                When::Deadline(deadline) => clock.tick_of(deadline),
                When::Tick(when) => when,
            };
            timer.when = When::Tick(when);
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
        if when >= FAR {
            return self.lists.append(FAR_LIST, number(key));
        }
        // A timer that is due already counts as due at the next tick (rule 1). A timer beyond the wheel's
        // reach counts as due at the end of that reach.
        let when = when.max(self.elapsed + 1).min(self.elapsed.saturating_add(REACH_TICKS - 1));
        // Setting the lowest bits gives level 0, also if only these bits differ.
        let differing = (when ^ self.elapsed) | (SLOTS_PER_LEVEL as u64 - 1);
        // If a bit above the top level differs, the timer lies in the next revolution of the top level. Its
        // slot there is at or before the slot of `elapsed`, so `elapsed` reaches it only after the wrap.
        let level = (((u64::BITS - 1 - differing.leading_zeros()) / LEVEL_BITS) as usize).min(LEVELS - 1);
        let slot = (when >> (LEVEL_BITS * level as u32)) as usize % SLOTS_PER_LEVEL;
        self.occupied[level] |= 1 << slot;
        self.lists.append(level * SLOTS_PER_LEVEL + slot, number(key));
    }

    /// Returns the first slot that is not empty: its level, its number on that level and its first tick.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        let first = |(level, &occupied): (usize, &u64)| {
            if occupied == 0 {
                return None;
            }
            let shift = LEVEL_BITS * level as u32;
            let here = (self.elapsed >> shift) as u32 % SLOTS_PER_LEVEL as u32;
            // The rotation puts the slots into the order in which `elapsed` reaches them. The slot after
            // that of `elapsed` comes first. The slot of `elapsed` itself comes last: its timers are a
            // whole revolution away.
            let ahead = occupied.rotate_right((here + 1) % SLOTS_PER_LEVEL as u32).trailing_zeros() + 1;
            let start = ((self.elapsed >> shift) + u64::from(ahead)) << shift;
            Some((level, (here + ahead) as usize % SLOTS_PER_LEVEL, start))
        };
        // Slots of a lower level begin before those of a higher level, because a higher slot begins where
        // the revolution of the lower levels ends. Should two begin at the same tick, the higher one
        // cascades first.
        self.occupied
            .iter()
            .enumerate()
            .filter_map(first)
            .min_by_key(|&(level, _, start)| (start, LEVELS - level))
    }
}

/// Returns the number by which the lists know a timer.
#[inline]
fn number(key: Key) -> usize {
    LISTS + key.index as usize
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

    /// A waker that stores its name when it is woken.
    struct Named(u64, Arc<AtomicU64>);

    impl Wake for Named {
        fn wake(self: Arc<Self>) {
            self.1.store(self.0, Ordering::Relaxed);
        }
    }

    /// A wheel that takes its deadlines as ticks.
    struct Ticking(Wheel, Clock);

    impl Ticking {
        fn new() -> Self {
            Self(Wheel::new(), Clock::os())
        }

        fn insert(&mut self, when: u64, waker: Waker) -> Key {
            self.0.insert(self.1.beginning(when).expect("a tick that can be named"), waker)
        }

        fn expire(&mut self, now: u64, fired: &mut Vec<Waker>) -> Option<u64> {
            self.0.expire(&self.1, now, fired)
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
        let (mut wheel, names) = (Ticking::new(), Names(Arc::default()));
        (0..5).for_each(|name| _ = wheel.insert(1000, names.waker(name)));
        let mut fired = Vec::new();
        wheel.expire(999, &mut fired);
        assert!(fired.is_empty());
        assert_eq!(wheel.expire(1000, &mut fired), None);
        assert_eq!(names.of(fired), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_timer_fires_in_its_tick_and_no_earlier_for_any_distance() {
        let names = Names(Arc::default());
        for start in [0, 1, 63, 64, 4095, 1 << 20, (1 << 36) - 1, 1 << 40] {
            for distance in [1, 2, 63, 64, 65, 4095, 4096, 4097, 1 << 30, (1 << 36) - 1, 1 << 36, 1 << 41] {
                let mut wheel = Ticking::new();
                let mut fired = Vec::new();
                wheel.expire(start, &mut fired);
                wheel.insert(start + distance, names.waker(7));
                let mut now = start;
                while let Some(next) = wheel.expire(now, &mut fired).filter(|&next| next < start + distance) {
                    assert!(fired.is_empty(), "{distance} after {start} fired at {now}");
                    now = next;
                }
                assert!(fired.is_empty(), "{distance} after {start} fired at {now}");
                assert_eq!(wheel.expire(now, &mut fired), Some(start + distance));
                wheel.expire(start + distance, &mut fired);
                assert_eq!(names.of(fired), [7]);
            }
        }
    }

    #[test]
    fn a_random_history_fires_what_a_sorted_list_fires() {
        for seed in 0..200 {
            let (mut wheel, names, mut number) = (Ticking::new(), Names(Arc::default()), numbers(seed));
            let mut model: Vec<(u64, u64, Key)> = Vec::new();
            let mut now = 0;
            for name in 0..300 {
                match number(4) {
                    0 if !model.is_empty() => {
                        let (.., key) = model.swap_remove(number(model.len() as u64) as usize);
                        assert!(wheel.0.remove(key).is_some());
                        assert!(wheel.0.remove(key).is_none());
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
            model.retain(|&(.., key)| seed % 2 == 0 || wheel.0.remove(key).is_none());
            let mut due = Vec::new();
            assert_eq!(wheel.expire(now, &mut due).is_none() && due.is_empty(), model.is_empty());
            assert_eq!(wheel.0.clear().count(), model.len());
        }
    }
}
