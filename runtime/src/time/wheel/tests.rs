//! The wheel against a list that is sorted, and what its looks cost.

use super::*;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Wake,
};

/// A waker that stores its name when it is woken.
struct NamedWaker(u64, Arc<AtomicU64>);

impl Wake for NamedWaker {
    fn wake(self: Arc<Self>) {
        self.1.store(self.0, Ordering::Relaxed);
    }
}

/// A wheel that takes its deadlines as moments.
struct MomentWheel(Wheel, Clock);

impl MomentWheel {
    fn new() -> Self {
        Self(Wheel::new(), Clock::os())
    }

    fn insert(&mut self, when: u64, waker: Waker) -> Key {
        self.0.insert(self.1.time_of(when), waker)
    }

    fn remove(&mut self, key: Key) -> Option<Waker> {
        self.0.remove(key)
    }

    fn expire(&mut self, now: u64, fired: &mut Vec<Waker>) -> Option<u64> {
        self.0.expire(&self.1, now, fired)
    }
}

struct Names(Arc<AtomicU64>);

impl Names {
    fn waker(&self, name: u64) -> Waker {
        Waker::from(Arc::new(NamedWaker(name, self.0.clone())))
    }

    fn of(&self, fired: Vec<Waker>) -> Vec<u64> {
        let name = |waker: Waker| {
            waker.wake();
            self.0.load(Ordering::Relaxed)
        };
        fired.into_iter().map(name).collect()
    }
}

/// Random numbers, always the same for a seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The lowest bits of such a generator are the least random ones.
        self.0.rotate_left(32) % limit
    }

    /// A number of at most this many bits, of any magnitude.
    fn of_bits(&mut self, bits: u64) -> u64 {
        let magnitude = 1 + self.below(bits);
        self.below(1 << magnitude)
    }
}

#[test]
fn timers_of_one_moment_fire_in_the_order_in_which_they_were_set() {
    let (mut wheel, names) = (MomentWheel::new(), Names(Arc::default()));
    (0..5).for_each(|name| _ = wheel.insert(1_000_000, names.waker(name)));
    let mut fired = Vec::new();
    assert_eq!(wheel.expire(999_999, &mut fired), Some(1_000_000));
    assert!(fired.is_empty());
    assert_eq!(wheel.expire(1_000_000, &mut fired), None);
    assert_eq!(names.of(fired), [0, 1, 2, 3, 4]);
}

#[test]
fn timers_of_one_slot_fire_in_the_order_of_their_moments() {
    let (mut wheel, names) = (MomentWheel::new(), Names(Arc::default()));
    for name in [4, 1, 3, 0, 2] {
        wheel.insert(70_000 + name, names.waker(name));
    }
    let mut fired = Vec::new();
    assert_eq!(wheel.expire(70_002, &mut fired), Some(70_003));
    assert_eq!(names.of(fired), [0, 1, 2]);
    let mut fired = Vec::new();
    assert_eq!(wheel.expire(80_000, &mut fired), None);
    assert_eq!(names.of(fired), [3, 4]);
}

/// All powers of two, and the numbers beside them.
fn extremes() -> impl Iterator<Item = u64> {
    (0..u64::BITS).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1])
}

#[test]
fn a_lone_timer_fires_at_its_moment_and_the_driver_looks_once() {
    for start in extremes() {
        for distance in
            extremes().filter(|distance| start.checked_add(*distance).is_some_and(|sum| sum < NEVER))
        {
            let (mut wheel, mut fired) = (MomentWheel::new(), Vec::new());
            wheel.expire(start, &mut fired);
            wheel.insert(start + distance, Waker::noop().clone());
            let next = wheel.expire(start, &mut fired);
            if distance > 0 {
                assert_eq!(next, Some(start + distance), "{distance} after {start}");
                assert!(fired.is_empty());
                // A look in between, as one for another timer, changes nothing.
                assert_eq!(wheel.expire(start + distance / 2, &mut fired), next);
                assert_eq!(wheel.expire(start + distance - 1, &mut fired), Some(start + distance));
                assert!(fired.is_empty());
            }
            assert_eq!(wheel.expire(start + distance, &mut fired), None);
            assert_eq!(fired.len(), 1, "{distance} after {start}");
        }
    }
}

#[test]
fn a_timer_that_is_set_for_the_past_fires_at_the_next_look_and_one_for_no_time_never() {
    let (mut wheel, mut fired) = (MomentWheel::new(), Vec::new());
    wheel.expire(1 << 40, &mut fired);
    let never = wheel.insert(NEVER, Waker::noop().clone());
    wheel.insert(0, Waker::noop().clone());
    wheel.insert((1 << 40) - 1, Waker::noop().clone());
    assert_eq!(wheel.expire(1 << 40, &mut fired), None);
    assert_eq!(fired.len(), 2);
    assert_eq!(wheel.expire(NEVER - 1, &mut fired), None);
    assert_eq!(wheel.expire(NEVER, &mut fired), None);
    assert_eq!(fired.len(), 2);
    assert!(wheel.remove(never).is_some());
}

/// A timer of the model.
struct Modelled {
    when: u64,
    name: u64,
    key: Key,
}

/// A wheel, and beside it a list of the timers that it should hold.
struct Pair {
    wheel: MomentWheel,
    model: Vec<Modelled>,
    names: Names,
    removed: usize,
    looks_in_vain: usize,
}

impl Pair {
    fn insert(&mut self, when: u64, name: u64) {
        let key = self.wheel.insert(when, self.names.waker(name));
        self.model.push(Modelled { when, name, key });
    }

    fn remove(&mut self, index: usize) {
        let timer = self.model.swap_remove(index);
        assert!(self.wheel.remove(timer.key).is_some());
        assert!(self.wheel.remove(timer.key).is_none());
        self.removed += 1;
    }

    fn first(&self) -> Option<u64> {
        self.model.iter().map(|timer| timer.when).filter(|&when| when != NEVER).min()
    }

    /// Lets both fire, and compares. Returns what the wheel says of the next timer.
    fn expire(&mut self, now: u64) -> Option<u64> {
        let mut fired = Vec::new();
        let next = self.wheel.expire(now, &mut fired);
        let mut due: Vec<_> = self.model.extract_if(.., |timer| timer.when <= now).collect();
        due.sort_by_key(|timer| (timer.when, timer.name));
        assert_eq!(self.names.of(fired), due.iter().map(|timer| timer.name).collect::<Vec<_>>(), "at {now}");
        assert_eq!(next.is_some(), self.first().is_some(), "at {now}");
        assert!(next <= self.first(), "the driver would be late: {next:?} at {now}");
        next
    }

    /// Looks at the time that the wheel has named until a timer fires, as the driver does.
    fn look_until_one_fires(&mut self, mut now: u64) -> u64 {
        while let Some(next) = self.expire(now) {
            let before = self.model.len();
            now = next.max(now);
            self.expire(now);
            if self.model.len() < before {
                break;
            }
            self.looks_in_vain += 1;
        }
        now
    }
}

#[test]
fn a_random_history_fires_what_a_sorted_list_fires() {
    for seed in 0..400 {
        let mut numbers = Numbers(seed);
        let mut pair = Pair {
            wheel: MomentWheel::new(),
            model: Vec::new(),
            names: Names(Arc::default()),
            removed: 0,
            looks_in_vain: 0,
        };
        // Some histories are of microseconds, others of centuries.
        let bits = 10 + seed % 50;
        let mut now = 0;
        for name in 0..300 {
            match numbers.below(8) {
                0 | 1 if !pair.model.is_empty() => {
                    let index = numbers.below(pair.model.len() as u64) as usize;
                    pair.remove(index);
                }
                2 => {
                    now += numbers.of_bits(bits);
                    pair.expire(now);
                }
                3 => now = pair.look_until_one_fires(now),
                // Another thread has read the clock a little earlier.
                4 => _ = pair.expire(now.saturating_sub(numbers.below(1000))),
                5 => pair.insert(
                    [0, now.saturating_sub(numbers.below(100)), now, now + 1, NEVER]
                        [numbers.below(5) as usize],
                    name,
                ),
                _ => pair.insert(now + numbers.of_bits(bits), name),
            }
        }
        assert!(pair.looks_in_vain <= pair.removed, "only a removed timer lets the driver look in vain");
        while pair.first().is_some() {
            now = pair.look_until_one_fires(now);
        }
        assert_eq!(pair.wheel.0.clear().count(), pair.model.len(), "those that never fire are left");
    }
}
