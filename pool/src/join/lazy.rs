//! `join_lazy`: a join that makes plain calls while thieves have enough to take.
//!
//! Long: the decision, the argument for it and both kinds of join stand in one place.
//!
//! A [`join`](fn@crate::join) offers every second closure to thieves. The push, the pop and a closure in
//! memory cost some thirty instructions, so a walk over a tree of tiny nodes takes several times as long
//! as the plain recursion. But thieves take the oldest entries first, and the oldest entries of a tree are
//! its largest parts. The small ones are offered in vain.
//!
//! So a lazy join first looks at its worker's own deque, as in Tzannes, Caragea, Barua and Vishkin, "Lazy
//! binary-splitting: a run-time adaptive work-stealing scheduler" (2010):
//!
//! ```text
//!   fewer than ENOUGH entries, or a thief has asked    push one closure, like `join`
//!   joins are rare at the moment (see below)           push one closure, like `join`
//!   otherwise                                          call both closures, one after the other
//! ```
//!
//! Each entry that is popped or stolen makes room for another one. A balanced tree of n layers therefore
//! pushes about as many entries as there are ways to choose [`ENOUGH`] of n layers: some thousands, for
//! millions of nodes.
//!
//! # The parallelism that plain calls cost
//!
//! A thief cannot take a closure of a plain call. If it is large, and the entries in the deque
//! are small, one worker runs both halves while the others run out of work. Two rules keep this rare:
//!
//! * A thief that finds nothing asks all owners (`join/deque.rs`, "Requests"), and the next join pushes.
//! * **The beat.** After each [`BEAT`] plain calls the worker looks at the clock. If the joins were rare,
//!   each join pushes until joins are frequent again. It also starts that way when its deque is empty. So
//!   in a program whose joins are coarse, thieves can take one closure of every join.
//!
//! The schedulers with a heartbeat (Acar, Charguéraud, Guatto, Rainey and Sieczkowski, "Heartbeat
//! scheduling: provable efficiency for nested parallelism", 2018) instead keep a record of each join on a
//! stack, and offer the oldest one at each beat of a timer. They can offer any join, but a record keeps a
//! closure in memory, which is most of what a push costs. `docs/joins.md` compares the three.
//!
//! # The second closure runs first
//!
//! Both kinds of join run `b` here and leave `a` for later or for a thief. A constructor in Rust usually
//! allocates the children of a node before the node, left before right. A walk that goes right first then
//! reads such memory in one direction, and the processor fetches ahead. A sum over 1 Mi nodes takes half
//! the time of a walk that goes left first, in the plain recursion too (1.5 and 4.5 ms).
//!
//! # Nothing new to synchronise
//!
//! A plain call touches no word that other threads write. The decision reads words of the deque, and an
//! old value leads to a push too many or too few, never to a lost entry. A worker that falls asleep
//! notifies the owners as before, and a notified owner does not make a plain call, so its next lazy join
//! pushes and looks at the sleep counters as its next `join` would.
//!
//! Where the system has no `membarrier`, a worker's joins do not go through [`current::stack_jobs`], and each
//! lazy join is a `join`.

use crate::{
    join::{Payload, deque::Owner, install, join_cold, join_on, stack_job::StackJobHeader},
    pool::Pool,
    sys::Light,
    worker::current,
};
use brigade_trace::clock;
use std::{
    cell::Cell,
    mem,
    panic::{self, AssertUnwindSafe, Location},
    thread,
    time::{Duration, Instant},
};

/// With this many entries in its deque a worker has enough for thieves.
const ENOUGH: usize = 2;

/// After this many plain calls a worker looks at the clock.
const BEAT: u32 = 512; // joins

/// A worker pushes and measures this many joins before plain calls begin.
const TRIAL: u32 = 16; // joins

/// Joins are frequent if one begins at least this often, on average. A push costs some 10 ns.
const FREQUENT: Duration = Duration::from_nanos(250);

thread_local! {
    /// How many plain calls this worker makes until the next beat.
    static PLAIN_CALLS_LEFT: Cell<u32> = const { Cell::new(0) };
    static TEMPO: Tempo = const { Tempo::new() };
}

/// How frequent the joins of one worker are.
struct Tempo {
    /// When the joins that are measured began.
    since: Cell<Option<Instant>>,
    /// How many joins are measured: a trial, or the plain calls of a beat. 0 if none are.
    joins: Cell<u32>,
    /// How many joins of the trial are still to come.
    trial_left: Cell<u32>,
}

/// The decision about the next joins of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// It pushes this one, as a part of a trial.
    Push,
    /// It makes this many plain calls.
    PlainCalls(u32),
}

impl Tempo {
    const fn new() -> Self {
        Self { since: Cell::new(None), joins: Cell::new(0), trial_left: Cell::new(0) }
    }

    /// Forgets what was measured, so that a trial begins.
    fn reset(&self) {
        self.joins.set(0);
        self.trial_left.set(0);
    }

    /// Decides about the next joins, when no plain call is left.
    fn decide(&self, now: impl FnOnce() -> Instant) -> Next {
        let left = self.trial_left.get();
        if left > 0 {
            self.trial_left.set(left - 1);
            return Next::Push;
        }
        let (joins, now) = (self.joins.get(), now());
        let limit = FREQUENT * joins;
        let since = self.since.replace(Some(now));
        if since.is_some_and(|since| now.saturating_duration_since(since) < limit) {
            self.joins.set(BEAT);
            Next::PlainCalls(BEAT)
        } else {
            self.joins.set(TRIAL);
            self.trial_left.set(TRIAL - 1);
            Next::Push
        }
    }
}

/// Decides whether a join of a worker is a plain call, and counts it.
#[inline(always)]
fn is_plain(stack_jobs: Owner<'_, StackJobHeader>) -> bool {
    if !stack_jobs.has_for_thieves(ENOUGH) {
        return false;
    }
    let left = PLAIN_CALLS_LEFT.get();
    if left == 0 {
        return beat();
    }
    PLAIN_CALLS_LEFT.set(left - 1);
    true
}

#[cold]
#[inline(never)]
fn beat() -> bool {
    match TEMPO.with(|tempo| tempo.decide(clock::now)) {
        Next::Push => false,
        Next::PlainCalls(calls) => {
            PLAIN_CALLS_LEFT.set(calls - 1);
            true
        }
    }
}

/// Runs both closures on this thread, the second one first.
#[inline(always)]
fn join_plain<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA,
    B: FnOnce() -> RB,
{
    let rb = match panic::catch_unwind(AssertUnwindSafe(b)) {
        Ok(rb) => rb,
        Err(second) => after_panic(a, second),
    };
    // A destructor that panics must not run during the panic of `a`, which would abort. Results without
    // a destructor need no catch.
    if !mem::needs_drop::<RB>() {
        return (a(), rb);
    }
    match panic::catch_unwind(AssertUnwindSafe(a)) {
        Ok(ra) => (ra, rb),
        Err(first) => discard(rb, first),
    }
}

/// Drops the result of the second closure, and continues the panic of the first one.
#[cold]
#[inline(never)]
fn discard<RB>(rb: RB, first: Payload) -> ! {
    brigade_handle::contain(|| drop(rb));
    panic::resume_unwind(first)
}

/// Runs the first closure after a panic of the second one.
#[cold]
#[inline(never)]
fn after_panic<RA>(a: impl FnOnce() -> RA, second: Payload) -> ! {
    continue_one(panic::catch_unwind(AssertUnwindSafe(a)), second)
}

/// Continues the panic of the first closure, or else that of the second one, as `join` does.
fn continue_one<RA>(first: thread::Result<RA>, second: Payload) -> ! {
    match first {
        Ok(result) => {
            brigade_handle::contain(|| drop(result));
            panic::resume_unwind(second)
        }
        Err(first) => {
            brigade_handle::contain(|| drop(second));
            panic::resume_unwind(first)
        }
    }
}

/// Pushes the first closure and runs the second one. This is a function of its own, so that a plain call
/// keeps the closures in registers.
#[cold]
#[inline(never)]
#[track_caller]
fn join_pushed<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    // SAFETY: the owner's end is used in this frame alone.
    let Some(stack_jobs) = (unsafe { current::stack_jobs() }) else {
        return join_cold(a, b, Location::caller());
    };
    if stack_jobs.is_empty() {
        // New work begins, which may have nothing to do with what was measured.
        PLAIN_CALLS_LEFT.set(0);
        TEMPO.with(Tempo::reset);
    }
    // If both panic, the panic of `a` continues, so both are caught until both have ended.
    let caught_a = || panic::catch_unwind(AssertUnwindSafe(a));
    let caught_b = || panic::catch_unwind(AssertUnwindSafe(b));
    match join_on::<Light, _, _, _, _>(stack_jobs, caught_b, caught_a, Location::caller()) {
        (Ok(rb), Ok(ra)) => (ra, rb),
        (Ok(rb), Err(first)) => discard(rb, first),
        (Err(second), first) => continue_one(first, second),
    }
}

/// Runs both closures like [`join`](fn@crate::join), but offers the second one to other workers only
/// while they may need it. Use it for trees of tiny nodes.
///
/// A `join` costs some 5 ns, whatever is joined. A lazy join costs about 1 ns when the worker has enough on
/// offer and joins are frequent: then it is a plain call of both closures, one after the other, in any
/// order. `docs/joins.md` has the measurements.
///
/// The price is that a plain call cannot be shared any more. Halves deep in a tree may run in sequence
/// although another worker becomes free. So:
///
/// * The closures must not wait for each other. With `join` that works as long as the pool has a thread
///   for each; here it may wait for ever.
/// * If few joins decide about most of the work, use `join`. A worker notices joins that are rare, but
///   only after some hundred of them.
///
/// ```
/// struct Node {
///     value: u64,
///     children: Option<Box<(Node, Node)>>,
/// }
///
/// fn tree(layers: u32) -> Node {
///     let children = (layers > 1).then(|| Box::new((tree(layers - 1), tree(layers - 1))));
///     Node { value: 1, children }
/// }
///
/// fn sum(node: &Node) -> u64 {
///     let Some(children) = &node.children else { return node.value };
///     let (left, right) = brigade_pool::join_lazy(|| sum(&children.0), || sum(&children.1));
///     node.value + left + right
/// }
///
/// let pool = brigade_pool::Pool::builder().threads(2).build()?;
/// assert_eq!(pool.install(|| sum(&tree(12))), 4095);
/// # std::io::Result::Ok(())
/// ```
///
/// # Panics
///
/// Panics as [`join`](fn@crate::join) does: if one of the closures panics, after both have ended. If both
/// panic, the panic of `a` continues.
// No `#[inline]`: with it, a recursive caller checks for its leaves after the call and not before it, and
// `fib30_lazy` takes 1.4 times as long.
#[track_caller]
pub fn join_lazy<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    // SAFETY: the owner's end is used in this frame alone.
    match unsafe { current::stack_jobs() } {
        Some(stack_jobs) if is_plain(stack_jobs) => join_plain(a, b),
        _ => join_pushed(a, b),
    }
}

impl Pool {
    /// Runs both closures on this pool, and offers the second one only while other workers may need it.
    /// See [`join_lazy`](fn@crate::join_lazy).
    ///
    /// ```
    /// let pool = brigade_pool::Pool::builder().threads(2).build()?;
    /// let (a, b) = pool.join_lazy(|| 1 + 1, || 2 + 2);
    /// assert_eq!((a, b), (2, 4));
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if one of the closures panics, after both have ended. Panics on a thread whose waiting
    /// policy forbids blocking.
    #[track_caller]
    pub fn join_lazy<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        install(&self.registry, "Pool::join_lazy", || join_lazy(a, b))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::{Mutex, PoisonError};

    /// Decides about joins that begin this long after one another, and returns how many of them are
    /// pushed before the first plain call, or `None` if all are.
    fn pushes_before_plain_calls(tempo: &Tempo, now: &mut Instant, each: Duration) -> Option<u32> {
        (0..10 * TRIAL).find(|_| {
            *now += each;
            tempo.decide(|| *now) != Next::Push
        })
    }

    #[test]
    fn frequent_joins_become_plain_calls_after_a_trial() {
        let (tempo, mut now) = (Tempo::new(), clock::now());
        let each = Duration::from_nanos(20);
        assert_eq!(pushes_before_plain_calls(&tempo, &mut now, each), Some(TRIAL));
        // At the end of the beat they were still frequent.
        now += each * BEAT;
        assert_eq!(tempo.decide(|| now), Next::PlainCalls(BEAT));
    }

    #[test]
    fn rare_joins_never_become_plain_calls() {
        let (tempo, mut now) = (Tempo::new(), clock::now());
        assert_eq!(pushes_before_plain_calls(&tempo, &mut now, FREQUENT), None);
    }

    #[test]
    fn a_slow_beat_ends_the_plain_calls() {
        let (tempo, mut now) = (Tempo::new(), clock::now());
        assert!(pushes_before_plain_calls(&tempo, &mut now, Duration::ZERO).is_some());
        now += FREQUENT * BEAT;
        assert_eq!(tempo.decide(|| now), Next::Push);
        assert_eq!(pushes_before_plain_calls(&tempo, &mut now, FREQUENT), None);
    }

    #[test]
    fn the_clock_is_read_once_a_trial() {
        let tempo = Tempo::new();
        let reads = Cell::new(0);
        let now = clock::now();
        for _ in 0..TRIAL {
            _ = tempo.decide(|| {
                reads.set(reads.get() + 1);
                now
            });
        }
        assert_eq!(reads.get(), 1);
    }

    fn message(payload: Payload) -> &'static str {
        payload.downcast_ref().copied().expect("the payload is a text")
    }

    #[test]
    fn a_panic_in_a_plain_call_waits_for_the_other_closure() {
        let ran = Cell::new(0);
        let run = || ran.set(ran.get() + 1);
        let first = panic::catch_unwind(AssertUnwindSafe(|| join_plain(|| panic!("first"), run)));
        assert_eq!((message(first.unwrap_err()), ran.get()), ("first", 1));
        let second = panic::catch_unwind(AssertUnwindSafe(|| join_plain(run, || panic!("second"))));
        assert_eq!((message(second.unwrap_err()), ran.get()), ("second", 2));
        let both =
            panic::catch_unwind(AssertUnwindSafe(|| join_plain(|| panic!("first"), || panic!("second"))));
        assert_eq!(message(both.unwrap_err()), "first");
    }

    #[test]
    fn a_panic_in_a_plain_call_drops_the_other_result() {
        struct Loud<'a>(&'a Mutex<Vec<&'static str>>, &'static str);
        impl Drop for Loud<'_> {
            fn drop(&mut self) {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).push(self.1);
                panic!("a result whose destructor panics")
            }
        }
        let dropped = Mutex::new(Vec::new());
        let loud = |name| Loud(&dropped, name);
        let first = panic::catch_unwind(AssertUnwindSafe(|| join_plain(|| panic!("a"), || loud("b"))));
        assert_eq!(message(first.map(|((), _)| ()).unwrap_err()), "a");
        let second = panic::catch_unwind(AssertUnwindSafe(|| join_plain(|| loud("a"), || panic!("b"))));
        assert_eq!(message(second.map(|(_, ())| ()).unwrap_err()), "b");
        assert_eq!(dropped.into_inner().unwrap_or_else(PoisonError::into_inner), ["b", "a"]);
    }
}
