//! Lab 6: async mutex and semaphore. The chapter is `course/book/src/labs/06-locks.md`.

#![allow(dead_code, unused_variables, reason = "you will use all of it")]

use brigade_course_kit::{
    lab06::{self, Locks},
    sync, to_write,
};
use std::{
    collections::VecDeque,
    future::Future,
    ops::{Deref, DerefMut},
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// Your locks. The grader makes a `Student::Semaphore` and a `Student::Mutex`.
pub struct Student;

impl Locks for Student {
    type Semaphore = Semaphore;
    type Mutex<T: Send + 'static> = Mutex<T>;
}

// ---- The semaphore ----

/// A number of permits. The lock around the state is held for a moment only, never while a task waits.
pub struct Semaphore(sync::Mutex<State>);

struct State {
    free: usize,
    line: VecDeque<Request>,
    next_ticket: u64,
}

/// A request in line.
struct Request {
    ticket: u64,
    permits: usize,
    // Step 1: what else must be known of it?
}

impl State {
    /// Takes free permits, unless somebody waits for them.
    fn take(&mut self, permits: usize) -> bool {
        to_write("step 2: may a newcomer have them?")
    }

    /// Grants the free permits to the requests in line. Their wakers are called when the lock is free.
    #[must_use]
    fn grant(&mut self) -> Vec<Waker> {
        to_write("step 5: who is first, and are there permits enough?")
    }
}

/// Takes the lock. The grader's lanes show the line of the caller.
#[track_caller]
fn lock<T>(mutex: &sync::Mutex<T>) -> sync::MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics with the lock")
}

impl lab06::Semaphore for Semaphore {
    type Permit<'a> = Permit<'a>;

    fn new(permits: usize) -> Self {
        Self(sync::Mutex::new(State { free: permits, line: VecDeque::new(), next_ticket: 0 }))
    }

    fn acquire(&self, permits: usize) -> impl Future<Output = Permit<'_>> + Send {
        Acquire { semaphore: self, permits, ticket: None }
    }

    fn try_acquire(&self, permits: usize) -> Option<Permit<'_>> {
        to_write("step 2: take the permits, or return `None`")
    }
}

/// Permits that are held.
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    permits: usize,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        to_write("step 5: return the permits, and grant them to those who wait")
    }
}

/// A request under way.
struct Acquire<'a> {
    semaphore: &'a Semaphore,
    permits: usize,
    /// The place in line, while it is there.
    ticket: Option<u64>,
}

impl<'a> Future for Acquire<'a> {
    type Output = Permit<'a>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Permit<'a>> {
        // This copy lets the guard of the lock live beside changes of `self`.
        let semaphore = self.semaphore;
        match self.ticket {
            None => to_write("step 3: take the permits, or join the line"),
            Some(ticket) => to_write("step 4: fetch what was granted, or go on waiting"),
        }
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            to_write("step 6: leave the line. Whose are the permits that were granted to it?")
        }
    }
}

// ---- The lock ----

/// A value, and the one permit to access it.
pub struct Mutex<T> {
    permit: Semaphore,
    /// The value, while nobody has it.
    value: sync::Mutex<Option<T>>,
}

/// The access to the value. It holds the value itself.
pub struct Guard<'a, T> {
    mutex: &'a Mutex<T>,
    value: Option<T>,
    /// A field is dropped after the function `drop` below has returned.
    _permit: Permit<'a>,
}

impl<T> Mutex<T> {
    /// Makes the guard of the holder of the permit.
    fn guard<'a>(&'a self, permit: Permit<'a>) -> Guard<'a, T> {
        to_write("step 7: take the value out, and make a guard of it")
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        to_write("step 7: put the value back")
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("a guard has the value")
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("a guard has the value")
    }
}

impl<T: Send + 'static> lab06::Mutex<T> for Mutex<T> {
    type Guard<'a> = Guard<'a, T>;

    fn new(value: T) -> Self {
        Self { permit: lab06::Semaphore::new(1), value: sync::Mutex::new(Some(value)) }
    }

    async fn lock(&self) -> Guard<'_, T> {
        self.guard(lab06::Semaphore::acquire(&self.permit, 1).await)
    }

    fn lock_unless<F>(&self, give_up: F) -> impl Future<Output = Option<Guard<'_, T>>> + Send
    where
        F: Future<Output = ()> + Send,
    {
        let request = Acquire { semaphore: &self.permit, permits: 1, ticket: None };
        LockUnless { mutex: self, request: Some(request), give_up: Box::pin(give_up) }
    }
}

/// A request that may give up.
struct LockUnless<'a, T, F> {
    mutex: &'a Mutex<T>,
    /// The request, until it is served or given up.
    request: Option<Acquire<'a>>,
    give_up: Pin<Box<F>>,
}

impl<'a, T, F: Future<Output = ()>> Future for LockUnless<'a, T, F> {
    type Output = Option<Guard<'a, T>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Guard<'a, T>>> {
        to_write("step 8: poll the request, then `give_up`. What must be gone when this gives up?")
    }
}
