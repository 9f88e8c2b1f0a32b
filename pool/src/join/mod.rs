//! `join`: two closures, perhaps in parallel.
//!
//! The worker pushes the second closure to its deque of halves, runs the first one, and pops the second one again. Mostly it is
//! still there, and the worker runs it as an ordinary call: nothing was allocated, nothing was fenced. If it was given away or stolen in
//! the meantime, the worker waits for it.
//!
//! # What a waiting worker may run
//!
//! Only what it waits for. It *leapfrogs* (Wagner and Calder, "Leapfrogging: a portable technique for implementing efficient
//! futures", 1993): it takes from the thief of its half, from nobody else. That this is enough rests on one invariant:
//!
//! * **A worker's deque of halves holds only work that every stolen half it runs depends on.** A worker that runs no half takes
//!   the first one with an empty deque: in its main loop there is no `join` below it on the stack. While it runs a half, it pushes
//!   what that half joins. When it finds its own half stolen, its deque is empty, and nothing is on offer: thieves take the oldest first
//!   (`deque.rs`, rule 7), and what was newer has been popped. What it leapfrogs then is needed for the half that it waits for, and so is
//!   what that pushes. A job that it claims by joining its handle is needed by whoever joined it.
//!
//! The thief may end the half just when the half's owner takes something from it, and that may be of what it did next. So the owner
//! looks again whether its half is done before it runs what it took; if so, it passes that on (`half.rs`): to its owner, or to somebody who
//! waits for nothing, whoever comes first.
//!
//! So what is taken from the thief's deque must end before the awaited half can end, in every schedule. Running it here
//! can therefore not wait for a lock that this worker holds, unless the program was stuck anyway.
//!
//! If the deque is full, a thousand joins deep, the second closure becomes the child of a scope, in the heap.
//!
//! If there is nothing to leapfrog, the worker parks, and the pool may use a spare thread in its place (`spare.rs`).

// Unsafe: entries are raw pointers, and slots are reached without a bounds check.
#[cfg_attr(not(loom), allow(unreachable_pub))]
pub(crate) mod deque;
// Unsafe: a half lies on the stack of a thread that waits for it.
#[cfg_attr(not(loom), allow(unreachable_pub))]
pub(crate) mod stack_job;
// Unsafe: as `stack_job`.
pub(crate) mod stolen;

use crate::{
    job::install::install,
    join::{
        deque::{Owner, Position, SlowPush},
        stack_job::{StackJob, StackJobHeader},
    },
    pool::Pool,
    scope::scope_on,
    sys::{Fence, Full, Light},
    worker::{Worker, current},
};
use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
};

type Payload = Box<dyn Any + Send>;

/// [`join`] on a worker, by its end of its halves.
#[inline(always)]
fn join_on<F, A, B, RA, RB>(stack_jobs: Owner<'_, StackJobHeader>, a: A, b: B) -> (RA, RB)
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
            SlowPush::Full => return join_by_scope(a, &stack_job),
        }
    }
    let ra = match panic::catch_unwind(AssertUnwindSafe(a)) {
        Ok(ra) => ra,
        Err(payload) => after_panic(stack_jobs, &stack_job, position, payload),
    };
    let rb = if stack_jobs.pop::<F>(position) {
        // SAFETY: it was just popped, and this branch is taken once.
        unsafe { stack_job.run_here() }
    } else {
        after_theft(stack_jobs, &stack_job)
    };
    (ra, rb)
}

/// The second half was given away: takes it back, or waits for it and goes on with its panic.
#[cold]
#[inline(never)]
fn after_theft<B: FnOnce() -> RB, RB>(
    stack_jobs: Owner<'_, StackJobHeader>,
    stack_job: &StackJob<B, RB>,
) -> RB {
    if stack_jobs.take_back_offer(stack_job.header()) {
        // SAFETY: nobody else has it, and this branch is taken once.
        return unsafe { stack_job.run_here() };
    }
    Worker::wait_for_stack_job(stack_job.state());
    // SAFETY: it was stolen and is done.
    unsafe { stack_job.take_result() }.unwrap_or_else(|payload| panic::resume_unwind(payload))
}

/// The first half panicked: ends the second one, then goes on with the panic. What the second one does is of no interest.
#[cold]
#[inline(never)]
fn after_panic<B, RB>(
    stack_jobs: Owner<'_, StackJobHeader>,
    stack_job: &StackJob<B, RB>,
    position: Position,
    payload: Payload,
) -> !
where
    B: FnOnce() -> RB,
{
    let second = if stack_jobs.pop::<Full>(position) || stack_jobs.take_back_offer(stack_job.header()) {
        // SAFETY: it was just taken out, and nobody else runs it.
        panic::catch_unwind(AssertUnwindSafe(|| unsafe { stack_job.run_here() }))
    } else {
        Worker::wait_for_stack_job(stack_job.state());
        // SAFETY: it was stolen and is done.
        unsafe { stack_job.take_result() }
    };
    brigade_handle::contain(|| drop(second));
    panic::resume_unwind(payload)
}

/// The deque is full, a thousand joins deep: this one is queued in the heap.
#[cold]
#[inline(never)]
fn join_by_scope<A, B, RA, RB>(a: A, stack_job: &StackJob<B, RB>) -> (RA, RB)
where
    A: FnOnce() -> RA,
    B: FnOnce() -> RB + Send,
    RB: Send,
{
    // SAFETY: it was taken out of the deque again, and nobody else runs it.
    let b = || unsafe { stack_job.run_here() };
    /// The half is given to one child, once.
    struct Sent<F>(F);
    // SAFETY: what the closure in the half needs to be sent, it has (`B: Send`); the half itself is only read.
    unsafe impl<F> Send for Sent<F> {}
    impl<RB, F: FnOnce() -> RB> Sent<F> {
        fn run(self) -> RB {
            (self.0)()
        }
    }
    let (sent, mut rb) = (Sent(b), None);
    let ra = current::with(|worker| {
        let worker = worker.expect("only workers have stack jobs");
        scope_on(worker, |scope| {
            scope.spawn(|_| rb = Some(sent.run()));
            a()
        })
    });
    (ra, rb.expect("the scope ends after its child, and goes on with its panic"))
}

/// Not on a worker, or on one whose joins need a full fence.
#[cold]
#[inline(never)]
fn join_cold<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    current::with(|worker| match worker {
        Some(worker) => join_on::<Full, _, _, _, _>(worker.stack_jobs(), a, b),
        None => Pool::global().join(a, b),
    })
}

/// Runs both closures, in parallel if a worker is free, and returns both results.
///
/// On a worker of a pool the calling thread runs `a`, and `b` unless somebody steals it; from any other thread both run on the
/// [global pool](crate::Pool::global), while the thread waits. A join costs about as much as two calls, so there is
/// no need to stop splitting early.
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
/// If one of the closures panics, after both have ended; if both do, with the panic of `a`.
#[inline]
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    // SAFETY: it is used in this frame alone.
    match unsafe { current::stack_jobs() } {
        Some(stack_jobs) => join_on::<Light, _, _, _, _>(stack_jobs, a, b),
        None => join_cold(a, b),
    }
}

/// [`join`] of three closures.
///
/// ```
/// let (a, b, c) = brigade_pool::join3(|| 1, || "two", || 3.0);
/// assert_eq!((a, b, c), (1, "two", 3.0));
/// ```
///
/// # Panics
///
/// If a closure panics, after all have ended; if several do, with the panic of the first of them.
#[inline]
pub fn join3<A, B, C, RA, RB, RC>(a: A, b: B, c: C) -> (RA, RB, RC)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    C: FnOnce() -> RC + Send,
    RA: Send,
    RB: Send,
    RC: Send,
{
    let (ra, (rb, rc)) = join(a, || join(b, c));
    (ra, rb, rc)
}

/// [`join`] of four closures.
///
/// For more, join joins; for a number that is not known beforehand, take a [`scope`](crate::scope).
///
/// ```
/// let sums = brigade_pool::join4(|| 1, || 1 + 2, || 1 + 2 + 3, || 1 + 2 + 3 + 4);
/// assert_eq!(sums, (1, 3, 6, 10));
/// ```
///
/// # Panics
///
/// As for [`join3`].
#[inline]
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
    let ((ra, rb), (rc, rd)) = join(|| join(a, b), || join(c, d));
    (ra, rb, rc, rd)
}

impl Pool {
    /// Runs both closures on this pool, in parallel if a worker is free. See [`join`](crate::join).
    ///
    /// # Panics
    ///
    /// If one of the closures panics, after both have ended. On a thread whose waiting policy forbids blocking.
    pub fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        install(&self.registry, "Pool::join", || join(a, b))
    }
}
