//! Recording: the only code that knows whether anybody listens.
//!
//! A process has one switch. While it is off, [`record`] is one relaxed load and a branch that is predicted. While it is
//! on, the thread's ring is found through a thread-local; the first event of a thread in a session makes its ring and
//! registers it under a lock, the others take none.

use crate::{
    clock,
    event::{Cause, Domain, Event, Id, Kind},
    export::{ThreadTrace, Trace},
    ring::Ring,
};
use brigade_handle::fork::{Generation, PerProcess};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

static ON: AtomicBool = AtomicBool::new(false);
static NEXT: AtomicU64 = AtomicU64::new(1);
/// A forked child begins with an empty one: the lock may be held there for ever, and what it is about is the parent's.
static BOOK: PerProcess<Mutex<Book>> = PerProcess::new();

/// What a session shares between threads.
#[derive(Default)]
struct Book {
    /// Which session this is; a thread whose ring is of an earlier one makes a new ring.
    session: u64,
    capacity: usize,
    running: bool,
    rings: Vec<(String, Arc<Ring>)>,
    labels: Option<HashMap<Id, String>>,
}

thread_local! {
    static RING: RefCell<Option<(u64, Arc<Ring>)>> = const { RefCell::new(None) };
    static CURRENT: Cell<Id> = const { Cell::new(Id::NONE) };
    static CAUSE: Cell<Cause> = const { Cell::new(Cause::Unknown) };
}

/// Counts sessions, so that a thread sees without a lock that its ring is old.
static SESSIONS: AtomicU64 = AtomicU64::new(0);

fn book() -> MutexGuard<'static, Book> {
    // Nothing in here can be left half done by a panic.
    BOOK.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a session is running.
#[inline(always)]
pub fn on() -> bool {
    // Relaxed: an event more or less at the edge of a session does not matter.
    !cfg!(loom) && ON.load(Ordering::Relaxed)
}

impl Id {
    /// A new name in this domain while a session runs, else [`Id::NONE`], which costs nothing.
    #[inline]
    pub fn fresh(domain: Domain) -> Self {
        // Relaxed: only uniqueness matters.
        if on() { Self::new(domain, NEXT.fetch_add(1, Ordering::Relaxed)) } else { Self::NONE }
    }
}

/// Records that `kind` happened to `subject`; [`Kind`] says what `detail` means. By whom and why is taken from
/// [`begin`] and [`because`].
#[inline(always)]
pub fn record(kind: Kind, subject: Id, detail: u64) {
    if on() {
        write(kind, subject, detail);
    }
}

/// Says that this thread runs `id` from now on, and returns who ran before, for [`end`].
#[inline(always)]
pub fn begin(id: Id) -> Id {
    if !on() {
        return Id::NONE;
    }
    write(Kind::RunBegin, id, 0);
    CURRENT.try_with(|current| current.replace(id)).unwrap_or(Id::NONE)
}

/// Says that the run of `id` is over; `before` is what [`begin`] returned. Detail 1 means that the work is complete.
#[inline(always)]
pub fn end(id: Id, before: Id, detail: u64) {
    if on() {
        let _ = CURRENT.try_with(|current| current.set(before));
        write(Kind::RunEnd, id, detail);
    }
}

/// What this thread runs, as far as it was said.
pub fn current() -> Id {
    CURRENT.try_with(Cell::get).unwrap_or(Id::NONE)
}

/// Runs `f`; what it wakes is woken because of `cause`.
#[inline(always)]
pub fn because<R>(cause: Cause, f: impl FnOnce() -> R) -> R {
    if on() { with_cause(cause, f) } else { f() }
}

/// Puts the cause before this one back, also when `f` panics.
struct Before(Cause);

impl Drop for Before {
    fn drop(&mut self) {
        let _ = CAUSE.try_with(|place| place.set(self.0));
    }
}

#[cold]
fn with_cause<R>(cause: Cause, f: impl FnOnce() -> R) -> R {
    let _before = Before(CAUSE.try_with(|place| place.replace(cause)).unwrap_or(Cause::Unknown));
    f()
}

/// Gives `id` a name that a dump shows: a task's name, where it was spawned. Ignored while no session runs.
pub fn label(id: Id, text: impl FnOnce() -> String) {
    if on() && id != Id::NONE {
        let text = text();
        if let Some(labels) = &mut book().labels {
            labels.insert(id, text);
        }
    }
}

#[cold]
fn write(kind: Kind, subject: Id, detail: u64) {
    if BOOK.get().is_none() {
        // A child that was forked while its parent recorded: nobody listens here.
        return ON.store(false, Ordering::Relaxed);
    }
    let cause = CAUSE.try_with(Cell::get).unwrap_or(Cause::Unknown);
    let event = Event { at: clock::nanos(), kind, subject, by: current(), cause, detail };
    // A thread that is ending has no ring any more; its last events are its own affair.
    let _ = RING.try_with(|ring| {
        let mut ring = ring.borrow_mut();
        // Relaxed: a stale read puts the event into the session before, which nobody reads any more.
        let session = SESSIONS.load(Ordering::Relaxed);
        match &*ring {
            Some((mine, ring)) if *mine == session => ring.push(event),
            _ => {
                let fresh = register();
                fresh.1.push(event);
                *ring = Some(fresh);
            }
        }
    });
}

/// Makes this thread's ring for the running session.
fn register() -> (u64, Arc<Ring>) {
    let mut book = book();
    let ring = Arc::new(Ring::new(book.capacity));
    let current = thread::current();
    let name = current.name().map_or_else(|| format!("{:?}", current.id()), str::to_owned);
    if book.running {
        book.rings.push((name, ring.clone()));
    }
    (book.session, ring)
}

/// A time of recording. Stop it to see what happened; dropping it throws the events away.
#[derive(Debug)]
pub struct Session {
    /// The process that is recorded.
    process: Generation,
}

/// Another session is running in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another trace session is running in this process; stop it first")
    }
}

impl std::error::Error for Busy {}

impl Session {
    /// Starts to record, with room for `capacity` events (32 bytes each) on each thread.
    ///
    /// # Errors
    ///
    /// [`Busy`] if a session is running already.
    pub fn start(capacity: usize) -> Result<Self, Busy> {
        let mut book = book();
        if book.running {
            return Err(Busy);
        }
        clock::epoch();
        // Under the lock nobody else counts. Relaxed: see `write`.
        let session = SESSIONS.load(Ordering::Relaxed) + 1;
        *book = Book { session, capacity, running: true, rings: Vec::new(), labels: Some(HashMap::new()) };
        SESSIONS.store(session, Ordering::Relaxed);
        ON.store(true, Ordering::Relaxed);
        Ok(Self { process: Generation::current() })
    }

    /// Stops recording and gives what was recorded. In a forked child that is nothing: the session is its parent's.
    #[must_use]
    pub fn stop(self) -> Trace {
        if !self.process.is_current() {
            return Trace { threads: Vec::new(), labels: HashMap::new() };
        }
        ON.store(false, Ordering::Relaxed);
        let mut book = book();
        let threads = std::mem::take(&mut book.rings).into_iter().map(|(name, ring)| ThreadTrace {
            name,
            events: ring.drain(),
            dropped: ring.dropped(),
        });
        Trace { threads: threads.collect(), labels: book.labels.take().unwrap_or_default() }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.process.is_current() {
            return;
        }
        ON.store(false, Ordering::Relaxed);
        let mut book = book();
        book.running = false;
        book.rings.clear();
        book.labels = None;
    }
}
