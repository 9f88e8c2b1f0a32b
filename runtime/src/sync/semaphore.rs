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
    line::{Line, Stand},
    permit::{Closed, OwnedPermit, Permit, TryAcquireError},
    role::{Come, Role},
    wakers::{Wakers, grant_all},
};
use crate::{
    context::budget,
    shim::{self, AtomicUsize, MutexGuard, Ordering, const_fn, fence, lock},
};
use brigade_trace::Cause;
use std::{fmt, sync::Arc};

const CLOSED: usize = 1 << 0;
const WAITING: usize = 1 << 1;
const SHIFT: u32 = 2;

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
    line: shim::Mutex<Line<Wish>>,
}

/// How many permits one wants, and whether it heard instead that the semaphore was closed.
pub(super) struct Wish {
    permits: usize,
    closed: bool,
}

impl Semaphore {
    /// The most permits that there can be.
    pub const MAX_PERMITS: usize = usize::MAX >> (SHIFT + 1);

    const_fn! {
        /// A semaphore with so many permits.
        ///
        /// # Panics
        ///
        /// If they are more than [`MAX_PERMITS`](Self::MAX_PERMITS).
        #[must_use]
        pub const fn new(permits: usize) -> Self {
            assert!(permits <= Self::MAX_PERMITS, "a semaphore has MAX_PERMITS permits at most");
            Self { word: AtomicUsize::new(permits << SHIFT), line: shim::Mutex::new(Line::new()) }
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
        self.word.load(Ordering::Relaxed) >> SHIFT
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
        let _line = lock(&self.line);
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let gone = permits.min(word >> SHIFT);
            match self.swap(word, word - (gone << SHIFT)) {
                Ok(()) => return gone,
                Err(now) => word = now,
            }
        }
    }

    /// Closes it: all who wait, and all who come, get [`Closed`]. Permits that somebody has stay valid.
    pub fn close(&self) {
        let line = lock(&self.line);
        // Release, so that who finds it closed sees what came before.
        self.word.fetch_or(CLOSED, Ordering::Release);
        grant_all(&Taker(self), line, Cause::Unlock, |wish| wish.closed = true);
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
        let wish = Stand::new(Taker(self), Wish { permits, closed: false }).await;
        if wish.closed { Err(Closed(())) } else { Ok(()) }
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
            if word & WAITING != 0 || word >> SHIFT < permits {
                return Err(TryAcquireError::NoPermits);
            }
            match self.swap(word, word - (permits << SHIFT)) {
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
            let free = (word >> SHIFT) + permits;
            assert!(free <= Self::MAX_PERMITS, "a semaphore has MAX_PERMITS permits at most");
            // Release: who takes them sees what was done with them.
            let new = free << SHIFT | word & CLOSED;
            match self.word.compare_exchange_weak(word, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
        self.hand_over(lock(&self.line), permits);
    }

    /// Gives what is free, and `more`, to those at the front of the line.
    #[cold]
    fn hand_over<'a>(&'a self, mut line: MutexGuard<'a, Line<Wish>>, mut more: usize) {
        let mut wakers = Wakers::new();
        loop {
            let word = self.word.load(Ordering::Relaxed);
            if word & WAITING == 0 {
                drop(line);
                // The line ended before we had the lock, or between two batches.
                return if more > 0 {
                    self.release(more)
                };
            }
            let mut free = (word >> SHIFT) + more;
            more = 0;
            while !wakers.is_full()
                && let Some(wanted) = line.front(|wish| wish.permits)
                && wanted <= free
                && let Some(waker) = line.grant(|_| ())
            {
                free -= wanted;
                wakers.push(waker);
            }
            assert!(free <= Self::MAX_PERMITS, "a semaphore has MAX_PERMITS permits at most");
            let waiting = if line.is_empty() { 0 } else { WAITING };
            // A store will do: WAITING was set, so the word was ours (rule 2). Release as in `release`.
            self.word.store(free << SHIFT | word & CLOSED | waiting, Ordering::Release);
            drop(line);
            let again = wakers.is_full();
            wakers.wake(Cause::Unlock);
            if !again {
                return;
            }
            line = lock(&self.line);
        }
    }
}

/// One who wants permits.
struct Taker<'a>(&'a Semaphore);

impl Role for Taker<'_> {
    type State = Line<Wish>;
    type Wish = Wish;

    fn lock(&self) -> &shim::Mutex<Line<Wish>> {
        &self.0.line
    }

    fn line(state: &mut Line<Wish>) -> &mut Line<Wish> {
        state
    }

    #[inline]
    fn quick(&self, wish: &mut Wish) -> Come {
        let taken = self.0.try_take(wish.permits);
        wish.closed = taken == Err(TryAcquireError::Closed);
        Come::if_true(taken != Err(TryAcquireError::NoPermits))
    }

    fn come(&self, _: &mut Line<Wish>, wish: &mut Wish) -> Come {
        let word = &self.0.word;
        loop {
            let old = word.load(Ordering::Relaxed);
            if old & CLOSED == 0 && (old & WAITING != 0 || old >> SHIFT < wish.permits) {
                // Rules 2 and 3. Relaxed: nothing is published by it, and the line has its lock.
                let set = word.compare_exchange(old, old | WAITING, Ordering::Relaxed, Ordering::Relaxed);
                if set.is_ok() {
                    return Come::Waits;
                }
            } else if self.quick(wish) == Come::Has {
                return Come::Has;
            }
        }
    }

    fn left<'a>(&'a self, line: MutexGuard<'a, Line<Wish>>) {
        self.0.hand_over(line, 0);
    }

    fn give_back(&self, wish: Wish) {
        if !wish.closed {
            self.0.release(wish.permits);
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (free, closed) = (self.available_permits(), self.is_closed());
        f.debug_struct("Semaphore").field("available", &free).field("closed", &closed).finish_non_exhaustive()
    }
}
