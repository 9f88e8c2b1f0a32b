//! Waiting for several handles: in the order in which they finish, or until enough of them have.
//!
//! These are `as_completed` and `wait` of Python's `concurrent.futures`, for the handles of all
//! executors, in any mixture.
//!
//! # Why no wake-up is lost
//!
//! Each handle gets a waker of its own, which puts the handle's number into the list of the **finished**
//! and then wakes the waiter. One lock guards the list and the waiter's waker. A waiter that finds the
//! list empty leaves its waker in the same critical section, so a number that comes later finds it. A
//! handle that is finished when it is first polled goes into the list at once.

use crate::{JoinError, JoinHandle, fork::Generation, wait};
use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Wake, Waker},
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
pub fn as_completed<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> AsCompleted<T> {
    let finished = Arc::new(Finished::default());
    let watch = |(number, mut handle): (usize, JoinHandle<T>)| {
        let waker = Waker::from(Arc::new(HandleWaker { number, finished: finished.clone() }));
        let early = match handle.poll_join(&waker) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        };
        if early.is_some() {
            finished.push(number);
        }
        Some(Watched { handle, waker, early })
    };
    let handles: Vec<_> = handles.into_iter().enumerate().map(watch).collect();
    AsCompleted { left: handles.len(), begun: 0, handles, finished, generation: Generation::current() }
}

impl<T> Iterator for AsCompleted<T> {
    type Item = (usize, Result<T, JoinError>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        if !self.generation.is_current() {
            return self.next_in_child();
        }
        self.help();
        let next = wait::block("AsCompleted::next", |waker| {
            loop {
                let Poll::Ready(number) = self.finished.poll(waker) else { return Poll::Pending };
                if let Some(result) = take(&mut self.handles[number]) {
                    return Poll::Ready((number, result));
                }
            }
        });
        self.left -= 1;
        Some(next)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for AsCompleted<T> {}

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

/// When [`wait_for`] returns.
///
/// ```
/// use brigade_handle::{Until, wait_for};
///
/// let (one, first) = brigade_handle::pair();
/// let (_two, second) = brigade_handle::pair();
/// one.complete(Ok("soup"));
/// let waited = wait_for([first, second], Until::FirstCompleted);
/// assert_eq!((waited.done.len(), waited.pending.len()), (1, 1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// When at least one has finished.
    FirstCompleted,
    /// When one has failed: it panicked, was cancelled or lost. If none fails, when all have finished.
    FirstFailed,
    /// When all have finished.
    All,
}

/// The outcome of [`wait_for`], each entry with the handle's index in the input. [`Until`] has an
/// example.
#[derive(Debug)]
#[must_use = "dropping it detaches what is pending"]
pub struct Waited<T> {
    /// The results, in the order in which they came.
    pub done: Vec<(usize, Result<T, JoinError>)>,
    /// The handles of work that has not finished, in the order of the input.
    pub pending: Vec<(usize, JoinHandle<T>)>,
}

/// Waits for these handles on this thread until the first has finished, the first has failed, or all have
/// finished. Returns at once if there are none. A worker of the pool first runs work that waits in a
/// queue.
///
/// ```
/// use brigade_handle::{Until, pair, wait_for};
///
/// let (_running, first) = pair::<u32>();
/// let (failing, second) = pair();
/// second.cancel();
/// let waited = wait_for([first, second], Until::FirstFailed);
/// assert!(matches!(waited.done[..], [(1, Err(_))]));
/// assert_eq!(waited.pending[0].0, 0);
/// # drop(failing);
/// ```
///
/// # Panics
///
/// Panics on a thread whose [policy](wait::Policy) forbids blocking. Panics if a handle has returned its
/// result already.
pub fn wait_for<T>(handles: impl IntoIterator<Item = JoinHandle<T>>, until: Until) -> Waited<T> {
    let mut results = as_completed(handles);
    let mut done = Vec::with_capacity(results.len());
    let is_enough = |result: &Result<T, JoinError>| match until {
        Until::FirstCompleted => true,
        Until::FirstFailed => result.is_err(),
        Until::All => false,
    };
    for (number, result) in results.by_ref() {
        let enough = is_enough(&result);
        done.push((number, result));
        if enough {
            break;
        }
    }
    // Results that have come meanwhile are done, too.
    done.extend(std::iter::from_fn(|| results.try_next()));
    Waited { done, pending: results.into_pending() }
}

impl<T> fmt::Debug for AsCompleted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("left", &self.left).finish_non_exhaustive()
    }
}
