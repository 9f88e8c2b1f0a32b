//! Waiting inside a job: what a worker runs meanwhile, and how its pool learns that it is blocked.

use crate::sync::os_thread as thread;
use crate::{
    job::{AbortOnUnwind, remote::ScopeBase},
    join::{Caller, stack_job::StackJobState},
    scope::count::{CountWatch, LocalCount, SharedCount},
    worker::{FAIRNESS_INTERVAL, Worker, current, pass_on::pass_on, steal::AdaptiveSpin},
};
use brigade_handle::{observe, wait};
use brigade_trace::{Cause, Domain, Id, Site, Wait, clock, fresh_id, on, park, unpark};
use std::{mem, panic::Location, ptr::NonNull, task::Waker};

/// A wait inside a job, as a trace hears of it.
struct Waits {
    cause: Cause,
    /// The place in the program that waits, if it is known.
    at: Option<Caller>,
    scope: Option<NonNull<ScopeBase>>,
}

/// The hooks that a joining worker calls around its sleep, through the waiting policy of its thread.
static HOOKS: wait::Hooks =
    wait::Hooks { blocked: || at_worker(Worker::blocked), unblocked: || at_worker(Worker::unblocked) };

fn at_worker(f: fn(&Worker)) {
    current::with(|worker| worker.into_iter().for_each(f));
}

impl Worker {
    /// Notes that this worker is about to park inside its job. It may be waiting already: a [`blocking`]
    /// call may join a handle. That leaves one thread to replace, not two, so only the outermost wait
    /// counts.
    pub(crate) fn blocked(&self) {
        if self.registry.is_forked() {
            return;
        }
        if self.waits.replace(self.waits.get() + 1) == 0 {
            self.registry.blocked();
        }
    }

    /// Notes that this worker goes on with its job.
    pub(crate) fn unblocked(&self) {
        if self.registry.is_forked() {
            return;
        }
        self.waits.set(self.waits.get() - 1);
        if self.waits.get() == 0 {
            self.registry.unblocked();
        }
    }

    /// Runs a hook, during which no spare thread replaces this worker. A spare thread would begin with
    /// the same start hook; and a worker that runs its exit hook is no longer counted.
    pub(crate) fn without_spare(&self, hook: impl FnOnce()) {
        self.waits.set(1);
        hook();
        self.waits.set(0);
    }
}

/// Makes all waits on this thread use the hooks, until the returned guard is dropped.
pub(crate) fn set_policy() -> wait::Restore {
    wait::set(wait::Policy::Help(&HOOKS))
}

impl Worker {
    /// Waits for a stack job that was stolen from this worker. `join/mod.rs` says what it runs meanwhile,
    /// and why.
    pub(crate) fn wait_for_stack_job(stack_job: &StackJobState, at: Option<Caller>) {
        current::with(|worker| worker.expect("only workers have stack jobs").wait_for(stack_job, at));
    }

    fn wait_for(&self, stack_job: &StackJobState, at: Option<Caller>) {
        self.registry.end_copy_of_worker();
        let guard = AbortOnUnwind;
        let mut spin = AdaptiveSpin::new(self);
        // Whether the job was passed on and has left the list again, so that this worker or another one
        // runs it.
        let mut is_out = false;
        while !stack_job.is_done() {
            if !is_out && stack_job.is_passed_on() {
                is_out = true;
                let own = self.registry.slot(self.index).passed_on.take(stack_job);
                own.into_iter().for_each(|stack_job| self.run_stolen(stack_job));
                continue;
            }
            let thief = stack_job.thief();
            let work = match thief.and_then(|thief| self.request_stack_job(thief)) {
                None if spin.spin_once() => continue,
                None => thief.and_then(|thief| self.steal_stack_job(thief)),
                offered => offered,
            };
            match work {
                None if spin.begin_spell() => {}
                None => {
                    stack_job.begin_park();
                    let is_due = || stack_job.is_done() || !is_out && stack_job.is_passed_on();
                    self.park_until(Waits { cause: Cause::Join, at, scope: None }, || stack_job.id(), is_due);
                }
                // The thief has finished the awaited job, and may have pushed `unrelated` afterwards. If
                // DONE is not visible now, the work was offered before DONE: the thread that takes an
                // offer acquires everything that came before it.
                Some(unrelated) if stack_job.is_done() => pass_on(unrelated, &self.registry),
                Some(work) => {
                    self.run_stolen(work);
                    spin = AdaptiveSpin::new(self);
                }
            }
        }
        mem::forget(guard);
    }

    /// Waits for the end of a scope that was opened on this worker. `scope/mod.rs` says what it runs
    /// meanwhile, and why.
    pub(crate) fn wait_for_scope(
        &self,
        base: &ScopeBase,
        local: &LocalCount,
        shared: &SharedCount,
        at: Caller,
    ) {
        let guard = AbortOnUnwind;
        let scope = NonNull::from(base);
        let mut spin = AdaptiveSpin::new(self);
        let mut steals = true;
        let mut turn = 0_u32;
        let mut count = CountWatch::new(local, shared);
        while !count.is_done() {
            turn = turn.wrapping_add(1);
            // Own children that spawn more of them starve no remote child.
            let is_remote_first = turn.is_multiple_of(FAIRNESS_INTERVAL);
            let early = if is_remote_first { base.oldest_remote_child() } else { None };
            let own = if early.is_none() { self.jobs.pop() } else { None };
            // Otherwise own children come first: if it took those that a thief has spawned, that thief
            // would have nothing left of what it stole. But none of them stays behind an unrelated job.
            let is_own_child = own.as_ref().is_some_and(|job| job.is_descendant_of(scope));
            // An own child has not ended, so neither has the scope. Anything else may lie below it.
            if !is_own_child && early.is_none() && count.is_done_now() {
                own.into_iter().for_each(|unrelated| self.registry.submit(unrelated));
                break;
            }
            let remote = if is_own_child { None } else { early.or_else(|| base.oldest_remote_child()) };
            if let Some(child) = remote {
                own.into_iter().for_each(|unrelated| self.registry.submit(unrelated));
                // Statistics count its placeholder as the job.
                child.run();
                spin = AdaptiveSpin::new(self);
                continue;
            }
            let job = own.or_else(|| self.steal_descendant(scope, &mut steals));
            match job {
                Some(job) if job.is_descendant_of(scope) => {
                    self.stats().count_job();
                    job.run();
                    spin = AdaptiveSpin::new(self);
                }
                // The unrelated job may stay here for a moment. A worker that searched for it just now
                // did not see it, so it is announced again.
                Some(unrelated) if spin.spin_once() => self.registry.submit(unrelated),
                Some(unrelated) => self.registry.inject(unrelated),
                None if spin.spin_once() || spin.begin_spell() => {}
                None => {
                    local.merge(shared);
                    if base.begin_park() {
                        let is_due = || local.is_done(shared) || base.has_remote_children();
                        let waits = Waits { cause: Cause::Scope, at: Some(at), scope: Some(scope) };
                        self.park_until(waits, || fresh_id(Domain::Scope), is_due);
                    }
                }
            }
        }
        mem::forget(guard);
    }

    /// Parks inside a job, which waits for a stolen half of a `join`, or for the children of a scope. The
    /// thread that makes `is_done` true unparks this worker afterwards.
    fn park_until(&self, waits: Waits, resource: impl FnOnce() -> Id, is_done: impl Fn() -> bool) {
        let Waits { cause, at, scope } = waits;
        self.registry.end_copy_of_worker();
        self.stats().count_park();
        let blocks = scope.filter(|_| on()).map(|scope| {
            observe::registered(Waker::noop(), scope.addr().get());
            observe::blocking()
        });
        let site = at.filter(|_| on()).map_or(Site::NONE, Site::of);
        let wait = Wait::begin(resource, cause, site);
        drop(blocks);
        park(self.id);
        self.blocked();
        while !is_done() {
            thread::park();
        }
        self.awake_since.set(clock::now());
        self.unblocked();
        unpark(self.id);
        wait.end(cause);
    }
}

/// Runs `work`, which blocks outside the pool, and lets the pool use a spare thread meanwhile.
///
/// Use it around reads, locks and channels inside jobs. On a thread that belongs to no pool it only calls
/// `work`.
///
/// ```
/// let pool = brigade_pool::Pool::builder().threads(1).build()?;
/// let (send, receive) = std::sync::mpsc::channel();
/// let waits = pool.spawn(move || brigade_pool::blocking(|| receive.recv().unwrap()));
/// pool.spawn(move || send.send(7).unwrap()).join().unwrap();
/// assert_eq!(waits.join().unwrap(), 7);
/// # std::io::Result::Ok(())
/// ```
///
/// # Panics
///
/// Panics if `work` panics.
#[doc(alias = "block_in_place")]
#[track_caller]
pub fn blocking<R>(work: impl FnOnce() -> R) -> R {
    blocking_at(work, Location::caller())
}

/// Does what [`blocking`] does, for a call at this place.
pub(crate) fn blocking_at<R>(work: impl FnOnce() -> R, at: &'static Location<'static>) -> R {
    /// Goes on with the job even if `work` panics.
    struct Unblock;
    impl Drop for Unblock {
        fn drop(&mut self) {
            at_worker(Worker::unblocked);
        }
    }
    let wait = Wait::begin(brigade_trace::own_id, Cause::Unknown, Site::of(at));
    at_worker(Worker::blocked);
    let unblock = Unblock;
    let result = work();
    drop(unblock);
    wait.end(Cause::Unknown);
    result
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    };

    #[test]
    fn an_exit_hook_may_block_while_all_other_workers_do() {
        let (leaves, left) = mpsc::channel();
        let hook = move |_| {
            struct Leaves<'a>(&'a mpsc::Sender<bool>);
            impl Drop for Leaves<'_> {
                fn drop(&mut self) {
                    self.0.send(thread::panicking()).expect("the test is still there");
                }
            }
            let _leaves = Leaves(&leaves);
            blocking(|| ());
        };
        let pool = crate::Pool::builder().threads(1).on_exit(hook).build().unwrap();
        let wait = |receive: mpsc::Receiver<()>| move || blocking(|| receive.recv().unwrap());
        // After a worker has blocked, it and its spare thread are one too many.
        let (go, gate) = mpsc::channel();
        let blocked = pool.spawn(wait(gate));
        pool.spawn(move || go.send(()).unwrap()).join().unwrap();
        blocked.join().unwrap();
        let is_surplus_gone = || {
            let roster = pool.registry.roster();
            roster.total == 1 || !roster.reserve.is_empty()
        };
        while !is_surplus_gone() {
            thread::yield_now();
        }
        let (go, gate) = mpsc::channel();
        let blocked = pool.spawn(wait(gate));
        // The surplus thread leaves the reserve and ends while the other one is blocked.
        let panicked = left.recv().unwrap();
        go.send(()).unwrap();
        blocked.join().unwrap();
        drop(pool);
        assert!(!panicked);
    }

    #[test]
    fn a_wait_inside_a_job_restarts_the_time_awake() {
        let pool = crate::Pool::builder().threads(2).build().unwrap();
        let awake_since = || current::with(|worker| worker.map(Worker::awake_since)).unwrap();
        let (before, after) = pool.install(|| {
            let begun = AtomicBool::new(false);
            let before = awake_since();
            pool.scope(|scope| {
                scope.spawn(|_| {
                    begun.store(true, Ordering::Relaxed);
                    // The owner does not count as active from when it parks until it goes on.
                    while pool.registry.roster().blocked() == 0 {
                        thread::yield_now();
                    }
                });
                while !begun.load(Ordering::Relaxed) {
                    thread::yield_now();
                }
            });
            (before, awake_since())
        });
        assert!(before < after);
    }
}
