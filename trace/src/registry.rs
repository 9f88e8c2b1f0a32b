//! The registry of a session: the rings of all threads, the labels, and the settings of new rings.

use crate::{
    children,
    clock::{self, Anchor},
    event::Event,
    export::{Lane, Mode, ThreadTrace, Trace},
    file::{ProcessInfo, Recording, Segment},
    record, resource,
    ring::Ring,
    shared::{Named, Shared},
    site, wait,
};
use brigade_handle::{Id, fork::PerProcess, observe};
use std::{
    collections::{HashMap, VecDeque},
    iter, process,
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
    /// Other sessions may begin meanwhile, each as a part of this one.
    is_shared: bool,
    begin: Anchor,
    threads: Vec<Recorder>,
    /// The threads whose rings were given up, and the number of their events.
    lost_threads: u64,
    lost_events: u64,
    labels: Labels,
    /// The memory that this process, a worker, shares with its parent. Then all rings lie there.
    lender: Option<Shared<'static>>,
}

/// A session that keeps the last events keeps the rings of this many threads that have ended. If it keeps the
/// first events, it keeps as much memory of such threads as this many full rings take.
const ENDED_RINGS_MAX: usize = 64;
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
    registry.give_up_rings();
    let ring = match registry.lender {
        Some(shared) => shared.take_lane(&name, tid, lane, id, registry.mode),
        None => registry.has_room().then(|| Ring::new(registry.capacity, registry.mode)),
    };
    let ring = Arc::new(ring.unwrap_or_else(Ring::counting));
    if registry.running {
        registry.threads.push(Recorder { name, tid, lane, id, ring: ring.clone() });
    }
    (registry.session, ring)
}

pub(crate) fn label(id: Id, text: String) {
    if !observe::records() || !is_here() {
        return;
    }
    let text: Arc<str> = text.into();
    let mut registry = registry();
    if registry.running {
        let mode = registry.mode;
        if let Some(shared) = registry.lender {
            shared.tell(Named::Label, id.to_bits(), &text);
        }
        registry.labels.insert(id, text, mode);
    }
}

/// Tells the parent of this process, a worker, what a number or an id stands for.
#[cold]
pub(crate) fn tell(named: Named, key: u64, text: &str) {
    let registry = registry();
    if let Some(shared) = registry.lender.filter(|_| registry.running) {
        shared.tell(named, key, text);
    }
}

/// Which events the running session keeps.
pub(crate) fn mode() -> Mode {
    registry().mode
}

pub(crate) fn label_of(id: Id) -> Option<Arc<str>> {
    if is_here() { registry().labels.texts.get(&id).cloned() } else { None }
}

/// Whether the thread is gone. A running thread has a reference of its own, and a snapshot for a short time.
fn has_ended(thread: &Recorder) -> bool {
    Arc::strong_count(&thread.ring) == 1
}

impl Registry {
    /// Whether a new thread's events are kept. A session that keeps the first ones has no room for those of
    /// any number of threads.
    fn has_room(&self) -> bool {
        if self.mode == Mode::KeepLast || self.threads.len() < ENDED_RINGS_MAX {
            return true;
        }
        let ended = self.threads.iter().filter(|thread| has_ended(thread));
        ended.map(|thread| thread.ring.room()).sum::<usize>() < self.capacity.saturating_mul(ENDED_RINGS_MAX)
    }

    /// Gives up the rings of threads that have ended: the oldest, if only the last events are wanted, and
    /// those that only count.
    fn give_up_rings(&mut self) {
        let ended = self.threads.iter().filter(|thread| has_ended(thread)).count();
        let mut surplus = match self.mode {
            Mode::KeepFirst => 0,
            Mode::KeepLast => ended.saturating_sub(ENDED_RINGS_MAX),
        };
        let (lost_threads, lost_events) = (&mut self.lost_threads, &mut self.lost_events);
        self.threads.retain(|thread| {
            let is_old = surplus > 0;
            let is_lost = has_ended(thread) && (is_old || thread.ring.only_counts());
            if is_lost {
                surplus -= usize::from(is_old);
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

/// A session that begins while a shared one runs: it has the events from here on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    since: u64,
}

/// Begins a session, or a part of the shared one that runs. None if another one runs that shares nothing.
pub(crate) fn begin(capacity: usize, mode: Mode, sharing: Sharing) -> Option<Option<Part>> {
    let mut registry = registry();
    if registry.running {
        return registry.is_shared.then(|| Some(Part { since: clock::nanos() }));
    }
    clock::choose();
    wait::observe_handles();
    // The lock keeps others from counting. Relaxed: see `number`.
    let session = SESSIONS.load(Ordering::Relaxed) + 1;
    *registry = Registry {
        session,
        capacity,
        mode,
        running: true,
        is_shared: sharing == Sharing::Shared,
        begin: Anchor::now(),
        ..Registry::default()
    };
    SESSIONS.store(session, Ordering::Relaxed);
    observe::switch(true);
    Some(None)
}

/// Begins a session of this process, a worker, for its parent. Its events go to the shared memory.
pub(crate) fn begin_shared(shared: Shared<'static>, mode: Mode) {
    wait::observe_handles();
    site::all().for_each(|(number, place)| shared.tell(Named::Site, number, &place));
    resource::names().iter().for_each(|(id, name)| shared.tell(Named::Label, id.to_bits(), name));
    let mut registry = registry();
    let session = SESSIONS.load(Ordering::Relaxed) + 1;
    *registry = Registry { session, mode, running: true, lender: Some(shared), ..Registry::default() };
    SESSIONS.store(session, Ordering::Relaxed);
    observe::switch(true);
}

/// Ends the session and forgets its events.
pub(crate) fn end() {
    observe::switch(false);
    children::forget();
    let mut registry = registry();
    registry.running = false;
    registry.threads.clear();
    registry.labels = Labels::default();
}

/// Whether other sessions may begin while one runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// No.
    Alone,
    /// Yes: each is a part of it.
    Shared,
}

/// Copies all that was recorded so far, or since the begin of this part, by the workers of this process as
/// well.
pub(crate) fn recording(part: Option<Part>) -> Recording {
    let own = Segment { process: ProcessInfo::here(), trace: snapshot(part) };
    let (session, mode, begin) = {
        let registry = registry();
        (registry.session, registry.mode, registry.begin)
    };
    let end = Anchor::now();
    let mut workers = children::segments(session, mode, |stamp| begin.nanos_of(stamp, end));
    if let Some(part) = part {
        workers.iter_mut().for_each(|worker| cut(&mut worker.trace, part));
    }
    Recording { segments: iter::once(own).chain(workers).collect(), problems: Vec::new() }
}

/// Copies all that this process recorded so far, or since the begin of this part.
pub(crate) fn snapshot(part: Option<Part>) -> Trace {
    let mut trace = copy();
    if let Some(part) = part {
        cut(&mut trace, part);
    }
    trace
}

/// Leaves out what came before the part.
fn cut(trace: &mut Trace, Part { since }: Part) {
    for thread in &mut trace.threads {
        let before = thread.events.partition_point(|event| event.at < since);
        thread.events.drain(..before);
        if before > 0 && thread.mode == Mode::KeepLast {
            // The ring still had older ones, so none of these is missing.
            thread.dropped = 0;
        }
    }
    trace.threads.retain(|thread| !thread.events.is_empty() || thread.dropped > 0);
}

/// Copies all that was recorded so far. The rings are copied without the lock, for which every new thread and
/// every label would wait.
fn copy() -> Trace {
    let mut registry = registry();
    // No new thread may come that does it.
    registry.give_up_rings();
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
    let epoch = clock::start().epoch();
    let mut labels = resource::names();
    labels.extend(given.into_iter().map(|(id, text)| (id, text.to_string())));
    Trace { threads: lost.into_iter().chain(threads).collect(), labels, sites: site::all().collect(), epoch }
}
