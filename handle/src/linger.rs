//! Waiting awake: a thread that expects to be woken soon need not fall asleep.
//!
//! A thread that falls asleep until another one wakes it costs both of them system calls, and if the two run
//! on different processors, an interrupt: five to ten microseconds until the sleeper runs. If the wake-up
//! comes sooner than that, it is cheaper to wait for it awake. Nobody knows when it will come, but the last
//! waits are evidence. So a place to sleep has a [`Linger`], which keeps an average of how long its thread
//! waited:
//!
//! ```text
//!   waiting begins ─────────── gap ───────────▶ wake-up ── latency ──▶ the thread runs
//!                  looks awake for 2 · average, if the average is short
//! ```
//!
//! The average is of the *gaps*. The latency that a wake-up adds to them would vanish if the thread were
//! awake, so a waker stamps its wake-up with the time if the thread sleeps.
//!
//! A thread that waits awake may keep its own waker from running: all other processors may be busy, or the
//! kernel may have put both on one. Then the wake-up comes only after the thread has fallen asleep. So after
//! a wait awake that was in vain the next waits begin asleep: one at first, and after each further one twice
//! as many. On a machine with one processor nobody waits awake.

use crate::clock::monotonic_nanos;
use std::{
    hint,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// A thread waits awake if it expects its wake-up within this time, in nanoseconds.
const LONGEST_EXPECTED: u64 = 20_000;
/// Longer gaps count as this many nanoseconds, so that they are forgotten after some short ones.
const LONGEST_GAP: u64 = 200_000;
/// Each gap moves the average by this part.
const SMOOTHING: u64 = 4;
/// The most waits that begin asleep after one that was awake in vain.
const MOST_SKIPPED: u64 = 1024;
/// Pauses between two looks at the clock.
const PAUSES: u32 = 8;
/// The stamp of a thread that sleeps and was not woken.
const ASLEEP: u64 = 0;
/// The stamp of a thread that is awake.
const AWAKE: u64 = 1;

/// How long the waits of one thread at one place have taken.
///
/// ```
/// use brigade_handle::linger::Linger;
/// use std::{sync::Arc, thread};
///
/// let (linger, sleeper) = (Arc::new(Linger::new()), thread::current());
/// let theirs = linger.clone();
/// let waker = thread::spawn(move || {
///     theirs.stamp();
///     sleeper.unpark();
/// });
/// if !linger.wait_awake(|| waker.is_finished()) {
///     linger.begin_sleep();
///     thread::park();
///     linger.end_sleep();
/// }
/// waker.join().unwrap();
/// ```
#[derive(Debug)]
pub struct Linger {
    /// The average gap in nanoseconds. Only the waiting thread uses it, and the next three fields.
    expected: AtomicU64,
    /// How many of the next waits begin asleep.
    skipped: AtomicU64,
    /// How many were skipped after the last wait awake that was in vain. Each wait that was not in vain takes
    /// a part off.
    penalty: AtomicU64,
    /// When the wait began.
    began: AtomicU64,
    /// When the thread was woken; [`ASLEEP`] or [`AWAKE`].
    woken_at: AtomicU64,
}

// Relaxed, everywhere in here: an estimate guards nothing.
impl Linger {
    /// Makes the estimate of a place where nobody has waited yet: a long time.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            expected: AtomicU64::new(LONGEST_GAP),
            skipped: AtomicU64::new(0),
            penalty: AtomicU64::new(0),
            began: AtomicU64::new(0),
            woken_at: AtomicU64::new(AWAKE),
        }
    }

    /// Begins a wait, and waits awake until `is_over` returns true, if that is expected soon. Returns false
    /// if the thread has to sleep: [`begin_sleep`](Self::begin_sleep) follows.
    pub fn wait_awake(&self, is_over: impl Fn() -> bool) -> bool {
        // A model has no time.
        if cfg!(loom) {
            return false;
        }
        let began = monotonic_nanos();
        self.began.store(began, Ordering::Relaxed);
        if !self.may_wait_awake() {
            self.skipped.store(self.skipped.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
            return false;
        }
        let end = began + 2 * self.expected.load(Ordering::Relaxed);
        loop {
            let (is_over, now) = (is_over(), monotonic_nanos());
            if is_over {
                self.learn(now - began);
            }
            if is_over || now >= end {
                self.judge(is_over);
                return is_over;
            }
            (0..PAUSES).for_each(|_| hint::spin_loop());
        }
    }

    /// Tells whether the next wait begins awake.
    #[inline]
    pub fn may_wait_awake(&self) -> bool {
        self.expected.load(Ordering::Relaxed) <= LONGEST_EXPECTED
            && self.skipped.load(Ordering::Relaxed) == 0
            && is_parallel()
    }

    /// Says whether the thread was woken while it waited awake.
    fn judge(&self, was_woken: bool) {
        let penalty = self.penalty.load(Ordering::Relaxed);
        if was_woken {
            self.penalty.store(penalty - penalty.div_ceil(4), Ordering::Relaxed);
        } else {
            let skipped = (2 * penalty).clamp(1, MOST_SKIPPED);
            self.penalty.store(skipped, Ordering::Relaxed);
            self.skipped.store(skipped, Ordering::Relaxed);
        }
    }

    /// Notes that the thread falls asleep. [`end_sleep`](Self::end_sleep) follows.
    #[inline]
    pub fn begin_sleep(&self) {
        self.woken_at.store(ASLEEP, Ordering::Relaxed);
    }

    /// Stamps a wake-up. The thread that wakes calls this before it does so.
    #[inline]
    pub fn stamp(&self) {
        if self.woken_at.load(Ordering::Relaxed) == ASLEEP {
            self.woken_at.store(monotonic_nanos(), Ordering::Relaxed);
        }
    }

    /// Learns from a sleep. If nobody stamped its end, something else ended it, and it counts as long.
    #[inline]
    pub fn end_sleep(&self) {
        let woken_at = self.woken_at.swap(AWAKE, Ordering::Relaxed);
        let began = self.began.load(Ordering::Relaxed);
        self.learn(if woken_at == ASLEEP { LONGEST_GAP } else { woken_at.saturating_sub(began) });
    }

    fn learn(&self, gap: u64) {
        let expected = self.expected.load(Ordering::Relaxed);
        let gap = gap.min(LONGEST_GAP);
        self.expected.store(expected - expected / SMOOTHING + gap / SMOOTHING, Ordering::Relaxed);
    }
}

impl Default for Linger {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether two threads of this process can run at a time.
fn is_parallel() -> bool {
    static IS_PARALLEL: OnceLock<bool> = OnceLock::new();
    *IS_PARALLEL.get_or_init(|| thread::available_parallelism().is_ok_and(|processors| processors.get() > 1))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// How a wait awake ends.
    #[derive(Clone, Copy, PartialEq)]
    enum End {
        Woken,
        InVain,
    }

    /// Makes waits with this end. Returns how many of them began awake.
    fn wait(linger: &Linger, times: u32, end: End) -> u32 {
        let mut awake = 0;
        for _ in 0..times {
            let begins_awake = linger.may_wait_awake();
            awake += u32::from(begins_awake);
            let is_over = end == End::Woken;
            assert_eq!(linger.wait_awake(|| is_over), begins_awake && is_over);
        }
        awake
    }

    #[test]
    fn a_thread_waits_awake_after_some_short_gaps_and_not_after_a_long_one() {
        let linger = Linger::new();
        assert_eq!(wait(&linger, 1, End::Woken), 0, "nothing is known");
        (0..20).for_each(|_| linger.learn(1000));
        assert_eq!(wait(&linger, 1, End::Woken), u32::from(is_parallel()));
        linger.learn(u64::MAX);
        assert!(!linger.may_wait_awake());
    }

    #[test]
    fn waits_in_vain_become_rare_and_are_forgotten_after_some_that_are_not() {
        if !is_parallel() {
            return;
        }
        let linger = Linger::new();
        (0..50).for_each(|_| linger.learn(100));
        assert_eq!(wait(&linger, 2000, End::InVain), 11, "after each, twice as many begin asleep");
        linger.skipped.store(0, Ordering::Relaxed);
        assert_eq!(wait(&linger, 50, End::Woken), 50);
        assert_eq!((wait(&linger, 1, End::InVain), linger.skipped.load(Ordering::Relaxed)), (1, 1));
    }

    #[test]
    fn a_wake_up_is_stamped_once_and_an_end_without_a_stamp_counts_as_long() {
        let linger = Linger::new();
        for _ in 0..50 {
            linger.wait_awake(|| false);
            linger.begin_sleep();
            linger.stamp();
            linger.stamp();
            linger.end_sleep();
        }
        let expected = linger.expected.load(Ordering::Relaxed);
        assert!(expected < LONGEST_GAP, "{expected}");
        linger.begin_sleep();
        linger.end_sleep();
        assert!(linger.expected.load(Ordering::Relaxed) >= LONGEST_GAP / 4);
    }
}
