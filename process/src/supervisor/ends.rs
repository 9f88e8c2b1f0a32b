//! How workers end, and what becomes of what they leave: each call goes on with another worker, or is told why it is lost.

use super::Supervisor;
use crate::{call::Answer, child::Remains, lane::Lane, launcher::Ended, shared::Orders};
use brigade_handle::Lost;
use brigade_trace::{Cause, Kind, because, record};

impl Supervisor<'_> {
    /// Removes a child that has ended and fails the call that it ran.
    #[cold]
    pub(super) fn bury(&mut self, at: usize, ended: Ended) {
        let mut child = self.children.swap_remove(at);
        let pid = child.pid();
        let lane = {
            let mut state = self.shared.lock();
            state.alive.retain(|&alive| alive != pid);
            let at = state.lanes.iter().position(|lane| lane.pid == pid);
            at.map(|at| state.lanes.swap_remove(at))
        };
        if let Some(lane) = lane {
            self.bury_lane(lane, child.loss(ended));
        }
        let why = child.confirm().err().map(|error| error.to_string());
        let orders = self.shared.lock().orders;
        match child.remains(ended) {
            Remains::Nothing => {}
            Remains::NeverReady(lost) => {
                self.failed_start(
                    why.unwrap_or_else(|| format!("a worker ended before it was ready: {lost}")),
                );
            }
            Remains::Unbegun(call) if orders != Orders::Abort => {
                call.caller.put_back();
                self.shared.lock().queue.push_front(call);
            }
            Remains::Unbegun(call) => self.done.push((call, Answer::Cancelled)),
            Remains::Lost(call, lost) => {
                because(Cause::ChildExit, || record(Kind::Wake, call.caller.id(), 0));
                let killed_by_us = orders == Orders::Abort;
                self.done.push((call, if killed_by_us { Answer::Cancelled } else { Answer::Lost(lost) }));
            }
        }
    }

    /// Takes over what was under way in an ended worker's lane.
    pub(super) fn bury_lane(&mut self, mut lane: Lane, lost: Lost) {
        // What the worker answered before it ended stands.
        lane.harvest(&mut self.done);
        let first_lost = self.done.len();
        let unbegun = lane.dissolve(&lost, &mut self.done);
        let mut state = self.shared.lock();
        for (call, answer) in &mut self.done[first_lost..] {
            because(Cause::ChildExit, || record(Kind::Wake, call.caller.id(), 0));
            if state.orders == Orders::Abort {
                *answer = Answer::Cancelled;
            }
        }
        for call in unbegun.into_iter().rev() {
            call.caller.put_back();
            state.queue.push_front(call);
        }
    }

    /// Carries out orders to end.
    pub(super) fn obey(&mut self) {
        let mut state = self.shared.lock();
        match state.orders {
            Orders::Work => {}
            Orders::Drain if !state.queue.is_empty() => {}
            Orders::Drain => {
                for child in &mut self.children {
                    let lane = state.lanes.iter_mut().find(|lane| lane.pid == child.pid());
                    if child.is_idle() && lane.as_ref().is_none_or(|lane| lane.load() == 0) {
                        child.end(lane);
                    } else if child.is_starting() {
                        child.condemn(Lost::Protocol("it was not needed any more".into()));
                    }
                }
            }
            Orders::Abort => {
                drop(state);
                self.shared.cancel_queue(&mut self.done);
                for child in &mut self.children {
                    child.condemn(Lost::Killed { signal: 9 });
                }
            }
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.children.is_empty() && {
            let state = self.shared.lock();
            state.orders != Orders::Work && state.queue.is_empty()
        }
    }
}
