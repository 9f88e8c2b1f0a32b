//! Joins with a time limit.

use crate::{JoinError, JoinHandle, clock, wait};
use std::time::{Duration, Instant};

impl<T> JoinHandle<T> {
    /// Waits for the result on this thread, for `at_most`. If the result is not there by then, it gives the
    /// handle back: the work goes on, and the handle can be joined again, awaited, or cancelled.
    ///
    /// The thread waits as its [policy](wait::Policy) says, with one exception. A worker of the pool does
    /// not run the work in place, because it could not stop in time. It sleeps, and a spare thread takes its
    /// place, if the pool has one left.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (completer, handle) = brigade_handle::pair();
    /// let Err(handle) = handle.join_timeout(Duration::from_millis(1)) else { unreachable!("it runs") };
    /// completer.complete(Ok("served"));
    /// let result = handle.join_timeout(Duration::from_secs(3600)).expect("it has ended");
    /// assert_eq!(result.unwrap(), "served");
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the handle if the time is over. Otherwise the outcome is that of [`join`](Self::join).
    ///
    /// # Panics
    ///
    /// Panics as [`join`](Self::join) does.
    ///
    /// # Cancellation
    ///
    /// The end of the time cancels nothing. To end the work, call [`cancel`](Self::cancel) on the handle.
    #[doc(alias("get", "result"))]
    #[track_caller]
    pub fn join_timeout(self, at_most: Duration) -> Result<Result<T, JoinError>, Self> {
        self.join_by("JoinHandle::join_timeout", clock::after(clock::now(), at_most))
    }

    /// Waits like [`join_timeout`](Self::join_timeout), until a deadline that several handles may share.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// let deadline = Instant::now() + Duration::from_millis(2);
    /// let (_completers, handles): (Vec<_>, Vec<_>) = (0..3).map(|_| brigade_handle::pair::<u32>()).unzip();
    /// let late = handles.into_iter().filter_map(|handle| handle.join_deadline(deadline).err());
    /// assert_eq!(late.count(), 3);
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`join_timeout`](Self::join_timeout).
    ///
    /// # Panics
    ///
    /// Panics as [`join`](Self::join) does.
    ///
    /// # Cancellation
    ///
    /// As for [`join_timeout`](Self::join_timeout).
    #[track_caller]
    pub fn join_deadline(self, deadline: Instant) -> Result<Result<T, JoinError>, Self> {
        self.join_by("JoinHandle::join_deadline", deadline)
    }

    #[track_caller]
    fn join_by(mut self, what: &str, deadline: Instant) -> Result<Result<T, JoinError>, Self> {
        wait::assert_allowed(what);
        self.assert_untaken();
        if !self.is_finished() && clock::now() < deadline {
            self.target().attend();
        }
        wait::block_until(what, deadline, |waker| self.poll_join(waker)).ok_or(self)
    }
}
