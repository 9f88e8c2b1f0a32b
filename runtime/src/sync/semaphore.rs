//! A number of permits, like `asyncio.Semaphore` in Python.
//!
//! ```text
//!   word   63                                2          1         0
//!         [  free permits                    | WAITING | CLOSED  ]
//! ```
//!
//! 1. While WAITING is not set, nobody is queued: any task takes permits and returns them by one
//!    compare-and-swap.
//! 2. WAITING is set and cleared under the lock. While it is set, only the holder of the lock changes the
//!    word. So a newcomer cannot overtake, and the holder of the lock may read, compute and store.
//! 3. WAITING is set whenever a task is queued. (It may stay set for a while after the last one left.)
//! 4. CLOSED is set under the lock, and never cleared.
//!
//! # Why no wake-up is lost
//!
//! A task that finds too few permits sets WAITING by a compare-and-swap from the very word in which it saw
//! too few, and joins the queue, in one critical section. A task that returns permits has two cases. Either
//! it returns them by a compare-and-swap from a word without WAITING: then the first task sees the permits,
//! or its own swap fails and it looks again. Or it sees WAITING, takes the lock, and finds the queue.
//!
//! Long: a third of the lines are examples.

use super::{
    permit::{Closed, OwnedPermit, Permit, TryAcquireError},
    wait_queue::{WaitFuture, WaitQueue},
    waiter::{Attempt, Waiter},
    wakers::{Wakers, grant_all},
};
use crate::{
    shim::{self, AtomicUsize, MutexGuard, Ordering, const_fn, fence, lock},
    task::budget,
};
use brigade_trace::{Cause, Domain, Resource, live};
use std::{fmt, future::Future, panic::Location, sync::Arc};

const CLOSED: usize = 1 << 0;
const WAITING: usize = 1 << 1;
const PERMITS_SHIFT: u32 = 2;

/// A number of permits, granted in the order in which they were requested.
///
/// A task that requests many permits is not overtaken by tasks that request few: they wait behind it. A
/// permit that is dropped goes to the task at the front of the queue. Permits are values, so no more of
/// them can be returned than were made, which is what `asyncio.BoundedSemaphore` checks.
/// [`add_permits`](Self::add_permits) makes more on purpose.
///
/// ```
/// use brigade_runtime::{gather, run, sync::Semaphore, yield_now};
///
/// // Ten downloads, three at a time.
/// let semaphore = Semaphore::new(3);
/// let download = async |n: u32| {
///     let _permit = semaphore.acquire().await.unwrap();
///     assert!(semaphore.available_permits() < 3);
///     yield_now().await;
///     n
/// };
/// assert_eq!(run(async { gather((0..10).map(&download)).await.len() }), 10);
/// assert_eq!(semaphore.available_permits(), 3);
/// ```
#[doc(alias = "BoundedSemaphore")]
pub struct Semaphore {
    word: AtomicUsize,
    resource: Resource,
    queue: shim::Mutex<WaitQueue<PermitRequest>>,
}

/// How many permits a waiter requests, and whether it was told instead that the semaphore is closed.
pub(super) struct PermitRequest {
    permits: usize,
    closed: bool,
}

impl Semaphore {
    /// The largest number of permits that can be free at once.
    pub const MAX_PERMITS: usize = usize::MAX >> (PERMITS_SHIFT + 1);

    const_fn! {
        /// Creates a semaphore with `permits` free permits.
        ///
        /// # Panics
        ///
        /// Panics in the caller if `permits` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS).
        #[track_caller]
        #[must_use]
        pub const fn new(permits: usize) -> Self {
            Self::of(permits, Domain::Semaphore)
        }

        /// Creates the semaphore of a lock, or one of its own: a trace tells them apart.
        #[track_caller]
        pub(super) const fn of(permits: usize, domain: Domain) -> Self {
            assert!(permits <= Self::MAX_PERMITS, "a semaphore has MAX_PERMITS permits at most");
            Self {
                word: AtomicUsize::new(permits << PERMITS_SHIFT),
                resource: Resource::new(domain),
                queue: shim::Mutex::new(WaitQueue::new()),
            }
        }
    }

    /// Gives the semaphore a name that traces show.
    ///
    /// ```
    /// use brigade_runtime::sync::Semaphore;
    ///
    /// let ovens = Semaphore::new(2);
    /// ovens.set_name("ovens");
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        self.resource.set_name(name);
    }

    /// The semaphore, as a trace sees it.
    pub(super) fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Waits for one permit. The permit is returned when the [`Permit`] is dropped.
    ///
    /// # Errors
    ///
    /// Returns [`Closed`] if the semaphore is closed before or during the wait.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up its position in the queue. A permit that was meant for it goes to the
    /// next waiter.
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Result<Permit<'_>, Closed>> {
        self.acquire_many(1)
    }

    /// Waits for `permits` permits at once. No task behind this one is served before it. If there never are
    /// that many, it waits for ever.
    ///
    /// # Errors
    ///
    /// Returns [`Closed`] if the semaphore is closed before or during the wait.
    ///
    /// # Cancellation
    ///
    /// As with [`acquire`](Self::acquire).
    ///
    /// ```
    /// use brigade_runtime::{run, sync::Semaphore};
    ///
    /// let semaphore = Semaphore::new(5);
    /// run(async {
    ///     let permits = semaphore.acquire_many(3).await.unwrap();
    ///     assert_eq!((permits.count(), semaphore.available_permits()), (3, 2));
    /// });
    /// ```
    #[track_caller]
    pub fn acquire_many(&self, permits: usize) -> impl Future<Output = Result<Permit<'_>, Closed>> {
        self.acquire_at(permits, Location::caller())
    }

    /// Acquires permits for this line of the program.
    #[expect(clippy::manual_async_fn, reason = "an async fn reads its arguments when it is polled first")]
    pub(super) fn acquire_at(
        &self,
        permits: usize,
        at: &'static Location<'static>,
    ) -> impl Future<Output = Result<Permit<'_>, Closed>> {
        async move {
            if !self.take_at_once(permits) {
                self.wait(permits, at).await?;
            }
            let holder = self.resource.held(permits);
            Ok(Permit { semaphore: self, permits, holder })
        }
    }

    /// Takes a permit if one is free and nobody waits.
    ///
    /// # Errors
    ///
    /// Returns [`TryAcquireError::NoPermits`] if no permit is free or another task waits, and
    /// [`TryAcquireError::Closed`] if the semaphore is closed.
    ///
    /// ```
    /// let semaphore = brigade_runtime::sync::Semaphore::new(1);
    /// let permit = semaphore.try_acquire().unwrap();
    /// assert!(semaphore.try_acquire().is_err());
    /// ```
    pub fn try_acquire(&self) -> Result<Permit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes `permits` permits if that many are free and nobody waits.
    ///
    /// # Errors
    ///
    /// Returns [`TryAcquireError::NoPermits`] if too few permits are free or another task waits, and
    /// [`TryAcquireError::Closed`] if the semaphore is closed.
    pub fn try_acquire_many(&self, permits: usize) -> Result<Permit<'_>, TryAcquireError> {
        self.try_take(permits)?;
        let holder = self.resource.held(permits);
        Ok(Permit { semaphore: self, permits, holder })
    }

    /// Like [`acquire`](Self::acquire), for a permit that keeps the semaphore alive instead of borrowing
    /// it.
    ///
    /// # Errors
    ///
    /// Returns [`Closed`] if the semaphore is closed before or during the wait.
    ///
    /// # Cancellation
    ///
    /// As with [`acquire`](Self::acquire).
    ///
    /// ```
    /// use brigade_runtime::{run, spawn, sync::Semaphore};
    /// use std::sync::Arc;
    ///
    /// run(async {
    ///     let semaphore = Arc::new(Semaphore::new(2));
    ///     for _ in 0..4 {
    ///         // At most two of these tasks exist at once.
    ///         let permit = semaphore.clone().acquire_owned().await.unwrap();
    ///         spawn(async move { drop(permit) });
    ///     }
    /// });
    /// ```
    #[track_caller]
    pub fn acquire_owned(self: Arc<Self>) -> impl Future<Output = Result<OwnedPermit, Closed>> {
        self.acquire_many_owned(1)
    }

    /// Like [`acquire_many`](Self::acquire_many), for permits that keep the semaphore alive instead of
    /// borrowing it.
    ///
    /// # Errors
    ///
    /// Returns [`Closed`] if the semaphore is closed before or during the wait.
    ///
    /// # Cancellation
    ///
    /// As with [`acquire`](Self::acquire).
    #[track_caller]
    pub fn acquire_many_owned(
        self: Arc<Self>,
        permits: usize,
    ) -> impl Future<Output = Result<OwnedPermit, Closed>> {
        let at = Location::caller();
        async move {
            if !self.take_at_once(permits) {
                self.wait(permits, at).await?;
            }
            let holder = self.resource.held(permits);
            live::travels(&self.resource);
            Ok(OwnedPermit { semaphore: self, permits, holder })
        }
    }

    /// Like [`try_acquire_many`](Self::try_acquire_many), for permits that keep the semaphore alive instead
    /// of borrowing it.
    ///
    /// # Errors
    ///
    /// Returns [`TryAcquireError::NoPermits`] if too few permits are free or another task waits, and
    /// [`TryAcquireError::Closed`] if the semaphore is closed.
    pub fn try_acquire_many_owned(self: Arc<Self>, permits: usize) -> Result<OwnedPermit, TryAcquireError> {
        self.try_take(permits)?;
        let holder = self.resource.held(permits);
        live::travels(&self.resource);
        Ok(OwnedPermit { semaphore: self, permits, holder })
    }

    /// Returns how many permits are free.
    pub fn available_permits(&self) -> usize {
        self.word.load(Ordering::Relaxed) >> PERMITS_SHIFT
    }

    /// Adds `permits` free permits.
    ///
    /// # Panics
    ///
    /// Panics in the caller if more than [`MAX_PERMITS`](Self::MAX_PERMITS) permits would be free.
    ///
    /// ```
    /// let semaphore = brigade_runtime::sync::Semaphore::new(0);
    /// semaphore.add_permits(2);
    /// assert_eq!(semaphore.available_permits(), 2);
    /// ```
    #[track_caller]
    pub fn add_permits(&self, permits: usize) {
        assert!(permits <= Self::MAX_PERMITS, "a semaphore has MAX_PERMITS permits at most");
        self.release(permits);
    }

    /// Removes up to `permits` free permits for good. Returns how many it removed: fewer if fewer are free.
    ///
    /// ```
    /// let semaphore = brigade_runtime::sync::Semaphore::new(3);
    /// assert_eq!((semaphore.forget_permits(2), semaphore.forget_permits(2)), (2, 1));
    /// ```
    pub fn forget_permits(&self, permits: usize) -> usize {
        // Rule 2: the lock keeps the word still while WAITING is set.
        let _queue = lock(&self.queue);
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let gone = permits.min(word >> PERMITS_SHIFT);
            match self.swap(word, word - (gone << PERMITS_SHIFT)) {
                Ok(()) => return gone,
                Err(now) => word = now,
            }
        }
    }

    /// Closes the semaphore: current and future waiters get [`Closed`]. Permits that tasks hold stay valid.
    ///
    /// ```
    /// use brigade_runtime::{run, sync::Semaphore};
    ///
    /// let semaphore = Semaphore::new(1);
    /// semaphore.close();
    /// assert!(run(semaphore.acquire()).is_err());
    /// ```
    pub fn close(&self) {
        let queue = lock(&self.queue);
        // Release, so that a task that finds the semaphore closed sees what was done before.
        self.word.fetch_or(CLOSED, Ordering::Release);
        grant_all(&PermitWaiter(self), queue, Cause::Close, |request| request.closed = true);
    }

    /// Returns whether the semaphore is closed.
    pub fn is_closed(&self) -> bool {
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Takes permits if the task has budget and need not wait. If this returns false, call
    /// [`wait`](Self::wait). The two are apart so that a future which need not wait reads nothing but the
    /// semaphore's address. The caller is responsible for returning the permits.
    #[inline]
    pub(super) fn take_at_once(&self, permits: usize) -> bool {
        let taken = budget::is_left() && self.try_take(permits).is_ok();
        if taken {
            budget::spend();
        }
        taken
    }

    /// Waits for permits at this line of the program. The caller is responsible for returning them.
    #[cold]
    pub(super) fn wait(
        &self,
        permits: usize,
        at: &'static Location<'static>,
    ) -> impl Future<Output = Result<(), Closed>> {
        let wait = WaitFuture::new_at(PermitWaiter(self), PermitRequest { permits, closed: false }, at);
        async { if wait.await.closed { Err(Closed(())) } else { Ok(()) } }
    }

    /// Takes permits without waiting. The caller is responsible for returning them.
    #[inline]
    pub(super) fn try_take(&self, permits: usize) -> Result<(), TryAcquireError> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & CLOSED != 0 {
                // Pairs with the Release in `close`.
                fence(Ordering::Acquire);
                return Err(TryAcquireError::Closed);
            }
            if word & WAITING != 0 || word >> PERMITS_SHIFT < permits {
                return Err(TryAcquireError::NoPermits);
            }
            match self.swap(word, word - (permits << PERMITS_SHIFT)) {
                Ok(()) => return Ok(()),
                Err(now) => word = now,
            }
        }
    }

    /// Swaps `old` for `new`, or returns the current word. Acquire pairs with the Release of the tasks that
    /// returned permits.
    #[inline]
    fn swap(&self, old: usize, new: usize) -> Result<(), usize> {
        self.word.compare_exchange_weak(old, new, Ordering::Acquire, Ordering::Relaxed).map(drop)
    }

    /// Returns permits.
    #[inline]
    pub(super) fn release(&self, permits: usize) {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & WAITING == 0 {
            let free = (word >> PERMITS_SHIFT) + permits;
            assert!(free <= Self::MAX_PERMITS, "a semaphore has MAX_PERMITS permits at most");
            // Release: the task that takes them sees what was done while they were held.
            let new = free << PERMITS_SHIFT | word & CLOSED;
            match self.word.compare_exchange_weak(word, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
        self.hand_over(lock(&self.queue), permits);
    }

    /// Grants the free permits, and `more`, to the waiters at the front of the queue.
    #[cold]
    fn hand_over<'a>(&'a self, mut queue: MutexGuard<'a, WaitQueue<PermitRequest>>, mut more: usize) {
        let mut wakers = Wakers::new();
        loop {
            let word = self.word.load(Ordering::Relaxed);
            if word & WAITING == 0 {
                drop(queue);
                // The queue became empty before we had the lock, or between two batches.
                return if more > 0 {
                    self.release(more)
                };
            }
            let mut free = (word >> PERMITS_SHIFT) + more;
            more = 0;
            while !wakers.is_full()
                && let Some(wanted) = queue.front(|request| request.permits)
                && wanted <= free
                && let Some(waker) = queue.grant(|_| ())
            {
                free -= wanted;
                wakers.push(waker);
            }
            assert!(free <= Self::MAX_PERMITS, "a semaphore has MAX_PERMITS permits at most");
            let waiting = if queue.is_empty() { 0 } else { WAITING };
            // A store is enough: WAITING was set, so the word was ours (rule 2). Release as in `release`.
            self.word.store(free << PERMITS_SHIFT | word & CLOSED | waiting, Ordering::Release);
            drop(queue);
            let again = wakers.is_full();
            wakers.wake(PermitWaiter(self).cause());
            if !again {
                return;
            }
            queue = lock(&self.queue);
        }
    }
}

/// A task that requests permits.
struct PermitWaiter<'a>(&'a Semaphore);

impl Waiter for PermitWaiter<'_> {
    type State = WaitQueue<PermitRequest>;
    type Request = PermitRequest;

    fn lock(&self) -> &shim::Mutex<WaitQueue<PermitRequest>> {
        &self.0.queue
    }

    fn queue(state: &mut WaitQueue<PermitRequest>) -> &mut WaitQueue<PermitRequest> {
        state
    }

    #[inline]
    fn try_fast(&self, request: &mut PermitRequest) -> Attempt {
        let taken = self.0.try_take(request.permits);
        request.closed = taken == Err(TryAcquireError::Closed);
        Attempt::done_if(taken != Err(TryAcquireError::NoPermits))
    }

    fn resource(&self) -> &Resource {
        &self.0.resource
    }

    fn cause(&self) -> Cause {
        if self.0.resource.domain() == Domain::Lock { Cause::Unlock } else { Cause::Permit }
    }

    fn outcome(&self, request: &PermitRequest) -> Cause {
        if request.closed { Cause::Close } else { self.cause() }
    }

    fn try_locked(&self, _: &mut WaitQueue<PermitRequest>, request: &mut PermitRequest) -> Attempt {
        let word = &self.0.word;
        loop {
            let old = word.load(Ordering::Relaxed);
            if old & CLOSED == 0 && (old & WAITING != 0 || old >> PERMITS_SHIFT < request.permits) {
                // Rules 2 and 3. Relaxed: this publishes nothing, and the queue has its lock.
                let set = word.compare_exchange(old, old | WAITING, Ordering::Relaxed, Ordering::Relaxed);
                if set.is_ok() {
                    return Attempt::Wait;
                }
            } else if self.try_fast(request) == Attempt::Done {
                return Attempt::Done;
            }
        }
    }

    fn on_leave<'a>(&'a self, queue: MutexGuard<'a, WaitQueue<PermitRequest>>) {
        self.0.hand_over(queue, 0);
    }

    fn give_back(&self, request: PermitRequest) {
        if !request.closed {
            self.0.release(request.permits);
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (free, closed) = (self.available_permits(), self.is_closed());
        f.debug_struct("Semaphore").field("available", &free).field("closed", &closed).finish_non_exhaustive()
    }
}
