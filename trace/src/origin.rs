//! Where work comes from: its id, and the site that spawned it.
//!
//! A task or a job keeps both in one word, so an error can say where the work was spawned, and nobody has to
//! look it up.
//!
//! ```text
//!   63                    14 13            0
//!   [  number of the id     |    site       ]
//! ```

use crate::{
    clock,
    event::{Cause, Event, Kind},
    part, record,
    site::Site,
};
use brigade_handle::{Domain, Id, Subject};
use std::panic::Location;

/// The bits that hold the number of the site.
const SITE_BITS: u32 = 14;

/// The id of a task or a job, and the [site](Site) that spawned it, in one word. The
/// domain of the id is not in it.
///
/// ```
/// use brigade_trace::{Domain, Id, Origin, Session};
///
/// assert_eq!(Origin::spawned(Domain::Job), Origin::NONE, "nobody records");
/// let _session = Session::start(16).unwrap();
/// let job = Origin::spawned(Domain::Job);
/// let place = format!("{}:{}", file!(), line!() - 1);
/// assert!(job.site().location().unwrap().to_string().starts_with(&place));
/// assert_eq!(job.subject(Domain::Job).name(), Some(place.as_str()));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin(u64);

impl Origin {
    /// The origin of all work that was spawned while no session ran.
    pub const NONE: Self = Self(0);

    /// Draws an id for work that the caller spawns, and records the spawn, while a session runs. Otherwise
    /// returns [`NONE`](Self::NONE), which costs nothing.
    #[inline(always)]
    #[track_caller]
    pub fn spawned(domain: Domain) -> Self {
        if record::on() { Self::record_spawn(domain, Location::caller()) } else { Self::NONE }
    }

    /// Draws an id for work that was spawned at this location, and records the spawn, while a session runs.
    #[inline]
    pub fn spawned_at(domain: Domain, at: &'static Location<'static>) -> Self {
        if record::on() { Self::record_spawn(domain, at) } else { Self::NONE }
    }

    #[cold]
    #[inline(never)]
    fn record_spawn(domain: Domain, at: &'static Location<'static>) -> Self {
        Self::draw(domain, at)
    }

    #[inline(never)]
    fn draw(domain: Domain, at: &'static Location<'static>) -> Self {
        let (id, site) = (record::draw_id(domain), Site::of(at).number());
        let (by, cause) = (record::current(), Cause::Unknown);
        part::push(Event { at: clock::stamp(), kind: Kind::Spawn, subject: id, by, cause, detail: site });
        Self(id.number() << SITE_BITS | site)
    }

    /// Returns the id, of this domain.
    #[inline]
    pub fn id(self, domain: Domain) -> Id {
        if self == Self::NONE { Id::NONE } else { Id::new(domain, self.0 >> SITE_BITS) }
    }

    /// Marks that this thread runs the work from now on, as [`begin`](crate::begin) does.
    ///
    /// ```
    /// use brigade_trace::{Domain, Kind, Origin, Session, current};
    ///
    /// let session = Session::start(16).unwrap();
    /// let task = Origin::spawned(Domain::Task);
    /// task.record(Domain::Task, Kind::Wake, 0);
    /// task.begin(Domain::Task);
    /// assert_eq!(current(), task.id(Domain::Task));
    /// task.end(Domain::Task);
    /// task.begin(Domain::Task);
    /// task.complete(Domain::Task, 0);
    /// let trace = session.stop();
    /// let of_task = trace.events().filter(|event| event.subject == task.id(Domain::Task));
    /// use Kind::{Complete, RunBegin, RunEnd, Spawn, Wake};
    /// let expected = [Spawn, Wake, RunBegin, RunEnd, RunBegin, RunEnd, Complete];
    /// assert!(of_task.map(|event| event.kind).eq(expected));
    /// ```
    // By reference, here and below, so that nothing is loaded while no session runs.
    #[inline(always)]
    pub fn begin(&self, domain: Domain) {
        if record::on() {
            self.record_begin(domain);
        }
    }

    #[cold]
    #[inline(never)]
    fn record_begin(&self, domain: Domain) {
        record::begin_run(self.id(domain), self.site());
    }

    /// Marks the end of a run after which the work waits. [`begin`](Self::begin) has an example.
    #[inline(always)]
    pub fn end(&self, domain: Domain) {
        if record::on() {
            self.record_end(domain);
        }
    }

    #[cold]
    #[inline(never)]
    fn record_end(&self, domain: Domain) {
        record::end_run(self.id(domain), 0);
    }

    /// Records that the result is stored; detail 1 means that it is an error. If this thread runs the work,
    /// that run ends as well.
    /// [`begin`](Self::begin) has an example.
    #[inline(always)]
    pub fn complete(&self, domain: Domain, detail: u64) {
        if record::on() {
            self.record_complete(domain, detail);
        }
    }

    #[cold]
    #[inline(never)]
    fn record_complete(&self, domain: Domain, detail: u64) {
        record::complete_run(self.id(domain), detail);
    }

    /// Records that `kind` happened to the work, as [`record`](crate::record()) does.
    #[inline(always)]
    pub fn record(&self, domain: Domain, kind: Kind, detail: u64) {
        if record::on() {
            self.record_event(domain, kind, detail);
        }
    }

    #[cold]
    #[inline(never)]
    fn record_event(&self, domain: Domain, kind: Kind, detail: u64) {
        record::write(kind, self.id(domain), detail);
    }

    /// Returns the site that spawned the work.
    pub fn site(self) -> Site {
        Site::from_number(self.0 & ((1 << SITE_BITS) - 1))
    }

    /// Returns the subject of an error: the id, with the [`label`](crate::label) that the work has by now.
    /// Work without a label goes by the file and line that spawned it.
    #[cold]
    pub fn subject(self, domain: Domain) -> Subject {
        let labelled = record::subject(self.id(domain));
        if labelled.name().is_some() {
            return labelled;
        }
        let place = self.site().location().map(|at| format!("{}:{}", at.file(), at.line()).into());
        Subject::new(labelled.id(), place)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_word_holds_both_parts() {
        let (number, site) = ((1 << 50) - 1, 1 << 13);
        let origin = Origin(number << SITE_BITS | site);
        assert_eq!(origin.id(Domain::Task), Id::new(Domain::Task, number));
        assert_eq!(origin.site(), Site::from_number(site));
        assert_eq!(Origin::NONE.id(Domain::Task), Id::NONE);
    }
}
