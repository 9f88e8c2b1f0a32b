//! Waiting for several handles in the order in which they finish: `as_completed` of Python's
//! `concurrent.futures`, for the handles of all executors, in any mixture.
//!
//! # Why no wake-up is lost
//!
//! Each handle gets a waker of its own, which puts the handle's number into the list of the **finished**
//! and then wakes the waiter. One lock guards the list and the waiter's waker. A waiter that finds the
//! list empty leaves its waker in the same critical section, so a number that comes later finds it. A
//! handle that is finished when it is first polled goes into the list at once.

use crate::{JoinError, JoinHandle, Waited, clock, fork::Generation, wait};
use std::{
    collections::VecDeque,
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Wake, Waker},
    time::{Duration, Instant},
};

/// An iterator over the results of several handles, in the order in which they finish. [`as_completed`]
/// makes it, and has an example.
#[must_use = "the results come out of the iterator"]
pub struct AsCompleted<T> {
    /// Indexed by number; `None` when the result has been returned.
    handles: Vec<Option<Watched<T>>>,
    left: usize,
    /// Handles before this one no longer wait in a queue: this thread has run them, or another one has
    /// begun.
    begun: usize,
    finished: Arc<Finished>,
    /// The process of the wakers: in a forked child they wake no thread.
    generation: Generation,
}

/// A handle, and the waker that its executor got.
struct Watched<T> {
    handle: JoinHandle<T>,
    waker: Waker,
    /// A result that was there from the beginning.
    early: Option<Result<T, JoinError>>,
}

/// The state that the wakers and the waiter share.
#[derive(Default)]
struct Finished(Mutex<List>);

#[derive(Default)]
struct List {
    numbers: VecDeque<usize>,
    waiter: Option<Waker>,
}

impl Finished {
    fn lock(&self) -> MutexGuard<'_, List> {
        // No foreign code runs under the lock, so no critical section is left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, number: usize) {
        let mut list = self.lock();
        list.numbers.push_back(number);
        let waiter = list.waiter.take();
        drop(list);
        waiter.into_iter().for_each(Waker::wake);
    }

    /// Returns the next number, or keeps the waker.
    fn poll(&self, waker: &Waker) -> Poll<usize> {
        let mut list = self.lock();
        match list.numbers.pop_front() {
            Some(number) => Poll::Ready(number),
            None => {
                // Cloning a waker normally runs foreign code; this one is a thread's parker.
                list.waiter = Some(waker.clone());
                Poll::Pending
            }
        }
    }
}

/// The waker of one handle.
struct HandleWaker {
    number: usize,
    finished: Arc<Finished>,
}

impl Wake for HandleWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.finished.push(self.number);
    }
}

/// Returns the results of these handles in the order in which they finish, each with the handle's index
/// in the input.
///
/// The iterator waits on this thread, as [`JoinHandle::join`] does. Like that, it first runs work that
/// waits in a queue if this is a worker of the pool. Results that were there already come first, in the
/// order of the input. Dropping the iterator detaches the handles that are left.
///
/// ```
/// let (slow, first) = brigade_handle::pair();
/// let (quick, second) = brigade_handle::pair();
/// let mut results = brigade_handle::as_completed([first, second]);
/// quick.complete(Ok("quick"));
/// assert!(matches!(results.next(), Some((1, Ok("quick")))));
/// slow.complete(Ok("slow"));
/// assert!(matches!(results.next(), Some((0, Ok("slow")))));
/// assert!(results.next().is_none());
/// ```
///
/// # Panics
///
/// `next` panics on a thread whose [policy](wait::Policy) forbids blocking. `as_completed` panics if a
/// handle has returned its result already.
#[track_caller]
pub fn as_completed<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> AsCompleted<T> {
    let finished = Arc::new(Finished::default());
    let mut watched = Vec::new();
    // This is no closure, so that a panic names the caller.
    for (number, mut handle) in handles.into_iter().enumerate() {
        let waker = Waker::from(Arc::new(HandleWaker { number, finished: finished.clone() }));
        let early = match handle.poll_join(&waker) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        };
        if early.is_some() {
            finished.push(number);
        }
        watched.push(Some(Watched { handle, waker, early }));
    }
    AsCompleted {
        left: watched.len(),
        begun: 0,
        handles: watched,
        finished,
        generation: Generation::current(),
    }
}

impl<T> Iterator for AsCompleted<T> {
    type Item = (usize, Result<T, JoinError>);

    #[track_caller]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        if !self.generation.is_current() {
            return self.next_in_child();
        }
        self.help();
        let next = wait::block("AsCompleted::next", |waker| self.poll_finished(waker));
        self.left -= 1;
        Some(next)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for AsCompleted<T> {}

// No foreign code runs while the state is between two steps: as for `JoinHandle`.
impl<T> UnwindSafe for AsCompleted<T> {}
impl<T> RefUnwindSafe for AsCompleted<T> {}

/// Takes the result of a handle that was reported as finished. A waker may be woken without need: then
/// there is none.
fn take<T>(place: &mut Option<Watched<T>>) -> Option<Result<T, JoinError>> {
    let watched = place.as_mut()?;
    let result = match watched.early.take() {
        Some(result) => result,
        None => match watched.handle.poll_join(&watched.waker) {
            Poll::Ready(result) => result,
            Poll::Pending => return None,
        },
    };
    *place = None;
    Some(result)
}

impl<T> AsCompleted<T> {
    /// Returns the next result, or `None` if none comes within `at_most`, or if all have been returned.
    /// [`len`](ExactSizeIterator::len) says how many have not.
    ///
    /// The thread waits as in [`JoinHandle::join_timeout`].
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (completer, handle) = brigade_handle::pair();
    /// let mut results = brigade_handle::as_completed([handle]);
    /// assert!(results.next_timeout(Duration::from_millis(1)).is_none());
    /// assert_eq!(results.len(), 1);
    /// completer.complete(Ok("soup"));
    /// assert!(matches!(results.next_timeout(Duration::from_secs(3600)), Some((0, Ok("soup")))));
    /// ```
    ///
    /// # Panics
    ///
    /// Panics on a thread whose [policy](wait::Policy) forbids blocking.
    ///
    /// # Cancellation
    ///
    /// The end of the time cancels and loses nothing.
    #[track_caller]
    pub fn next_timeout(&mut self, at_most: Duration) -> Option<(usize, Result<T, JoinError>)> {
        self.next_by("AsCompleted::next_timeout", clock::after(clock::now(), at_most))
    }

    /// Returns the next result like [`next_timeout`](Self::next_timeout), by a deadline that all results may
    /// share.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// let (completer, quick) = brigade_handle::pair();
    /// let (_running, slow) = brigade_handle::pair();
    /// completer.complete(Ok("salad"));
    /// let deadline = Instant::now() + Duration::from_millis(5);
    /// let mut results = brigade_handle::as_completed([quick, slow]);
    /// while let Some((number, dish)) = results.next_deadline(deadline) {
    ///     println!("{number}: {}", dish.unwrap());
    /// }
    /// let late = results.into_waited().pending;
    /// assert_eq!(late[0].0, 1);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics on a thread whose [policy](wait::Policy) forbids blocking.
    ///
    /// # Cancellation
    ///
    /// The end of the time cancels and loses nothing.
    #[track_caller]
    pub fn next_deadline(&mut self, deadline: Instant) -> Option<(usize, Result<T, JoinError>)> {
        self.next_by("AsCompleted::next_deadline", deadline)
    }

    #[track_caller]
    fn next_by(&mut self, what: &str, deadline: Instant) -> Option<(usize, Result<T, JoinError>)> {
        if self.left == 0 {
            return None;
        }
        if !self.generation.is_current() {
            return self.next_in_child();
        }
        let next = wait::block_until(what, deadline, |waker| self.poll_finished(waker))?;
        self.left -= 1;
        Some(next)
    }

    /// Stops waiting: returns the results that are there and were not returned yet, and the handles of the
    /// work that still runs. [`next_deadline`](Self::next_deadline) has an example.
    pub fn into_waited(mut self) -> Waited<T> {
        let done = std::iter::from_fn(|| self.try_next()).collect();
        Waited { done, pending: self.into_pending() }
    }

    /// Returns the next handle that has finished, or keeps the waker.
    fn poll_finished(&mut self, waker: &Waker) -> Poll<(usize, Result<T, JoinError>)> {
        loop {
            let Poll::Ready(number) = self.finished.poll(waker) else { return Poll::Pending };
            if let Some(result) = take(&mut self.handles[number]) {
                return Poll::Ready((number, result));
            }
        }
    }

    /// Runs work that waits in a queue, on a worker that helps, until something has finished: it may be
    /// that no other thread can run it.
    fn help(&mut self) {
        while self.begun < self.handles.len() && self.finished.lock().numbers.is_empty() {
            if let Some(watched) = &self.handles[self.begun] {
                watched.handle.help();
            }
            self.begun += 1;
        }
    }

    /// Returns the next result in a forked child, in the order of the input: a result that was there
    /// before the fork, or that it is lost. This does not look at the list, which may have been locked
    /// when the process was forked.
    #[cold]
    fn next_in_child(&mut self) -> Option<(usize, Result<T, JoinError>)> {
        let mut handles = self.handles.iter_mut().enumerate();
        let next = handles.find_map(|(number, place)| Some((number, take(place)?)))?;
        self.left -= 1;
        Some(next)
    }

    /// Returns the handles whose results have not been returned. Called when no [early](Watched::early)
    /// result is left.
    fn into_pending(self) -> Vec<(usize, JoinHandle<T>)> {
        let pending = self.handles.into_iter().enumerate();
        pending.filter_map(|(number, watched)| Some((number, watched?.handle))).collect()
    }

    /// Returns a result that is there already.
    fn try_next(&mut self) -> Option<(usize, Result<T, JoinError>)> {
        if !self.generation.is_current() {
            return self.next_in_child();
        }
        loop {
            let number = self.finished.lock().numbers.pop_front()?;
            if let Some(result) = take(&mut self.handles[number]) {
                self.left -= 1;
                return Some((number, result));
            }
        }
    }
}

impl<T> fmt::Debug for AsCompleted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("left", &self.left).finish_non_exhaustive()
    }
}
