//! The state that the pool's front, the joiners and the supervisor share: the queue, the lanes, and the
//! rules by which any thread moves calls on.
//!
//! A small call needs no thread of the pool's own: the submitting thread writes it into a lane, and the
//! joining thread may fetch the answer ([`Shared::spin_for_answers`]). The supervisor does both for all
//! other calls. All of it happens under one lock, under which no foreign code runs.
//!
//! # Why no submission is lost
//!
//! The supervisor sets `asleep` in the critical section in which it found nothing to do. A thread that
//! submits something that only the supervisor can do either finds the flag set and rings, or the supervisor
//! has seen its call.
//!
//! ```text
//!   caller                              supervisor
//!   lock { queue.push; was = asleep }   lock { nothing to do? asleep = true }
//!   if was { bell.ring }                poll(bell, …)      the bell stays rung until it is silenced
//! ```
//!
//! # Why no answer is lost
//!
//! `parent/attention.rs` has the rule by which somebody looks after the lanes at any time.

mod forked;
mod spin;
mod state;
pub(crate) mod statistics;
#[cfg(test)]
mod tests;

pub(crate) use self::state::{Mover, Orders, PoolState, StartOutcome, arm};
use crate::{
    call::{Answer, Call, Done},
    parent::lane::Lane,
    sys::Bell,
    wire::ring,
};
use brigade_handle::{Lost, contain, fork::Generation};
use brigade_trace::{Domain, Resource};
use std::{
    collections::VecDeque,
    io, mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

/// The state that the pool's handle, its joiners and the supervisor share.
pub(crate) struct Shared {
    /// The process that the supervisor is in: see `parent/shared/forked.rs`.
    pub(crate) generation: Generation,
    pub(crate) bell: Bell,
    state: Mutex<PoolState>,
    /// How many microseconds a joiner spins; adapted to whether spinning has helped.
    spin_micros: AtomicU32,
    /// Each worker has a ring, and so can map blocks.
    maps: AtomicBool,
    /// If set, how long a joiner spins, whatever has helped.
    busy_poll: Option<Duration>,
    /// The free workers, as a trace names them.
    pub(crate) resource: Resource,
}

/// Completes the handles of calls that have ended. Runs foreign code, so no lock may be held. Returns
/// whether blocks were mapped, for which a worker may wait.
pub(crate) fn finish(done: &mut Done) -> bool {
    let mut has_mapped = false;
    for (call, answer) in done.drain(..) {
        has_mapped |= matches!(answer, Answer::BlockValue(..));
        // Unwind safe: nothing is looked at again. The code that can panic here is the drop of a result
        // that nobody wants, and of a waker.
        contain(move || call.finish(answer));
    }
    has_mapped
}

impl Shared {
    pub(crate) fn new(workers: usize, busy_poll: Option<Duration>) -> io::Result<Self> {
        let spin_micros = AtomicU32::new(spin::MAX_SPIN_MICROS);
        Ok(Self {
            generation: Generation::current(),
            bell: Bell::new()?,
            state: Mutex::new(PoolState::new(workers)),
            spin_micros,
            maps: AtomicBool::new(false),
            busy_poll,
            resource: Resource::new(Domain::Pool),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, PoolState> {
        // No foreign code runs under the lock, so nothing in there is ever half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Submits a call: into a lane if possible, else to the supervisor.
    pub(crate) fn submit(&self, call: Call) {
        if self.is_forked() {
            return call.finish(Answer::Lost(Lost::Forked));
        }
        let mut done = Done::new();
        let ring = {
            let mut state = self.lock();
            if let Some(lost) = state.refusal.clone() {
                drop(state);
                return call.finish(Answer::Lost(lost));
            }
            state.queue.push_back(call);
            let alarm = state.dispatch(Mover::Anybody);
            state.take_cancelled(&mut done);
            alarm && state.attention.call()
        };
        if ring {
            self.bell.ring();
        }
        finish(&mut done);
    }

    /// Takes no more calls. Later calls end with `lost`.
    pub(crate) fn refuse(&self, lost: Lost) {
        self.lock().refusal.get_or_insert(lost);
    }

    /// Takes the queue, the lanes and the last delivered workers, when there is nobody any more to look
    /// after them.
    pub(crate) fn take_all(&self) -> (VecDeque<Call>, Vec<Lane>, Vec<StartOutcome>) {
        let mut state = self.lock();
        (mem::take(&mut state.queue), mem::take(&mut state.lanes), mem::take(&mut state.delivered))
    }

    /// Sets whether each worker has a ring: before the pool is anybody's, and when a worker without one
    /// comes later.
    pub(crate) fn set_maps(&self, maps: bool) {
        self.maps.store(maps, Ordering::Relaxed);
    }

    /// How many blocks a call may name: none if there are workers that could not map them.
    pub(crate) fn blocks(&self) -> usize {
        // Relaxed: if the flag is stale, a call that names blocks waits for a worker with a ring, or is
        // told that there is none.
        if self.maps.load(Ordering::Relaxed) { ring::LEASES } else { 0 }
    }

    /// Changes the state and has the supervisor see it: a sleeping one wakes, and one that is awake makes
    /// another turn before it sleeps.
    pub(crate) fn tell(&self, change: impl FnOnce(&mut PoolState)) {
        let asleep = {
            let mut state = self.lock();
            change(&mut state);
            state.told = true;
            state.attention.call()
        };
        if asleep {
            self.bell.ring();
        }
    }

    /// Takes a call back that was given to a worker, if the worker has not begun it.
    pub(crate) fn take_back(&self, address: usize) -> bool {
        let mut state = self.lock();
        let call =
            state.lanes.iter_mut().find_map(|lane| lane.reclaim(|call| call.caller.address() == address));
        drop(state);
        // The thread that takes the call back tells its handle.
        call.map(Call::forget).is_some()
    }

    /// Takes back all calls of this caller that workers have not begun, and asks workers that run its
    /// batches to stop.
    pub(crate) fn give_up(&self, address: usize) {
        let is_its = |call: &Call| call.caller.address() == address;
        let mut gone = Vec::new();
        // The supervisor asks the workers without lanes.
        self.tell(|state| {
            for lane in &mut state.lanes {
                lane.reclaim_all(is_its, &mut gone);
                if lane.runs(is_its) {
                    lane.ask_to_stop();
                }
            }
        });
    }

    /// Cancels all calls in the queue.
    pub(crate) fn cancel_queue(&self, done: &mut Done) {
        let waiting = mem::take(&mut self.lock().queue);
        done.extend(waiting.into_iter().map(|call| (call, Answer::Cancelled)));
    }
}
