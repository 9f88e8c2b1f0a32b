//! Lab 4: timers in a wheel.

use brigade_course_kit::{
    lab04::{Moment, Timers},
    sync::{Mutex, MutexGuard},
};
use std::{mem, task::Waker};

/// The student's timers.
pub struct Student(Mutex<Wheel>);

/// A wheel for each digit of a moment. A timer lies in the wheel of the highest digit in which its deadline
/// differs from the time, in the slot of that digit. So all that lies in a lower wheel comes earlier.
struct Wheel {
    now: Moment,
    levels: [Level; Moment::DIGITS],
    /// The timers, and free places between them.
    timers: Vec<Timer>,
    free: Vec<usize>,
}

struct Level {
    /// A bit for each slot that holds a timer.
    occupied: u64,
    /// The indices of timers.
    slots: [Vec<usize>; Moment::BASE],
}

struct Timer {
    /// Counts the timers that have had this place, so that an old key fits no new one.
    generation: u64,
    deadline: Moment,
    /// `None` if the place is free.
    waker: Option<Waker>,
    /// Where the index of this timer stands.
    level: usize,
    slot: usize,
    position: usize,
}

/// The place of a timer, and its generation.
#[derive(Clone, Copy)]
pub struct Key {
    index: usize,
    generation: u64,
}

impl Wheel {
    /// Puts the index of a timer into the slot of its deadline.
    fn insert(&mut self, index: usize) {
        // A deadline that has passed is due now.
        let deadline = self.timers[index].deadline.max(self.now);
        let differs = |level: &usize| deadline.digit(*level) != self.now.digit(*level);
        let level = (0..Moment::DIGITS).rev().find(differs).unwrap_or(0);
        let slot = deadline.digit(level);
        let indices = &mut self.levels[level].slots[slot];
        let timer = &mut self.timers[index];
        (timer.level, timer.slot, timer.position) = (level, slot, indices.len());
        indices.push(index);
        self.levels[level].occupied |= 1 << slot;
    }

    /// Takes the index of a timer out of its slot.
    fn remove(&mut self, index: usize) {
        let Timer { level, slot, position, .. } = self.timers[index];
        let indices = &mut self.levels[level].slots[slot];
        indices.swap_remove(position);
        // The last index has moved into the gap.
        if let Some(&moved) = indices.get(position) {
            self.timers[moved].position = position;
        }
        if self.levels[level].slots[slot].is_empty() {
            self.levels[level].occupied &= !(1 << slot);
        }
    }

    /// Frees the place of a timer, and returns its waker.
    fn release(&mut self, index: usize) -> Option<Waker> {
        self.free.push(index);
        self.timers[index].generation += 1;
        self.timers[index].waker.take()
    }

    /// The first slot that holds a timer, and the moment at which it begins.
    fn first(&self) -> Option<(usize, usize, Moment)> {
        let level = self.levels.iter().position(|level| level.occupied != 0)?;
        let slot = self.levels[level].occupied.trailing_zeros() as usize;
        Some((level, slot, self.now.with_digit(level, slot)))
    }

    /// Moves the time on, slot by slot, and returns the wakers of the timers that are due.
    fn advance(&mut self, now: Moment) -> Vec<Waker> {
        let mut due = Vec::new();
        while let Some((level, slot, begin)) = self.first() {
            if begin > now {
                break;
            }
            self.now = begin;
            self.levels[level].occupied &= !(1 << slot);
            for index in mem::take(&mut self.levels[level].slots[slot]) {
                if level == 0 || self.timers[index].deadline <= begin {
                    due.extend(self.release(index));
                } else {
                    // It differs in a lower digit only, so it comes into a lower wheel.
                    self.insert(index);
                }
            }
        }
        self.now = now;
        due
    }
}

impl Student {
    fn lock(&self) -> MutexGuard<'_, Wheel> {
        self.0.lock().expect("no thread panics with the lock")
    }
}

impl Timers for Student {
    type Key = Key;

    fn new() -> Self {
        let level = || Level { occupied: 0, slots: std::array::from_fn(|_| Vec::new()) };
        Self(Mutex::new(Wheel {
            now: Moment::new(0),
            levels: std::array::from_fn(|_| level()),
            timers: Vec::new(),
            free: Vec::new(),
        }))
    }

    fn set(&self, deadline: Moment, waker: Waker) -> Key {
        let mut wheel = self.lock();
        let index = wheel.free.pop().unwrap_or(wheel.timers.len());
        if index == wheel.timers.len() {
            wheel.timers.push(Timer { generation: 0, deadline, waker: None, level: 0, slot: 0, position: 0 });
        }
        wheel.timers[index].deadline = deadline;
        wheel.timers[index].waker = Some(waker);
        wheel.insert(index);
        Key { index, generation: wheel.timers[index].generation }
    }

    fn cancel(&self, key: Key) -> bool {
        let mut wheel = self.lock();
        if wheel.timers[key.index].generation != key.generation {
            return false;
        }
        wheel.remove(key.index);
        let waker = wheel.release(key.index);
        drop(wheel);
        // The drop of a waker is code that we do not know, as its call is.
        drop(waker);
        true
    }

    fn next(&self) -> Option<Moment> {
        self.lock().first().map(|(_, _, begin)| begin)
    }

    fn fire(&self, now: Moment) {
        let due = self.lock().advance(now);
        due.into_iter().for_each(Waker::wake);
    }
}
