//! Recording: the code that runs at each event.
//!
//! A process has one switch, in the ground floor (`handle/src/observe.rs`). While it is off, [`record`] is
//! one relaxed load and a predicted branch. While it is on, each thread finds its ring through a
//! thread-local. The first event of a thread in a session makes the ring and registers it under a lock;
//! later events take no lock.
//!
//! Long: each call stands beside its cold half, and a third of the lines are examples.

use crate::{
    clock, cpu,
    event::{Cause, Event, Kind},
    export::Lane,
    limits,
    listener::listener,
    origin, registry,
    ring::Ring,
};
use brigade_handle::{Domain, Id, Subject, observe};
use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The number of the next [`fresh_id`].
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

/// The state of this thread: what it runs, and what it is.
struct Local {
    /// The task, job or call that it runs.
    current: Cell<Id>,
    /// The [period](observe::period) in which that was told. If it ends within a run, it hears of no end.
    current_since: Cell<u64>,
    /// The cause of the wake-ups that it records.
    cause: Cell<Cause>,
    /// The worker or thread that it is, if that is known yet.
    own: Cell<Id>,
    lane: Cell<Lane>,
}

impl Local {
    fn current(&self) -> Id {
        if self.current_since.get() == observe::period() { self.current.get() } else { Id::NONE }
    }
}

thread_local! {
    static LOCAL: Local = const {
        Local {
            current: Cell::new(Id::NONE),
            current_since: Cell::new(0),
            cause: Cell::new(Cause::Unknown),
            own: Cell::new(Id::NONE),
            lane: Cell::new(Lane::Thread),
        }
    };
    static RING: RefCell<Option<Mine>> = const { RefCell::new(None) };
}

/// The ring of this thread.
struct Mine {
    session: u64,
    ring: Arc<Ring>,
}

impl Drop for Mine {
    fn drop(&mut self) {
        // The thread ends. Its part in the session ends as well, if that still runs.
        if observe::records() && registry::number() == self.session && registry::is_here() {
            self.ring.push(cpu_event());
        }
    }
}

/// Whether a session is running, or the table of what waits now is [kept](crate::live::keep).
///
/// ```
/// assert!(!brigade_trace::on());
/// ```
#[inline(always)]
pub fn on() -> bool {
    observe::on()
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
    if on() { draw_id(domain) } else { Id::NONE }
}

/// Draws a new id, whether a session runs or not.
pub(crate) fn draw_id(domain: Domain) -> Id {
    // Relaxed: only uniqueness matters.
    Id::new(domain, NEXT_NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Draws no id below this number any more.
pub(crate) fn number_from(first: u64) {
    // Relaxed: only uniqueness matters.
    NEXT_NUMBER.fetch_max(first.max(1), Ordering::Relaxed);
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
/// assert_eq!(session.stop().events().filter(|event| event.kind == Kind::Unpark).count(), 1);
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
    if on() { record_begin(id) } else { Id::NONE }
}

// Out of line, as all that runs only while a session does: the callers stay as small as without a trace.
#[cold]
fn record_begin(id: Id) -> Id {
    write(Kind::RunBegin, id, 0);
    let before = current();
    LOCAL.with(|local| {
        local.current.set(id);
        local.current_since.set(observe::period());
    });
    before
}

/// Marks the end of a run of `id`; `before` is the id that [`begin`] returned. Detail 1 means that the work
/// is complete.
#[inline(always)]
pub fn end(id: Id, before: Id, detail: u64) {
    if on() {
        record_end(id, before, detail);
    }
}

#[cold]
fn record_end(id: Id, before: Id, detail: u64) {
    // Otherwise a session that is over told what runs, and `before` as well.
    LOCAL.with(|local| {
        if local.current_since.get() == observe::period() {
            local.current.set(before);
        }
    });
    let at = write(Kind::RunEnd, id, detail);
    // The stamp of the end serves for both: taking one costs more than writing an event.
    if cpu::is_due(at) {
        cpu();
    }
}

/// The task, job or call that this thread runs, as told by [`begin`] in the latest session; else
/// [`Id::NONE`].
pub fn current() -> Id {
    LOCAL.with(Local::current)
}

/// The id that a trace gives to this thread: the [role](lane) that it was told, or a thread with the number
/// that the operating system gave it.
///
/// ```
/// use brigade_trace::{Domain, own_id};
///
/// assert_eq!(own_id().domain(), Domain::Thread);
/// ```
pub fn own_id() -> Id {
    LOCAL.with(|local| {
        if local.own.get() == Id::NONE {
            local.own.set(Id::new(Domain::Thread, clock::tid()));
        }
        local.own.get()
    })
}

/// Reads the number of this thread again, because a forked child has its parent's: returns the id until now,
/// and the one from now on.
fn renew_own_id() -> (Id, Id) {
    let stale = own_id();
    if stale.domain() == Domain::Thread {
        LOCAL.with(|local| local.own.set(Id::NONE));
    }
    (stale, own_id())
}

/// The task, job or call that this thread runs, or else the thread itself.
pub(crate) fn actor() -> Id {
    match current() {
        Id::NONE => own_id(),
        id => id,
    }
}

/// Tells the role of this thread, and the worker that it is. A thread says this when it begins, before it
/// records anything. [`Id::NONE`] leaves it the thread that it is.
///
/// ```
/// use brigade_trace::{Domain, Id, Kind, Lane, Session, lane, own_id, record};
///
/// let cook = Id::new(Domain::Worker, 0);
/// let before = lane(Lane::Pool, cook);
/// let session = Session::start(16).unwrap();
/// record(Kind::Park, own_id(), 0);
/// let trace = session.stop();
/// assert_eq!((trace.threads[0].lane, trace.threads[0].id), (Lane::Pool, cook));
/// lane(before.0, before.1);
/// ```
pub fn lane(lane: Lane, worker: Id) -> (Lane, Id) {
    let before = LOCAL.with(|local| (local.lane.replace(lane), local.own.replace(worker)));
    listener().into_iter().for_each(|listener| (listener.has_role)(lane));
    before
}

/// The role of this thread.
pub(crate) fn current_lane() -> Lane {
    LOCAL.with(|local| local.lane.get())
}

/// Records that the worker goes to sleep, and the CPU time of its thread.
#[inline(always)]
pub fn park(worker: Id) {
    if on() {
        write(Kind::Park, worker, 0);
        cpu();
    }
}

/// Records that the worker woke up, and the CPU time of its thread.
#[inline(always)]
pub fn unpark(worker: Id) {
    if on() {
        write(Kind::Unpark, worker, 0);
        cpu();
    }
}

/// Runs `f`. Every wake-up that `f` records has this cause.
///
/// ```
/// use brigade_trace::{Cause, Domain, Id, Kind, Session, because, fresh_id, record};
///
/// let session = Session::start(16).unwrap();
/// because(Cause::Queue, || record(Kind::Wake, fresh_id(Domain::Task), 0));
/// let trace = session.stop();
/// let wake = trace.events().find(|event| event.kind == Kind::Wake).unwrap();
/// assert_eq!(wake.cause, Cause::Queue);
/// ```
#[inline(always)]
pub fn because<R>(cause: Cause, f: impl FnOnce() -> R) -> R {
    if on() { with_cause(cause, f) } else { f() }
}

/// Restores the previous cause, also when `f` panics.
struct RestoreCause(Cause);

impl Drop for RestoreCause {
    fn drop(&mut self) {
        LOCAL.with(|local| local.cause.set(self.0));
    }
}

#[cold]
fn with_cause<R>(cause: Cause, f: impl FnOnce() -> R) -> R {
    let _restore = RestoreCause(LOCAL.with(|local| local.cause.replace(cause)));
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
        listener().into_iter().for_each(|listener| (listener.label)(id, &text));
        registry::label(id, text);
    }
}

/// Returns the subject of an error: the id of some work, with the [`label`] that it has by now. A task
/// without a label goes by the file and line that spawned it, if it is among the latest 65,536.
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
    let name = if on() && id != Id::NONE {
        registry::label_of(id).map(|label| label.to_string()).or_else(|| origin::of(id))
    } else {
        None
    };
    Subject::new(id, name.map(Cow::Owned))
}

/// Writes an event. Returns its stamp.
#[cold]
fn write(kind: Kind, subject: Id, detail: u64) -> u64 {
    let at = clock::stamp();
    let (current, cause) = LOCAL.with(|local| (local.current(), local.cause.get()));
    if kind == Kind::Spawn {
        origin::note(subject, detail);
    }
    let by = if current == Id::NONE && kind == Kind::Wake { own_id() } else { current };
    push(Event { at, kind, subject, by, cause, detail });
    at
}

/// Puts an event into this thread's ring. Its time is a [stamp](clock::stamp).
#[inline]
pub(crate) fn push(event: Event) {
    if let Some(listener) = listener() {
        observe::aside(|| (listener.apply)(&event));
    }
    push_to_ring(event);
}

/// Puts an event into this thread's ring, if a session records.
pub(crate) fn push_to_ring(event: Event) {
    if !observe::records() || !registry::is_here() {
        return;
    }
    // A thread that is ending has no ring any more; its last events are lost.
    let _ = RING.try_with(|mine| {
        if let Some(Mine { session, ring }) = &*mine.borrow()
            && *session == registry::number()
        {
            return ring.push(event);
        }
        push_first(mine, event);
    });
    limits::see(&event); // It is there for a dump.
}

/// Makes this thread's ring and puts its first event there.
#[cold]
fn push_first(mine: &RefCell<Option<Mine>>, event: Event) {
    let (stale, own) = renew_own_id();
    let renewed = |id| if id == stale { own } else { id };
    let (session, ring) = registry::register();
    // The CPU time at the begin of this thread's part.
    ring.push(Event { at: event.at, ..cpu_event() });
    if event.kind != Kind::Cpu {
        ring.push(Event { subject: renewed(event.subject), by: renewed(event.by), ..event });
    }
    *mine.borrow_mut() = Some(Mine { session, ring });
}

fn cpu_event() -> Event {
    cpu::event(own_id())
}

/// Records the CPU time of this thread.
#[cold]
pub(crate) fn cpu() {
    if observe::records() {
        push_to_ring(cpu_event());
    }
}
