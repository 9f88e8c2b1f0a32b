//! A session: the time between start and stop, and the rings of the threads that record meanwhile.

use crate::{
    clock::{self, Anchor},
    event::Event,
    export::{Epoch, Lane, Mode, ThreadTrace, Trace},
    record, resource,
    ring::Ring,
    site, wait,
};
use brigade_handle::{
    Id,
    fork::{Generation, PerProcess},
    observe,
};
use std::{
    collections::{HashMap, VecDeque},
    fmt, process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// The running session. A forked child starts without one: the copy of the lock may be held for ever, and
/// its content describes the parent.
static REGISTRY: PerProcess<Mutex<Registry>> = PerProcess::new();
/// Counts sessions, so that a thread sees without a lock that its ring is old.
static SESSIONS: AtomicU64 = AtomicU64::new(0);

/// The part of a session that all threads share.
#[derive(Default)]
struct Registry {
    /// The number of the session. A thread whose ring belongs to an earlier session makes a new ring.
    session: u64,
    capacity: usize,
    mode: Mode,
    running: bool,
    begin: Anchor,
    threads: Vec<Recorder>,
    /// The threads whose rings were given up, and the number of their events.
    lost_threads: u64,
    lost_events: u64,
    labels: Labels,
}

/// A session that keeps the last events keeps the rings of this many threads that have ended.
const ENDED_THREADS_MAX: usize = 64;
/// A session keeps this many labels: the first ones or the last ones, like a ring.
const LABELS_MAX: usize = 1 << 16;

/// The labels, of which there are [`LABELS_MAX`] at most.
#[derive(Default)]
struct Labels {
    texts: HashMap<Id, Arc<str>>,
    /// The ids in the order in which they were labelled.
    order: VecDeque<Id>,
}

impl Labels {
    fn insert(&mut self, id: Id, text: Arc<str>, mode: Mode) {
        if let Some(known) = self.texts.get_mut(&id) {
            *known = text;
            return;
        }
        if self.order.len() == LABELS_MAX {
            match mode {
                Mode::KeepFirst => return,
                Mode::KeepLast => self.order.pop_front().map(|oldest| self.texts.remove(&oldest)),
            };
        }
        self.order.push_back(id);
        self.texts.insert(id, text);
    }
}

/// A thread that records.
#[derive(Clone)]
struct Recorder {
    name: String,
    tid: u64,
    lane: Lane,
    id: Id,
    ring: Arc<Ring>,
}

fn registry() -> MutexGuard<'static, Registry> {
    // A panic leaves no change in here half done, so a poisoned lock is as good as any.
    REGISTRY.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of the running session.
#[inline]
pub(crate) fn number() -> u64 {
    // Relaxed: a stale read puts an event into the previous session, which nobody reads any more.
    SESSIONS.load(Ordering::Relaxed)
}

/// Whether this process has had a session. A child that was forked while its parent recorded has had none:
/// then this switches recording off.
#[inline]
pub(crate) fn is_here() -> bool {
    let is_here = REGISTRY.get().is_some();
    if !is_here {
        observe::switch(false);
    }
    is_here
}

/// Makes this thread's ring for the running session.
pub(crate) fn register() -> (u64, Arc<Ring>) {
    let current = thread::current();
    let name = current.name().map_or_else(|| format!("{:?}", current.id()), str::to_owned);
    let (tid, lane, id) = (clock::tid(), record::current_lane(), record::own_id());
    let mut registry = registry();
    let ring = Arc::new(Ring::new(registry.capacity, registry.mode));
    if registry.running {
        registry.give_up_rings();
        registry.threads.push(Recorder { name, tid, lane, id, ring: ring.clone() });
    }
    (registry.session, ring)
}

pub(crate) fn label(id: Id, text: String) {
    if !is_here() {
        return;
    }
    let text = text.into();
    let mut registry = registry();
    if registry.running {
        let mode = registry.mode;
        registry.labels.insert(id, text, mode);
    }
}

pub(crate) fn label_of(id: Id) -> Option<Arc<str>> {
    if is_here() { registry().labels.texts.get(&id).cloned() } else { None }
}

impl Registry {
    /// Gives up the oldest rings of threads that have ended, if only the last events are wanted.
    fn give_up_rings(&mut self) {
        // The thread itself has the other reference, and a snapshot for a short time.
        let has_ended = |thread: &Recorder| Arc::strong_count(&thread.ring) == 1;
        let ended = self.threads.iter().filter(|thread| has_ended(thread)).count();
        let mut surplus = ended.saturating_sub(ENDED_THREADS_MAX);
        if self.mode == Mode::KeepFirst || surplus == 0 {
            return;
        }
        let (lost_threads, lost_events) = (&mut self.lost_threads, &mut self.lost_events);
        self.threads.retain(|thread| {
            let is_lost = surplus > 0 && has_ended(thread);
            if is_lost {
                surplus -= 1;
                *lost_threads += 1;
                *lost_events += thread.ring.written();
            }
            !is_lost
        });
    }

    /// The entry for the threads whose rings were given up.
    fn lost(&self) -> Option<ThreadTrace> {
        (self.lost_threads > 0).then(|| ThreadTrace {
            name: format!("{} ended threads", self.lost_threads),
            process: process::id(),
            mode: self.mode,
            dropped: self.lost_events,
            ..ThreadTrace::default()
        })
    }
}

/// Copies all that was recorded so far. The rings are copied without the lock, for which every new thread and
/// every label would wait.
fn snapshot() -> Trace {
    let registry = registry();
    let (begin, lost) = (registry.begin, registry.lost());
    let (recorders, given) = (registry.threads.clone(), registry.labels.texts.clone());
    drop(registry);
    let copied: Vec<_> = recorders.into_iter().map(|thread| (thread.ring.snapshot(), thread)).collect();
    let end = Anchor::now();
    let timed = |event: Event| Event { at: begin.nanos_of(event.at, end), ..event };
    let threads = copied.into_iter().map(|((events, dropped), thread)| ThreadTrace {
        name: thread.name,
        tid: thread.tid,
        process: process::id(),
        lane: thread.lane,
        id: thread.id,
        mode: thread.ring.mode(),
        events: events.into_iter().map(timed).collect(),
        dropped,
    });
    let start = clock::start();
    let epoch = Epoch { monotonic_nanos: start.monotonic_nanos, unix_nanos: start.unix_nanos };
    let mut labels = resource::names();
    labels.extend(given.into_iter().map(|(id, text)| (id, text.to_string())));
    Trace { threads: lost.into_iter().chain(threads).collect(), labels, sites: site::all().collect(), epoch }
}

/// A running recording. [`stop`](Self::stop) returns the events; dropping the session discards them.
///
/// ```
/// use brigade_trace::{Domain, Id, Kind, Session, fresh_id, record};
///
/// let session = Session::start(16).unwrap();
/// record(Kind::QueueDepth, fresh_id(Domain::Worker), 3);
/// assert!(session.stop().events().any(|event| event.kind == Kind::QueueDepth));
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

/// The settings of a session that is not running yet.
///
/// ```
/// use brigade_trace::{Domain, Kind, Mode, Session, fresh_id, record};
///
/// // A flight recorder: whatever happens, the last events are there.
/// let session = Session::builder().capacity(4).mode(Mode::KeepLast).start().unwrap();
/// let worker = fresh_id(Domain::Worker);
/// (0..100).for_each(|depth| record(Kind::QueueDepth, worker, depth));
/// let trace = session.snapshot();
/// let depths: Vec<_> = trace.events().map(|event| event.detail).collect();
/// assert_eq!(depths, [96, 97, 98, 99]);
/// ```
#[derive(Debug, Clone)]
#[must_use = "a session runs from `start` on"]
pub struct Builder {
    capacity: usize,
    mode: Mode,
}

impl Builder {
    /// Sets the number of events of 32 bytes that each thread has room for: 65,536 unless told.
    pub fn capacity(mut self, events: usize) -> Self {
        self.capacity = events;
        self
    }

    /// Sets which events are kept when there are more: the first ones unless told.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Starts recording.
    ///
    /// # Errors
    ///
    /// Returns [`Busy`] if a session is running already.
    pub fn start(self) -> Result<Session, Busy> {
        let mut registry = registry();
        if registry.running {
            return Err(Busy);
        }
        clock::choose();
        wait::observe_handles();
        // The lock keeps others from counting. Relaxed: see `number`.
        let session = SESSIONS.load(Ordering::Relaxed) + 1;
        *registry = Registry {
            session,
            capacity: self.capacity,
            mode: self.mode,
            running: true,
            begin: Anchor::now(),
            ..Registry::default()
        };
        SESSIONS.store(session, Ordering::Relaxed);
        observe::switch(true);
        Ok(Session { process: Generation::current() })
    }
}

impl Session {
    /// Returns the settings of a session, to change and to [start](Builder::start).
    pub fn builder() -> Builder {
        Builder { capacity: 1 << 16, mode: Mode::KeepFirst }
    }

    /// Starts recording, with room for the first `capacity` events of 32 bytes on each thread.
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
        Self::builder().capacity(capacity).start()
    }

    /// Returns the events so far, and goes on recording. A forked child gets an empty trace: the session is
    /// its parent's.
    ///
    /// ```
    /// use brigade_trace::{Domain, Kind, Session, fresh_id, record};
    ///
    /// let session = Session::start(16).unwrap();
    /// record(Kind::Spawn, fresh_id(Domain::Task), 0);
    /// let before = session.snapshot().events().count();
    /// record(Kind::Spawn, fresh_id(Domain::Task), 0);
    /// assert_eq!(session.snapshot().events().count(), before + 1);
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Trace {
        if self.process.is_current() { snapshot() } else { Trace::default() }
    }

    /// Stops recording and returns the events. A forked child gets an empty trace: the session is its
    /// parent's.
    #[must_use]
    pub fn stop(self) -> Trace {
        if self.process.is_current() {
            // The end of this thread's part. Other threads cannot be asked.
            record::cpu();
            observe::switch(false);
        }
        self.snapshot()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.process.is_current() {
            return;
        }
        observe::switch(false);
        let mut registry = registry();
        registry.running = false;
        registry.threads.clear();
        registry.labels = Labels::default();
    }
}
