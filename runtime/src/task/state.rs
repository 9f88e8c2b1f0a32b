//! The state word of a task, and its transitions as verbs. No other file sees the bits.
//!
//! ```text
//!   63                       4   3          2         1          0
//!  [     references          | CANCELLED | COMPLETE | SCHEDULED | RUNNING ]
//! ```

use crate::shim::{AtomicUsize, Ordering};

const RUNNING: usize = 1 << 0;
const SCHEDULED: usize = 1 << 1;
const COMPLETE: usize = 1 << 2;
const CANCELLED: usize = 1 << 3;
const REFERENCE: usize = 1 << 4;

/// The value of the state word above which wakers must be leaking in a loop. It is half of the range: other
/// threads may add references before this check stops the process, and the word must not overflow.
const MAX_REFERENCES: usize = usize::MAX / 2;

/// The next step for the thread that took an entry from a queue.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// Poll the future.
    Poll,
    /// Drop the future: the task was cancelled.
    Cancel,
}

/// The next step after a poll that was pending.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AfterPoll {
    /// Do nothing: a waker will schedule the task. The runner must not touch it any more.
    Idle,
    /// Schedule it: it was woken during the poll. The runner has the entry.
    Again,
}

/// The next step after a wake-up.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AfterWake {
    /// Make the entry and push it.
    Schedule,
    /// Do nothing: an entry exists, or a runner will make one, or the task is complete.
    Nothing,
}

/// The next step after a reference was given up.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Release {
    /// Free the allocation.
    Last,
    /// Do nothing. The task must not be touched any more.
    Alive,
}

/// The state bits and the reference count of a task.
pub(super) struct TaskState(AtomicUsize);

impl TaskState {
    /// The state of a new task: scheduled, with its own reference and the handle's.
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(SCHEDULED | (2 * REFERENCE)))
    }

    /// SCHEDULED => RUNNING, by the thread that has the entry.
    #[inline]
    pub(super) fn begin(&self) -> Begin {
        // One addition clears SCHEDULED and sets RUNNING. SCHEDULED is set and RUNNING is not (rule 1 of
        // `task/mod.rs`), so the sum carries nothing into other bits.
        //
        // Acquire pairs with the Release of `wake` and of the last `end`: the poll sees what the waker and
        // the last poll did.
        let old = self.0.fetch_add(RUNNING.wrapping_sub(SCHEDULED), Ordering::Acquire);
        debug_assert!(
            old & (SCHEDULED | RUNNING | COMPLETE) == SCHEDULED,
            "an entry of a task in state {old:b}"
        );
        if old & CANCELLED == 0 { Begin::Poll } else { Begin::Cancel }
    }

    /// RUNNING => idle, or => SCHEDULED if it was woken meanwhile.
    #[inline]
    pub(super) fn end(&self) -> AfterPoll {
        // Release publishes the future to the next runner. The next `begin` acquires what a `wake`
        // published in the meantime.
        let old = self.0.fetch_sub(RUNNING, Ordering::Release);
        debug_assert!(old & (RUNNING | COMPLETE) == RUNNING, "the end of a run in state {old:b}");
        if old & SCHEDULED == 0 { AfterPoll::Idle } else { AfterPoll::Again }
    }

    /// RUNNING => COMPLETE, and the task's own reference is given up.
    #[inline]
    pub(super) fn complete(&self) -> Release {
        // Acquire: what others did with their references comes before the freeing. If only one reference is
        // left, it is the caller's, and nobody can make another. So nobody can read COMPLETE, either.
        if self.0.load(Ordering::Acquire) / REFERENCE == 1 {
            return Release::Last;
        }
        let change = COMPLETE.wrapping_sub(RUNNING).wrapping_sub(REFERENCE);
        // Release: what the runner did to the allocation comes before its freeing; Acquire: so does what
        // others did.
        let old = self.0.fetch_add(change, Ordering::AcqRel);
        debug_assert!(old & (RUNNING | COMPLETE) == RUNNING, "the completion of a task in state {old:b}");
        if old / REFERENCE == 1 { Release::Last } else { Release::Alive }
    }

    /// idle => SCHEDULED. A runner, if there is one, finds the bit at the end of its poll.
    #[inline]
    pub(super) fn wake(&self) -> AfterWake {
        self.schedule(SCHEDULED)
    }

    /// As `wake`, and the next runner drops the future.
    pub(super) fn cancel(&self) -> AfterWake {
        self.schedule(SCHEDULED | CANCELLED)
    }

    /// As `wake`, and gives up a reference. If the task has to be scheduled this is not the last one: the
    /// task has its own.
    #[inline]
    pub(super) fn wake_and_release(&self) -> (AfterWake, Release) {
        let mut old = self.0.load(Ordering::Relaxed);
        loop {
            // Release as in `schedule`, and both as in `release`.
            let new = (old | SCHEDULED) - REFERENCE;
            match self.0.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => old = now,
            }
        }
        let wake = if old & (SCHEDULED | RUNNING | COMPLETE) == 0 {
            AfterWake::Schedule
        } else {
            AfterWake::Nothing
        };
        (wake, if old / REFERENCE == 1 { Release::Last } else { Release::Alive })
    }

    /// Tells whether the task is complete. Its result may be there earlier: the signal of the handle knows
    /// first.
    pub(super) fn is_complete(&self) -> bool {
        // Acquire pairs with the Release of `complete`: a thread that sees the end sees what the task did.
        self.0.load(Ordering::Acquire) & COMPLETE != 0
    }

    /// Tells whether the task waits, and how many references there are.
    pub(super) fn look(&self) -> (bool, usize) {
        // Acquire: a thread that sees the task wait sees what its last poll did.
        let state = self.0.load(Ordering::Acquire);
        (state & (RUNNING | SCHEDULED | COMPLETE) == 0, state / REFERENCE)
    }

    #[inline]
    fn schedule(&self, bits: usize) -> AfterWake {
        // Release: the next poll sees what came before the wake-up, even if an entry exists already: its
        // `begin` reads from this operation or a later one. That `begin` also acquires what the last `end`
        // published. This operation need not acquire it, because a thread that makes an entry reads no part
        // of the task that changes.
        let old = self.0.fetch_or(bits, Ordering::Release);
        if old & (SCHEDULED | RUNNING | COMPLETE) == 0 { AfterWake::Schedule } else { AfterWake::Nothing }
    }

    /// Adds a reference.
    #[inline]
    pub(super) fn retain(&self) {
        // Relaxed: a thread that makes a reference has one, so nobody frees the task meanwhile.
        let old = self.0.fetch_add(REFERENCE, Ordering::Relaxed);
        if old > MAX_REFERENCES {
            // As `Arc` does: unwinding could not give back the leaked references.
            std::process::abort();
        }
    }

    /// Gives up a reference.
    #[inline]
    pub(super) fn release(&self) -> Release {
        // Acquire: as in `complete`.
        if self.0.load(Ordering::Acquire) / REFERENCE == 1 {
            return Release::Last;
        }
        // Release and Acquire: all uses by all threads come before the freeing.
        let old = self.0.fetch_sub(REFERENCE, Ordering::AcqRel);
        debug_assert!(old >= REFERENCE, "a reference that was not there");
        if old / REFERENCE == 1 { Release::Last } else { Release::Alive }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_is_woken_while_it_runs_runs_again() {
        let state = TaskState::new();
        assert_eq!(state.begin(), Begin::Poll);
        assert_eq!(state.wake(), AfterWake::Nothing);
        assert_eq!(state.wake(), AfterWake::Nothing);
        assert_eq!(state.end(), AfterPoll::Again);
        assert_eq!(state.begin(), Begin::Poll);
        assert_eq!(state.end(), AfterPoll::Idle);
        assert_eq!(state.wake(), AfterWake::Schedule);
        assert_eq!(state.wake(), AfterWake::Nothing);
    }

    #[test]
    fn a_complete_task_is_not_scheduled() {
        let state = TaskState::new();
        assert_eq!(state.begin(), Begin::Poll);
        assert_eq!(state.complete(), Release::Alive);
        assert_eq!(state.wake(), AfterWake::Nothing);
        assert_eq!(state.cancel(), AfterWake::Nothing);
        assert_eq!(state.release(), Release::Last);
    }

    #[test]
    fn a_wake_up_by_the_last_waker_of_a_complete_task_is_its_last_reference() {
        let state = TaskState::new();
        assert_eq!(state.begin(), Begin::Poll);
        state.retain();
        assert_eq!(state.end(), AfterPoll::Idle);
        assert_eq!(state.wake_and_release(), (AfterWake::Schedule, Release::Alive));
        assert_eq!(state.begin(), Begin::Poll);
        state.retain();
        assert_eq!(state.release(), Release::Alive);
        assert_eq!(state.complete(), Release::Alive);
        assert_eq!(state.wake_and_release(), (AfterWake::Nothing, Release::Last));
    }

    #[test]
    fn a_cancelled_task_is_dropped_by_its_next_runner() {
        let state = TaskState::new();
        assert_eq!(state.begin(), Begin::Poll);
        assert_eq!(state.end(), AfterPoll::Idle);
        assert_eq!(state.cancel(), AfterWake::Schedule);
        assert_eq!(state.begin(), Begin::Cancel);
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::thread;
    use std::sync::Arc;

    /// The state, and what each of two threads did before it came to the state: by relaxed stores, so that
    /// only the state orders them.
    struct Shared {
        state: TaskState,
        did: [AtomicUsize; 2],
    }

    impl Shared {
        fn new(state: TaskState) -> Arc<Self> {
            Arc::new(Self { state, did: [AtomicUsize::new(0), AtomicUsize::new(0)] })
        }

        fn sees_both(&self) -> bool {
            self.did.iter().all(|did| did.load(Ordering::Relaxed) == 1)
        }
    }

    /// With references of the task's own and of its handle.
    fn running() -> TaskState {
        let state = TaskState::new();
        assert_eq!(state.begin(), Begin::Poll);
        state
    }

    /// With references of the handle and of a waker.
    fn complete() -> TaskState {
        let state = running();
        state.retain();
        assert_eq!(state.complete(), Release::Alive);
        state
    }

    type GiveUp = fn(&TaskState) -> Release;

    /// Each of two threads gives up one of two references: one of them frees, and comes after what the
    /// other did.
    fn the_last_comes_after_the_other(state: fn() -> TaskState, give_up: [GiveUp; 2]) {
        loom::model(move || {
            let shared = Shared::new(state());
            let end = move |shared: &Shared, thread: usize| {
                shared.did[thread].store(1, Ordering::Relaxed);
                let last = give_up[thread](&shared.state) == Release::Last;
                assert!(!last || shared.sees_both(), "freed before the last use");
                last
            };
            let theirs = shared.clone();
            let other = thread::spawn(move || end(&theirs, 1));
            let last = end(&shared, 0);
            assert_ne!(last, other.join().unwrap(), "one of them frees");
        });
    }

    #[test]
    fn freeing_comes_after_all_other_accesses() {
        let wake: GiveUp = |state| state.wake_and_release().1;
        for gives_up in [TaskState::release, wake] {
            the_last_comes_after_the_other(running, [TaskState::complete, gives_up]);
            the_last_comes_after_the_other(running, [gives_up, TaskState::complete]);
            the_last_comes_after_the_other(complete, [TaskState::release, gives_up]);
            the_last_comes_after_the_other(complete, [gives_up, wake]);
        }
    }

    #[test]
    fn a_reader_of_the_end_sees_all_writes_before_it() {
        loom::model(|| {
            let shared = Shared::new(running());
            let theirs = shared.clone();
            let other = thread::spawn(move || {
                theirs.did[1].store(1, Ordering::Relaxed);
                theirs.state.complete()
            });
            // A cancel that comes between does not hide it.
            assert_eq!(shared.state.cancel(), AfterWake::Nothing);
            assert!(!shared.state.is_complete() || shared.did[1].load(Ordering::Relaxed) == 1);
            assert_eq!(other.join().unwrap(), Release::Alive);
            assert!(shared.state.is_complete());
        });
    }

    /// Polls until nobody has woken it meanwhile; whether the last poll saw what both did.
    fn run(shared: &Shared) -> bool {
        loop {
            assert_eq!(shared.state.begin(), Begin::Poll);
            let sees = shared.sees_both();
            if shared.state.end() == AfterPoll::Idle {
                return sees;
            }
        }
    }

    #[test]
    fn one_of_two_wake_ups_makes_the_entry_and_the_last_poll_sees_what_came_before_both() {
        loom::model(|| {
            let shared = Shared::new(running());
            shared.state.retain();
            assert_eq!(shared.state.end(), AfterPoll::Idle);
            let wake = |shared: &Shared, thread: usize| {
                shared.did[thread].store(1, Ordering::Relaxed);
                let wake = if thread == 0 { shared.state.wake() } else { shared.state.wake_and_release().0 };
                wake == AfterWake::Schedule && run(shared)
            };
            let theirs = shared.clone();
            let other = thread::spawn(move || wake(&theirs, 1));
            let saw = wake(&shared, 0);
            assert!(saw | other.join().unwrap(), "a wake-up was lost");
        });
    }

    #[test]
    fn a_wake_up_during_a_poll_makes_the_runner_poll_again() {
        loom::model(|| {
            let shared = Shared::new(running());
            shared.state.retain();
            shared.did[0].store(1, Ordering::Relaxed);
            let theirs = shared.clone();
            let other = thread::spawn(move || {
                theirs.did[1].store(1, Ordering::Relaxed);
                theirs.state.wake_and_release().0 == AfterWake::Schedule && run(&theirs)
            });
            let saw = shared.state.end() == AfterPoll::Again && run(&shared);
            assert!(saw | other.join().unwrap(), "a wake-up was lost");
        });
    }
}
