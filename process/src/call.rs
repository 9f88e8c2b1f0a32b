//! A call on its way: the bytes that are sent, and the one who waits for the answer.
//!
//! Each call is completed exactly once, whoever gets there first: the answer, the end of its worker, a cancel, or the end
//! of the pool. The slot sees to that. Whether it is *started* at most once is this file's affair, by one byte:
//!
//! ```text
//!   QUEUED --start--> SENT         the supervisor has given it to a worker; a cancel can still take it back from the
//!                                  worker's ring, until the worker begins it
//!   SENT --put_back--> QUEUED      that worker ended without having begun it
//!   QUEUED --cancel--> CANCELLED   the supervisor throws it away when it meets it
//! ```

use crate::{codec, frame, panics, shared::Shared};
use brigade_handle::{JoinError, JoinHandle, Lost, RemotePanic, Rendezvous, Slot};
use brigade_trace::{Domain, Id, Kind, record};
use serde::de::DeserializeOwned;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

const QUEUED: u8 = 0;
const SENT: u8 = 1;
const CANCELLED: u8 = 2;

/// A call as the supervisor handles it, whatever its types.
pub(crate) struct Call {
    pub(crate) name: u64,
    pub(crate) argument: Vec<u8>,
    pub(crate) caller: Arc<dyn Caller>,
}

/// How a call ended, as the supervisor hears of it.
#[derive(Debug)]
pub(crate) enum Answer {
    Value(Vec<u8>),
    Panicked(panics::Report),
    Lost(Lost),
    Cancelled,
}

impl Answer {
    /// The answer that a frame or slot of this kind carries.
    pub(crate) fn from_parts(kind: frame::Kind, payload: Vec<u8>) -> Result<Self, String> {
        match kind {
            frame::Kind::Value => Ok(Self::Value(payload)),
            frame::Kind::Failed => {
                Ok(Self::Lost(Lost::Codec(String::from_utf8_lossy(&payload).into_owned())))
            }
            frame::Kind::Panicked => {
                let report = postcard::from_bytes(&payload);
                report.map(Self::Panicked).map_err(|error| format!("its report of a panic: {error}"))
            }
            other => Err(format!("a frame of kind {other:?} is no answer")),
        }
    }
}

/// The one who waits for a call.
pub(crate) trait Caller: Send + Sync {
    /// Takes the right to send the call. False if it was cancelled.
    fn start(&self) -> bool;

    /// Gives the right back: the worker ended before it began the call.
    fn put_back(&self);

    /// The address that tells this call from every other one that is under way.
    fn address(&self) -> usize;

    /// Decodes the answer and completes the handle. Never panics. Runs the user's code (decoding, dropping, wakers), so
    /// no lock may be held.
    fn finish(&self, answer: Answer);

    /// The call's name in traces.
    fn id(&self) -> Id;
}

/// What a call's handle points to.
struct Pending<R> {
    slot: Slot<R>,
    state: AtomicU8,
    id: Id,
    shared: Arc<Shared>,
}

/// The two sides of a new call: for the supervisor, and for the one who waits.
pub(crate) fn new<R: DeserializeOwned + Send + 'static>(
    shared: Arc<Shared>,
) -> (Arc<dyn Caller>, JoinHandle<R>) {
    let id = Id::fresh(Domain::Call);
    let pending = Arc::new(Pending { slot: Slot::new(), state: AtomicU8::new(QUEUED), id, shared });
    record(Kind::Spawn, id, 0);
    (pending.clone(), JoinHandle::from_arc(pending))
}

impl<R: Send> Pending<R> {
    /// Leaves QUEUED for `next`; of several callers one wins. Relaxed: the call itself is handed over under the pool's lock.
    fn leave_queue(&self, next: u8) -> bool {
        self.state.compare_exchange(QUEUED, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn complete(&self, result: Result<R, JoinError>) {
        record(Kind::Complete, self.id, u64::from(result.is_err()));
        // Unwind safe: the slot is in order before foreign code (the result's drop, the joiner's waker) runs.
        let completed = catch_unwind(AssertUnwindSafe(|| self.slot.complete(result)));
        if let Err(payload) = completed {
            // A result that panics when it is dropped may have a payload that does, too.
            std::mem::forget(payload);
        }
    }
}

impl<R: DeserializeOwned + Send> Caller for Pending<R> {
    fn start(&self) -> bool {
        self.leave_queue(SENT)
    }

    fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    fn put_back(&self) {
        // Relaxed: see `leave_queue`.
        self.state.store(QUEUED, Ordering::Relaxed);
    }

    fn finish(&self, answer: Answer) {
        self.complete(match answer {
            Answer::Value(bytes) => codec::decode_result(&bytes),
            Answer::Panicked(panics::Report { message, location }) => {
                Err(JoinError::Panicked(Box::new(RemotePanic { message, location })))
            }
            Answer::Lost(lost) => Err(JoinError::Lost(lost)),
            Answer::Cancelled => Err(JoinError::Cancelled),
        });
    }

    fn id(&self) -> Id {
        self.id
    }
}

impl<R: DeserializeOwned + Send> Rendezvous<R> for Pending<R> {
    fn slot(&self) -> &Slot<R> {
        &self.slot
    }

    fn cancel(&self) {
        record(Kind::Cancel, self.id, 0);
        let is_sent = || self.state.load(Ordering::Relaxed) == SENT;
        if self.leave_queue(CANCELLED) || is_sent() && self.shared.take_back(self.address()) {
            self.complete(Err(JoinError::Cancelled));
        }
    }

    fn attend(&self) {
        self.shared.linger(&|| self.slot.is_finished());
    }
}
