//! Lab 6: a semaphore and a lock for tasks.

use brigade_course_kit::{
    lab06::{self, Locks},
    sync,
};
use std::{
    collections::VecDeque,
    future::Future,
    ops::{Deref, DerefMut},
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// The student's locks.
pub struct Student;

impl Locks for Student {
    type Semaphore = Semaphore;
    type Mutex<T: Send + 'static> = Mutex<T>;
}

/// A number of permits. Each one is free, or granted to a request in line, or held.
///
/// The line begins with the requests that were granted their permits and have not fetched them. **The first
/// of the others wants more than is free.** So each step that frees permits or leaves the line calls `grant`.
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
    is_granted: bool,
    /// The waker of its last poll, until it is granted.
    waker: Option<Waker>,
}

impl State {
    /// Takes free permits, unless somebody waits for them.
    fn take(&mut self, permits: usize) -> bool {
        let is_anyone_waiting = self.line.back().is_some_and(|request| !request.is_granted);
        if is_anyone_waiting || self.free < permits {
            return false;
        }
        self.free -= permits;
        true
    }

    /// Grants the free permits to the requests in line. Their wakers are called when the lock is free.
    #[must_use]
    fn grant(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for request in self.line.iter_mut().skip_while(|request| request.is_granted) {
            if self.free < request.permits {
                break;
            }
            self.free -= request.permits;
            request.is_granted = true;
            wakers.extend(request.waker.take());
        }
        wakers
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
        let is_taken = lock(&self.0).take(permits);
        is_taken.then(|| Permit { semaphore: self, permits })
    }
}

impl Semaphore {
    /// Returns permits.
    fn release(&self, permits: usize) {
        let mut state = lock(&self.0);
        state.free += permits;
        let wakers = state.grant();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// Permits that are held.
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
    permits: usize,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.semaphore.release(self.permits);
    }
}

/// A request under way.
struct Acquire<'a> {
    semaphore: &'a Semaphore,
    permits: usize,
    /// The place in line.
    ticket: Option<u64>,
}

impl<'a> Future for Acquire<'a> {
    type Output = Permit<'a>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Permit<'a>> {
        let waker = context.waker().clone();
        let (semaphore, permits) = (self.semaphore, self.permits);
        let mut state = lock(&semaphore.0);
        if let Some(ticket) = self.ticket {
            let place = state.line.iter().position(|request| request.ticket == ticket);
            let place = place.expect("it leaves the line by itself");
            if state.line[place].is_granted {
                state.line.remove(place);
                self.ticket = None;
                return Poll::Ready(Permit { semaphore, permits });
            }
            let old = state.line[place].waker.replace(waker);
            drop(state);
            drop(old);
            return Poll::Pending;
        }
        if state.take(permits) {
            return Poll::Ready(Permit { semaphore, permits });
        }
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.line.push_back(Request { ticket, permits, is_granted: false, waker: Some(waker) });
        self.ticket = Some(ticket);
        Poll::Pending
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut state = lock(&self.semaphore.0);
        let place = state.line.iter().position(|request| request.ticket == ticket);
        let request = state.line.remove(place.expect("it leaves the line by itself"));
        if request.as_ref().is_some_and(|request| request.is_granted) {
            state.free += self.permits;
        }
        // Others may be due now, because permits are free or because this was in front of them.
        let wakers = state.grant();
        drop(state);
        drop(request);
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// A value, and the one permit to access it.
pub struct Mutex<T> {
    permit: Semaphore,
    /// The value, while nobody has it.
    value: sync::Mutex<Option<T>>,
}

/// The access to the value. It holds the value itself, and puts it back in the end.
pub struct Guard<'a, T> {
    mutex: &'a Mutex<T>,
    value: Option<T>,
    /// Dropped after `drop` has put the value back.
    _permit: Permit<'a>,
}

const TAKEN: &str = "only the holder of the permit takes the value";

impl<T> Mutex<T> {
    fn guard<'a>(&'a self, permit: Permit<'a>) -> Guard<'a, T> {
        let value = lock(&self.value).take();
        assert!(value.is_some(), "{TAKEN}");
        Guard { mutex: self, value, _permit: permit }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        *lock(&self.mutex.value) = self.value.take();
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect(TAKEN)
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect(TAKEN)
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
        let request = self.request.as_mut().expect("it is not polled after its end");
        if let Poll::Ready(permit) = Pin::new(request).poll(context) {
            self.request = None;
            return Poll::Ready(Some(self.mutex.guard(permit)));
        }
        if self.give_up.as_mut().poll(context).is_ready() {
            // This future may live on, and nobody will poll it. It must not stay in line.
            self.request = None;
            return Poll::Ready(None);
        }
        Poll::Pending
    }
}
