//! A call with options: a time limit, retries, what a cancel does. What [`ProcessPool::call`] begins.

use crate::{
    call::CallOptions,
    front::{pending::OnCancel, pool::ProcessPool},
};
use brigade_handle::JoinHandle;
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, marker::PhantomData, time::Duration};

/// A call that is not sent until [`spawn`](Self::spawn) says so. Made by [`ProcessPool::call`].
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

    /// Lets the call run for so long, counted from when it is given to a worker. Then that worker, which
    /// has no other call meanwhile, is killed and replaced, and the handle gives
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
    /// Without this a call is started at most once; with it, at least once. Either way it completes exactly
    /// once. If the last try ends its worker, too, the handle gives
    /// [`Lost::Quarantined`](brigade_handle::Lost::Quarantined). A panic is an answer, and so is a value
    /// that cannot be encoded: neither is tried again.
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
    /// As for [`ProcessPool::spawn`], and what the options add.
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
