//! Lab 11: groups of tasks, none of which outlives its group.

use brigade_course_kit::{
    lab11::{self, BoxFuture, Executor, Failure, Groups},
    sync::{Arc, Mutex, MutexGuard},
};
use std::{
    collections::BTreeMap,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// The student's groups.
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
///
/// A child counts from its spawn until its future has been dropped. **Once the group is closed, no child
/// begins**: each one looks under the lock under which it leaves its waker, and the close takes all wakers.
#[derive(Default)]
struct State {
    children: usize,
    /// The group has failed or ended.
    is_closed: bool,
    failure: Option<Failure>,
    /// The wakers of the children's last polls, by their keys.
    wakers: BTreeMap<u64, Waker>,
    next_key: u64,
    /// The waker of the last poll of `run`.
    owner: Option<Waker>,
}

/// Takes the lock. The grader's lanes show the line of the caller.
#[track_caller]
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics with the lock")
}

impl Group {
    /// Closes the group with its first failure, and wakes all, so that they see it.
    fn fail(&self, failure: Failure) {
        let mut state = lock(&self.0.state);
        if state.is_closed {
            // The first failure is the result.
            return;
        }
        state.is_closed = true;
        state.failure = Some(failure);
        let wakers = std::mem::take(&mut state.wakers);
        let owner = state.owner.take();
        drop(state);
        wakers.into_values().chain(owner).for_each(Waker::wake);
    }

    /// Polls the body or a child. A failure fails the group. Returns whether it has ended.
    fn poll(&self, future: &mut BoxFuture<Result<(), String>>, context: &mut Context<'_>) -> bool {
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(Ok(()))) => {}
            Ok(Poll::Ready(Err(error))) => self.fail(Failure::Error(error)),
            Err(payload) => self.fail(Failure::Panic(payload)),
        }
        true
    }

    /// Drops the body or a child. Its destructors are foreign code, and may panic.
    fn drop_future(&self, future: Option<BoxFuture<Result<(), String>>>) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
            self.fail(Failure::Panic(payload));
        }
    }
}

impl lab11::Group for Group {
    fn spawn(&self, child: BoxFuture<Result<(), String>>) {
        let mut state = lock(&self.0.state);
        if state.is_closed {
            drop(state);
            return self.drop_future(Some(child));
        }
        state.children += 1;
        let key = state.next_key;
        state.next_key += 1;
        drop(state);
        let member = Member { group: self.clone(), key, child: Some(child) };
        self.0.executor.spawn(Box::pin(member));
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
        let Some(child) = self.child.take() else { return };
        self.group.drop_future(Some(child));
        let mut state = lock(&self.group.0.state);
        let own = state.wakers.remove(&self.key);
        state.children -= 1;
        let owner = if state.children == 0 { state.owner.take() } else { None };
        drop(state);
        drop(own);
        owner.into_iter().for_each(Waker::wake);
    }
}

impl Future for Member {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let waker = context.waker().clone();
        let mut state = lock(&this.group.0.state);
        let is_closed = state.is_closed;
        // From here on, a close wakes this task.
        let old = if is_closed { None } else { state.wakers.insert(this.key, waker) };
        drop(state);
        drop(old);
        let has_ended = match this.child.as_mut() {
            Some(child) if !is_closed => this.group.poll(child, context),
            _ => true,
        };
        if !has_ended {
            return Poll::Pending;
        }
        this.end();
        Poll::Ready(())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // The executor drops a task that it does not finish.
        self.end();
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
        let this = &mut *self;
        let waker = context.waker().clone();
        if let Some(body) = this.body.as_mut()
            && !lock(&this.group.0.state).is_closed
            && this.group.poll(body, context)
        {
            this.group.drop_future(this.body.take());
        }
        // The body has its turn before this look. A failure that comes after the look finds the waker.
        let mut state = lock(&this.group.0.state);
        if state.is_closed && this.body.is_some() {
            drop(state);
            this.group.drop_future(this.body.take());
            state = lock(&this.group.0.state);
        }
        if this.body.is_none() && state.children == 0 {
            state.is_closed = true;
            return Poll::Ready(state.failure.take().map_or(Ok(()), Err));
        }
        let old = state.owner.replace(waker);
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.group.fail(Failure::Cancelled);
        self.group.drop_future(self.body.take());
    }
}
