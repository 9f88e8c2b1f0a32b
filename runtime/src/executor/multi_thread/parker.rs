//! The parker of one worker: it sleeps on its thread or in the driver, and is woken from either.
//!
//! ```text
//!   state   bit 0  SEARCH    woken to search                      set by others, taken by the worker
//!           bit 1  WATCH     woken to watch                       set by others, taken by the worker
//!           bit 2  THREAD    sleeps on its thread                 set and cleared by the worker
//!           bit 3  DRIVER    sleeps in the driver                 set and cleared by the worker
//! ```
//!
//! # Why no wake-up is lost
//!
//! The worker sets the bit that says where it sleeps, then checks whether it was woken. A waking thread
//! sets the bit of its reason, then checks where the worker sleeps. All these are read-modify-write
//! operations on one word, so one of the two comes second and sees the other. An unpark or a wake-up of the
//! reactor that comes before the sleep ends that sleep at once.

use crate::shim::{
    self, AtomicU8, Ordering,
    thread::{self, Thread},
};
use brigade_trace::clock;
use std::{sync::OnceLock, time::Duration};

const SEARCH: u8 = 1 << 0;
const WATCH: u8 = 1 << 1;
const THREAD: u8 = 1 << 2;
const DRIVER: u8 = 1 << 3;
const WAKE_REASONS: u8 = SEARCH | WATCH;

/// A reason to wake a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WakeReason {
    /// The worker has to look for tasks, or to see that the runtime ends.
    Search = SEARCH as isize,
    /// The worker has to watch.
    Watch = WATCH as isize,
}

/// The set of reasons for which a worker was woken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WakeReasons(u8);

impl WakeReasons {
    pub(crate) fn contains(self, reason: WakeReason) -> bool {
        self.0 & reason as u8 != 0
    }
}

/// The place where one worker sleeps.
#[derive(Default)]
pub(crate) struct Parker {
    state: AtomicU8,
    thread: OnceLock<Thread>,
}

impl Parker {
    /// Makes the calling thread the one that sleeps here.
    pub(crate) fn own(&self) {
        self.thread.get_or_init(thread::current);
    }

    /// Tells whether the worker sleeps in the driver. Waking it then leaves nobody in the driver.
    pub(crate) fn is_driving(&self) -> bool {
        // Relaxed: a hint.
        self.state.load(Ordering::Relaxed) & DRIVER != 0
    }

    /// Wakes the worker. If it sleeps in the driver, this calls `wake_driver`.
    pub(crate) fn wake(&self, reason: WakeReason, wake_driver: impl FnOnce()) {
        // Release pairs with the Acquire in `take_reasons`: the woken worker sees what was done before.
        // Acquire pairs with the Release in `park`: the thread is known.
        let old = self.state.fetch_or(reason as u8, Ordering::AcqRel);
        // An earlier reason that is still set has woken the worker already.
        if old & WAKE_REASONS != 0 {
            return;
        }
        if old & DRIVER != 0 {
            wake_driver();
        } else if old & THREAD != 0 {
            self.thread.get().expect("a worker that sleeps owns its place").unpark();
        }
    }

    /// Sleeps on the thread until the worker is woken, or for `at_most`.
    pub(crate) fn park(&self, at_most: Option<Duration>) -> WakeReasons {
        let end = at_most.map(|at_most| clock::now() + at_most);
        // Release publishes the thread. `take_reasons` acquires what the waking threads published.
        let mut old = self.state.fetch_or(THREAD, Ordering::Release);
        while old & WAKE_REASONS == 0 {
            match end.map(|end| end.saturating_duration_since(clock::now())) {
                Some(Duration::ZERO) => break,
                left => shim::park_for_upkeep(left),
            }
            old = self.state.load(Ordering::Relaxed);
        }
        self.take_reasons()
    }

    /// Announces a sleep in the driver. Returns the reasons as an error if the worker was woken already.
    pub(crate) fn enter_driver(&self) -> Result<(), WakeReasons> {
        // Relaxed: this publishes nothing, and `take_reasons` acquires.
        let old = self.state.fetch_or(DRIVER, Ordering::Relaxed);
        if old & WAKE_REASONS == 0 { Ok(()) } else { Err(self.take_reasons()) }
    }

    /// Ends the sleep, and takes the reasons for which the worker was woken.
    pub(crate) fn take_reasons(&self) -> WakeReasons {
        // Acquire pairs with the Release of every wake-up whose reason is taken here.
        WakeReasons(self.state.swap(0, Ordering::Acquire) & WAKE_REASONS)
    }
}
