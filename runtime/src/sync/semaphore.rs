//! A number of permits: what Python calls `asyncio.Semaphore`.
//!
//! ```text
//!   word   63                                2          1         0
//!         [  permits that nobody has         | WAITING | CLOSED  ]
//! ```
//!
//! 1. While WAITING is not set, anybody takes permits and puts them back by one compare-and-swap: nobody stands in line.
//! 2. WAITING is set and cleared under the lock. While it is set, whoever does not hold the lock leaves the word alone: so a
//!    newcomer cannot overtake, and the holder of the lock may read, compute and store.
//! 3. WAITING is set whenever somebody stands in line. (It may stay set for a while after the last one left.)
//! 4. CLOSED is set under the lock, and never cleared.
//!
//! # Why no wake-up is lost
//!
//! Who finds too few permits sets WAITING by a compare-and-swap from the very word in which it saw too few, and stands, in one
//! critical section. Who puts permits back does it either by a compare-and-swap from a word without WAITING, and then the
//! other sees the permits or its own swap fails and it looks again; or it sees WAITING, takes the lock, and finds the line.

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
use brigade_trace::Cause;
use std::{fmt, sync::Arc};

const CLOSED: usize = 1 << 0;
const WAITING: usize = 1 << 1;
const PERMITS_SHIFT: u32 = 2;

/// Permits of which each task may have some, given out in the order in which they were asked for.
///
/// Who asks for many is not overtaken by those who ask for few: they wait behind it. A permit that is dropped goes to the
/// one at the front of the line. Since permits are values, there cannot be more of them than were made, which is what
/// `asyncio.BoundedSemaphore` checks; [`add_permits`](Self::add_permits) makes more on purpose.
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
pub struct Semaphore {
    word: AtomicUsize,
    queue: shim::Mutex<WaitQueue<PermitRequest>>,
}

/// How many permits one wants, and whether it heard instead that the semaphore was closed.
pub(super) struct PermitRequest {
    permits: usize,
    closed: bool,
}

impl Semaphore {
    /// The most permits that there can be.
    pub const MAX_PERMITS: usize = usize::MAX >> (PERMITS_SHIFT + 1);

    const_fn! {
        /// A semaphore with so many permits.
        ///
        /// # Panics
        ///
        /// If they are more than [`MAX_PERMITS`](Self::MAX_PERMITS).
        #[must_use]
        pub const fn new(permits: usize) -> Self {
            assert!(permits <= Self::MAX_PERMITS, "a semaphore has MAX_PERMITS permits at most");
            Self { word: AtomicUsize::new(permits << PERMITS_SHIFT), queue: shim::Mutex::new(WaitQueue::new()) }
        }
    }

    /// Waits for one permit, and has it until what is returned is dropped.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the semaphore is closed, before or meanwhile.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up the place in line; a permit that was meant for it goes to the next.
    pub async fn acquire(&self) -> Result<Permit<'_>, Closed> {
        self.take(1).await?;
        Ok(Permit { semaphore: self, permits: 1 })
    }

    /// Waits for so many permits at once. Nobody behind it is served before. If there never are so many, it waits for ever.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the semaphore is closed, before or meanwhile.
    ///
    /// # Cancellation
    ///
    /// As with [`acquire`](Self::acquire).
    pub async fn acquire_many(&self, permits: usize) -> Result<Permit<'_>, Closed> {
        self.take(permits).await?;
        Ok(Permit { semaphore: self, permits })
    }

    /// Has a permit if there is one and nobody waits.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`] says why not.
    pub fn try_acquire(&self) -> Result<Permit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Has so many permits if there are so many and nobody waits.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`] says why not.
    pub fn try_acquire_many(&self, permits: usize) -> Result<Permit<'_>, TryAcquireError> {
        self.try_take(permits)?;
        Ok(Permit { semaphore: self, permits })
    }

    /// [`acquire`](Self::acquire), for a permit that borrows nothing.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the semaphore is closed, before or meanwhile.
    ///
    /// # Cancellation
    ///
    /// As with [`acquire`](Self::acquire).
    pub async fn acquire_owned(self: Arc<Self>) -> Result<OwnedPermit, Closed> {
        self.acquire_many_owned(1).await
    }

    /// [`acquire_many`](Self::acquire_many), for permits that borrow nothing.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the semaphore is closed, before or meanwhile.
    ///
    /// # Cancellation
    ///
    /// As with [`acquire`](Self::acquire).
    pub async fn acquire_many_owned(self: Arc<Self>, permits: usize) -> Result<OwnedPermit, Closed> {
        self.take(permits).await?;
        Ok(OwnedPermit { semaphore: self, permits })
    }

    /// [`try_acquire_many`](Self::try_acquire_many), for permits that borrow nothing.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`] says why not.
    pub fn try_acquire_many_owned(self: Arc<Self>, permits: usize) -> Result<OwnedPermit, TryAcquireError> {
        self.try_take(permits)?;
        Ok(OwnedPermit { semaphore: self, permits })
    }

    /// How many permits nobody has.
    pub fn available_permits(&self) -> usize {
        self.word.load(Ordering::Relaxed) >> PERMITS_SHIFT
    }

    /// Makes so many more permits.
    ///
    /// # Panics
    ///
    /// If there would be more than [`MAX_PERMITS`](Self::MAX_PERMITS) free ones.
    pub fn add_permits(&self, permits: usize) {
        assert!(permits <= Self::MAX_PERMITS, "a semaphore has MAX_PERMITS permits at most");
        self.release(permits);
    }

    /// Takes so many permits out of the world, or all that are free if they are fewer. How many they were.
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

    /// Closes it: all who wait, and all who come, get [`Closed`]. Permits that somebody has stay valid.
    pub fn close(&self) {
        let queue = lock(&self.queue);
        // Release, so that who finds it closed sees what came before.
        self.word.fetch_or(CLOSED, Ordering::Release);
        grant_all(&PermitWaiter(self), queue, Cause::Unlock, |request| request.closed = true);
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Waits for permits that the caller answers for.
    #[inline]
    pub(super) async fn take(&self, permits: usize) -> Result<(), Closed> {
        // Without the future, which is larger. Who has no budget left, or finds too few, goes the long way.
        if budget::is_left() && self.try_take(permits).is_ok() {
            budget::spend();
            return Ok(());
        }
        let request = WaitFuture::new(PermitWaiter(self), PermitRequest { permits, closed: false }).await;
        if request.closed { Err(Closed(())) } else { Ok(()) }
    }

    /// Takes permits that the caller answers for, without waiting.
    #[inline]
    pub(super) fn try_take(&self, permits: usize) -> Result<(), TryAcquireError> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & CLOSED != 0 {
                // Pairs with the Release of `close`.
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

    /// `old => new` if it is `old`, else what it is. Acquire pairs with the Release of those who put permits back.
    #[inline]
    fn swap(&self, old: usize, new: usize) -> Result<(), usize> {
        self.word.compare_exchange_weak(old, new, Ordering::Acquire, Ordering::Relaxed).map(drop)
    }

    /// Puts permits back.
    #[inline]
    pub(super) fn release(&self, permits: usize) {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & WAITING == 0 {
            let free = (word >> PERMITS_SHIFT) + permits;
            assert!(free <= Self::MAX_PERMITS, "a semaphore has MAX_PERMITS permits at most");
            // Release: who takes them sees what was done with them.
            let new = free << PERMITS_SHIFT | word & CLOSED;
            match self.word.compare_exchange_weak(word, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
        self.hand_over(lock(&self.queue), permits);
    }

    /// Gives what is free, and `more`, to those at the front of the line.
    #[cold]
    fn hand_over<'a>(&'a self, mut queue: MutexGuard<'a, WaitQueue<PermitRequest>>, mut more: usize) {
        let mut wakers = Wakers::new();
        loop {
            let word = self.word.load(Ordering::Relaxed);
            if word & WAITING == 0 {
                drop(queue);
                // The line ended before we had the lock, or between two batches.
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
            // A store will do: WAITING was set, so the word was ours (rule 2). Release as in `release`.
            self.word.store(free << PERMITS_SHIFT | word & CLOSED | waiting, Ordering::Release);
            drop(queue);
            let again = wakers.is_full();
            wakers.wake(Cause::Unlock);
            if !again {
                return;
            }
            queue = lock(&self.queue);
        }
    }
}

/// One who wants permits.
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

    fn try_locked(&self, _: &mut WaitQueue<PermitRequest>, request: &mut PermitRequest) -> Attempt {
        let word = &self.0.word;
        loop {
            let old = word.load(Ordering::Relaxed);
            if old & CLOSED == 0 && (old & WAITING != 0 || old >> PERMITS_SHIFT < request.permits) {
                // Rules 2 and 3. Relaxed: nothing is published by it, and the line has its lock.
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
