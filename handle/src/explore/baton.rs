//! The baton: which thread of a run goes on.
//!
//! All state of a run lies under one lock, which a thread takes for a moment at each choice point. A thread
//! that gives the baton away stores the number of the next thread in [`RUNNING`], unparks that thread, and
//! parks until its own number stands there.
//!
//! ```text
//!   giving thread                        receiving thread
//!   RUNNING = receiver    (Release)      while RUNNING != me { park }     (Acquire)
//!   unpark(receiver)
//!   while RUNNING != me { park }         runs, and sees everything that was done before
//! ```

use super::{
    Blocked, End, Kind, Limits, LockOperation, LockOutcome, Oracle, Ran, UnseenPanic,
    state::{Next, State},
    virtual_time::{self, TimeLimits},
    watch::Watch,
};
use crate::JoinError;
use std::{
    cell::Cell,
    fmt,
    panic::{self, AssertUnwindSafe, Location},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

/// The number of a thread that is not managed, plus one for the numbers of those that are.
const UNMANAGED: u32 = 0;
/// Stands in [`RUNNING`] if no thread runs.
const NOBODY: u32 = u32::MAX;

thread_local! {
    // It has no destructor, so it can be used while the thread's locals are destroyed.
    static HERE: Cell<u32> = const { Cell::new(UNMANAGED) };
}

/// The number of the thread that has the baton.
static RUNNING: AtomicU32 = AtomicU32::new(NOBODY);
/// Whether the oracle of the run hears of operations on atomics and locks.
static TELLS: AtomicBool = AtomicBool::new(false);
/// Whether the operations on atomics are choice points of the run.
static ATOMIC_POINTS: AtomicBool = AtomicBool::new(false);
/// How often a thread of the run has changed what others can see.
static CHANGES: AtomicU64 = AtomicU64::new(0);
static STATE: Mutex<Option<State>> = Mutex::new(None);
/// How many runs this process has begun.
static RUNS: AtomicU64 = AtomicU64::new(0);
static ENDED: Condvar = Condvar::new();
/// How often the waiting thread looks at the running one.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);

/// Returns whether the calling thread belongs to a run.
#[inline]
#[must_use]
pub fn is_managed() -> bool {
    HERE.get() != UNMANAGED
}

/// Returns the number of the calling thread if it is managed.
#[inline]
pub(crate) fn managed() -> Option<u32> {
    HERE.get().checked_sub(1)
}

/// Returns the number of the run that this process makes, or has made last. Everything that is simulated for
/// a run belongs to this number.
#[must_use]
pub fn run_number() -> u64 {
    // Relaxed: it changes before the threads of a run begin.
    RUNS.load(Ordering::Relaxed)
}

/// Returns whether the calling thread belongs to a run whose oracle hears what happens.
pub(super) fn is_told() -> bool {
    // Relaxed: it was set before the run began.
    is_managed() && TELLS.load(Ordering::Relaxed)
}

/// Returns the number of the run, if it was stopped. Then its threads stay parked for ever.
pub(super) fn stopped_run() -> Option<u64> {
    // Acquire pairs with the Release in `stop`: what the threads did is seen.
    (lock_state().is_some() && RUNNING.load(Ordering::Acquire) == NOBODY).then(run_number)
}

/// Calls `f`, which watches the run: it has no choice points, and the run is the same without it.
pub(crate) fn aside<R>(f: impl FnOnce() -> R) -> R {
    struct Back(u32);
    impl Drop for Back {
        fn drop(&mut self) {
            HERE.set(self.0);
        }
    }
    let _back = Back(HERE.replace(UNMANAGED));
    f()
}

fn lock_state() -> MutexGuard<'static, Option<State>> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `f` with the state of the run.
fn with<R>(f: impl FnOnce(&mut State) -> R) -> R {
    f(lock_state().as_mut().expect("a managed thread belongs to a run"))
}

/// Runs `root` on a managed thread, and everything that it starts, with the choices of this oracle.
///
/// Returns when all threads have ended, or when the run has failed. The threads of a run that has failed stay
/// parked for ever, and no other run can be made in this process.
///
/// # Panics
///
/// Panics if this process makes a run already, or if the operating system gives no thread.
pub fn run(oracle: Box<dyn Oracle>, limits: Limits, root: impl FnOnce() + Send + 'static) -> Ran {
    {
        let mut state = lock_state();
        assert!(state.is_none(), "a process makes one run at a time");
        *state = Some(State::new(oracle, limits));
    }
    TELLS.store(limits.tells, Ordering::Relaxed);
    ATOMIC_POINTS.store(limits.atomics, Ordering::Relaxed);
    RUNS.fetch_add(1, Ordering::Relaxed);
    virtual_time::restart();
    let index = register("root".to_owned());
    let body = move || {
        if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(root)) {
            let message = crate::panic_message(&*payload).unwrap_or("(a payload that is not a text)");
            fail(End::Panicked(message.to_owned()));
        }
    };
    let spawned = thread::Builder::new().name("root".to_owned()).spawn(move || enter(index, body));
    let spawned = spawned.expect("the system gives a thread");
    set_thread(index, spawned.thread().clone());
    give_to(with(State::begin_root));
    let ran = wait_for_end();
    if ran.end == End::Finished {
        *lock_state() = None;
        // The thread has given the baton away for the last time, and ends without a wait.
        let _ = spawned.join();
    }
    ran
}

/// Waits until the run has ended. Looks at times whether its running thread blocks outside of the run.
fn wait_for_end() -> Ran {
    let mut watch = Watch::new();
    let mut state = lock_state();
    loop {
        let run = state.as_mut().expect("the run is there until this thread takes it away");
        let running = RUNNING.load(Ordering::Relaxed); // a hint
        let end = run.take_end().or_else(|| watch.look(run, running));
        if let Some(end) = end {
            return Ran { end, threads: run.managed_threads(), nanos: virtual_time::nanos() };
        }
        let waited = ENDED.wait_timeout(state, WATCH_INTERVAL);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// Gives the baton to a thread.
fn give_to(next: Next) {
    // Release pairs with the Acquire in `wait_for_baton`.
    RUNNING.store(next.index, Ordering::Release);
    next.thread.unpark();
}

/// Parks until the calling thread has the baton.
fn wait_for_baton(here: u32) {
    // Acquire pairs with the Release in `give_to`.
    while RUNNING.load(Ordering::Acquire) != here {
        thread::park();
    }
}

/// Ends the run. The calling thread, like all others of the run, goes no further.
pub(super) fn fail(end: End) -> ! {
    stop(end);
    loop {
        thread::park();
    }
}

fn stop(end: End) {
    RUNNING.store(NOBODY, Ordering::Release);
    with(|state| state.stop(end));
    ENDED.notify_all();
}

/// Gives the baton to the thread that was chosen, and waits until it comes back.
fn switch_to(next: Result<Next, End>) {
    let here = managed().expect("a managed thread calls");
    match next {
        Ok(next) if next.index == here => {}
        Ok(next) => {
            give_to(next);
            wait_for_baton(here);
        }
        Err(end) => fail(end),
    }
}

/// Asks the oracle for one of several ways.
pub(super) fn pick(kind: Kind, enabled: usize) -> usize {
    let way = with(|state| state.pick_way(kind, enabled));
    way.unwrap_or_else(|end| fail(end))
}

/// A choice point: another thread may go on.
pub(super) fn preempt() {
    switch_to(with(State::preempt));
}

/// A choice point before an operation on an atomic, if those count.
pub(super) fn preempt_at_atomic() {
    // Relaxed: it was set before the run began.
    if ATOMIC_POINTS.load(Ordering::Relaxed) {
        preempt();
    }
}

/// Notes that the calling thread has changed what others can see, so that those that wait awake look again.
#[inline]
pub fn changed() {
    if is_managed() {
        // Relaxed, and not one operation: only the thread that has the baton comes here.
        CHANGES.store(CHANGES.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

/// Returns how many changes there were.
pub(super) fn changes() -> u64 {
    CHANGES.load(Ordering::Relaxed)
}

/// Tells an operation of the checked code to the oracle, with the place of the call.
#[track_caller]
pub(super) fn tell(operation: &str, value: &dyn fmt::Debug) {
    if is_told() {
        let at = Location::caller();
        with(|state| state.tell(operation, value, at));
    }
}

/// Tells the words of the calling thread to the oracle.
pub(super) fn remark(words: impl FnOnce() -> String) {
    if is_told() {
        let words = words();
        with(|state| state.remark(&words));
    }
}

/// A round of a loop that waits for other threads.
pub(super) fn spin() {
    switch_to(with(State::spin));
    with(State::stop_spinning);
}

/// Notes a panic of a task or a job whose result nobody takes.
pub(crate) fn note_unseen_panic(error: &JoinError) {
    if is_managed() {
        let work = if error.subject().is_none() { String::new() } else { error.subject().to_string() };
        let message = error.panic_message().map(str::to_owned);
        with(|state| state.note_unseen_panic(UnseenPanic { work, message }));
    }
}

/// Notes that a user's work goes on.
pub(super) fn progress() {
    with(State::progress);
}

/// Blocks the calling thread until it is unblocked, or until one of the limits.
#[track_caller]
fn block(on: Blocked, limits: TimeLimits) {
    let at = Location::caller();
    switch_to(with(|state| state.block(on, limits, at)));
}

/// Parks the calling thread until it is unparked, or until one of the limits.
#[track_caller]
pub(super) fn park(limits: TimeLimits) {
    if with(State::skips_park).unwrap_or_else(|end| fail(end)) {
        return preempt();
    }
    block(Blocked::Park, limits);
    with(State::take_unpark);
}

/// Unparks a managed thread. A thread that is not managed may call it.
pub(super) fn unpark(index: u32) {
    if let Some(state) = lock_state().as_mut() {
        state.unpark(index);
    }
}

/// Waits until a lock may be free.
#[track_caller]
pub(super) fn wait_for_lock(address: usize) {
    block(Blocked::Lock(address), TimeLimits::default());
}

/// Tells an operation of the calling thread on a lock to the oracle.
pub(super) fn tell_lock(lock: usize, operation: &str, outcome: LockOutcome, at: &'static Location<'static>) {
    if is_told() {
        let thread = managed().expect("a managed thread calls");
        with(|state| state.tell_lock(&LockOperation { thread, lock, operation, outcome, at }));
    }
}

/// Notes that the calling thread holds a lock.
pub(super) fn take_lock(address: usize) {
    changed();
    with(|state| state.take_lock(address));
}

/// Notes that the calling thread has freed a lock. The threads that wait for it can go on.
pub(super) fn release_lock(address: usize) {
    changed();
    with(|state| state.release_lock(address));
}

/// Waits until a managed thread has ended.
#[track_caller]
pub(super) fn join(index: u32) {
    with(|state| state.note_join(index));
    preempt();
    if !has_ended(index) {
        block(Blocked::Join(index), TimeLimits::default());
    }
}

/// Returns whether a managed thread has ended.
pub(super) fn has_ended(index: u32) -> bool {
    with(|state| state.has_ended(index))
}

/// Adds a thread that the calling one is about to spawn.
pub(super) fn register(name: String) -> u32 {
    with(|state| state.register(name))
}

/// Takes a thread back that the operating system did not give.
pub(super) fn unregister(index: u32) {
    with(|state| state.end_thread(index));
}

/// Notes the thread that the operating system gave.
pub(super) fn set_thread(index: u32, thread: Thread) {
    with(|state| state.set_thread(index, thread));
}

/// Makes the calling thread the managed one of this number, and runs its body when it has the baton.
pub(super) fn enter<R>(index: u32, body: impl FnOnce() -> R) -> R {
    LEAVING.with(|_| ());
    HERE.set(index + 1);
    wait_for_baton(index);
    let tid = crate::sys::thread_number();
    with(|state| state.set_tid(tid));
    let _noting = NotingPanic;
    body()
}

/// Notes a panic that goes through the body of a managed thread.
struct NotingPanic;

impl Drop for NotingPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            with(State::note_panic);
        }
    }
}

/// Ends the managed thread when its locals are destroyed. Locals are destroyed in the reverse order of their
/// first use, so this one, which [`enter`] uses first, is the last.
struct Leaving;

thread_local! {
    static LEAVING: Leaving = const { Leaving };
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if !is_managed() {
            return;
        }
        let next = with(State::end_here);
        HERE.set(UNMANAGED);
        match next {
            Ok(next) => give_to(next),
            Err(end) => stop(end),
        }
    }
}
