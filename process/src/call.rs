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
//!   SENT --cancel--> DOOMED        if the caller wants that: the supervisor kills the worker that runs it
//! ```
//!
//! # Retries
//!
//! A call with [`Terms::retries`] goes from SENT back to QUEUED also when its worker ended after it had begun, so often and no
//! oftener: it is started at least once. One that has ended as many workers as it may is *quarantined*: it is not started
//! again, and its handle says how many it has ended. What the pool did to the worker because of the call (its time was over,
//! it was cancelled, it took too much memory) is no reason to try again.

use crate::{
    batch::Batch,
    block::{
        Inner,
        luggage::{self, Origin},
    },
    codec, frame, panics,
    shared::Shared,
};
use brigade_handle::{JoinError, JoinHandle, Lost, Place, RemotePanic, Rendezvous, Signal, Slot, contain};
use brigade_trace::{Domain, Id, Kind, record};
use serde::de::DeserializeOwned;
use std::{
    ptr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

const QUEUED: u8 = 0;
const SENT: u8 = 1;
const CANCELLED: u8 = 2;
const DOOMED: u8 = 3;

/// A call as the supervisor handles it, whatever its types; or a batch of calls.
pub(crate) struct Call {
    pub(crate) name: u64,
    pub(crate) load: Load,
    /// Blocks that the argument names.
    pub(crate) luggage: Vec<Arc<Inner>>,
    pub(crate) caller: Arc<dyn Caller>,
    /// None: as usual.
    pub(crate) terms: Option<Box<Terms>>,
}

/// What a call carries.
pub(crate) enum Load {
    One(Vec<u8>),
    Batch(Batch),
}

/// What a caller asked for beyond a plain call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    /// How long it may run.
    pub(crate) timeout: Option<Duration>,
    /// How many more times it may be started when a worker ends under it.
    pub(crate) retries: u32,
    /// How many workers have ended under it.
    pub(crate) deaths: u32,
    /// A cancel ends the worker that runs it.
    pub(crate) kill_on_cancel: bool,
}

impl Call {
    pub(crate) fn argument(&self) -> &[u8] {
        match &self.load {
            Load::One(argument) => argument,
            Load::Batch(batch) => batch.message(),
        }
    }

    /// The batch, if there are several calls. One is sent as any other call is, though it belongs to a `map`.
    pub(crate) fn batch(&self) -> Option<&Batch> {
        if let Load::Batch(batch) = &self.load { Some(batch).filter(|batch| batch.count > 1) } else { None }
    }

    /// The frame that it is sent in.
    pub(crate) fn kind(&self) -> frame::Kind {
        match self.batch() {
            Some(_) => frame::Kind::Batch,
            None if self.luggage.is_empty() => frame::Kind::Call,
            None => frame::Kind::Loaded,
        }
    }

    /// How many calls it stands for.
    pub(crate) fn count(&self) -> usize {
        self.batch().map_or(1, |batch| batch.count)
    }

    /// Whether its worker may have nothing else to do meanwhile: it may have to be killed because of this call.
    pub(crate) fn is_alone(&self) -> bool {
        self.terms.as_ref().is_some_and(|terms| terms.timeout.is_some() || terms.kill_on_cancel)
    }

    /// Cuts off of a batch what one worker should be given. None if that is all of it.
    pub(crate) fn cut(&mut self, workers: usize) -> Option<Self> {
        let Load::Batch(batch) = &mut self.load else { return None };
        let load = Load::Batch(batch.cut(workers)?);
        Some(self.piece(load))
    }

    /// Cuts off the first `count` of a batch. The other part is what remains, if anything does.
    pub(crate) fn split(mut self, count: usize) -> (Self, Option<Self>) {
        let Load::Batch(batch) = &mut self.load else { return (self, None) };
        if count >= batch.count {
            return (self, None);
        }
        let load = Load::Batch(batch.cut_off(count));
        (self.piece(load), Some(self))
    }

    fn piece(&self, load: Load) -> Self {
        Self { name: self.name, load, luggage: Vec::new(), caller: self.caller.clone(), terms: None }
    }

    /// Tells the caller.
    pub(crate) fn finish(&self, answer: Answer) {
        let (first, count) = match &self.load {
            Load::One(_) => (0, 1),
            Load::Batch(batch) => (batch.first, batch.count),
        };
        self.caller.finish(first, count, answer);
    }

    /// Its worker has ended under it. Whether it may be started once more; if not, what its caller is to be told.
    pub(crate) fn survives(&mut self, lost: Lost) -> Result<(), Lost> {
        let by_its_fault = matches!(lost, Lost::Exited { .. } | Lost::Killed { .. } | Lost::Protocol(_));
        let Some(terms) = self.terms.as_mut().filter(|_| by_its_fault) else { return Err(lost) };
        terms.deaths += 1;
        match terms.retries {
            0 if terms.deaths == 1 => Err(lost),
            0 => Err(Lost::Quarantined { workers: terms.deaths, last: Box::new(lost) }),
            _ => {
                terms.retries -= 1;
                Ok(())
            }
        }
    }

    /// Whether it may have to be sent again after it has begun.
    pub(crate) fn must_be_kept(&self) -> bool {
        matches!(self.load, Load::Batch(_)) || self.terms.as_ref().is_some_and(|terms| terms.retries > 0)
    }

    /// The same without its argument.
    pub(crate) fn without_argument(mut self) -> Self {
        if !self.must_be_kept() {
            self.load = Load::One(Vec::new());
        }
        self
    }
}

/// How a call ended, as the supervisor hears of it.
#[derive(Debug)]
pub(crate) enum Answer {
    Value(Vec<u8>),
    /// Of a batch: see `batch.rs`.
    Records(Vec<u8>),
    /// A value that names blocks, and from where they come; the lane knows that.
    Loaded(Vec<u8>, Option<Origin>),
    Panicked(panics::Report),
    Lost(Lost),
    Cancelled,
}

impl Answer {
    /// The answer that a frame or slot of this kind carries.
    pub(crate) fn from_parts(kind: frame::Kind, payload: Vec<u8>) -> Result<Self, String> {
        match kind {
            frame::Kind::Value => Ok(Self::Value(payload)),
            frame::Kind::Records => Ok(Self::Records(payload)),
            frame::Kind::LoadedValue => Ok(Self::Loaded(payload, None)),
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

    /// How many bytes it has.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Value(bytes) | Self::Records(bytes) | Self::Loaded(bytes, _) => bytes.len(),
            Self::Panicked(_) | Self::Lost(_) | Self::Cancelled => 0,
        }
    }

    /// Lets the blocks go that nobody wants.
    pub(crate) fn discard(self) {
        if let Self::Loaded(message, Some(origin)) = self {
            let _ = origin.unpacking(&message, |_| ());
        }
    }

    /// What the handle gives. Runs the user's code and never panics.
    pub(crate) fn into_result<R: DeserializeOwned>(self) -> Result<R, JoinError> {
        match self {
            Self::Value(bytes) => codec::decode_result(&bytes),
            Self::Panicked(panics::Report { message, location }) => {
                Err(JoinError::Panicked(Box::new(RemotePanic { message, location })))
            }
            Self::Lost(lost) => Err(JoinError::Lost(lost)),
            Self::Cancelled => Err(JoinError::Cancelled),
            Self::Loaded(message, origin) => {
                let decoded = origin.and_then(|origin| origin.unpacking(&message, codec::decode_result));
                if matches!(decoded, Some(Err(JoinError::Lost(Lost::Codec(_))))) && luggage::is_one_gone() {
                    let why = "the result's block is gone: its worker ended before the block was opened";
                    return Err(JoinError::Lost(Lost::Codec(why.into())));
                }
                let damaged =
                    || Err(JoinError::Lost(Lost::Protocol("a result with blocks is damaged".into())));
                decoded.unwrap_or_else(damaged)
            }
            Self::Records(_) => Err(JoinError::Lost(Lost::Protocol("records answer a batch alone".into()))),
        }
    }
}

/// The one who waits for a call.
pub(crate) trait Caller: Send + Sync {
    /// Takes the right to send the call. False if it was cancelled.
    fn start(&self) -> bool;

    /// Whether nobody has cancelled it.
    fn is_wanted(&self) -> bool;

    /// Gives the right back: the worker ended before it began the call, or the call may be started again.
    fn put_back(&self);

    /// Whether a cancel wants the worker killed that runs the call.
    fn is_doomed(&self) -> bool {
        false
    }

    /// The address that tells this call from every other one that is under way.
    fn address(&self) -> usize;

    /// Decodes the answer to `count` calls from number `first` on and completes the handle. Never panics. Runs the user's code
    /// (decoding, dropping, wakers), so no lock may be held.
    fn finish(&self, first: usize, count: usize, answer: Answer);

    /// The call's name in traces.
    fn id(&self) -> Id;
}

/// What a call's handle points to.
struct Pending<R> {
    slot: Slot<R>,
    state: AtomicU8,
    on_cancel: OnCancel,
    id: Id,
    shared: Arc<Shared>,
}

/// What a cancel does to a call that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnCancel {
    LetRun,
    Kill,
}

/// The two sides of a new call: for the supervisor, and for the one who waits.
pub(crate) fn new<R: DeserializeOwned + Send + 'static>(
    shared: Arc<Shared>,
    on_cancel: OnCancel,
) -> (Arc<dyn Caller>, JoinHandle<R>) {
    let id = Id::fresh(Domain::Call);
    let pending =
        Arc::new(Pending { slot: Slot::new(), state: AtomicU8::new(QUEUED), on_cancel, id, shared });
    record(Kind::Spawn, id, 0);
    (pending.clone(), JoinHandle::from_arc(pending))
}

impl<R: DeserializeOwned + Send> Pending<R> {
    /// Leaves QUEUED for `next`; of several callers one wins. Relaxed: the call itself is handed over under the pool's lock.
    fn leave_queue(&self, next: u8) -> bool {
        self.state.compare_exchange(QUEUED, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Takes the call out of the queue, or back from a worker that has not begun it.
    fn withdraw(&self) -> bool {
        loop {
            if self.leave_queue(CANCELLED) || self.shared.take_back(self.address()) {
                return true;
            }
            // Relaxed: see `leave_queue`. It may be in the queue again: its worker has ended.
            if self.state.load(Ordering::Relaxed) != QUEUED {
                return false;
            }
        }
    }

    /// Has the worker killed that runs the call. False if it is not sent.
    fn doom(&self) -> bool {
        // SENT => DOOMED. Relaxed: see `leave_queue`.
        let doomed = self.state.compare_exchange(SENT, DOOMED, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if doomed && !self.slot.is_finished() {
            self.shared.tell(|state| state.doomed = true);
        }
        doomed
    }

    fn complete(&self, result: Result<R, JoinError>) {
        record(Kind::Complete, self.id, u64::from(result.is_err()));
        complete(&self.slot, result);
    }
}

/// Completes a slot and survives what foreign code does on the way.
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
        !matches!(self.state.load(Ordering::Relaxed), CANCELLED | DOOMED)
    }

    fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    fn put_back(&self) {
        // SENT => QUEUED; a doomed call stays so, and is thrown away. Relaxed: see `leave_queue`.
        let _ = self.state.compare_exchange(SENT, QUEUED, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn is_doomed(&self) -> bool {
        // Relaxed: the flag says it all.
        self.state.load(Ordering::Relaxed) == DOOMED
    }

    fn finish(&self, _first: usize, _count: usize, answer: Answer) {
        // The worker may be gone before the one who cancels has said so.
        let answer =
            if matches!(answer, Answer::Lost(_)) && self.is_doomed() { Answer::Cancelled } else { answer };
        self.complete(answer.into_result());
    }

    fn id(&self) -> Id {
        self.id
    }
}

impl<R: DeserializeOwned + Send> Rendezvous<R> for Pending<R> {
    fn signal(&self) -> &Signal {
        self.slot.signal()
    }

    fn place(&self) -> Place<'_, R> {
        self.slot.place()
    }

    fn cancel(&self) {
        record(Kind::Cancel, self.id, 0);
        if self.shared.is_forked() {
            return;
        }
        if self.withdraw() || self.on_cancel == OnCancel::Kill && self.doom() {
            self.complete(Err(JoinError::Cancelled));
        }
    }

    fn attend(&self) {
        if !self.shared.is_forked() {
            self.shared.linger(&|| self.slot.is_finished());
        }
    }
}
