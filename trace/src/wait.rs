//! Waits: when they begin and end, for what, where, and who holds it meanwhile.

use crate::{
    clock,
    event::{Cause, Event, Kind},
    listener::listener,
    part,
    record::{self, on},
    resource::Resource,
    site::Site,
};
use brigade_handle::{
    Id,
    observe::{self, Observer, WaitOutcome},
};
use std::panic::Location;

/// Records that the running task, or else this thread, begins to wait for a resource. Returns the waiter, for
/// [`wait_end`], or [`Id::NONE`] if no session runs.
///
/// A future keeps the waiter, because it may be dropped by another task.
///
/// ```
/// use brigade_trace::{Cause, Domain, Kind, Resource, Session, Site, wait_begin, wait_end};
///
/// let session = Session::start(16).unwrap();
/// let lock = Resource::new(Domain::Lock);
/// let waiter = wait_begin(|| lock.id(), Cause::Unlock, Site::here());
/// wait_end(waiter, || lock.id(), Cause::Unlock);
/// let trace = session.stop();
/// let begin = trace.events().find(|event| event.kind == Kind::WaitBegin).unwrap();
/// assert_eq!((begin.subject, begin.by, begin.cause), (waiter, lock.id(), Cause::Unlock));
/// ```
#[inline(always)]
#[must_use = "the end of the wait names the waiter"]
pub fn wait_begin(resource: impl FnOnce() -> Id, cause: Cause, site: Site) -> Id {
    if on() { begin(resource(), cause, site) } else { Id::NONE }
}

#[cold]
fn begin(resource: Id, cause: Cause, site: Site) -> Id {
    let waiter = record::actor();
    write(Kind::WaitBegin, waiter, resource, cause, site.number());
    waiter
}

/// Records that a wait ended that [`wait_begin`] has recorded. The cause says what ended it:
/// [`Cause::Cancel`] if it was given up. [`wait_begin`] has an example.
#[inline(always)]
pub fn wait_end(waiter: Id, resource: impl FnOnce() -> Id, cause: Cause) {
    if waiter != Id::NONE {
        end(waiter, resource(), cause);
    }
}

#[cold]
fn end(waiter: Id, resource: Id, cause: Cause) {
    if on() {
        write(Kind::WaitEnd, waiter, resource, cause, 0);
    }
}

/// Records that a call or a job, which does not run yet, begins to wait for a resource. The wait ends by
/// [`wait_end`] with the call as the waiter.
///
/// ```
/// use brigade_trace::{Cause, Domain, Kind, Resource, Session, Site, fresh_id, wait_begin_of, wait_end};
///
/// let session = Session::start(16).unwrap();
/// let (call, workers) = (fresh_id(Domain::Call), Resource::new(Domain::Pool));
/// wait_begin_of(call, || workers.id(), Cause::Slot, Site::here());
/// wait_end(call, || workers.id(), Cause::Slot);
/// let trace = session.stop();
/// assert!(trace.events().any(|event| event.kind == Kind::WaitEnd && event.subject == call));
/// ```
#[inline(always)]
pub fn wait_begin_of(waiter: Id, resource: impl FnOnce() -> Id, cause: Cause, site: Site) {
    if on() && waiter != Id::NONE {
        write(Kind::WaitBegin, waiter, resource(), cause, site.number());
    }
}

/// Records that this call, for which others may wait, runs in this child process from now on.
///
/// ```
/// use brigade_trace::{Domain, Id, Kind, Session, fresh_id, left_child, runs_in_child};
///
/// let session = Session::start(16).unwrap();
/// let (call, child) = (fresh_id(Domain::Call), Id::new(Domain::Child, 4711));
/// runs_in_child(call, child);
/// left_child(call, child);
/// let trace = session.stop();
/// let held = trace.events().find(|event| event.kind == Kind::Held).unwrap();
/// assert_eq!((held.subject, held.by), (call, child));
/// ```
#[inline(always)]
pub fn runs_in_child(call: Id, child: Id) {
    if on() && call != Id::NONE {
        write(Kind::Held, call, child, Cause::Unknown, 1);
    }
}

/// Records that this call no longer runs in the child process: it has answered, or ended.
/// [`runs_in_child`] has an example.
#[inline(always)]
pub fn left_child(call: Id, child: Id) {
    if on() && call != Id::NONE {
        write(Kind::Released, call, child, Cause::Reply, 1);
    }
}

fn write(kind: Kind, subject: Id, by: Id, cause: Cause, detail: u64) {
    part::push(Event { at: clock::stamp(), kind, subject, by, cause, detail });
}

/// A wait of this thread, or of an async function: it is recorded when this is made and when it ends. A wait
/// that is dropped was given up.
///
/// ```
/// use brigade_trace::{Cause, Domain, Kind, Resource, Session, Site, Wait};
///
/// let session = Session::start(16).unwrap();
/// let queue = Resource::new(Domain::Queue);
/// Wait::begin(|| queue.id(), Cause::Item, Site::here()).end(Cause::Item);
/// drop(Wait::begin(|| queue.id(), Cause::Item, Site::here()));
/// let trace = session.stop();
/// let ends = trace.events().filter(|event| event.kind == Kind::WaitEnd);
/// assert_eq!(ends.map(|event| event.cause).collect::<Vec<_>>(), [Cause::Item, Cause::Cancel]);
/// ```
#[derive(Debug)]
#[must_use = "a wait lasts until this ends or is dropped"]
pub struct Wait {
    waiter: Id,
    resource: Id,
}

impl Wait {
    /// No wait. A future that is made of polls keeps one, and calls [`begun`](Self::begun) and
    /// [`ended`](Self::ended).
    pub const NONE: Self = Self { waiter: Id::NONE, resource: Id::NONE };

    /// Records the begin of the wait, if a session runs and the wait is not recorded yet. Call it when a poll
    /// is pending.
    ///
    /// ```
    /// use brigade_trace::{Cause, Domain, Kind, Resource, Session, Wait};
    /// use std::panic::Location;
    ///
    /// let session = Session::start(16).unwrap();
    /// let (channel, mut wait) = (Resource::new(Domain::Channel), Wait::NONE);
    /// for _ in 0..2 {
    ///     wait.begun(|| channel.id(), Cause::Item, Location::caller());
    /// }
    /// wait.ended(Cause::Close);
    /// let kinds = [Kind::Cpu, Kind::WaitBegin, Kind::WaitEnd];
    /// assert!(session.snapshot().events().map(|event| event.kind).eq(kinds));
    /// ```
    #[inline(always)]
    pub fn begun(&mut self, resource: impl FnOnce() -> Id, cause: Cause, at: &'static Location<'static>) {
        if on() && self.waiter == Id::NONE {
            self.record_begin(resource, cause, at);
        }
    }

    #[cold]
    fn record_begin(&mut self, resource: impl FnOnce() -> Id, cause: Cause, at: &'static Location<'static>) {
        let resource = resource();
        *self = Self { waiter: begin(resource, cause, Site::of(at)), resource };
    }

    /// Returns whether the begin is recorded, and the end is not.
    ///
    /// ```
    /// assert!(!brigade_trace::Wait::NONE.is_recorded());
    /// ```
    #[inline(always)]
    pub fn is_recorded(&self) -> bool {
        self.waiter != Id::NONE
    }

    /// Records the end of the wait, if its begin is recorded. Call it when a poll is ready.
    /// [`begun`](Self::begun) has an example.
    #[inline(always)]
    pub fn ended(&mut self, cause: Cause) {
        if self.waiter != Id::NONE {
            self.record_end(cause);
        }
    }

    #[cold]
    fn record_end(&mut self, cause: Cause) {
        end(std::mem::replace(&mut self.waiter, Id::NONE), self.resource, cause);
    }

    /// Records the begin of a wait, if a session runs.
    #[inline(always)]
    pub fn begin(resource: impl FnOnce() -> Id, cause: Cause, site: Site) -> Self {
        if !on() {
            return Self::NONE;
        }
        let resource = resource();
        Self { waiter: begin(resource, cause, site), resource }
    }

    /// Records that the wait ended for this reason.
    #[inline(always)]
    pub fn end(mut self, cause: Cause) {
        self.ended(cause);
    }
}

impl Drop for Wait {
    #[inline]
    fn drop(&mut self) {
        self.ended(Cause::Cancel);
    }
}

impl Resource {
    /// Records that the running task, or else this thread, holds so many permits of the resource from now
    /// on. Returns the holder, or [`Id::NONE`] if nothing is recorded. A guard keeps it, because another task
    /// may drop it.
    ///
    /// ```
    /// use brigade_trace::{Domain, Id, Kind, Resource, Session, own_id};
    ///
    /// let session = Session::start(16).unwrap();
    /// let ovens = Resource::new(Domain::Semaphore);
    /// assert_eq!(ovens.held(0), Id::NONE);
    /// let holder = ovens.held(2);
    /// assert_eq!(holder, own_id());
    /// ovens.released_by(holder, 2);
    /// let trace = session.stop();
    /// let held = trace.events().find(|event| event.kind == Kind::Held).unwrap();
    /// assert_eq!((held.subject, held.by, held.detail), (ovens.id(), own_id(), 2));
    /// ```
    #[inline(always)]
    pub fn held(&self, permits: usize) -> Id {
        if on() { self.record_held(record::actor(), permits) } else { Id::NONE }
    }

    /// Records that a holder of permits keeps so many of them, after
    /// [`released_by`](Self::released_by), which says that it keeps none.
    #[inline(always)]
    pub fn held_by(&self, holder: Id, permits: usize) {
        if holder != Id::NONE && on() {
            self.record_held(holder, permits);
        }
    }

    #[cold]
    fn record_held(&self, holder: Id, permits: usize) -> Id {
        if permits == 0 {
            return Id::NONE;
        }
        self.set_holder(holder);
        write(Kind::Held, self.id(), holder, Cause::Unknown, permits as u64);
        holder
    }

    /// Records again who holds the resource, as far as that is known: right after the begin of a wait for it.
    #[inline(always)]
    pub fn still_held(&self) {
        if on() {
            self.record_still_held();
        }
    }

    /// The holder is read once, and not stored: it may give the resource up meanwhile.
    #[cold]
    fn record_still_held(&self) {
        let holder = self.holder();
        if holder != Id::NONE {
            let (subject, at) = (self.id(), clock::stamp());
            // The table of what waits now knows its holders, and this one may have given it up meanwhile.
            part::push_to_ring(Event {
                at,
                kind: Kind::Held,
                subject,
                by: holder,
                cause: Cause::Unknown,
                detail: 1,
            });
        }
    }

    /// Records that this holder, as [`held`](Self::held) has returned it, gave up so many permits.
    /// [`held`](Self::held) has an example.
    #[inline(always)]
    pub fn released_by(&self, holder: Id, permits: usize) {
        if holder != Id::NONE {
            self.record_released(holder, permits);
        }
    }

    /// Records that the holder gave up the resource, of which there can be one at a time.
    ///
    /// ```
    /// use brigade_trace::{Domain, Id, Kind, Resource, Session, own_id};
    ///
    /// let session = Session::start(16).unwrap();
    /// let lock = Resource::new(Domain::Lock);
    /// lock.held(1);
    /// assert_eq!(lock.holder(), own_id());
    /// lock.released_by_holder();
    /// assert_eq!(lock.holder(), Id::NONE);
    /// ```
    #[inline(always)]
    pub fn released_by_holder(&self) {
        self.released_by(self.holder(), 1);
    }

    /// The holder is forgotten also if the session is over: the next one shall not hear of it.
    #[cold]
    fn record_released(&self, holder: Id, permits: usize) {
        if self.holder() == holder {
            self.set_holder(Id::NONE);
        }
        if on() {
            write(Kind::Released, self.id(), holder, Cause::Unknown, permits as u64);
        }
    }
}

/// Records the waits for handles, which lie below the trace.
pub(crate) fn observe_handles() {
    observe::install(Observer {
        join_begin: |work, at| begin(work, Cause::Join, Site::of(at)),
        join_end: |waiter, work, outcome| {
            end(waiter, work, if outcome == WaitOutcome::Served { Cause::Join } else { Cause::Cancel });
        },
        polled_again: |at| listener().into_iter().for_each(|listener| (listener.polled_again)(at)),
        wake_joiner: |waker| record::because(Cause::Join, || waker.wake_by_ref()),
    });
}
