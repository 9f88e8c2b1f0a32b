//! Lab 4: timers. The chapter is `course/book/src/labs/04-timers.md`.

use brigade_course_kit::{
    lab04::{Moment, Timers},
    sync::Mutex,
    to_write,
};
use std::{collections::BTreeMap, task::Waker};

/// Your timers. The grader calls its functions.
pub struct Student(Mutex<Inner>);

/// First a sorted map: the deadline comes first in its key, and a number makes two equal deadlines differ.
/// When all tests but `cost` pass, write a wheel in its place.
struct Inner {
    timers: BTreeMap<(Moment, u64), Waker>,
    next_number: u64,
}

impl Timers for Student {
    type Key = (Moment, u64);

    fn new() -> Self {
        Self(Mutex::new(Inner { timers: BTreeMap::new(), next_number: 0 }))
    }

    fn set(&self, _deadline: Moment, _waker: Waker) -> Self::Key {
        let inner = self.0.lock().unwrap();
        let _ = (&inner.timers, inner.next_number);
        to_write("step 1: enter the timer")
    }

    fn cancel(&self, _key: Self::Key) -> bool {
        to_write("step 3: take the timer out, if it is still there")
    }

    fn next(&self) -> Option<Moment> {
        to_write("step 1: name the first deadline")
    }

    fn fire(&self, _now: Moment) {
        to_write("step 2: take out the timers that are due, free the lock, then wake")
    }
}
