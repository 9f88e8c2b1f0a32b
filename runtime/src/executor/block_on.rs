//! Read this first: how a future becomes a value.
//!
//! A future does nothing by itself. A thread has to poll it: "go on until you would have to wait". If the
//! future says `Pending`, it has left a *waker* with the thing it waits for, and the polling thread may
//! sleep until that waker is called. Async is a loop of polls and sleeps. [`run_until`], the first function
//! below, is that loop.
//!
//! [`run`](crate::run) makes a current-thread runtime, which runs all its tasks on the thread that called
//! `run`, and uses this loop. While the future waits, the loop runs the tasks that the future has spawned,
//! and sleeps in the reactor when nothing is left to run. On a multi-threaded runtime the workers run the
//! tasks. There the thread inside `block_on` is a *guest*: it only polls its own future and parks, in
//! `brigade_handle::wait::block`.
//!
//! `Core` is the current-thread executor. Here it is enough to know that it runs the tasks that are ready
//! ([`run_round`](Core::run_round)), and that its driver reports events and expired timers.

use crate::{
    executor::{context, current_thread::Core, reference::ExecutorHandle, running_call::CountedWait},
    task::{self, budget},
};
use brigade_handle::wait;
use brigade_trace::live::Root;
use std::{
    future::Future,
    mem,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

/// The loop of the current-thread executor: it runs tasks, and sleeps when there are none, until `done`
/// gives a result. `done` polls the future of `block_on`, if that was woken. A wake-up of this future
/// ends the sleep as well.
pub(crate) fn run_until<R>(core: &Core, mut done: impl FnMut() -> Option<R>) -> R {
    loop {
        if let Some(result) = done() {
            return result;
        }
        core.assert_not_forked();
        let has_run_tasks = core.run_round();
        // A check is due after a number of polls. It is made even if no task ran: the future of `block_on`
        // may wake itself over and over.
        if core.is_check_due() {
            core.check();
        } else if !has_run_tasks {
            core.sleep();
        }
    }
}

/// The waiting policy of a thread that polls tasks: blocking is refused.
pub(crate) const FORBID: wait::Policy = wait::Policy::Forbid(
    "it runs async tasks, which would all wait with it; use `.await`, or take the blocking call to `spawn_blocking`",
);

/// Panics on a thread that must not block. `what` names the caller in the message.
#[track_caller]
pub(crate) fn assert_outside(what: &str) {
    if let wait::Policy::Forbid(advice) = wait::policy() {
        panic!("{what} would block this thread: {advice}");
    }
}

/// Runs a future on a thread that runs no tasks.
#[track_caller]
pub(crate) fn block_on_as_guest<F: Future>(executor: &ExecutorHandle, future: F) -> F::Output {
    let mut future = pin!(Some(future));
    let mut counted = CountedWait::begin(executor);
    let mut root = Root::new();
    let output = wait::block("block_on", |waker| {
        let poll = match &mut counted {
            None => root.poll(waker, |waker| poll_as_guest(executor, future.as_mut(), waker)),
            Some(wait) => wait.poll(waker, |waker| poll_as_guest(executor, future.as_mut(), waker)),
        };
        if poll.is_pending() {
            // After a fork this may be the child. A future can finish there, but nothing would wake it.
            executor.driver().reactor.assert_not_forked();
        }
        poll
    });
    // This thread may keep references to the executor for its next spawns. It leaves the runtime here, so
    // it gives them back.
    task::return_references();
    output
}

/// Polls a future once on a thread that runs no tasks.
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
        // The future stays where it is, for the next poll. In all other cases, a panic included, `main`
        // drops it while this thread is still inside the runtime.
        mem::forget(main);
    }
    poll
}

/// The future of a `block_on`. It is dropped inside the runtime, even if it panics, because its destructor
/// may spawn.
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
