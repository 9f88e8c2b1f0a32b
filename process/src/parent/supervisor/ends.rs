//! How workers end, and what becomes of their calls: each call goes on with another worker, or is told why
//! it is lost.

use super::Supervisor;
use crate::{
    call::Answer,
    parent::{
        child::Child,
        launcher::Ended,
        shared::{Orders, PoolState},
        starter::GRACE_PERIOD,
    },
};
use brigade_handle::Lost;
use brigade_trace::{Cause, Kind, because, clock, record};
use std::time::Instant;

impl Supervisor<'_> {
    /// Takes back the calls that ending children have not begun: they must not be begun any more.
    pub(super) fn close_lanes(&mut self) {
        if !self.children.has_parting() {
            return;
        }
        let mut state = self.shared.lock();
        for at in self.children.parting() {
            let mut unbegun = Vec::new();
            let lane = self.children.get(at).and_then(|child| state.lane_of(child.key));
            lane.into_iter().for_each(|lane| lane.close(&mut unbegun));
            state.give_back(unbegun.into_iter());
        }
    }

    /// Lets parting children go whose answers have been taken over, or have waited for that for long
    /// enough.
    pub(super) fn let_go(&mut self) {
        if !self.children.has_parting() {
            return;
        }
        let now = clock::now();
        let mut state = self.shared.lock();
        for at in self.children.parting() {
            self.children.change(at, |child| {
                let lane = state.lane_of(child.key);
                let is_settled = lane.as_ref().is_none_or(|lane| lane.is_settled());
                if is_settled || child.deadline().is_some_and(|deadline| deadline <= now) {
                    child.let_go(lane);
                } else if let Some(lane) = lane {
                    lane.parting = true;
                }
            });
        }
    }

    /// Removes a child that has ended. The calls that it had not begun go to others, and the call that it
    /// ran may be tried again.
    #[cold]
    pub(super) fn take_leave(&mut self, at: usize, ended: Ended) {
        let Some(child) = self.children.remove(at) else { return };
        let (key, loss, end) = (child.key, child.loss(ended), child.end_kind());
        if let Some(output) = &self.output {
            output.ended(key);
        }
        let mut guard = self.shared.lock();
        let state = &mut *guard;
        let first = self.done.len();
        let mut lane = state.remove_lane(key);
        if let Some(lane) = &mut lane {
            // An answer that the worker gave before it ended stands.
            lane.harvest(&mut self.done);
        }
        self.backoff.lost(&child, lane.as_ref());
        let mut remains = child.remains(ended, lane.as_ref(), &mut self.done);
        if let Some(mut lane) = lane {
            remains.unbegun.append(&mut lane.leftovers);
            state.totals.add(&lane.served);
            let (unbegun, again) = lane.dissolve(&loss, &mut self.done);
            remains.unbegun.extend(unbegun);
            remains.again.extend(again);
        }
        state.forget_worker(key, end, &loss);
        for (call, answer) in &mut self.done[first..] {
            because(Cause::ChildExit, || record(Kind::Wake, call.caller.id(), 0));
            if state.orders == Orders::Abort && matches!(answer, Answer::Lost(_)) {
                *answer = Answer::Cancelled;
            }
        }
        state.give_back(remains.unbegun.into_iter());
        state.try_again(remains.again.into_iter());
        drop(guard);
        let Some(lost) = remains.useless else { return };
        let mut why = match lost {
            Lost::NotStarted(why) => why.into_string(),
            lost => format!("a worker ended before it was ready: {lost}"),
        };
        if let Some(advice) = remains.advice {
            why = format!("{why}; {advice}");
        }
        if remains.was_silent {
            self.backoff.give_up();
        }
        self.failed_start(why);
    }

    /// Carries out orders to end.
    pub(super) fn obey(&mut self, now: Instant) {
        let mut state = self.shared.lock();
        match state.orders {
            Orders::Work => {}
            Orders::Drain if !state.queue.is_empty() => {
                drop(state);
                self.hurry(now);
            }
            Orders::Drain => {
                self.children.change_all(|child| {
                    let lane = state.lane_of(child.key);
                    if lane.as_ref().is_some_and(|lane| lane.load() > 0) {
                        return;
                    }
                    if child.is_idle() {
                        lane.into_iter().for_each(|lane| lane.open = false);
                        child.retire();
                    } else if child.is_starting() {
                        child.condemn(Lost::Protocol("it was not needed any more".into()));
                    }
                });
                drop(state);
                self.without_worker = None;
                if self.children.is_empty() {
                    self.stop_starting(now);
                }
            }
            Orders::Abort => {
                drop(state);
                self.stop_starting(now);
                self.shared.cancel_queue(&mut self.done);
                self.children.change_all(|child| child.condemn(Lost::Killed { signal: 9 }));
            }
        }
    }

    /// Whether orders to end have not been carried out so far as they can be.
    pub(super) fn must_obey(&self, state: &PoolState) -> bool {
        let has_ended = self.children.is_empty() && (self.stopped.is_none() || self.has_stopped(state));
        match state.orders {
            Orders::Work => false,
            Orders::Drain if !state.queue.is_empty() => {
                self.without_worker.is_none() && !self.children.iter().any(Child::is_up)
            }
            Orders::Drain => {
                let is_unneeded = |child: &Child| match child.is_starting() {
                    true => !child.is_ending(),
                    false => child.is_idle() && !state.has_calls(child.key),
                };
                has_ended || self.children.iter().any(is_unneeded)
            }
            Orders::Abort => {
                self.stopped.is_none() || !self.children.iter().all(Child::is_ending) || has_ended
            }
        }
    }

    /// Has no more workers started, and gives up those that are being waited for.
    pub(super) fn stop_starting(&mut self, now: Instant) {
        if self.stopped.is_none() {
            self.stopped = Some(now);
            self.start_queue.stop();
        }
    }

    /// Whether no worker is on its way, or none that the pool still waits for.
    pub(super) fn has_stopped(&self, state: &PoolState) -> bool {
        let is_late = self.stopped.is_some_and(|since| clock::now() >= since + GRACE_PERIOD);
        state.delivered.is_empty() && (is_late || !state.awaits_starter())
    }

    pub(super) fn is_over(&self) -> bool {
        if !self.children.is_empty() {
            return false;
        }
        let mut state = self.shared.lock();
        let is_over = state.orders != Orders::Work && state.queue.is_empty() && self.has_stopped(&state);
        // This must be in this critical section: a worker that the starter brings later is the starter's
        // own to end.
        state.abandoned |= is_over;
        if is_over && state.awaits_starter() {
            self.start_queue.give_up();
        }
        is_over
    }
}
