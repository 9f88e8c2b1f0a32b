//! `join`: runs two closures, perhaps in parallel.
//!
//! The worker pushes the second closure to its deque of stack jobs, runs the first one, and pops the
//! second one again. Usually it is still there, and the worker runs it as an ordinary call: without an
//! allocation and without a fence. If it was offered or stolen in the meantime, the worker waits for it.
//!
//! # Work that a waiting worker may run
//!
//! It runs only work that it waits for. It *leapfrogs* (Wagner and Calder, "Leapfrogging: a portable
//! technique for implementing efficient futures", 1993): it takes stack jobs from the thief of its own
//! job, and from no other worker. This is enough because of one invariant:
//!
//! * **A worker's deque holds only work that every stolen stack job which the worker runs depends on.** A
//!   worker that runs no stack job takes its first one with an empty deque: in its main loop there is no
//!   `join` below it on the stack. While it runs a stack job, it pushes what that job joins. When it
//!   finds its own stack job stolen, its deque is empty and nothing is on offer: thieves take the oldest
//!   first (`join/deque.rs`, rule 7), and everything newer has been popped. The work that it leapfrogs
//!   then is needed for the job that it waits for, and so is everything which that work pushes. A job
//!   that it claims by joining its handle is needed by the work that joined it.
//!
//! The thief may finish the awaited job just when the owner takes something from it. The owner may then
//! have taken work that the thief pushed afterwards. So the owner checks again whether its job is done
//! before it runs what it took. If the job is done, the owner passes the taken work on
//! (`join/stack_job.rs`, rule 4): to the owner of that work, or to a worker that waits for nothing,
//! whichever comes first.
//!
//! So the work that is taken from the thief's deque must end before the awaited job can end, in every
//! schedule. Running it here can therefore not wait for a lock that this worker holds, unless the program
//! was deadlocked anyway.
//!
//! If the deque is full, a thousand joins deep, the second closure becomes the child of a scope, in the
//! heap.
//!
//! If there is nothing to leapfrog, the worker parks, and the pool may use a spare thread in its place
//! (`registry/spare.rs`).

// Unsafe: entries are raw pointers, and slots are accessed without a bounds check.
#[cfg_attr(not(loom), allow(unreachable_pub))]
pub(crate) mod deque;
mod kept;
// Unsafe: states that the calling thread owns its deque.
mod lazy;
// Unsafe: a stack job lies on the stack of a thread that waits for it.
#[cfg_attr(not(loom), allow(unreachable_pub))]
pub(crate) mod stack_job;
// Unsafe: as `stack_job`.
pub(crate) mod stolen;

pub use lazy::join_lazy;

use crate::{
    job::install::install,
    join::{
        deque::{Owner, Position, SlowPush},
        kept::Kept,
        stack_job::{StackJob, StackJobHeader},
    },
    pool::Pool,
    scope::scope_on,
    sys::{Fence, Full, Light},
    worker::{Worker, current},
};
use std::{
    any::Any,
    panic::{self, AssertUnwindSafe, Location},
};

type Payload = Box<dyn Any + Send>;
/// The place in the program that joins.
pub(crate) type Caller = &'static Location<'static>;

/// Joins on a worker, through the owner's end of its deque.
#[inline(always)]
fn join_on<F, A, B, RA, RB>(stack_jobs: Owner<'_, StackJobHeader>, a: A, b: B, at: Caller) -> (RA, RB)
where
    F: Fence,
    A: FnOnce() -> RA,
    B: FnOnce() -> RB + Send,
    RB: Send,
{
    let stack_job = StackJob::new(b);
    let (mut position, pushed) = stack_jobs.push::<F>(stack_job.header());
    if !pushed {
        match Worker::push_slow(stack_jobs, position) {
            SlowPush::Pushed(again) => position = again,
            SlowPush::Full => return join_by_scope(a, &stack_job, at),
        }
    }
    let ra = match panic::catch_unwind(AssertUnwindSafe(a)) {
        Ok(ra) => ra,
        Err(payload) => after_panic(stack_jobs, &stack_job, position, payload, at),
    };
    let ra = Kept::new(ra);
    let rb = if stack_jobs.pop::<F>(position) {
        // SAFETY: it was just popped, and this branch is taken once.
        unsafe { stack_job.run_here() }
    } else {
        after_theft(stack_jobs, &stack_job, at)
    };
    (ra.into_inner(), rb)
}

/// Takes the second closure back from the offer, or waits for it and continues its panic.
#[cold]
#[inline(never)]
fn after_theft<B: FnOnce() -> RB, RB>(
    stack_jobs: Owner<'_, StackJobHeader>,
    stack_job: &StackJob<B, RB>,
    at: Caller,
) -> RB {
    if stack_jobs.take_back_offer(stack_job.header()) {
        // SAFETY: no other thread has it, and this branch is taken once.
        return unsafe { stack_job.run_here() };
    }
    Worker::wait_for_stack_job(stack_job.state(), Some(at));
    // SAFETY: it was stolen and is done.
    unsafe { stack_job.take_result() }.unwrap_or_else(|payload| panic::resume_unwind(payload))
}

/// Ends the second closure after a panic of the first one, then continues that panic. The result of the
/// second closure is dropped.
#[cold]
#[inline(never)]
fn after_panic<B, RB>(
    stack_jobs: Owner<'_, StackJobHeader>,
    stack_job: &StackJob<B, RB>,
    position: Position,
    payload: Payload,
    at: Caller,
) -> !
where
    B: FnOnce() -> RB,
{
    let second = if stack_jobs.pop::<Full>(position) || stack_jobs.take_back_offer(stack_job.header()) {
        // SAFETY: it was just taken out, and no other thread runs it.
        panic::catch_unwind(AssertUnwindSafe(|| unsafe { stack_job.run_here() }))
    } else {
        Worker::wait_for_stack_job(stack_job.state(), Some(at));
        // SAFETY: it was stolen and is done.
        unsafe { stack_job.take_result() }
    };
    brigade_handle::contain(|| drop(second));
    panic::resume_unwind(payload)
}

/// Runs the second closure as the child of a scope, because the deque is full, a thousand joins deep.
#[cold]
#[inline(never)]
fn join_by_scope<A, B, RA, RB>(a: A, stack_job: &StackJob<B, RB>, at: Caller) -> (RA, RB)
where
    A: FnOnce() -> RA,
    B: FnOnce() -> RB + Send,
    RB: Send,
{
    // SAFETY: it was taken out of the deque again, and no other thread runs it.
    let b = || unsafe { stack_job.run_here() };
    /// The second closure, which one child gets, once.
    struct Sent<F>(F);
    // SAFETY: the closure in the stack job may be sent (`B: Send`); the stack job itself is only read.
    unsafe impl<F> Send for Sent<F> {}
    impl<RB, F: FnOnce() -> RB> Sent<F> {
        fn run(self) -> RB {
            (self.0)()
        }
    }
    let (sent, mut rb) = (Sent(b), None);
    let ra = current::with(|worker| {
        let worker = worker.expect("only workers have stack jobs");
        scope_on(worker, at, |scope| {
            scope.spawn(|_| rb = Some(sent.run()));
            a()
        })
    });
    (ra, rb.expect("the scope ends after its child, and goes on with its panic"))
}

/// Joins on a thread that is no worker, or on a worker whose joins need a full fence.
#[cold]
#[inline(never)]
#[track_caller]
fn join_cold<A, B, RA, RB>(a: A, b: B, at: Caller) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    let joined = current::with(|worker| match worker {
        Some(worker) => Ok(join_on::<Full, _, _, _, _>(worker.stack_jobs(), a, b, at)),
        None => Err((a, b)),
    });
    // This is out of the closure, so that a panic names the caller.
    match joined {
        Ok(results) => results,
        Err((a, b)) => Pool::global().join(a, b),
    }
}

/// Runs both closures, in parallel if a worker is free, and returns both results.
///
/// On a worker of a pool, the calling thread runs `a`, and also `b` unless another worker steals it. From
/// any other thread, both run on the [global pool](crate::Pool::global) while the thread waits. A join
/// costs about as much as two calls, so there is no need to stop splitting early.
///
/// ```
/// fn sum(numbers: &[u64]) -> u64 {
///     if numbers.len() <= 1024 {
///         return numbers.iter().sum();
///     }
///     let (left, right) = numbers.split_at(numbers.len() / 2);
///     let (left, right) = brigade_pool::join(|| sum(left), || sum(right));
///     left + right
/// }
/// let numbers: Vec<u64> = (0..10_000).collect();
/// assert_eq!(sum(&numbers), 49_995_000);
/// ```
///
/// # Panics
///
/// Panics if one of the closures panics, after both have ended. If both panic, the panic of `a`
/// continues. Panics on a thread outside the pool if its [waiting policy](brigade_handle::wait) forbids
/// blocking.
#[inline]
#[track_caller]
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    join_at(a, b, Location::caller())
}

/// Joins for the program at this place.
// The compiler decides whether this is a function of its own. If it is, the closures lie in its body, and a
// leaf of a recursion costs no call. If it is always inlined, each closure is a function (`fib30`: 1.2
// times).
#[inline]
#[track_caller]
pub(crate) fn join_at<A, B, RA, RB>(a: A, b: B, at: Caller) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    // SAFETY: the owner's end is used in this frame alone.
    match unsafe { current::stack_jobs() } {
        Some(stack_jobs) => join_on::<Light, _, _, _, _>(stack_jobs, a, b, at),
        None => join_cold(a, b, at),
    }
}

/// Runs three closures like [`join`].
///
/// ```
/// let (a, b, c) = brigade_pool::join3(|| 1, || "two", || 3.0);
/// assert_eq!((a, b, c), (1, "two", 3.0));
/// ```
///
/// # Panics
///
/// Panics if a closure panics, after all have ended. If several panic, the panic of the first of them
/// continues.
#[inline]
#[track_caller]
pub fn join3<A, B, C, RA, RB, RC>(a: A, b: B, c: C) -> (RA, RB, RC)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    C: FnOnce() -> RC + Send,
    RA: Send,
    RB: Send,
    RC: Send,
{
    let at = Location::caller();
    let (ra, (rb, rc)) = join_at(a, || join_at(b, c, at), at);
    (ra, rb, rc)
}

/// Runs four closures like [`join`].
///
/// Nest joins for more closures. Use a [`scope`](fn@crate::scope) if their number is not known in advance.
///
/// ```
/// let sums = brigade_pool::join4(|| 1, || 1 + 2, || 1 + 2 + 3, || 1 + 2 + 3 + 4);
/// assert_eq!(sums, (1, 3, 6, 10));
/// ```
///
/// # Panics
///
/// Panics as [`join3`] does.
#[inline]
#[track_caller]
pub fn join4<A, B, C, D, RA, RB, RC, RD>(a: A, b: B, c: C, d: D) -> (RA, RB, RC, RD)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    C: FnOnce() -> RC + Send,
    D: FnOnce() -> RD + Send,
    RA: Send,
    RB: Send,
    RC: Send,
    RD: Send,
{
    let at = Location::caller();
    let ((ra, rb), (rc, rd)) = join_at(|| join_at(a, b, at), || join_at(c, d, at), at);
    (ra, rb, rc, rd)
}

impl Pool {
    /// Runs both closures on this pool, in parallel if a worker is free. See [`join`](fn@crate::join).
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(2).build()?;
    /// let (a, b) = pool.join(|| 1 + 1, || 2 + 2);
    /// assert_eq!((a, b), (2, 4));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if one of the closures panics, after both have ended. Panics on a thread whose waiting
    /// policy forbids blocking.
    #[track_caller]
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        let at = Location::caller();
        install(&self.registry, "Pool::join", || join_at(a, b, at))
    }
}
