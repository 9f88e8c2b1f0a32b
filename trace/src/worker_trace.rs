//! A worker process's half of a recording: it records into memory that it shares with its parent.

use crate::{clock, export::Lane, part, record, registry, shared::Shared, sync::AtomicU64};
use brigade_handle::Id;
use std::fmt;

/// The numbers of a worker's tasks, jobs and resources are its process id times this, and up.
/// So they differ from those of all other processes, and a reader sees whose they are. The largest process
/// id has 22 bits, and an [`Origin`](crate::Origin) has room for numbers of 50 bits.
const NUMBERS_PER_PROCESS: u64 = 200_000_000;

/// The recording of a worker process, for the loop that runs its calls. It follows the parent: before each
/// call it looks whether a session wants its events.
///
/// ```
/// use brigade_trace::{WORKER_TRACE_WORDS, WorkerTrace};
/// use std::sync::atomic::AtomicU64;
///
/// let words: Vec<_> = (0..WORKER_TRACE_WORDS).map(|_| AtomicU64::new(0)).collect();
/// let mut trace = WorkerTrace::new(words.leak()).unwrap();
/// assert_eq!(trace.call(1), brigade_trace::Id::NONE, "the parent records nothing");
/// ```
pub struct WorkerTrace {
    shared: Shared<'static>,
    session: u64,
}

impl fmt::Debug for WorkerTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerTrace").field("session", &self.session).finish_non_exhaustive()
    }
}

impl WorkerTrace {
    /// Makes the worker's half. `None` if there are fewer than
    /// [`WORKER_TRACE_WORDS`](crate::WORKER_TRACE_WORDS) words.
    pub fn new(words: &'static [AtomicU64]) -> Option<Self> {
        Shared::new(words).map(|shared| Self { shared, session: 0 })
    }

    /// Returns the call that has this number in the lane of the worker, if the parent records.
    #[inline]
    pub fn call(&mut self, number: u64) -> Id {
        if self.shared.wanted() != self.session {
            self.follow();
        }
        if self.session == 0 { Id::NONE } else { self.shared.call(number) }
    }

    #[cold]
    fn follow(&mut self) {
        self.session = self.shared.wanted();
        if self.session == 0 {
            return registry::end();
        }
        let settings = self.shared.settings();
        clock::follow(settings.stamping);
        record::number_from(u64::from(std::process::id()) * NUMBERS_PER_PROCESS);
        record::lane(Lane::Child, Id::NONE);
        self.shared.begin(self.session);
        registry::begin_shared(self.shared, settings.mode);
        part::cpu();
    }
}
