//! How calls get to children over their channels: arguments that do not fit into a ring, calls for children
//! without a ring, and the word that a batch is to be answered early.

use super::Supervisor;
use crate::{
    call::Answer,
    parent::{child::Child, shared::PoolState},
};
use brigade_handle::Lost;
use std::time::Instant;

impl Supervisor<'_> {
    /// Sends what lanes have for their children's channels, and condemns children by what lanes have found.
    pub(super) fn serve_lanes(&mut self, state: &mut PoolState, now: Instant) {
        for lane in &mut state.lanes {
            let overdue = lane.overdue(now);
            if lane.outgoing.is_empty() && lane.fault.is_none() && overdue.is_none() {
                continue;
            }
            // A child that was delivered just now is taken over later in this turn.
            let Some(at) = self.children.place_of(lane.key) else { continue };
            self.children.change(at, |child| {
                child.take_over(&mut lane.outgoing);
                if let Some(lost) = lane.fault.take().map(|why| Lost::Protocol(why.into())).or(overdue) {
                    lane.open = false;
                    child.condemn(lost);
                }
            });
        }
    }

    /// Gives waiting calls to children that have no lane and nothing to do.
    pub(super) fn give_calls(&mut self, state: &mut PoolState) {
        while !state.waits_for_lane()
            && let Some(at) = self.children.first_free()
            && let Some(call) = state.next_call()
        {
            if call.attachments.is_empty() {
                self.children.change(at, |child| {
                    state.count_given(child.key, &call);
                    child.give(call);
                });
            } else {
                let why = "a block cannot be sent to a worker without shared memory";
                self.done.push((call, Answer::Lost(Lost::Codec(why.into()))));
            }
        }
    }

    /// Asks children to answer their batches early: those that have much left if another child is idle, and
    /// those whose batch nobody wants any more.
    pub(super) fn split_batches(&mut self, idle: bool) {
        for at in self.children.splittable() {
            let splits = |child: &Child| (idle || child.is_in_vain()) && child.left_to_split() > 0;
            if self.children.get(at).is_some_and(splits) {
                self.children.change(at, Child::ask_to_stop);
            }
        }
    }
}
