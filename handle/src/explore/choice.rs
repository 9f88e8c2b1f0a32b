//! Choices: their kinds, the oracle that makes them, and the calls by which executors ask.

use super::{End, baton};
use std::panic::Location;

/// The kind of a choice: what differs between the ways in which a run can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Which thread goes on, after the running one has ended or cannot go on.
    Switch,
    /// Whether another thread goes on, although the running one could.
    Preempt,
    /// Which worker a thief looks at first.
    Victim,
    /// Which of the timers of one moment fires first.
    Timer,
    /// Which of several tasks is woken first.
    Wake,
    /// Which of the futures of a race is polled first.
    Racer,
    /// Whether a park ends although nobody has unparked the thread.
    Spurious,
    /// A number that production draws by chance.
    Chance,
    /// When something arrives that was sent.
    Arrival,
    /// How many bytes a read or a write transfers.
    Length,
    /// Which datagram comes first.
    Datagram,
    /// Which of several sources is reported as ready.
    Readiness,
    /// Whether the network fails, in a way that the run has asked for.
    Fault,
    /// How a child process replies.
    Reply,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 14] = [
        Self::Switch,
        Self::Preempt,
        Self::Victim,
        Self::Timer,
        Self::Wake,
        Self::Racer,
        Self::Spurious,
        Self::Chance,
        Self::Arrival,
        Self::Length,
        Self::Datagram,
        Self::Readiness,
        Self::Fault,
        Self::Reply,
    ];

    /// The word for the kind in a written schedule.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Switch => "switch",
            Self::Preempt => "preempt",
            Self::Victim => "steal",
            Self::Timer => "timer",
            Self::Wake => "wake",
            Self::Racer => "race",
            Self::Spurious => "spurious",
            Self::Chance => "chance",
            Self::Arrival => "arrival",
            Self::Length => "length",
            Self::Datagram => "datagram",
            Self::Readiness => "ready",
            Self::Fault => "fault",
            Self::Reply => "reply",
        }
    }
}

/// A choice that a run has come to.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// The thread that has come to it. Threads are numbered in the order in which they were spawned.
    pub thread: u32,
    /// The kind of the choice.
    pub kind: Kind,
    /// How many choices of this kind this thread has come to before.
    pub nth: u32,
    /// The number of ways. There are at least two.
    pub enabled: u32,
    /// For [`Kind::Switch`] and [`Kind::Preempt`]: the threads that can go on, the usual one first. Empty for
    /// the other kinds.
    pub threads: &'a [u32],
}

/// An operation of the checked code on a lock.
#[derive(Clone, Copy, Debug)]
pub struct LockOperation<'a> {
    /// The thread.
    pub thread: u32,
    /// The address of the lock.
    pub lock: usize,
    /// The name of the call.
    pub operation: &'a str,
    /// Whether it was done.
    pub outcome: LockOutcome,
    /// The place of the call. A lock is freed at the place where it was taken.
    pub at: &'static Location<'static>,
}

/// Whether an operation on a lock was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockOutcome {
    /// It is done.
    Done,
    /// The lock is held already.
    Refused,
}

/// Makes the choices of a run.
pub trait Oracle: Send {
    /// Returns the index of the way to go. It is taken modulo [`Choice::enabled`], so that every number is
    /// valid. 0 is what would happen anyway.
    fn pick(&mut self, choice: &Choice<'_>) -> u32;

    /// Returns whether the run ends here, before the choice is made.
    fn stops(&mut self, _choice: &Choice<'_>) -> bool {
        false
    }

    /// Hears of an operation of this thread on an atomic, at this place, if [`Limits::tells`] is set.
    ///
    /// [`Limits::tells`]: super::Limits::tells
    fn hear(&mut self, _thread: u32, _operation: &str, _at: &'static Location<'static>) {}

    /// Hears of an operation on a lock, if [`Limits::tells`] is set.
    ///
    /// [`Limits::tells`]: super::Limits::tells
    fn hear_lock(&mut self, _operation: &LockOperation<'_>) {}

    /// Hears that this thread waits awake for others, once for each time that it looks in vain.
    fn hear_wait_awake(&mut self, _thread: u32) {}

    /// Hears what this thread says of itself, if [`Limits::tells`] is set.
    ///
    /// [`Limits::tells`]: super::Limits::tells
    fn hear_remark(&mut self, _thread: u32, _words: &str) {}
}

/// Asks the oracle which of `enabled` ways to go. Returns 0 outside a run, or if there is no choice.
pub fn pick(kind: Kind, enabled: usize) -> usize {
    if enabled < 2 || !baton::is_managed() {
        return 0;
    }
    baton::pick(kind, enabled)
}

/// Marks a place at which another thread may go on. Nothing happens outside a run.
#[inline]
pub fn point() {
    if baton::is_managed() {
        baton::preempt();
    }
}

/// Marks a round of a loop that waits for other threads without parking: another thread goes on if one can.
/// If all that can are in such loops, a microsecond passes.
#[inline]
pub fn spin() {
    if baton::is_managed() {
        baton::spin();
    } else {
        std::hint::spin_loop();
    }
}

/// Tells that the run has done something that a user asked for: a task is polled, a job runs. A run without
/// progress in which only upkeep is left is stuck.
#[inline]
pub fn progress() {
    if baton::is_managed() {
        baton::progress();
    }
}

/// Tells the oracle what the calling thread does, in words. Nothing happens outside a run.
#[inline]
pub fn remark(words: impl FnOnce() -> String) {
    if baton::is_managed() {
        baton::remark(words);
    }
}

/// Ends the run as if its root had panicked with this message. Any thread of the run may call it, also one
/// whose panics the checked code would catch.
///
/// # Panics
///
/// Panics outside a run.
pub fn fail(message: &str) -> ! {
    assert!(baton::is_managed(), "{message}");
    baton::fail(End::Panicked(message.to_owned()))
}
