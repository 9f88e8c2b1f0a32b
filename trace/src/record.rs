//! Recording: the only code that knows whether a session runs.
//!
//! A process has one switch. While it is off, [`record`] is one relaxed load and a predicted branch. While
//! it is on, each thread finds its ring through a thread-local. The first event of a thread in a session
//! makes the ring and registers it under a lock; later events take no lock.

use crate::{
    clock,
    event::{Cause, Event, Kind},
    export::{ThreadTrace, Trace},
    ring::Ring,
};
use brigade_handle::{
    Domain, Id, Subject,
    fork::{Generation, PerProcess},
};
use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

/// Whether a session runs.
static RECORDING: AtomicBool = AtomicBool::new(false);
/// The number of the next [`fresh_id`].
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);
/// The running session. A forked child starts without one: the copy of the lock may be held for ever, and
/// its content describes the parent.
static REGISTRY: PerProcess<Mutex<Registry>> = PerProcess::new();

/// The part of a session that all threads share.
#[derive(Default)]
struct Registry {
    /// The number of the session. A thread whose ring belongs to an earlier session makes a new ring.
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

fn registry() -> MutexGuard<'static, Registry> {
    // A panic leaves no change in here half done, so a poisoned lock is as good as any.
    REGISTRY.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a session is running.
///
/// ```
/// assert!(!brigade_trace::on());
/// ```
#[inline(always)]
pub fn on() -> bool {
    // Relaxed: an event more or less at the edge of a session does not matter.
    !cfg!(loom) && RECORDING.load(Ordering::Relaxed)
}

/// Draws a new id in this domain while a session runs. Otherwise returns [`Id::NONE`], which costs nothing.
///
/// ```
/// use brigade_trace::{Domain, Id, Session, fresh_id};
///
/// assert_eq!(fresh_id(Domain::Task), Id::NONE);
/// let _session = Session::start(16).unwrap();
/// assert_ne!(fresh_id(Domain::Task), fresh_id(Domain::Task));
/// ```
#[inline]
pub fn fresh_id(domain: Domain) -> Id {
    // Relaxed: only uniqueness matters.
    if on() { Id::new(domain, NEXT_NUMBER.fetch_add(1, Ordering::Relaxed)) } else { Id::NONE }
}

/// Records that `kind` happened to `subject`; [`Kind`] says what `detail` means. The event's originator and
/// cause come from [`begin`] and [`because`].
///
/// ```
/// use brigade_trace::{Id, Kind, Session, record};
///
/// record(Kind::Park, Id::NONE, 0); // No session runs: nothing is recorded.
/// let session = Session::start(16).unwrap();
/// record(Kind::Unpark, Id::NONE, 0);
/// assert_eq!(session.stop().events().count(), 1);
/// ```
#[inline(always)]
pub fn record(kind: Kind, subject: Id, detail: u64) {
    if on() {
        write(kind, subject, detail);
    }
}

/// Marks that this thread runs `id` from now on. Returns the id that ran before, for [`end`].
///
/// ```
/// use brigade_trace::{Domain, Id, Session, begin, current, end, fresh_id};
///
/// let session = Session::start(16).unwrap();
/// let task = fresh_id(Domain::Task);
/// let before = begin(task);
/// assert_eq!(current(), task);
/// end(task, before, 1);
/// assert_eq!(current(), Id::NONE);
/// ```
#[inline(always)]
pub fn begin(id: Id) -> Id {
    if !on() {
        return Id::NONE;
    }
    write(Kind::RunBegin, id, 0);
    CURRENT.try_with(|current| current.replace(id)).unwrap_or(Id::NONE)
}

/// Marks the end of a run of `id`; `before` is the id that [`begin`] returned. Detail 1 means that the work
/// is complete.
#[inline(always)]
pub fn end(id: Id, before: Id, detail: u64) {
    if on() {
        let _ = CURRENT.try_with(|current| current.set(before));
        write(Kind::RunEnd, id, detail);
    }
}

/// The task, job or call that this thread runs, as told by [`begin`]; else [`Id::NONE`].
pub fn current() -> Id {
    CURRENT.try_with(Cell::get).unwrap_or(Id::NONE)
}

/// Runs `f`. Every wake-up that `f` records has this cause.
///
/// ```
/// use brigade_trace::{Cause, Domain, Id, Kind, Session, because, fresh_id, record};
///
/// let session = Session::start(16).unwrap();
/// because(Cause::Queue, || record(Kind::Wake, fresh_id(Domain::Task), 0));
/// assert_eq!(session.stop().events().next().unwrap().cause, Cause::Queue);
/// ```
#[inline(always)]
pub fn because<R>(cause: Cause, f: impl FnOnce() -> R) -> R {
    if on() { with_cause(cause, f) } else { f() }
}

/// Restores the previous cause, also when `f` panics.
struct RestoreCause(Cause);

impl Drop for RestoreCause {
    fn drop(&mut self) {
        let _ = CAUSE.try_with(|place| place.set(self.0));
    }
}

#[cold]
fn with_cause<R>(cause: Cause, f: impl FnOnce() -> R) -> R {
    let _restore = RestoreCause(CAUSE.try_with(|place| place.replace(cause)).unwrap_or(Cause::Unknown));
    f()
}

/// Gives `id` a name that a dump shows, such as a task's name or the place that spawned it. Does nothing
/// while no session runs.
///
/// ```
/// use brigade_trace::{Domain, Id, Kind, Session, fresh_id, label, record};
///
/// let session = Session::start(16).unwrap();
/// let task = fresh_id(Domain::Task);
/// label(task, || "soup".into());
/// record(Kind::Spawn, task, 0);
/// assert!(session.stop().to_string().contains("\"soup\""));
/// ```
pub fn label(id: Id, text: impl FnOnce() -> String) {
    if on() && id != Id::NONE {
        let text = text();
        if let Some(labels) = &mut registry().labels {
            labels.insert(id, text);
        }
    }
}

/// Returns the subject of an error: the id of some work, with the [`label`] that it has by now.
///
/// ```
/// use brigade_trace::{Domain, Id, Session, fresh_id, label, subject};
///
/// assert!(subject(Id::NONE).is_none());
/// let _session = Session::start(16).unwrap();
/// let task = fresh_id(Domain::Task);
/// label(task, || "soup".into());
/// assert_eq!((subject(task).id(), subject(task).name()), (task, Some("soup")));
/// ```
#[cold]
pub fn subject(id: Id) -> Subject {
    let label = || registry().labels.as_ref()?.get(&id).cloned();
    let name = if on() && id != Id::NONE { label() } else { None };
    Subject::new(id, name.map(Cow::Owned))
}

#[cold]
fn write(kind: Kind, subject: Id, detail: u64) {
    if REGISTRY.get().is_none() {
        // This is a child that was forked while its parent recorded: no session runs here.
        return RECORDING.store(false, Ordering::Relaxed);
    }
    let cause = CAUSE.try_with(Cell::get).unwrap_or(Cause::Unknown);
    let event = Event { at: clock::nanos(), kind, subject, by: current(), cause, detail };
    // A thread that is ending has no ring any more; its last events are lost.
    let _ = RING.try_with(|ring| {
        let mut ring = ring.borrow_mut();
        // Relaxed: a stale read puts the event into the previous session, which nobody reads any more.
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
    let mut registry = registry();
    let ring = Arc::new(Ring::new(registry.capacity));
    let current = thread::current();
    let name = current.name().map_or_else(|| format!("{:?}", current.id()), str::to_owned);
    if registry.running {
        registry.rings.push((name, ring.clone()));
    }
    (registry.session, ring)
}

/// A running recording. [`stop`](Self::stop) returns the events; dropping the session discards them.
///
/// ```
/// use brigade_trace::{Domain, Id, Kind, Session, fresh_id, record};
///
/// let session = Session::start(16).unwrap();
/// record(Kind::QueueDepth, fresh_id(Domain::Worker), 3);
/// assert_eq!(session.stop().events().count(), 1);
/// ```
#[derive(Debug)]
pub struct Session {
    /// The process that the session records.
    process: Generation,
}

/// The error of [`Session::start`]: another session is running in this process.
///
/// ```
/// use brigade_trace::{Busy, Session};
///
/// let _running = Session::start(16).unwrap();
/// assert_eq!(Session::start(16).unwrap_err(), Busy);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another trace session is running in this process; stop it first")
    }
}

impl std::error::Error for Busy {}

impl Session {
    /// Starts recording, with room for `capacity` events of 32 bytes on each thread.
    ///
    /// # Errors
    ///
    /// Returns [`Busy`] if a session is running already.
    ///
    /// ```
    /// let session = brigade_trace::Session::start(1024)?;
    /// assert_eq!(session.stop().dropped(), 0);
    /// # Ok::<(), brigade_trace::Busy>(())
    /// ```
    pub fn start(capacity: usize) -> Result<Self, Busy> {
        let mut registry = registry();
        if registry.running {
            return Err(Busy);
        }
        clock::epoch();
        // The lock keeps others from counting. Relaxed: see `write`.
        let session = SESSIONS.load(Ordering::Relaxed) + 1;
        *registry =
            Registry { session, capacity, running: true, rings: Vec::new(), labels: Some(HashMap::new()) };
        SESSIONS.store(session, Ordering::Relaxed);
        RECORDING.store(true, Ordering::Relaxed);
        Ok(Self { process: Generation::current() })
    }

    /// Stops recording and returns the events. A forked child gets an empty trace: the session is its
    /// parent's.
    #[must_use]
    pub fn stop(self) -> Trace {
        if !self.process.is_current() {
            return Trace { threads: Vec::new(), labels: HashMap::new() };
        }
        RECORDING.store(false, Ordering::Relaxed);
        let mut registry = registry();
        let threads = std::mem::take(&mut registry.rings).into_iter().map(|(name, ring)| ThreadTrace {
            name,
            events: ring.drain(),
            dropped: ring.dropped(),
        });
        Trace { threads: threads.collect(), labels: registry.labels.take().unwrap_or_default() }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.process.is_current() {
            return;
        }
        RECORDING.store(false, Ordering::Relaxed);
        let mut registry = registry();
        registry.running = false;
        registry.rings.clear();
        registry.labels = None;
    }
}
