//! Lab 3: a join handle.

use brigade_course_kit::{
    lab03::{self, JoinError, Spawn},
    sync::{Arc, Condvar, Mutex, MutexGuard},
};
use std::{
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// The student's spawner.
pub struct Student;

/// The memory that a task and its handle share.
struct Slot<T> {
    state: Mutex<State<T>>,
    /// Notified when the result comes, for a thread in `join`.
    is_done: Condvar,
}

enum State<T> {
    /// There is no result yet. The handle may have left a waker.
    Waits(Option<Waker>),
    Done(Result<T, JoinError>),
    /// The handle has taken the result.
    Taken,
    /// The handle was dropped.
    Detached,
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("no thread panics with the lock")
    }

    /// Stores the result and wakes the handle. If there is no handle, drops the result.
    fn complete(&self, result: Result<T, JoinError>) {
        let mut state = self.lock();
        if let State::Waits(waker) = &mut *state {
            let waker = waker.take();
            *state = State::Done(result);
            // The waker, and every destructor, is code that we do not know: it may come back to this slot.
            drop(state);
            self.is_done.notify_one();
            waker.into_iter().for_each(Waker::wake);
        } else {
            drop(state);
            drop(result);
        }
    }

    /// Takes the result, if it is there.
    fn take(state: &mut State<T>) -> Option<Result<T, JoinError>> {
        match mem::replace(state, State::Taken) {
            State::Done(result) => Some(result),
            other => {
                *state = other;
                None
            }
        }
    }
}

/// A future whose output goes to a slot.
struct Task<F: Future> {
    /// `None` once it was ready or has panicked.
    future: Option<Pin<Box<F>>>,
    slot: Arc<Slot<F::Output>>,
}

impl<F: Future> Task<F> {
    /// Drops the future. A destructor that panics must not keep the result from the handle.
    fn drop_future(&mut self) {
        let future = self.future.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
    }
}

impl<F: Future> Future for Task<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(future) = &mut self.future else { return Poll::Ready(()) };
        let result = match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(JoinError::Panicked(payload)),
        };
        // When the handle has the result, everything that the future owned is free already.
        self.drop_future();
        self.slot.complete(result);
        Poll::Ready(())
    }
}

impl<F: Future> Drop for Task<F> {
    fn drop(&mut self) {
        if self.future.is_some() {
            self.drop_future();
            self.slot.complete(Err(JoinError::Cancelled));
        }
    }
}

/// The handle on a task.
pub struct Handle<T>(Arc<Slot<T>>);

impl<T> Future for Handle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The look and the entry of the waker are one step under the lock, so no result comes between them.
        let mut state = self.0.lock();
        if let Some(result) = Slot::take(&mut state) {
            return Poll::Ready(result);
        }
        let State::Waits(waker) = &mut *state else { panic!("a handle is polled after it was ready") };
        let old = waker.replace(context.waker().clone());
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl<T: Send + 'static> lab03::Handle<T> for Handle<T> {
    fn join(self) -> Result<T, JoinError> {
        let mut state = self.0.lock();
        loop {
            if let Some(result) = Slot::take(&mut state) {
                return result;
            }
            state = self.0.is_done.wait(state).expect("no thread panics with the lock");
        }
    }

    fn is_finished(&self) -> bool {
        !matches!(*self.0.lock(), State::Waits(_))
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        let old = mem::replace(&mut *self.0.lock(), State::Detached);
        // It holds our waker, or the result that nobody took. The lock is free when it is dropped.
        drop(old);
    }
}

impl Spawn for Student {
    type Handle<T: Send + 'static> = Handle<T>;

    fn task<F>(future: F) -> (impl Future<Output = ()> + Send + 'static, Handle<F::Output>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let slot = Arc::new(Slot { state: Mutex::new(State::Waits(None)), is_done: Condvar::new() });
        (Task { future: Some(Box::pin(future)), slot: slot.clone() }, Handle(slot))
    }
}
