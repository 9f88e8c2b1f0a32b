//! Where one worker sleeps, and how it is woken: on its thread, or in the driver.
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
//! The worker says where it sleeps, then looks whether it was called; who calls sets its bit, then looks where the worker
//! sleeps. All are read-modify-write operations on one word, so one of the two comes second and sees the other. An unpark
//! or a wake of the reactor that comes before the sleep ends the sleep at once.

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

/// Why a worker is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WakeReason {
    /// To look for tasks, or to see that the runtime ends.
    Search = SEARCH as isize,
    /// To watch.
    Watch = WATCH as isize,
}

/// What a worker was called for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WakeReasons(u8);

impl WakeReasons {
    pub(crate) fn contains(self, reason: WakeReason) -> bool {
        self.0 & reason as u8 != 0
    }
}

/// One worker's place to sleep.
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

    /// Whether its worker sleeps in the driver, so that waking it leaves the driver alone.
    pub(crate) fn is_driving(&self) -> bool {
        // Relaxed: a hint.
        self.state.load(Ordering::Relaxed) & DRIVER != 0
    }

    /// Calls the worker. `wake_driver` is called if it sleeps in the driver.
    pub(crate) fn wake(&self, reason: WakeReason, wake_driver: impl FnOnce()) {
        // Release pairs with the Acquire in `awake`: what was done before is seen by the one who is called. Acquire pairs with the Release in
        // `park`: its thread is known.
        let old = self.state.fetch_or(reason as u8, Ordering::AcqRel);
        // If it was called before, it was woken then.
        if old & WAKE_REASONS != 0 {
            return;
        }
        if old & DRIVER != 0 {
            wake_driver();
        } else if old & THREAD != 0 {
            self.thread.get().expect("a worker that sleeps owns its place").unpark();
        }
    }

    /// Sleeps on the thread until called, or for so long.
    pub(crate) fn park(&self, at_most: Option<Duration>) -> WakeReasons {
        let end = at_most.map(|at_most| clock::now() + at_most);
        // Release publishes the thread. What the calls publish is for `awake` to acquire.
        let mut old = self.state.fetch_or(THREAD, Ordering::Release);
        while old & WAKE_REASONS == 0 {
            match end.map(|end| end.saturating_duration_since(clock::now())) {
                Some(Duration::ZERO) => break,
                left => shim::park(left),
            }
            old = self.state.load(Ordering::Relaxed);
        }
        self.take_reasons()
    }

    /// About to sleep in the driver. What it was called for, if it was already.
    pub(crate) fn enter_driver(&self) -> Result<(), WakeReasons> {
        // Relaxed: nothing is published by it, and `awake` acquires.
        let old = self.state.fetch_or(DRIVER, Ordering::Relaxed);
        if old & WAKE_REASONS == 0 { Ok(()) } else { Err(self.take_reasons()) }
    }

    /// Awake: takes what it was called for.
    pub(crate) fn take_reasons(&self) -> WakeReasons {
        // Acquire pairs with the Release of every call that is taken here.
        WakeReasons(self.state.swap(0, Ordering::Acquire) & WAKE_REASONS)
    }
}
