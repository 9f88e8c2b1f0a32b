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
    listener::listener,
    local::{self, Local},
    part::{cpu, push},
    registry,
    site::Site,
};
use brigade_handle::{Domain, Id, Subject, observe};
use std::{
    borrow::Cow,
    sync::atomic::{AtomicU64, Ordering},
};

/// The number of the next [`fresh_id`].
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

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
        record_event(kind, subject, detail);
    }
}

/// Marks that this thread runs `id` from now on, until [`end`] or [`complete`]. Runs may lie within each
/// other.
///
/// ```
/// use brigade_trace::{Domain, Id, Session, begin, current, end, fresh_id};
///
/// let session = Session::start(16).unwrap();
/// let task = fresh_id(Domain::Task);
/// begin(task);
/// assert_eq!(current(), task);
/// end(task, 1);
/// assert_eq!(current(), Id::NONE);
/// ```
#[inline(always)]
pub fn begin(id: Id) {
    if on() {
        record_begin(id);
    }
}

// Out of line, as all that runs only while a session does: the callers stay as small as without a trace.
// The cold function is a jump, because a compiler makes cold code small instead of fast. The state of the
// thread is an argument, because a closure that takes it would find everything else through pointers.
#[cold]
#[inline(never)]
fn record_begin(id: Id) {
    begin_run(id, Site::NONE);
}

#[inline]
pub(crate) fn begin_run(id: Id, site: Site) {
    local::with(|local| begin_run_on(local, id, site));
}

#[inline(never)]
fn begin_run_on(local: &Local, id: Id, site: Site) {
    let (at, by, cause) = (local.stamp_after_run(), local.current(), local.cause.get());
    push(Event { at, kind: Kind::RunBegin, subject: id, by, cause, detail: 0 });
    local.begin(id, site);
}

/// Marks the end of a run of `id`. Detail 1 means that the work is complete.
#[inline(always)]
pub fn end(id: Id, detail: u64) {
    if on() {
        record_end(id, detail);
    }
}

#[cold]
#[inline(never)]
fn record_end(id: Id, detail: u64) {
    end_run(id, detail);
}

#[inline]
pub(crate) fn end_run(id: Id, detail: u64) {
    local::with(|local| end_run_on(local, id, detail));
}

#[inline(never)]
fn end_run_on(local: &Local, id: Id, detail: u64) {
    local.end(id);
    let (at, by, cause) = (clock::stamp(), local.current(), local.cause.get());
    push(Event { at, kind: Kind::RunEnd, subject: id, by, cause, detail });
    end_of_run(local, id, at);
}

/// Records that the result of `id` is stored. Detail 1 means that it is an error. If this thread runs the
/// work, that run ends as well.
///
/// ```
/// use brigade_trace::{Domain, Kind, Session, begin, complete, fresh_id};
///
/// let session = Session::start(16).unwrap();
/// let task = fresh_id(Domain::Task);
/// begin(task);
/// complete(task, 0);
/// let trace = session.stop();
/// let of_task = trace.events().filter(|event| event.subject == task);
/// assert!(of_task.map(|event| event.kind).eq([Kind::RunBegin, Kind::RunEnd, Kind::Complete]));
/// ```
#[inline(always)]
pub fn complete(id: Id, detail: u64) {
    if on() {
        record_complete(id, detail);
    }
}

#[cold]
#[inline(never)]
fn record_complete(id: Id, detail: u64) {
    complete_run(id, detail);
}

#[inline]
pub(crate) fn complete_run(id: Id, detail: u64) {
    local::with(|local| complete_run_on(local, id, detail));
}

#[inline(never)]
fn complete_run_on(local: &Local, id: Id, detail: u64) {
    let has_run = local.end(id);
    let (at, by, cause) = (clock::stamp(), local.current(), local.cause.get());
    let event = |kind, detail| Event { at, kind, subject: id, by, cause, detail };
    if has_run {
        push(event(Kind::RunEnd, 1));
    }
    push(event(Kind::Complete, detail));
    if has_run {
        end_of_run(local, id, at);
    }
}

/// The next event may share the stamp of a task's run, whose executor says when it does anything else than
/// to take the next task. Jobs and calls are followed by code of which nothing is known.
#[inline]
fn end_of_run(local: &Local, id: Id, at: u64) {
    if id.domain() == Domain::Task && local.is_idle() {
        local.set_end_of_run(at);
    }
    if cpu::is_due(at) {
        cpu();
    }
}

/// Says that this thread has done something else since it last ran a task. Otherwise a task that it runs
/// next, with no event in between, is said to begin when the last one ended: taking the time costs more than
/// the rest of an event. An executor that has nothing to do between two tasks but to take the next one does
/// not call this.
///
/// ```
/// use brigade_trace::{Domain, Kind, Session, begin, end, fresh_id, gap};
///
/// let session = Session::start(16).unwrap();
/// let task = fresh_id(Domain::Task);
/// for _ in 0..2 {
///     begin(task);
///     end(task, 0);
/// }
/// gap();
/// begin(task);
/// let trace = session.stop();
/// let times = |kind| trace.events().filter(move |event| event.kind == kind).map(|event| event.at);
/// let (begins, ends): (Vec<_>, Vec<_>) = (times(Kind::RunBegin).collect(), times(Kind::RunEnd).collect());
/// assert_eq!(begins[1], ends[0]);
/// assert!(begins[2] > ends[1]);
/// ```
#[inline(always)]
pub fn gap() {
    if on() {
        record_gap();
    }
}

#[cold]
fn record_gap() {
    local::with(|local| local.set_end_of_run(0));
}

/// The task, job or call that this thread runs, as told by [`begin`] in the latest session; else
/// [`Id::NONE`].
pub fn current() -> Id {
    local::with(Local::current)
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
    local::with(Local::own)
}

/// Reads the number of this thread again, because a forked child has its parent's: returns the id until now,
/// and the one from now on.
pub(crate) fn renew_own_id() -> (Id, Id) {
    let stale = own_id();
    if stale.domain() == Domain::Thread {
        local::with(|local| local.own.set(Id::NONE));
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
    let before = local::with(|local| (local.lane.replace(lane), local.own.replace(worker)));
    listener().into_iter().for_each(|listener| (listener.has_role)(lane));
    before
}

/// The role of this thread.
pub(crate) fn current_lane() -> Lane {
    local::with(|local| local.lane.get())
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

/// Runs `f`. Every wake-up that `f` records has this cause. Without one, a task that wakes itself
/// [yields](Cause::Yield).
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
        local::with(|local| local.cause.set(self.0));
    }
}

#[cold]
fn with_cause<R>(cause: Cause, f: impl FnOnce() -> R) -> R {
    let _restore = RestoreCause(local::with(|local| local.cause.replace(cause)));
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

/// Returns the subject of an error: the id of some work, with the [`label`] that it has by now.
/// [`Origin::subject`](crate::Origin::subject) knows where the work was spawned as well.
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
    let label = if on() && id != Id::NONE { registry::label_of(id) } else { None };
    Subject::new(id, label.map(|label| Cow::Owned(label.to_string())))
}

#[cold]
#[inline(never)]
fn record_event(kind: Kind, subject: Id, detail: u64) {
    write(kind, subject, detail);
}

/// Writes an event.
#[inline]
pub(crate) fn write(kind: Kind, subject: Id, detail: u64) {
    local::with(|local| write_on(local, kind, subject, detail));
}

#[inline(never)]
fn write_on(local: &Local, kind: Kind, subject: Id, detail: u64) {
    let (mut by, mut cause) = (local.current(), local.cause.get());
    let mut at = 0;
    if kind == Kind::Wake {
        if by == Id::NONE {
            by = local.own();
        } else if cause == Cause::Unknown && local.runs(subject) {
            // A task that wakes itself asks to be polled again.
            cause = Cause::Yield;
        }
        if cause == Cause::Join {
            // The joiner of work is woken right after the end of its run.
            at = local.stamp_after_run();
        }
    }
    if at == 0 {
        at = clock::stamp();
    }
    push(Event { at, kind, subject, by, cause, detail });
}
