//! How workers end, and what becomes of what they leave: each call goes on with another worker, or is told why it is lost.

use super::Supervisor;
use crate::{call::Answer, launcher::Ended, shared::Orders};
use brigade_handle::Lost;
use brigade_trace::{Cause, Kind, because, record};

impl Supervisor<'_> {
    /// Removes a child that has ended. What it had not begun goes to others, the call that it ran may be tried again.
    #[cold]
    pub(super) fn bury(&mut self, at: usize, ended: Ended) {
        let mut child = self.children.swap_remove(at);
        let (pid, loss, end) = (child.pid(), child.loss(ended), child.end_kind());
        let why = child.confirm().err().map(|error| error.to_string());
        if let Some(output) = &self.output {
            output.ended(pid);
        }
        let mut guard = self.shared.lock();
        let state = &mut *guard;
        let first = self.done.len();
        let mut remains = child.remains(ended, &mut self.done);
        if let Some(at) = state.lanes.iter().position(|lane| lane.pid == pid) {
            let mut lane = state.lanes.swap_remove(at);
            // What the worker answered before it ended stands.
            lane.harvest(&mut self.done);
            remains.unbegun.append(&mut lane.leftovers);
            state.totals.add(&lane.served);
            let (unbegun, again) = lane.dissolve(&loss, &mut self.done);
            remains.unbegun.extend(unbegun);
            remains.again.extend(again);
        }
        state.forget_worker(pid, end, &loss);
        for (call, answer) in &mut self.done[first..] {
            because(Cause::ChildExit, || record(Kind::Wake, call.caller.id(), 0));
            if state.orders == Orders::Abort && matches!(answer, Answer::Lost(_)) {
                *answer = Answer::Cancelled;
            }
        }
        for call in remains.unbegun.into_iter().rev() {
            call.caller.put_back();
            state.queue.push_front(call);
        }
        // Behind the others: a call that kills its workers must not keep them waiting.
        for call in remains.again {
            call.caller.put_back();
            state.queue.push_back(call);
        }
        drop(guard);
        match remains.never_ready {
            Some(Lost::NotStarted(why)) => self.failed_start(why),
            Some(lost) => {
                let unready = || format!("a worker ended before it was ready: {lost}");
                self.failed_start(why.unwrap_or_else(unready));
            }
            None => {}
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
                    if lane.as_ref().is_some_and(|lane| lane.load() > 0) {
                        continue;
                    }
                    if child.is_idle() {
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
