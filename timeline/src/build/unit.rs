//! The state machine of one unit.
//!
//! ```text
//!            spawn            run               end
//!   (none) ────────▸ ready ────────▸ running ────────▸ waiting ──┐
//!                      ▴                │  ▴              │      │
//!                      │      end, woken│  │ no longer    │ wake │
//!                      ├────────────────┘  │ blocked      │      │
//!                      └───────────────────┼──────────────┘      │
//!                                          └─ blocked within     │ complete
//!                                             a run              ▾
//!                                                              done
//! ```

use crate::model::{Link, Outcome, Span, State, Unit};
use brigade_trace::{Cause, Domain};

/// A wait that has begun and not ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenWait {
    pub(super) since: u64,
    pub(super) cause: Cause,
    pub(super) resource: Link,
    pub(super) holder: Link,
    pub(super) site: Link,
}

impl OpenWait {
    pub(super) const NONE: Self =
        Self { since: 0, cause: Cause::Unknown, resource: Link::NONE, holder: Link::NONE, site: Link::NONE };
}

/// A unit has at most so many waits at a time. A file may name any number; then the oldest are forgotten.
pub(super) const WAITS_MAX: usize = 64;

/// Whether a wait that was ended by this waited for it. A wait that was given up is shown as what it was.
fn is_reason(cause: Cause) -> bool {
    !matches!(cause, Cause::Unknown | Cause::Cancel)
}

/// A unit while the events are gone through.
pub(super) struct Live {
    pub(super) unit: Unit,
    /// The state that it is in, or none before it is spawned and after its end.
    state: Option<State>,
    since: u64,
    thread: Link,
    /// It was woken while it ran, so it is ready again after that.
    woken: bool,
    cancelled: bool,
    /// For a call: the child process that runs it.
    runner: Link,
    /// For a child process: how many frames it has not answered.
    in_flight: u32,
    waits: Vec<OpenWait>,
    /// The source or timer that it asked for last, for recordings that do not have its waits.
    hint: OpenWait,
}

impl Live {
    pub(super) fn new(unit: Unit) -> Self {
        let since = unit.begin;
        let (thread, hint) = (Link::NONE, OpenWait::NONE);
        Self {
            unit,
            state: None,
            since,
            thread,
            woken: false,
            cancelled: false,
            runner: Link::NONE,
            in_flight: 0,
            waits: Vec::new(),
            hint,
        }
    }

    /// Ends the span of the present state.
    fn change(&mut self, at: u64, state: Option<State>, index: Link, spans: &mut Vec<Span>) {
        let wait = match self.state {
            Some(State::Waiting) => self.waits.last().copied().unwrap_or(self.hint),
            _ => OpenWait::NONE,
        };
        self.change_from(at, state, index, wait, spans);
    }

    fn change_from(
        &mut self,
        at: u64,
        state: Option<State>,
        index: Link,
        wait: OpenWait,
        spans: &mut Vec<Span>,
    ) {
        if let Some(old) = self.state
            && (at > self.since || old == State::Running)
        {
            spans.push(Span {
                row: 0,
                begin: self.since,
                end: at,
                state: old,
                unit: index,
                cause: wait.cause,
                resource: wait.resource,
                holder: if old == State::Running { self.runner } else { wait.holder },
                site: wait.site,
                thread: if old == State::Running { self.thread } else { Link::NONE },
                shares: [0; 3],
            });
        }
        (self.state, self.since) = (state, at);
    }

    pub(super) fn spawn(&mut self, at: u64, index: Link, spans: &mut Vec<Span>) {
        self.change(at, Some(State::Ready), index, spans);
    }

    pub(super) fn run(&mut self, at: u64, thread: Link, index: Link, spans: &mut Vec<Span>) {
        self.change(at, Some(State::Running), index, spans);
        (self.thread, self.woken) = (thread, false);
        self.hint = OpenWait::NONE;
    }

    /// The run ended. `is_complete` says whether the unit did.
    pub(super) fn stop(&mut self, at: u64, is_complete: bool, index: Link, spans: &mut Vec<Span>) {
        let is_complete = is_complete || self.unit.outcome != Outcome::Open;
        let next = match (is_complete, self.woken) {
            (true, _) => None,
            (false, true) => Some(State::Ready),
            (false, false) => Some(State::Waiting),
        };
        self.change(at, next, index, spans);
        if is_complete {
            self.unit.end = at;
            if self.unit.outcome == Outcome::Open {
                self.unit.outcome = Outcome::Done;
            }
        }
    }

    /// Returns whether this changed anything.
    pub(super) fn wake(&mut self, at: u64, cause: Cause, index: Link, spans: &mut Vec<Span>) -> bool {
        match self.state {
            Some(State::Waiting) => {
                let mut wait = self.waits.last().copied().unwrap_or(self.hint);
                if is_reason(cause) {
                    wait.cause = cause;
                }
                self.change_from(at, Some(State::Ready), index, wait, spans);
                true
            }
            Some(State::Running) => !std::mem::replace(&mut self.woken, true),
            _ => false,
        }
    }

    pub(super) fn begin_wait(&mut self, wait: OpenWait) {
        if self.waits.len() == WAITS_MAX {
            self.waits.remove(0);
        }
        self.waits.push(wait);
    }

    /// A wait ended. If it began within the run that goes on, the thread was blocked meanwhile.
    pub(super) fn end_wait(
        &mut self,
        at: u64,
        resource: Link,
        cause: Cause,
        index: Link,
        spans: &mut Vec<Span>,
    ) {
        let Some(place) = self.waits.iter().rposition(|wait| wait.resource == resource) else { return };
        let mut wait = self.waits.remove(place);
        if self.state == Some(State::Running) && wait.since >= self.since && at > wait.since {
            if is_reason(cause) {
                wait.cause = cause;
            }
            self.was_blocked(wait, (at, Some(State::Running)), index, spans);
        }
    }

    /// The run that goes on was blocked since this wait began. From then on it is in the next state.
    fn was_blocked(
        &mut self,
        wait: OpenWait,
        (at, next): (u64, Option<State>),
        index: Link,
        spans: &mut Vec<Span>,
    ) {
        self.change(wait.since, Some(State::Waiting), index, spans);
        self.change_from(at, next, index, wait, spans);
    }

    /// The latest wait that goes on.
    pub(super) fn last_wait(&self) -> Option<OpenWait> {
        self.waits.last().copied()
    }

    /// Whether it waits for nothing but this.
    pub(super) fn waits_only_for(&self, resource: Link) -> bool {
        self.waits.iter().all(|wait| wait.resource == resource)
    }

    /// The last wait for this resource is told who holds it.
    pub(super) fn tell_holder(&mut self, resource: Link, holder: Link) {
        if let Some(wait) = self.waits.iter_mut().rev().find(|wait| wait.resource == resource) {
            wait.holder = holder;
        }
    }

    /// It asked for a source or a timer.
    pub(super) fn asks_for(&mut self, cause: Cause, resource: Link) {
        self.hint = OpenWait { cause, resource, ..OpenWait::NONE };
    }

    /// Its result was stored.
    pub(super) fn complete(&mut self, at: u64, is_error: bool, index: Link, spans: &mut Vec<Span>) {
        self.unit.outcome = match (is_error, self.cancelled) {
            (true, true) => Outcome::Cancelled,
            (true, false) => Outcome::Failed,
            (false, _) => Outcome::Done,
        };
        self.unit.end = at;
        match self.state {
            // Its run ends by an event of its own.
            Some(State::Running) if self.thread != Link::NONE => {}
            // Nobody recorded how the call ran, so all of it is a wait for the reply.
            Some(State::Ready) if self.unit.id.domain() == Domain::Call => {
                self.state = Some(State::Waiting);
                let wait = OpenWait { cause: Cause::Reply, ..OpenWait::NONE };
                self.change_from(at, None, index, wait, spans);
            }
            _ => self.change(at, None, index, spans),
        }
    }

    /// The call runs in this child process.
    pub(super) fn runs_in(&mut self, child: Link) {
        self.runner = child;
    }

    /// The child process that runs the call, or none.
    pub(super) fn runner(&self) -> Link {
        self.runner
    }

    pub(super) fn cancel(&mut self) {
        self.cancelled = true;
    }

    /// Bytes were sent to the child process, which has that many calls under way now.
    pub(super) fn sent(&mut self, at: u64, index: Link, spans: &mut Vec<Span>) {
        self.in_flight += 1;
        if self.state == Some(State::Parked) {
            self.change(at, Some(State::Running), index, spans);
        }
    }

    /// The child process answered.
    pub(super) fn received(&mut self, at: u64, index: Link, spans: &mut Vec<Span>) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if self.in_flight == 0 && self.state == Some(State::Running) {
            self.change(at, Some(State::Parked), index, spans);
        }
    }

    /// A child process, or a call without runs of its own, is in this state from now on.
    pub(super) fn set(&mut self, at: u64, state: Option<State>, index: Link, spans: &mut Vec<Span>) {
        self.change(at, state, index, spans);
    }

    /// The end of the recording.
    pub(super) fn close(&mut self, at: u64, index: Link, spans: &mut Vec<Span>) {
        if self.state.is_some() {
            self.unit.end = at;
        }
        // A wait that began within the run goes on: the thread is blocked.
        let blocked = self.waits.iter().find(|wait| wait.since >= self.since).copied();
        match blocked.filter(|wait| self.state == Some(State::Running) && at > wait.since) {
            Some(wait) => self.was_blocked(wait, (at, None), index, spans),
            None => self.change(at, None, index, spans),
        }
    }
}
