//! The state of one thread: which unit it runs, and since when.
//!
//! Units nest: a pool's worker that waits for a job runs others meanwhile. The row of a thread shows the
//! innermost task, job or call. A future is a part of its task, so the task is shown. A future that no task
//! polls is shown itself.

use super::unit::{OpenWait, WAITS_MAX};
use crate::model::{Link, Span, State};
use brigade_trace::{Cause, Id};

/// A unit on the stack of a thread.
#[derive(Clone, Copy)]
struct Frame {
    unit: Link,
    /// Its depth within the task, job or call of which it is a part; 0 for that itself.
    part: usize,
}

/// Units nest at most so deep on a thread. A file may nest them deeper; the innermost are not shown.
const FRAMES_MAX: usize = 256;
/// Of these, so many are parts of one task. A wait of the task is told to each.
const PARTS_MAX: usize = 16;

/// A thread while the events are gone through.
pub(super) struct Lane {
    thread: Link,
    own: Id,
    stack: Vec<Frame>,
    /// The units of `stack`, for those who want a slice.
    units: Vec<Link>,
    /// When the innermost unit began or went on.
    since: u64,
    parked: Option<u64>,
    /// The wait that goes on, and how many units were running when it began.
    wait: Option<(OpenWait, usize)>,
    /// The waits of the thread itself: one if it blocks, any number if it is in a `block_on`.
    own_waits: Vec<OpenWait>,
    /// The unit of the thread, if its latest wait may close a cycle.
    pub(super) may_close_cycle: Option<Link>,
}

impl Lane {
    pub(super) fn new(thread: Link, own: Id) -> Self {
        Self {
            thread,
            own,
            stack: Vec::new(),
            units: Vec::new(),
            since: 0,
            parked: None,
            wait: None,
            own_waits: Vec::new(),
            may_close_cycle: None,
        }
    }

    fn span(&self, begin: u64, end: u64, state: State, unit: Link, wait: OpenWait) -> Span {
        let row = self.thread.get().expect("a lane has a thread") as u32;
        let OpenWait { cause, resource, holder, site, .. } = wait;
        // A thread without a unit is told from a unit by its thread.
        Span {
            row,
            begin,
            end,
            state,
            unit,
            cause,
            resource,
            holder,
            site,
            thread: self.thread,
            shares: [0; 3],
        }
    }

    /// The unit that the row shows: the innermost that is no part.
    fn shown(&self) -> Link {
        self.stack.iter().rev().find(|frame| frame.part == 0).map_or(Link::NONE, |frame| frame.unit)
    }

    fn cut(&mut self, at: u64, spans: &mut Vec<Span>) {
        if self.shown() != Link::NONE && at > self.since {
            spans.push(self.span(self.since, at, State::Running, self.shown(), OpenWait::NONE));
        }
        self.since = at;
    }

    pub(super) fn enter(&mut self, at: u64, unit: Link, is_part: bool, spans: &mut Vec<Span>) {
        let part = if is_part { self.stack.last().map_or(0, |below| below.part + 1) } else { 0 };
        if part == 0 {
            self.cut(at, spans);
        }
        if self.stack.len() == FRAMES_MAX || part > PARTS_MAX {
            return;
        }
        self.stack.push(Frame { unit, part });
        self.units.push(unit);
    }

    pub(super) fn leave(&mut self, at: u64, unit: Link, spans: &mut Vec<Span>) {
        // A run that began before the recording has no frame. A run whose end is lost leaves a frame above.
        let Some(place) = self.stack.iter().rposition(|frame| frame.unit == unit) else { return };
        if self.stack[place].part == 0 {
            self.cut(at, spans);
        }
        self.stack.truncate(place);
        self.units.truncate(place);
        // A task that suspends goes on waiting, but its thread does not.
        self.wait.take_if(|(_, depth)| *depth > place);
    }

    /// The innermost unit.
    pub(super) fn top(&self) -> Link {
        self.units.last().copied().unwrap_or(Link::NONE)
    }

    /// The innermost task, job or call, and its parts that run.
    pub(super) fn running_task(&self) -> &[Link] {
        let task = self.stack.iter().rposition(|frame| frame.part == 0).unwrap_or(0);
        &self.units[task.min(self.units.len())..]
    }

    pub(super) fn park(&mut self, at: u64) {
        self.parked = Some(at);
    }

    pub(super) fn unpark(&mut self, at: u64, spans: &mut Vec<Span>) {
        if let Some(since) = self.parked.take()
            && self.stack.is_empty()
        {
            spans.push(self.span(since, at, State::Parked, Link::NONE, OpenWait::NONE));
        }
    }

    /// The thread itself, or the unit that it runs, begins to wait.
    pub(super) fn begin_wait(&mut self, subject: Id, wait: OpenWait) {
        if !self.stack.is_empty() || subject == self.own {
            self.wait = Some((wait, self.stack.len()));
        }
        if subject == self.own {
            if self.own_waits.len() == WAITS_MAX {
                self.own_waits.remove(0);
            }
            self.own_waits.push(wait);
        }
    }

    pub(super) fn end_wait(&mut self, at: u64, subject: Id, resource: Link, spans: &mut Vec<Span>) {
        let own = self.own_waits.iter().rposition(|wait| wait.resource == resource);
        if let Some(place) = own.filter(|_| subject == self.own) {
            self.own_waits.remove(place);
        }
        let Some((wait, _)) = self.wait.take_if(|(wait, _)| wait.resource == resource) else { return };
        let is_blocked = subject == self.own || wait.since >= self.since;
        if is_blocked && at > wait.since && wait.cause != Cause::Unknown {
            self.cut(wait.since.max(self.since), spans);
            spans.push(self.span(wait.since, at, State::Waiting, self.shown(), wait));
            self.since = at;
        }
    }

    /// The id of the thread itself.
    pub(super) fn own(&self) -> Id {
        self.own
    }

    /// The only thing that the thread itself waits for.
    pub(super) fn own_wait(&self) -> Option<OpenWait> {
        let last = self.own_waits.last()?;
        self.own_waits.iter().all(|wait| wait.resource == last.resource).then_some(*last)
    }

    pub(super) fn tell_holder(&mut self, resource: Link, holder: Link) {
        if let Some((wait, _)) = self.wait.as_mut().filter(|(wait, _)| wait.resource == resource) {
            wait.holder = holder;
        }
        if let Some(wait) = self.own_waits.iter_mut().rev().find(|wait| wait.resource == resource) {
            wait.holder = holder;
        }
    }

    pub(super) fn close(&mut self, at: u64, spans: &mut Vec<Span>) {
        self.cut(at, spans);
        if let Some((wait, _)) = self.wait.take().filter(|(wait, _)| wait.since >= self.since) {
            spans.push(self.span(wait.since, at, State::Waiting, Link::NONE, wait));
        } else if let Some(since) = self.parked.take()
            && self.stack.is_empty()
        {
            spans.push(self.span(since, at, State::Parked, Link::NONE, OpenWait::NONE));
        }
    }
}
