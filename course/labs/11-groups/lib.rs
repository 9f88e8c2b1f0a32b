//! Lab 11: cancellation and shutdown. The chapter is `course/book/src/labs/11-groups.md`.

#![allow(dead_code, unused_variables, reason = "you will use all of it")]

use brigade_course_kit::{
    lab11::{self, BoxFuture, Executor, Failure, Groups},
    sync::{Arc, Mutex, MutexGuard},
    to_write,
};
use std::{
    collections::BTreeMap,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// Your groups. The grader calls `Student::run`.
pub struct Student;

impl Groups for Student {
    type Group = Group;

    fn run<F>(executor: Executor, body: F) -> BoxFuture<Result<(), Failure>>
    where
        F: FnOnce(Group) -> BoxFuture<Result<(), String>>,
    {
        let group = Group(Arc::new(Shared { executor, state: Mutex::default() }));
        let body = Some(body(group.clone()));
        Box::pin(Run { group, body })
    }
}

/// A handle to a group.
#[derive(Clone)]
pub struct Group(Arc<Shared>);

struct Shared {
    executor: Executor,
    state: Mutex<State>,
}

/// The state of a group.
#[derive(Default)]
struct State {
    /// The wakers of the children's last polls, by their keys.
    wakers: BTreeMap<u64, Waker>,
    next_key: u64,
    /// The waker of the last poll of `run`.
    owner: Option<Waker>,
    // Step 1: how many children there are, whether the group is closed, and why.
}

/// Takes the lock. The grader's lanes show the line of the caller.
#[track_caller]
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics with the lock")
}

impl Group {
    /// Closes the group with its first failure, and wakes all, so that they see it.
    fn fail(&self, failure: Failure) {
        to_write("step 2: note the first failure, and wake the children and the owner")
    }

    /// Polls the body or a child. A failure fails the group. Returns whether it has ended.
    fn poll(&self, future: &mut BoxFuture<Result<(), String>>, context: &mut Context<'_>) -> bool {
        to_write("step 3: poll it within `catch_unwind`")
    }

    /// Drops the body or a child. Its destructors are foreign code, and may panic.
    fn drop_future(&self, future: Option<BoxFuture<Result<(), String>>>) {
        to_write("step 3: drop it within `catch_unwind`")
    }
}

impl lab11::Group for Group {
    fn spawn(&self, child: BoxFuture<Result<(), String>>) {
        to_write("step 4: count the child in, and spawn a `Member`. What if the group is closed?")
    }

    fn cancel(&self) {
        self.fail(Failure::Cancelled);
    }
}

/// The task of a child.
struct Member {
    group: Group,
    key: u64,
    /// The child, until it is dropped.
    child: Option<BoxFuture<Result<(), String>>>,
}

impl Member {
    /// Drops the child, and counts it off after that.
    fn end(&mut self) {
        to_write("step 5: drop the child, count it off, and wake the owner if it was the last")
    }
}

impl Future for Member {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        to_write("step 6: leave the waker, look whether the group is closed, and poll the child")
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if self.child.is_some() {
            to_write("step 7: the executor drops a task that it does not finish")
        }
    }
}

/// A group under way.
struct Run {
    group: Group,
    /// The body, until it is dropped.
    body: Option<BoxFuture<Result<(), String>>>,
}

impl Future for Run {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        to_write("step 8: poll the body, and wait until all have ended")
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let has_ended = self.body.is_none() && lock(&self.group.0.state).wakers.is_empty();
        if !has_ended {
            to_write("step 9: cancel everything, also the children that a body has left behind")
        }
    }
}
