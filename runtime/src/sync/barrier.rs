//! Tasks that wait for one another: what Python calls `asyncio.Barrier`.
//!
//! Those who have come are those in the line, so one who gives up has not come. The last one to come does not stand: it
//! grants a turn to all, in the critical section in which it saw that it is the last.

use super::{
    wait_queue::{WaitFuture, WaitQueue},
    waiter::{Attempt, Waiter},
    wakers::grant_all,
};
use crate::shim::{self, const_fn, lock};
use brigade_trace::Cause;
use std::{error, fmt};

/// Holds tasks back until so many have come, then lets them all go on. It can be used again and again.
///
/// ```
/// use brigade_runtime::{gather, run, sync::Barrier};
///
/// let barrier = Barrier::new(3);
/// let come = async || barrier.wait().await.unwrap().is_leader();
/// let leaders = run(async { gather([come(), come(), come()]).await });
/// assert_eq!(leaders.into_iter().filter(|leads| *leads).count(), 1);
/// ```
pub struct Barrier {
    parties: usize,
    state: shim::Mutex<State>,
}

struct State {
    broken: bool,
    queue: WaitQueue<ArrivalRequest>,
}

/// As which one came, and what it hears.
struct ArrivalRequest {
    index: usize,
    broken: bool,
}

impl Barrier {
    const_fn! {
        /// A barrier for so many tasks.
        ///
        /// # Panics
        ///
        /// If they are 0: nobody could be the last one to come.
        #[must_use]
        pub const fn new(parties: usize) -> Self {
            assert!(parties > 0, "a barrier is for one task at least");
            Self { parties, state: shim::Mutex::new(State { broken: false, queue: WaitQueue::new() }) }
        }
    }

    /// Waits until so many have come.
    ///
    /// # Errors
    ///
    /// [`Broken`] if the barrier is aborted, before or meanwhile, or reset meanwhile.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped before the last one came has not come. After that, it has.
    pub async fn wait(&self) -> Result<Arrival, Broken> {
        let request = WaitFuture::new(Party(self), ArrivalRequest { index: 0, broken: false }).await;
        if request.broken {
            return Err(Broken(()));
        }
        Ok(Arrival { index: request.index, leads: request.index == self.parties - 1 })
    }

    /// Breaks the barrier: all who wait, and all who come, get [`Broken`], until it is [reset](Self::reset).
    pub fn abort(&self) {
        self.clear(true);
    }

    /// Makes the barrier as new. Those who wait get [`Broken`].
    pub fn reset(&self) {
        self.clear(false);
    }

    fn clear(&self, broken: bool) {
        let mut state = lock(&self.state);
        state.broken = broken;
        grant_all(&Party(self), state, Cause::Notify, |request| request.broken = true);
    }

    /// How many have to come.
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        lock(&self.state).queue.len()
    }

    /// Whether it was aborted.
    pub fn is_broken(&self) -> bool {
        lock(&self.state).broken
    }
}

/// One who comes.
struct Party<'a>(&'a Barrier);

impl Waiter for Party<'_> {
    type State = State;
    type Request = ArrivalRequest;

    fn lock(&self) -> &shim::Mutex<State> {
        &self.0.state
    }

    fn queue(state: &mut State) -> &mut WaitQueue<ArrivalRequest> {
        &mut state.queue
    }

    fn try_fast(&self, request: &mut ArrivalRequest) -> Attempt {
        let state = lock(&self.0.state);
        request.index = state.queue.len();
        request.broken = state.broken;
        if request.broken {
            return Attempt::Done;
        }
        if request.index + 1 < self.0.parties {
            return Attempt::Wait;
        }
        grant_all(self, state, Cause::Notify, |_| ());
        Attempt::Done
    }

    fn try_locked(&self, state: &mut State, request: &mut ArrivalRequest) -> Attempt {
        request.index = state.queue.len();
        if state.broken || request.index + 1 == self.0.parties { Attempt::Retry } else { Attempt::Wait }
    }
}

/// What one who has waited at a [`Barrier`] is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    index: usize,
    leads: bool,
}

impl Arrival {
    /// As which of the tasks it came: a number from 0 that no other of the same round has, unless one of them gave up.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Whether it came last. Exactly one of each round did.
    pub fn is_leader(&self) -> bool {
        self.leads
    }
}

/// The barrier was aborted or reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken(());

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the barrier is broken")
    }
}

impl error::Error for Broken {}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (waiting, broken) = {
            let state = lock(&self.state);
            (state.queue.len(), state.broken)
        };
        f.debug_struct("Barrier")
            .field("parties", &self.parties)
            .field("waiting", &waiting)
            .field("broken", &broken)
            .finish_non_exhaustive()
    }
}
