//! Read this first: how a future becomes a value.
//!
//! A future does nothing by itself. Somebody has to poll it: "get on with it until you would have to wait". If it says
//! `Pending`, it has left a *waker* with whatever it waits for, and the one who polls may sleep until that waker is
//! called. That is all of async: a loop of poll and sleep.
//!
//! ```text
//!   loop {
//!       if let Ready(output) = future.poll(waker) { return output }
//!       sleep until the waker is called
//!   }
//! ```
//!
//! [`run`](crate::run) does it with a current-thread runtime: while the future waits, the loop in `current_thread/core.rs` runs the tasks that it has
//! spawned, and sleeps in the reactor when there is nothing left to do but to wait. On a multi-threaded runtime the
//! workers run the tasks, and the loop is the bare one, in `brigade_handle::wait::block`.

use crate::{
    executor::{context, current_thread::Core, reference::ExecutorHandle},
    task::{self, budget},
};
use brigade_handle::wait;
use std::{
    future::Future,
    mem,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

/// The loop of the current-thread executor: runs tasks, and sleeps when there are none, until `done` gives a result. The
/// future of a `block_on` is polled by `done`, when it was woken.
pub(crate) fn run_until<R>(core: &Core, mut done: impl FnMut() -> Option<R>) -> R {
    loop {
        if let Some(result) = done() {
            return result;
        }
        core.assert_not_forked();
        let has_run_tasks = core.run_round();
        // Also if no task ran: the future of `block_on` may wake itself over and over.
        if core.is_driver_due() {
            core.poll_driver();
        } else if !has_run_tasks {
            core.sleep();
        }
    }
}

/// What blocking means on a thread that polls tasks.
pub(crate) const FORBID: wait::Policy = wait::Policy::Forbid(
    "it runs async tasks, which would all wait with it; use `.await`, or take the blocking call to `spawn_blocking`",
);

/// Panics on a thread that must not block.
pub(crate) fn assert_outside(what: &str) {
    if let wait::Policy::Forbid(advice) = wait::policy() {
        panic!("{what} would block this thread: {advice}");
    }
}

/// The loop on a thread that runs no tasks.
pub(crate) fn block_on_as_guest<F: Future>(executor: &ExecutorHandle, future: F) -> F::Output {
    let mut future = pin!(Some(future));
    let output = wait::block("block_on", |waker| {
        let poll = poll_as_guest(executor, future.as_mut(), waker);
        if poll.is_pending() {
            // A future that forks may end in the child, but nothing would wake it there.
            executor.driver().reactor.assert_not_forked();
        }
        poll
    });
    task::return_references();
    output
}

/// One poll on a thread that runs no tasks.
pub(crate) fn poll_as_guest<F: Future>(
    executor: &ExecutorHandle,
    future: Pin<&mut Option<F>>,
    waker: &Waker,
) -> Poll<F::Output> {
    let _entered = context::enter_as_guest(executor);
    let _policy = wait::set(FORBID);
    budget::renew();
    let mut main = MainFuture(future);
    let poll = main.poll(&mut Context::from_waker(waker));
    if poll.is_pending() {
        mem::forget(main);
    }
    poll
}

/// The future of a `block_on`, which ends inside the runtime, also if it panics: its destructor may spawn.
pub(crate) struct MainFuture<'a, F>(pub(crate) Pin<&'a mut Option<F>>);

impl<F: Future> MainFuture<'_, F> {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.0.as_mut().as_pin_mut().expect("the future is there until it has ended").poll(cx)
    }
}

impl<F> Drop for MainFuture<'_, F> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}
