//! A call with options: a time limit, retries, what a cancel does. [`ProcessPool::call`] begins one.

use crate::{
    call::CallOptions,
    front::{pending::OnCancel, pool::ProcessPool},
};
use brigade_handle::JoinHandle;
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, marker::PhantomData, time::Duration};

/// A call with options that is not sent until [`spawn`](Self::spawn). Made by [`ProcessPool::call`].
///
/// ```
/// use std::time::Duration;
///
/// brigade_process::init();
/// let procs = brigade_process::ProcessPool::new(1).unwrap();
/// let endless = procs.call(|(): ()| -> u8 { loop { std::thread::park() } }, ());
/// assert!(endless.timeout(Duration::from_millis(50)).spawn().join().is_err());
/// ```
#[must_use = "the call is sent by `spawn`"]
pub struct CallBuilder<'p, F, A, R> {
    pool: &'p ProcessPool,
    f: F,
    argument: A,
    options: CallOptions,
    result: PhantomData<fn() -> R>,
}

impl<'p, F, A, R> CallBuilder<'p, F, A, R> {
    pub(crate) fn new(pool: &'p ProcessPool, f: F, argument: A) -> Self {
        Self { pool, f, argument, options: CallOptions::default(), result: PhantomData }
    }

    /// Lets the call run for `limit`, counted from when it is given to a worker. Then the pool kills and
    /// replaces that worker, which has no other call meanwhile, and the handle gives
    /// [`Lost::TimedOut`](brigade_handle::Lost::TimedOut). The call is not tried again.
    ///
    /// A call that still waits for a worker is not counted as running.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.options.timeout = Some(limit);
        self
    }

    /// Tries the call up to `times` more when its worker ends under it: for calls that may run more than
    /// once.
    ///
    /// Without this option a call starts at most once; with it, at least once. Either way it completes
    /// exactly once. If the last try ends its worker, too, the handle gives
    /// [`Lost::Quarantined`](brigade_handle::Lost::Quarantined). A panic is an answer, and so is a value
    /// that cannot be encoded: neither is tried again.
    ///
    /// ```
    /// brigade_process::init();
    /// let procs = brigade_process::ProcessPool::new(1).unwrap();
    /// let crash = procs.call(|(): ()| -> u8 { std::process::abort() }, ()).retry(1).spawn();
    /// let error = crash.join().unwrap_err().to_string();
    /// assert!(error.contains("2 workers"), "{error}");
    /// ```
    pub fn retry(mut self, times: u32) -> Self {
        self.options.retries = times;
        self
    }

    /// Has [`cancel`](JoinHandle::cancel) kill the worker if it runs the call already. That worker has no
    /// other call meanwhile.
    pub fn kill_on_cancel(mut self) -> Self {
        self.options.kill_on_cancel = true;
        self
    }

    /// Sends the call.
    ///
    /// # Errors
    ///
    /// The handle gives the errors of [`ProcessPool::spawn`]. With a [`timeout`](Self::timeout) it may also
    /// give [`Lost::TimedOut`](brigade_handle::Lost::TimedOut), and with [`retry`](Self::retry)
    /// [`Lost::Quarantined`](brigade_handle::Lost::Quarantined).
    ///
    /// # Cancellation
    ///
    /// As for [`ProcessPool::spawn`], unless [`kill_on_cancel`](Self::kill_on_cancel) was called: then
    /// cancelling also kills a worker that runs the call.
    #[track_caller]
    pub fn spawn(self) -> JoinHandle<R>
    where
        F: Fn(A) -> R + Copy + Send + 'static,
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        let on_cancel = if self.options.kill_on_cancel { OnCancel::Kill } else { OnCancel::LetRun };
        self.pool.send(self.f, &self.argument, on_cancel, Some(Box::new(self.options)))
    }
}

impl<F, A, R> fmt::Debug for CallBuilder<'_, F, A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}
