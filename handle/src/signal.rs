//! The signal: the state of two sides that meet over one result, and the waker of the side that waits. The
//! owner of the signal decides what the result is and where it lies. The owner is a [`Slot`](crate::Slot),
//! or an executor's allocation that has room for the result, such as a task.
//!
//! # Rules of access
//!
//! A signal has two sides, each used by at most one thread at a time: the **completer**, which stores the
//! result once, and the **joiner**, which polls for it. One byte holds their state:
//!
//! ```text
//!   bit 0  DONE      the result is stored                 set by the completer, once, never cleared
//!   bit 1  WAITING   the waker is stored                  set and cleared by the joiner
//!   bit 2  DETACHED  nobody will take the result          set by the joiner, once, never cleared
//!   bit 3  JOINED    a joiner exists                      set when a handle is made, never cleared
//!   bit 4  CLAIMED   a completer has begun                set by `claim`, never cleared
//! ```
//!
//! 1. Until DONE the value belongs to the completer. From DONE on it belongs to the joiner, unless the
//!    bit DETACHED was set before DONE: then it stays the completer's, which drops it.
//! 2. While neither WAITING nor DONE is set the waker belongs to the joiner, which may write it.
//! 3. While WAITING is set both sides may read the waker and neither may write it. The joiner takes it
//!    back by clearing WAITING, which it may do only while DONE is not set.
//! 4. The completer reads the waker only if the operation that set DONE found WAITING set and DETACHED
//!    not set. It wakes by reference. The waker is dropped when the joiner stores a newer one, with the
//!    signal, or by a detach that came before DONE.
//!
//! # Why no wake-up is lost
//!
//! The completer stores the value, then sets DONE. The joiner stores the waker, then sets WAITING. Both
//! are read-modify-write operations on one byte, so one of them comes second and sees the other's bit:
//!
//! ```text
//!   completer                          joiner
//!   value = result                     waker = me
//!   old = state.fetch_or(DONE)         old = state.fetch_or(WAITING)
//!   old has WAITING? wake              old has DONE? take the value
//! ```
//!
//! The protocol is that of tokio's `JoinHandle` (`tokio/src/runtime/task/state.rs`), cut out of the task so
//! that pool jobs and process calls use it too. `tests/loom.rs` models each pair of operations: loom runs a
//! small test once for each order that the steps of its threads can have. So the atomics and the cell come
//! from `sync.rs`, which gives std's in a normal build and loom's in a model. The cell is loom's interface
//! to an `UnsafeCell`: `with` gives a pointer to read through, `with_mut` one to write through.

use crate::{
    contain,
    fork::Generation,
    observe,
    sync::{AtomicU8, AtomicU32, Ordering, UnsafeCell},
};
use std::{
    panic::{RefUnwindSafe, UnwindSafe},
    sync::atomic::{AtomicU16, Ordering::Relaxed},
    task::Waker,
};

const DONE: u8 = 1 << 0;
const WAITING: u8 = 1 << 1;
const DETACHED: u8 = 1 << 2;
const JOINED: u8 = 1 << 3;
const CLAIMED: u8 = 1 << 4;

/// The side that owns a result after both sides have acted.
///
/// ```
/// use brigade_handle::{Heir, Signal};
///
/// let signal = Signal::joined(0);
/// // SAFETY: this thread is the only joiner, and does not touch the signal as a joiner afterwards.
/// assert_eq!(unsafe { signal.detach() }, Heir::Completer);
/// // SAFETY: this is the only completer, there is no value to store, and the signal outlives the call.
/// assert_eq!(unsafe { signal.complete() }, Heir::Completer);
/// ```
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heir {
    /// The completer owns it: the joiner has detached.
    Completer,
    /// The joiner owns it.
    Joiner,
}

/// The state of a completer and a joiner. The header of `signal.rs` states the protocol.
///
/// ```
/// use brigade_handle::Signal;
/// use std::task::Waker;
///
/// let signal = Signal::joined(0);
/// // SAFETY: this thread is the only joiner, and has not taken a value.
/// assert!(!unsafe { signal.poll(Waker::noop()) });
/// // SAFETY: this is the only completer, there is no value to store, and the signal outlives the call.
/// _ = unsafe { signal.complete() };
/// // SAFETY: as above.
/// assert!(unsafe { signal.poll(Waker::noop()) });
/// ```
pub struct Signal {
    state: AtomicU8,
    /// The [stamp](Generation::stamp) of the process in which the handle was made; 0 before. Not loom's
    /// atomic: no model forks.
    process_stamp: AtomicU16,
    /// A number for the executor's own use.
    note: AtomicU32,
    // --- the joiner's until WAITING, then read by both (rules 2 to 4) ---
    waker: UnsafeCell<KeptWaker>,
}

// SAFETY: the waker is Send and Sync itself, and is never written while the other side may read it (rules
// 2 to 4).
unsafe impl Sync for Signal {}

// Each transition is one atomic operation, and foreign code (a waker) runs before or after it.
impl UnwindSafe for Signal {}
impl RefUnwindSafe for Signal {}

impl Signal {
    /// Makes a signal that has no joiner yet.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self {
            state: AtomicU8::new(0),
            process_stamp: AtomicU16::new(0),
            note: AtomicU32::new(0),
            waker: UnsafeCell::new(KeptWaker(None)),
        }
    }

    /// Makes a signal that has no joiner yet.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self {
            state: AtomicU8::new(0),
            process_stamp: AtomicU16::new(0),
            note: AtomicU32::new(0),
            waker: UnsafeCell::new(KeptWaker(None)),
        }
    }

    /// Makes a signal whose joiner exists already, for
    /// [`JoinHandle::from_raw`](crate::JoinHandle::from_raw).
    #[inline]
    pub fn joined(note: u32) -> Self {
        Self {
            state: AtomicU8::new(JOINED),
            process_stamp: AtomicU16::new(Generation::current().stamp()),
            note: AtomicU32::new(note),
            waker: UnsafeCell::new(KeptWaker(None)),
        }
    }

    /// Returns the number that the executor has stored here. There is room for it beside the state.
    #[inline]
    pub fn note(&self) -> u32 {
        // Relaxed: the executor orders the reader after the writer.
        self.note.load(Ordering::Relaxed)
    }

    /// Stores a number for [`note`](Self::note).
    #[inline]
    pub fn set_note(&self, note: u32) {
        self.note.store(note, Ordering::Relaxed);
    }

    /// Returns true to the first of several threads that call this: it is the completer. A cancel may
    /// complete a slot, too (`pair.rs`), so it can compete with the work.
    pub(crate) fn claim(&self) -> bool {
        // Relaxed: the claim only has to be unique; DONE publishes what it guards.
        self.state.fetch_or(CLAIMED, Ordering::Relaxed) & CLAIMED == 0
    }

    /// Marks that a joiner exists. Returns false if there was one already.
    pub(crate) fn claim_joiner(&self) -> bool {
        // Relaxed: only uniqueness matters. The allocation itself reaches the joiner by other means.
        self.process_stamp.store(Generation::current().stamp(), Relaxed);
        self.state.fetch_or(JOINED, Ordering::Relaxed) & JOINED == 0
    }

    /// Returns whether there ever was a joiner.
    pub(crate) fn has_joiner(&self) -> bool {
        self.state.load(Ordering::Relaxed) & JOINED != 0
    }

    /// Returns whether the handle was made before this process was forked, so that the completer is in
    /// the parent.
    #[inline]
    pub(crate) fn is_from_before_a_fork(&self) -> bool {
        // Relaxed: it was written before there was a handle.
        let process_stamp = self.process_stamp.load(Relaxed);
        process_stamp != 0 && process_stamp != Generation::current().stamp()
    }

    /// Returns whether the result has been stored.
    #[inline]
    pub fn is_finished(&self) -> bool {
        // Acquire, so that a thread that sees the work finished sees its effects.
        self.state.load(Ordering::Acquire) & DONE != 0
    }

    /// Returns whether the joiner is gone, so that a result that is not stored yet will not be used.
    #[inline]
    pub fn is_detached(&self) -> bool {
        // Acquire pairs with the Release of `detach`: this thread sees everything that came before it.
        self.state.load(Ordering::Acquire) & DETACHED != 0
    }

    /// Records that the value is stored, and wakes the joiner if there is one. The completer calls this.
    /// If the joiner is gone, the value stays with the completer. A panic of the waker is
    /// [contained](contain).
    ///
    /// # Safety
    ///
    /// In the signal's life this is called once, by the completer, after it has stored the value. The
    /// caller has its own reference to the allocation of the signal, because the joiner may give up its
    /// reference before this returns.
    #[inline]
    pub unsafe fn complete(&self) -> Heir {
        // Release publishes the value to the joiner's Acquire. Acquire pairs with the joiner's
        // fetch_or(WAITING), so that its waker is seen, and with `detach`, so that the destructor of the
        // result sees everything that came before the detach.
        let old = self.state.fetch_or(DONE, Ordering::AcqRel);
        if old & DETACHED != 0 {
            return Heir::Completer;
        }
        if old & WAITING != 0 {
            // SAFETY: the operation that set DONE found WAITING set, so the waker may be read and neither
            // side writes it any more (rules 3 and 4).
            self.waker.with(|waker| unsafe { (*waker).0.as_ref() }.map(wake));
        }
        Heir::Joiner
    }

    /// Returns whether the value is there, and so the joiner's. If it is not, `waker` is woken when it
    /// is. The joiner calls this.
    ///
    /// # Safety
    ///
    /// The caller is the only joiner, has not detached, and has not taken the value yet.
    #[inline]
    pub unsafe fn poll(&self, waker: &Waker) -> bool {
        // Acquire pairs with the completer's fetch_or(DONE).
        let state = self.state.load(Ordering::Acquire);
        // SAFETY: the caller is the joiner.
        state & DONE != 0 || !unsafe { self.register(state, waker) }
    }

    /// Stores the waker. Returns false if the result came first.
    ///
    /// # Safety
    ///
    /// As for `poll`; `state` is the state that the joiner saw last.
    unsafe fn register(&self, state: u8, waker: &Waker) -> bool {
        if state & WAITING != 0 {
            // SAFETY: while WAITING is set both sides may read the waker and neither writes it (rule 3).
            let same =
                self.waker.with(|old| unsafe { (*old).0.as_ref() }.is_some_and(|old| old.will_wake(waker)));
            if same {
                return true;
            }
            // WAITING => not WAITING takes the waker back, unless DONE came first (rule 3). Relaxed: this
            // publishes nothing, and the completer has not touched the waker. Acquire on failure pairs
            // with its DONE.
            let free = self.state.fetch_update(Ordering::Relaxed, Ordering::Acquire, |now| {
                (now & DONE == 0).then_some(now & !WAITING)
            });
            if free.is_err() {
                return false;
            }
        }
        // SAFETY: WAITING is not set. While DONE is not set either, the waker is the joiner's (rule 2). A
        // DONE that comes before the `fetch_or` below finds WAITING not set, so the completer does not read
        // the waker (rule 4).
        let old = self.waker.with_mut(|place| unsafe { (*place).0.replace(waker.clone()) });
        // Release publishes the waker; Acquire pairs with the completer's DONE if that came first.
        let won = self.state.fetch_or(WAITING, Ordering::AcqRel) & DONE == 0;
        // The old waker is dropped last: its destructor is foreign code, which must not find the signal
        // between two states.
        drop(KeptWaker(old));
        won
    }

    /// Records that the joiner will not take the result. The joiner calls this. If the value is there
    /// already, it is the joiner's, which drops it.
    ///
    /// # Safety
    ///
    /// The caller is the only joiner, has not taken the value, and does not touch the signal afterwards.
    #[inline]
    pub unsafe fn detach(&self) -> Heir {
        // Release, so that the destructor of an unwanted result sees everything that came before. Acquire
        // pairs with the completer's DONE.
        let old = self.state.fetch_or(DETACHED, Ordering::AcqRel);
        if old & DONE != 0 {
            return Heir::Joiner;
        }
        if old & WAITING != 0 {
            // SAFETY: DETACHED came before DONE, so the completer will not read the waker (rule 4).
            drop(KeptWaker(self.waker.with_mut(|waker| unsafe { (*waker).0.take() })));
        }
        Heir::Completer
    }
}

/// Wakes, and contains a panic: a waker is foreign code, and its panic does not concern the completer,
/// which has stored the value.
#[inline(never)]
fn wake(waker: &Waker) {
    contain(|| observe::wake_joiner(waker));
}

/// A waker that is kept for a while. Its destructor is foreign code and may run on either side's thread,
/// so its panic is ignored.
struct KeptWaker(Option<Waker>);

impl Drop for KeptWaker {
    #[inline]
    fn drop(&mut self) {
        if self.0.is_some() {
            contain(|| drop(self.0.take()));
        }
    }
}

impl Default for Signal {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signal").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
