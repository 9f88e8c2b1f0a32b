//! The switch of the trace, and the waits of this crate that it records.
//!
//! A trace lies above this crate. So it leaves an [`Observer`] here, which hears of each wait for a handle.
//! The switch is one word with a bit for each listener: a session that records, and the table of what
//! waits now. While no bit is set, that costs one relaxed load and a branch. A handle notes in a byte whether
//! its wait is recorded. The waiters are kept in a table here, and not in the handles: a handle of one more
//! word made `spawn_join_ct` 12 % slower.

use crate::{Id, fork::PerProcess};
use std::{
    cell::Cell,
    collections::BTreeMap,
    panic::Location,
    ptr,
    // Not loom's: no model records.
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    task::Waker,
};

/// The bit of a session that records.
const RECORDS: u8 = 1 << 0;
/// The bit of the table of what waits now.
const LIVE: u8 = 1 << 1;

/// The listeners.
static LISTENERS: AtomicU8 = AtomicU8::new(0);
/// Counts the times at which there was no listener any more and then one again.
static PERIODS: AtomicU64 = AtomicU64::new(0);
/// The trace of this process. A forked child has none until it makes its own.
static OBSERVER: PerProcess<Observer> = PerProcess::new();

/// The waiters of the handles whose wait is recorded, by the address of the handle's target.
static WAITERS: PerProcess<Mutex<BTreeMap<usize, Id>>> = PerProcess::new();

fn waiters() -> MutexGuard<'static, BTreeMap<usize, Id>> {
    // No code of others runs under this lock, and no panic leaves the table half changed.
    WAITERS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `f`, which watches the program and does nothing for it. An explored run has no choice points in it,
/// so that a run is the same whether it is watched or not.
///
/// ```
/// assert_eq!(brigade_handle::observe::aside(|| 7), 7);
/// ```
#[inline(always)]
pub fn aside<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(feature = "explore")]
    return crate::explore::aside(f);
    #[cfg(not(feature = "explore"))]
    f()
}

/// How a wait for a handle ended.
///
/// ```
/// use brigade_handle::observe::WaitOutcome;
///
/// assert_ne!(WaitOutcome::Served, WaitOutcome::GivenUp);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitOutcome {
    /// The work ended.
    Served,
    /// The handle was dropped.
    GivenUp,
}

/// The functions of a trace that record the waits for handles.
///
/// ```
/// use brigade_handle::{Id, observe::{self, Observer}};
///
/// observe::install(Observer {
///     join_begin: |_work, _at| Id::NONE,
///     join_end: |_waiter, _work, _outcome| (),
///     polled_again: |_at| (),
///     wake_joiner: |waker| waker.wake_by_ref(),
/// });
/// assert!(!observe::on(), "the switch is another matter");
/// ```
#[derive(Debug)]
pub struct Observer {
    /// Records that somebody begins to wait for this work, at this place. Returns the waiter.
    pub join_begin: fn(Id, &'static Location<'static>) -> Id,
    /// Records that the waiter's wait for this work ended.
    pub join_end: fn(Id, Id, WaitOutcome),
    /// Records that the wait at this address is polled again, maybe by another waker.
    pub polled_again: fn(usize),
    /// Wakes the joiner of work that has ended, and records why it is woken.
    pub wake_joiner: fn(&Waker),
}

/// Returns whether anybody listens: a session, or the table of what waits now.
///
/// ```
/// assert!(!brigade_handle::observe::on());
/// ```
#[inline(always)]
pub fn on() -> bool {
    // Relaxed: an event more or less at the edge of a session does not matter.
    !cfg!(any(loom, feature = "compiled-out")) && LISTENERS.load(Relaxed) != 0
}

/// Returns whether a session records.
///
/// ```
/// assert!(!brigade_handle::observe::records());
/// ```
#[inline]
pub fn records() -> bool {
    LISTENERS.load(Relaxed) & RECORDS != 0
}

/// Returns whether a session records, and the table of what waits now is not kept.
///
/// ```
/// assert!(!brigade_handle::observe::only_records());
/// ```
#[inline(always)]
pub fn only_records() -> bool {
    LISTENERS.load(Relaxed) == RECORDS
}

/// Returns whether the table of what waits now is kept.
///
/// ```
/// assert!(!brigade_handle::observe::is_live());
/// ```
#[inline]
pub fn is_live() -> bool {
    !cfg!(any(loom, feature = "compiled-out")) && LISTENERS.load(Relaxed) & LIVE != 0
}

/// Returns the number of the time since which somebody listens without a break.
///
/// ```
/// assert_eq!(brigade_handle::observe::period(), brigade_handle::observe::period());
/// ```
#[inline]
pub fn period() -> u64 {
    // Relaxed: a thread that reads it late takes what it ran before for unknown.
    PERIODS.load(Relaxed)
}

/// Switches recording on or off. Only a trace calls this.
///
/// ```
/// brigade_handle::observe::switch(false);
/// assert!(!brigade_handle::observe::on());
/// ```
pub fn switch(on: bool) {
    if on { set(RECORDS) } else { clear(RECORDS) }
}

/// Switches the table of what waits now on or off. Only a trace calls this.
///
/// ```
/// brigade_handle::observe::switch_live(false);
/// assert!(!brigade_handle::observe::is_live());
/// ```
pub fn switch_live(on: bool) {
    if on { set(LIVE) } else { clear(LIVE) }
}

fn set(listener: u8) {
    if LISTENERS.load(Relaxed) == 0 {
        // Waits of an earlier time: nobody heard of their ends.
        waiters().clear();
        PERIODS.fetch_add(1, Relaxed);
    }
    LISTENERS.fetch_or(listener, Relaxed);
}

fn clear(listener: u8) {
    LISTENERS.fetch_and(!listener, Relaxed);
}

thread_local! {
    /// Whether this thread blocks until one thing happens, whose wait it records.
    static BLOCKS: Cell<bool> = const { Cell::new(false) };
    /// The waker that the wait which begins next has registered, and the address of its node.
    static REGISTERED: Cell<(*const (), usize)> = const { Cell::new((ptr::null(), 0)) };
}

/// Returns whether this thread [blocks](blocking) until one thing happens.
pub fn is_blocking() -> bool {
    BLOCKS.try_with(Cell::get).unwrap_or(false)
}

/// Says that this thread blocks until one thing happens, whatever the time, as long as the guard lives. The
/// waits that it records meanwhile are that one. Without a listener this does nothing.
///
/// ```
/// use brigade_handle::observe::{blocking, is_blocking};
///
/// assert!(blocking().is_none() && !is_blocking(), "nobody listens");
/// ```
#[inline]
pub fn blocking() -> Option<Blocking> {
    on().then(|| Blocking(BLOCKS.try_with(|blocks| blocks.replace(true)).unwrap_or(false)))
}

/// A guard of [`blocking`], which has an example.
#[derive(Debug)]
#[must_use = "the thread counts as blocked as long as the guard lives"]
pub struct Blocking(bool);

impl Drop for Blocking {
    fn drop(&mut self) {
        let _ = BLOCKS.try_with(|blocks| blocks.set(self.0));
    }
}

/// Tells which waker the wait that this thread records next has registered, and the address of what holds
/// it.
///
/// ```
/// use brigade_handle::observe::{registered, take_registered};
/// use std::task::Waker;
///
/// registered(Waker::noop(), 8);
/// assert_eq!(take_registered().1, 8);
/// ```
#[inline]
pub fn registered(waker: &Waker, at: usize) {
    let _ = REGISTERED.try_with(|registered| registered.set((waker.data(), at)));
}

/// Returns what [`registered`] has told, once.
pub fn take_registered() -> (*const (), usize) {
    REGISTERED.try_with(|registered| registered.replace((ptr::null(), 0))).unwrap_or((ptr::null(), 0))
}

/// Leaves the observer of this process; the first one stays. [`Observer`] has an example.
pub fn install(observer: Observer) {
    OBSERVER.get_or_init(|| observer);
}

/// Records that somebody waits for the target at this address, if the trace does not know it yet.
#[cold]
#[inline(never)]
pub(crate) fn join_begin(target: usize, work: Id, waker: Option<&Waker>, at: &'static Location<'static>) {
    let is_known = waiters().contains_key(&target);
    if let Some(waker) = waker {
        registered(waker, target);
    }
    if is_known && is_live() {
        OBSERVER.get().into_iter().for_each(|observer| (observer.polled_again)(target));
    }
    // A target has one handle, which does one thing at a time. So nothing else enters it meanwhile.
    if let Some(observer) = OBSERVER.get().filter(|_| !is_known) {
        let waiter = (observer.join_begin)(work, at);
        waiters().insert(target, waiter);
    }
}

/// Records the end of a wait that [`join_begin`] has recorded, if the trace still records.
#[cold]
#[inline(never)]
pub(crate) fn join_end(target: usize, work: Id, outcome: WaitOutcome) {
    if !on() {
        return;
    }
    let waiter = waiters().remove(&target);
    if let (Some(waiter), Some(observer)) = (waiter, OBSERVER.get()) {
        (observer.join_end)(waiter, work, outcome);
    }
}

/// Wakes the joiner of work that has ended.
#[inline]
pub(crate) fn wake_joiner(waker: &Waker) {
    if on() { record_wake(waker) } else { waker.wake_by_ref() }
}

#[cold]
fn record_wake(waker: &Waker) {
    match OBSERVER.get() {
        Some(observer) => (observer.wake_joiner)(waker),
        None => waker.wake_by_ref(),
    }
}
