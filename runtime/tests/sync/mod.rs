//! The sync types: order, fairness, closing, and futures that are dropped while they wait; with tasks of
//! this runtime, without any runtime, and on plain threads with an executor of their own.

#![allow(clippy::unwrap_used)] // A test fails by panicking, in what it calls as well.

mod broadcast;
mod coordination;
mod many_waiters;
mod mpsc;
mod notify;
mod oneshot;
mod permits;
mod queue;
mod statics;
mod watch;

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

/// Polls once. Nobody hears of the wake-up: the test polls again by itself.
fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Another executor than ours: a thread that parks.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}
