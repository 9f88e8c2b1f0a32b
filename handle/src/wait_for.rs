//! Waiting for several handles until enough of them have finished: `wait` of Python's
//! `concurrent.futures`, for the handles of all executors, in any mixture.

use crate::{AsCompleted, JoinError, JoinHandle, as_completed, clock, wait};
use std::time::Duration;

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
/// Panics on a thread whose [policy](crate::wait::Policy) forbids blocking. Panics if a handle has returned
/// its result already.
#[track_caller]
pub fn wait_for<T>(handles: impl IntoIterator<Item = JoinHandle<T>>, until: Until) -> Waited<T> {
    let results = as_completed(handles);
    assert_may_wait("wait_for", &results);
    wait_by(results, until, Iterator::next)
}

/// Waits like [`wait_for`], but for `at_most`. The handles of work that has not finished by then are in
/// [`pending`](Waited::pending): the work goes on.
///
/// The thread waits as in [`JoinHandle::join_timeout`].
///
/// ```
/// use brigade_handle::{Until, pair, wait_for_timeout};
/// use std::time::Duration;
///
/// let (completer, quick) = pair();
/// let (_running, slow) = pair();
/// completer.complete(Ok("salad"));
/// let waited = wait_for_timeout([quick, slow], Until::All, Duration::from_millis(1));
/// assert!(matches!(waited.done[..], [(0, Ok("salad"))]));
/// assert_eq!(waited.pending[0].0, 1);
/// ```
///
/// # Panics
///
/// Panics as [`wait_for`] does.
///
/// # Cancellation
///
/// The end of the time cancels and loses nothing.
#[track_caller]
pub fn wait_for_timeout<T>(
    handles: impl IntoIterator<Item = JoinHandle<T>>,
    until: Until,
    at_most: Duration,
) -> Waited<T> {
    let deadline = clock::after(clock::now(), at_most);
    let results = as_completed(handles);
    assert_may_wait("wait_for_timeout", &results);
    wait_by(results, until, |results| results.next_deadline(deadline))
}

/// Panics on a thread that must not block, if there is something to wait for. It does so before a closure
/// waits, because a panic there would not name the caller.
#[track_caller]
fn assert_may_wait<T>(what: &str, results: &AsCompleted<T>) {
    if results.len() > 0 {
        wait::assert_allowed(what);
    }
}

/// Takes results by `next` until enough have come, or `next` returns `None`.
fn wait_by<T>(
    mut results: AsCompleted<T>,
    until: Until,
    mut next: impl FnMut(&mut AsCompleted<T>) -> Option<(usize, Result<T, JoinError>)>,
) -> Waited<T> {
    let mut done = Vec::with_capacity(results.len());
    while let Some((number, result)) = next(&mut results) {
        let enough = match until {
            Until::FirstCompleted => true,
            Until::FirstFailed => result.is_err(),
            Until::All => false,
        };
        done.push((number, result));
        if enough {
            break;
        }
    }
    // Results that have come meanwhile are done, too.
    let rest = results.into_waited();
    done.extend(rest.done);
    Waited { done, pending: rest.pending }
}
