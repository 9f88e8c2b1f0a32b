//! A barrier at which tasks wait for each other, like `asyncio.Barrier` in Python.
//!
//! The tasks that have arrived are those in the wait queue, so a task that gives up has not arrived. The
//! last task to arrive does not join the queue: it grants all of the queue, in the critical section in
//! which it saw that it is the last.

use super::{
    wait_queue::{WaitFuture, WaitQueue},
    waiter::{Attempt, Waiter},
    wakers::grant_all,
};
use crate::shim::{self, const_fn, lock};
use brigade_trace::{Cause, Domain, Resource};
use std::{error, fmt, future::Future, panic::Location};

/// Holds tasks back until a number of them have arrived, then lets all of them go on. It can be used any
/// number of times.
///
/// ```
/// use brigade_runtime::{gather, run, sync::Barrier};
///
/// let barrier = Barrier::new(3);
/// let arrive = async || barrier.wait().await.unwrap().is_leader();
/// let leaders = run(async { gather([arrive(), arrive(), arrive()]).await });
/// assert_eq!(leaders.into_iter().filter(|leads| *leads).count(), 1);
/// ```
pub struct Barrier {
    parties: usize,
    resource: Resource,
    state: shim::Mutex<State>,
}

struct State {
    broken: bool,
    queue: WaitQueue<ArrivalRequest>,
}

struct ArrivalRequest {
    /// The position in which the task arrived.
    index: usize,
    /// Whether it was told that the barrier is broken.
    broken: bool,
    /// Whether it found that it need not wait, so that it opens the barrier without the lock.
    is_due: bool,
}

impl Barrier {
    const_fn! {
        /// Creates a barrier for `parties` tasks.
        ///
        /// # Panics
        ///
        /// Panics in the caller if `parties` is 0: no task could be the last one to arrive.
        #[track_caller]
        #[must_use]
        pub const fn new(parties: usize) -> Self {
            assert!(parties > 0, "a barrier is for one task at least");
            let state = State { broken: false, queue: WaitQueue::new() };
            Self { parties, resource: Resource::new(Domain::Barrier), state: shim::Mutex::new(state) }
        }
    }

    /// Waits until all parties have arrived.
    ///
    /// # Errors
    ///
    /// Returns [`Broken`] if the barrier is aborted before or during the wait, or reset during it.
    ///
    /// # Cancellation
    ///
    /// A future that is dropped before the last party arrives has not arrived. If it is dropped afterwards,
    /// it has.
    #[track_caller]
    pub fn wait(&self) -> impl Future<Output = Result<Arrival, Broken>> {
        let at = Location::caller();
        async move {
            let request = ArrivalRequest { index: 0, broken: false, is_due: false };
            let request = WaitFuture::new_at(Party(self), request, at).await;
            if request.broken {
                return Err(Broken(()));
            }
            Ok(Arrival { index: request.index, leads: request.index == self.parties - 1 })
        }
    }

    /// Breaks the barrier: current and future waiters get [`Broken`], until the barrier is
    /// [reset](Self::reset).
    ///
    /// ```
    /// use brigade_runtime::{run, sync::Barrier};
    ///
    /// let barrier = Barrier::new(2);
    /// barrier.abort();
    /// assert!(run(barrier.wait()).is_err());
    /// ```
    pub fn abort(&self) {
        self.clear(true);
    }

    /// Makes the barrier as new. Current waiters get [`Broken`].
    ///
    /// ```
    /// let barrier = brigade_runtime::sync::Barrier::new(2);
    /// barrier.abort();
    /// barrier.reset();
    /// assert!(!barrier.is_broken());
    /// ```
    pub fn reset(&self) {
        self.clear(false);
    }

    fn clear(&self, broken: bool) {
        let mut state = lock(&self.state);
        state.broken = broken;
        grant_all(&Party(self), state, Cause::Close, |request| request.broken = true);
    }

    /// Returns how many tasks have to arrive.
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// Returns how many tasks wait.
    pub fn waiting(&self) -> usize {
        lock(&self.state).queue.len()
    }

    /// Returns whether the barrier was aborted.
    pub fn is_broken(&self) -> bool {
        lock(&self.state).broken
    }
}

/// A task that arrives.
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
        if !request.is_due {
            // Most tasks wait. They look once, under the lock under which they join the queue.
            return Attempt::Wait;
        }
        let state = lock(&self.0.state);
        request.index = state.queue.len();
        request.broken = state.broken;
        if request.broken {
            return Attempt::Done;
        }
        if request.index + 1 < self.0.parties {
            return Attempt::Wait;
        }
        grant_all(self, state, Cause::Barrier, |_| ());
        Attempt::Done
    }

    fn resource(&self) -> &Resource {
        &self.0.resource
    }

    fn cause(&self) -> Cause {
        Cause::Barrier
    }

    fn outcome(&self, request: &ArrivalRequest) -> Cause {
        if request.broken { Cause::Close } else { Cause::Barrier }
    }

    fn try_locked(&self, state: &mut State, request: &mut ArrivalRequest) -> Attempt {
        request.index = state.queue.len();
        request.is_due = state.broken || request.index + 1 == self.0.parties;
        if request.is_due { Attempt::Retry } else { Attempt::Wait }
    }
}

/// The result of waiting at a [`Barrier`].
///
/// ```
/// use brigade_runtime::{run, sync::Barrier};
///
/// let arrival = run(Barrier::new(1).wait()).unwrap();
/// assert_eq!((arrival.index(), arrival.is_leader()), (0, true));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    index: usize,
    leads: bool,
}

impl Arrival {
    /// Returns the position in which the task arrived: a number from 0, which no other task has that was
    /// released with it, unless one of them gave up.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns whether the task arrived last. Exactly one task does each time the barrier opens.
    pub fn is_leader(&self) -> bool {
        self.leads
    }
}

/// The error of waiting at a barrier that was aborted or reset.
///
/// ```
/// use brigade_runtime::{run, sync::Barrier};
///
/// let barrier = Barrier::new(2);
/// barrier.abort();
/// assert_eq!(run(barrier.wait()).unwrap_err().to_string(), "the barrier is broken");
/// ```
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
