//! Lab 3: a join handle. The chapter is `course/book/src/labs/03-join-handle.md`.

use brigade_course_kit::{
    lab03::{self, JoinError, Spawn},
    sync::{Arc, Condvar, Mutex},
    to_write,
};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// Your spawner. The grader calls `Student::task`.
pub struct Student;

/// The memory that a task and its handle share.
struct Slot<T> {
    state: Mutex<State<T>>,
    is_done: Condvar,
}

enum State<T> {
    /// There is no result yet. The handle may have left a waker.
    Waits(Option<Waker>),
    /// The result is there.
    Done(Result<T, JoinError>),
    // Step 1: which states come after these, and which without them?
}

impl<T> Slot<T> {
    /// Stores the result and wakes the handle. If there is no handle, drops the result.
    fn complete(&self, _result: Result<T, JoinError>) {
        to_write("step 2: store the result, free the lock, then wake")
    }
}

/// A future whose output goes to a slot.
struct Task<F: Future> {
    /// `None` once it was ready or has panicked.
    future: Option<Pin<Box<F>>>,
    slot: Arc<Slot<F::Output>>,
}

impl<F: Future> Future for Task<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(_future) = &mut self.future else { return Poll::Ready(()) };
        let (_slot, _context) = (&self.slot, context);
        to_write("step 3: poll the future, catch its panic, and drop it before you complete")
    }
}

impl<F: Future> Drop for Task<F> {
    fn drop(&mut self) {
        // Step 6: the handle of a task that never ends must not wait for ever.
    }
}

/// The handle on a task.
pub struct Handle<T>(Arc<Slot<T>>);

impl<T> Future for Handle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Self::Output> {
        let _slot = &self.0;
        to_write("step 4: take the result, or leave a waker")
    }
}

impl<T: Send + 'static> lab03::Handle<T> for Handle<T> {
    fn join(self) -> Result<T, JoinError> {
        to_write("step 5: sleep until the result is there, and take it")
    }

    fn is_finished(&self) -> bool {
        to_write("step 2: look whether the result is there")
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        // Step 7: tell the task that nobody waits. What of the slot is yours to drop?
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
