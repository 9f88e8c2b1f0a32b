//! A `map`: one handle for the results of many calls, which arrive in pieces and in any order.

use super::pending;
use crate::{
    call::{
        Answer, Call, Caller, Content,
        batch::{self, Batch, Pace},
        codec,
        entry::{self, Name},
    },
    parent::shared::Shared,
    wire::frame::Kind,
};
use brigade_handle::{JoinError, JoinHandle, Lost, Place, Rendezvous, Signal, Slot, contain};
use brigade_trace::{
    Cause, Domain::Call as CALL, Id, Kind as Happened, Origin, Site, on, wait_begin_of, wait_end,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    mem, ptr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// The results of a `map`, one for each input.
pub(crate) type Results<R> = Vec<Result<R, JoinError>>;

/// The shared part of a `map`'s handle.
struct Gathering<R> {
    slot: Slot<Results<R>>,
    found: Mutex<Found<R>>,
    cancelled: AtomicBool,
    /// No worker has begun with it, as far as a trace knows.
    waits: AtomicBool,
    origin: Origin,
    shared: Arc<Shared>,
}

struct Found<R> {
    /// A place for each input. A result that is missing is an error meanwhile, so that nothing is left to
    /// unwrap at the end (`map`).
    results: Results<R>,
    /// How many results are missing.
    left: usize,
}

/// The encoded inputs: neighbours lie together, with gaps where an input could not be encoded.
struct Packed<R> {
    items: Vec<u8>,
    /// Runs of neighbours: where each begins in `items`, the number of its first input, and how many inputs
    /// it has.
    runs: Vec<(usize, usize, usize)>,
    /// An error for each input: why it could not be encoded, or else a place for its result.
    results: Results<R>,
    /// How many inputs were encoded.
    encoded: usize,
}

/// The most bytes of memory that are taken at once because an iterator says how many inputs will come.
const MAX_RESERVED_BYTES: usize = 64 << 20;

impl<R> Packed<R> {
    fn new<A: Serialize>(inputs: impl IntoIterator<Item = A>) -> Self {
        let mut packed = Self { items: Vec::new(), runs: Vec::new(), results: Vec::new(), encoded: 0 };
        let mut inputs = inputs.into_iter();
        if let Some(first) = inputs.next() {
            packed.push(&first);
            // Without this the vectors grow by doubling, and copying is a tenth of a short call (`map`).
            packed.reserve(inputs.size_hint().0);
        }
        inputs.for_each(|input| packed.push(&input));
        packed
    }

    /// Makes room for `further` inputs that are as long as those before.
    fn reserve(&mut self, further: usize) {
        let place = size_of::<Result<R, JoinError>>();
        self.results.reserve(further.min(MAX_RESERVED_BYTES / place));
        self.items.reserve(further.saturating_mul(self.items.len()).min(MAX_RESERVED_BYTES));
    }

    fn push<A: Serialize>(&mut self, input: &A) {
        let before = self.items.len();
        let number = self.results.len();
        let start = batch::begin_item(&mut self.items);
        let encoded = codec::encode_argument(input, &mut self.items);
        let too_long = || JoinError::lost(Lost::Codec("the argument is longer than 4 GiB".into()));
        let packed = encoded.and_then(|()| batch::end_item(&mut self.items, start).ok_or_else(too_long));
        self.encoded += usize::from(packed.is_ok());
        match (&packed, self.runs.last_mut()) {
            (Ok(()), Some((_, first, count))) if *first + *count == number => *count += 1,
            (Ok(()), _) => self.runs.push((before, number, 1)),
            (Err(_), _) => self.items.truncate(before),
        }
        self.results.push(Err(packed.err().unwrap_or_else(JoinError::cancelled)));
    }
}

/// Has the workers of `shared` call `f` with each input, with `size` inputs in a message if that is given.
#[track_caller]
pub(crate) fn submit<F, A, R>(
    shared: &Arc<Shared>,
    f: F,
    inputs: impl IntoIterator<Item = A>,
    size: Option<usize>,
) -> JoinHandle<Results<R>>
where
    F: Fn(A) -> R + Copy + Send + 'static,
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    let Packed { items, runs, mut results, encoded } = Packed::new(inputs);
    let named = entry::name(f);
    if let Err(why) = &named {
        let lost = || Err(JoinError::lost(Lost::Codec(why.as_str().into())));
        results.iter_mut().for_each(|result| *result = lost());
    }
    let left = if named.is_ok() { encoded } else { 0 };
    let origin = Origin::spawned(CALL);
    if left < results.len() {
        results = results.into_iter().map(|result| named_after(&origin, result)).collect();
    }
    let gathering = Arc::new(Gathering {
        slot: Slot::new(),
        found: Mutex::new(Found { results, left }),
        cancelled: AtomicBool::new(false),
        origin,
        waits: AtomicBool::new(true),
        shared: shared.clone(),
    });
    wait_begin_of(gathering.origin.id(CALL), || shared.resource.id(), Cause::Slot, Site::here());
    let handle = JoinHandle::from_arc(gathering.clone());
    gathering.place(0, Vec::new());
    if let Ok(Name(name)) = named {
        let (items, pace) = (Arc::new(items), Arc::new(Pace::new(size)));
        for (from, first, count) in runs {
            let load = Content::Batch(Batch::new(items.clone(), from, first, count, pace.clone()));
            shared.submit(Call::new(name, load, gathering.clone()));
        }
    }
    handle
}

impl<R: Send> Gathering<R> {
    /// Records that it waits for a free worker no longer.
    fn end_wait(&self, cause: Cause) {
        // Relaxed: only the first of several threads records it.
        if on() && self.waits.swap(false, Ordering::Relaxed) {
            wait_end(self.origin.id(CALL), || self.shared.resource.id(), cause);
        }
    }

    /// Takes in results from number `first` on, and completes the handle if they were the last.
    fn place(&self, first: usize, results: Results<R>) {
        let results: Results<R> =
            results.into_iter().map(|result| named_after(&self.origin, result)).collect();
        let all = {
            // No foreign code runs under the lock: a place that is filled held an error of ours, and the
            // results that come too late are dropped outside.
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            // Relaxed: if this load misses the flag, the lock orders this critical section before the one
            // in which `cancel` takes the results.
            if self.cancelled.load(Ordering::Relaxed) {
                drop(found);
                return drop_each(results);
            }
            found.left -= results.len();
            for (place, result) in found.results.iter_mut().skip(first).zip(results) {
                *place = result;
            }
            if found.left > 0 {
                return;
            }
            mem::take(&mut found.results)
        };
        self.end_wait(Cause::Cancel);
        self.origin.complete(CALL, 0);
        pending::complete(&self.slot, Ok(all));
    }
}

impl<R: DeserializeOwned + Send> Caller for Gathering<R> {
    fn start(&self) -> bool {
        // Relaxed: the calls themselves are handed over under the pool's lock.
        let starts = !self.cancelled.load(Ordering::Relaxed);
        if starts {
            self.end_wait(Cause::Slot);
        }
        starts
    }

    fn is_wanted(&self) -> bool {
        // Relaxed: see `start`.
        !self.cancelled.load(Ordering::Relaxed)
    }

    fn put_back(&self) -> bool {
        self.is_wanted()
    }

    fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    fn finish(&self, first: usize, count: usize, answer: Answer) {
        if self.cancelled.load(Ordering::Relaxed) {
            return answer.discard();
        }
        let results: Results<R> = match answer {
            Answer::Records(bytes) => batch::records(&bytes).take(count).map(decode).collect(),
            answer if count == 1 => vec![answer.into_result()],
            Answer::Lost(lost) => (0..count).map(|_| Err(JoinError::lost(lost.clone()))).collect(),
            Answer::Cancelled => (0..count).map(|_| Err(JoinError::cancelled())).collect(),
            Answer::Value(_) | Answer::Panicked(_) | Answer::BlockValue(..) => {
                let lost = || JoinError::lost(Lost::Protocol("a batch is answered by records".into()));
                (0..count).map(|_| Err(lost())).collect()
            }
        };
        debug_assert_eq!(results.len(), count, "a lane counts the records");
        self.place(first, results);
    }

    fn id(&self) -> Id {
        self.origin.id(CALL)
    }
}

/// Lets an error say which call it is of.
fn named_after<R>(origin: &Origin, result: Result<R, JoinError>) -> Result<R, JoinError> {
    result.map_err(|error| error.of(|| origin.subject(CALL)))
}

/// Drops results, which is foreign code: each on its own, since two panics in one unwinding abort.
fn drop_each<T>(results: Vec<T>) {
    results.into_iter().for_each(|result| contain(|| drop(result)));
}

fn decode<R: DeserializeOwned>((kind, payload): (Kind, &[u8])) -> Result<R, JoinError> {
    if kind == Kind::Value {
        return codec::decode_result(payload);
    }
    match Answer::from_parts(kind, payload.to_vec()) {
        Ok(answer) => answer.into_result(),
        Err(why) => Err(JoinError::lost(Lost::Protocol(why.into()))),
    }
}

// SAFETY: signal and place are those of the one slot. Only a borrower of the Arc completes it.
unsafe impl<R: DeserializeOwned + Send> Rendezvous<Results<R>> for Gathering<R> {
    fn signal(&self) -> &Signal {
        self.slot.signal()
    }

    fn place(&self) -> Place<'_, Results<R>> {
        self.slot.place()
    }

    fn cancel(&self) {
        self.end_wait(Cause::Cancel);
        self.origin.record(CALL, Happened::Cancel, 0);
        // In a forked child the results may be locked for ever.
        if self.slot.is_finished() || self.shared.is_forked() {
            return;
        }
        // Relaxed: see `start`.
        self.cancelled.store(true, Ordering::Relaxed);
        self.shared.give_up(self.address());
        let found = mem::take(&mut self.found.lock().unwrap_or_else(PoisonError::into_inner).results);
        // The results so far are dropped here, on the canceller's thread, and under no lock.
        drop_each(found);
        pending::complete(&self.slot, Err(JoinError::cancelled().of(|| self.origin.subject(CALL))));
    }

    fn attend(&self) {
        self.shared.spin_for_answers(&|| self.slot.is_finished());
    }

    fn id(&self) -> Id {
        self.origin.id(CALL)
    }
}
