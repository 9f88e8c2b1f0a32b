//! The handle's side of one call.
//!
//! A call completes exactly once, by whichever comes first: the answer, the end of its worker, a cancel, or
//! the end of the pool. The slot sees to that. This file sees to it that a call *starts* at most once, by
//! one byte:
//!
//! ```text
//!   QUEUED --start--> SENT         the supervisor has given it to a worker; a cancel can still take it back
//!                                  from the worker's ring, until the worker begins it
//!   SENT --put_back--> QUEUED      that worker ended without having begun it, or it may be tried again
//!   QUEUED --cancel--> CANCELLED   the supervisor throws it away when it meets it
//!   SENT --cancel--> KILLING       if the caller wants that: the supervisor kills the worker that runs it
//!   SENT --cancel--> FINAL         else: its result stands, and if there is none, it is not started again
//! ```

use crate::{
    call::{Answer, Caller},
    parent::shared::Shared,
};
use brigade_handle::{JoinError, JoinHandle, Place, Rendezvous, Signal, Slot, contain};
use brigade_trace::{Cause, Domain::Call as CALL, Id, Kind, Origin, Site, wait_begin_of, wait_end};
use serde::de::DeserializeOwned;
use std::{
    ptr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

const QUEUED: u8 = 0;
const SENT: u8 = 1;
const CANCELLED: u8 = 2;
const KILLING: u8 = 3;
const FINAL: u8 = 4;

/// The shared part of a call's handle.
struct Pending<R> {
    slot: Slot<R>,
    state: AtomicU8,
    on_cancel: OnCancel,
    origin: Origin,
    shared: Arc<Shared>,
}

/// The effect of a cancel on a call that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnCancel {
    LetRun,
    Kill,
}

/// Makes the two sides of a new call: the caller, for the supervisor, and the handle, for the thread that
/// waits.
#[track_caller]
pub(crate) fn new<R: DeserializeOwned + Send + 'static>(
    shared: Arc<Shared>,
    on_cancel: OnCancel,
) -> (Arc<dyn Caller>, JoinHandle<R>) {
    let origin = Origin::spawned(CALL);
    let pending =
        Arc::new(Pending { slot: Slot::new(), state: AtomicU8::new(QUEUED), on_cancel, origin, shared });
    wait_begin_of(origin.id(CALL), || pending.shared.resource.id(), Cause::Slot, Site::here());
    (pending.clone(), JoinHandle::from_arc(pending))
}

impl<R: DeserializeOwned + Send> Pending<R> {
    /// Leaves QUEUED for `next`; of several threads that try, one wins. Relaxed: the call itself is handed
    /// over under the pool's lock.
    fn leave_queue(&self, next: u8) -> bool {
        let left = self.state.compare_exchange(QUEUED, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if left {
            let cause = if next == SENT { Cause::Slot } else { Cause::Cancel };
            wait_end(self.origin.id(CALL), || self.shared.resource.id(), cause);
        }
        left
    }

    /// Takes the call out of the queue, or back from a worker that has not begun it.
    fn withdraw(&self) -> bool {
        loop {
            if self.leave_queue(CANCELLED) || self.shared.take_back(self.address()) {
                return true;
            }
            // Relaxed: see `leave_queue`. It may be in the queue again, because its worker has ended.
            if self.state.load(Ordering::Relaxed) != QUEUED {
                return false;
            }
        }
    }

    /// Has the pool kill the worker that runs the call. False if the call is not sent.
    fn request_kill(&self) -> bool {
        // SENT => KILLING. Relaxed: see `leave_queue`.
        let kill_requested =
            self.state.compare_exchange(SENT, KILLING, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if kill_requested && !self.slot.is_finished() {
            // The call's own state says what it is to do.
            self.shared.tell(|_| ());
        }
        kill_requested
    }

    /// Notes that the call, which runs, must not start again. False if it does not run.
    fn forbid_restart(&self) -> bool {
        // SENT => FINAL. Relaxed: see `leave_queue`.
        self.state.compare_exchange(SENT, FINAL, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn complete(&self, result: Result<R, JoinError>) {
        self.origin.complete(CALL, u64::from(result.is_err()));
        complete(&self.slot, result.map_err(|error| error.of(|| self.origin.subject(CALL))));
    }
}

/// Completes a slot and contains a panic of foreign code on the way.
pub(crate) fn complete<T: Send>(slot: &Slot<T>, result: Result<T, JoinError>) {
    // Unwind safe: the slot is in order before foreign code (the result's drop, the joiner's waker) runs.
    contain(|| {
        slot.complete(result);
    });
}

impl<R: DeserializeOwned + Send> Caller for Pending<R> {
    fn start(&self) -> bool {
        self.leave_queue(SENT)
    }

    fn is_wanted(&self) -> bool {
        // Relaxed: see `leave_queue`.
        matches!(self.state.load(Ordering::Relaxed), QUEUED | SENT)
    }

    fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    fn put_back(&self) -> bool {
        // SENT => QUEUED. Relaxed: see `leave_queue`.
        let back = self.state.compare_exchange(SENT, QUEUED, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if back {
            wait_begin_of(self.origin.id(CALL), || self.shared.resource.id(), Cause::Slot, Site::NONE);
        }
        back
    }

    fn must_be_killed(&self) -> bool {
        // Relaxed: nothing is read but the flag.
        self.state.load(Ordering::Relaxed) == KILLING
    }

    fn finish(&self, _first: usize, _count: usize, answer: Answer) {
        if self.slot.is_finished() {
            // The call was cancelled.
            return answer.discard();
        }
        // The worker may be gone before the cancelling thread has said so.
        let answer =
            if matches!(answer, Answer::Lost(_)) && !self.is_wanted() { Answer::Cancelled } else { answer };
        self.complete(answer.into_result());
    }

    fn id(&self) -> Id {
        self.origin.id(CALL)
    }
}

// SAFETY: signal and place are those of the one slot. Only a borrower of the Arc completes it.
unsafe impl<R: DeserializeOwned + Send> Rendezvous<R> for Pending<R> {
    fn signal(&self) -> &Signal {
        self.slot.signal()
    }

    fn place(&self) -> Place<'_, R> {
        self.slot.place()
    }

    fn cancel(&self) {
        self.origin.record(CALL, Kind::Cancel, 0);
        if self.shared.is_forked() {
            return;
        }
        loop {
            if self.withdraw() || self.on_cancel == OnCancel::Kill && self.request_kill() {
                return self.complete(Err(JoinError::cancelled()));
            }
            // Relaxed: see `leave_queue`. It is in the queue again if its worker has ended meanwhile.
            if self.forbid_restart() || self.state.load(Ordering::Relaxed) != QUEUED {
                return;
            }
        }
    }

    fn attend(&self) {
        self.shared.spin_for_answers(&|| self.slot.is_finished());
    }

    fn id(&self) -> Id {
        self.origin.id(CALL)
    }
}
