//! Waiting inside a job: what a worker runs meanwhile, and how its pool hears that it is blocked.

use crate::{
    job::{AbortOnUnwind, remote::ScopeBase},
    join::stack_job::StackJobState,
    scope::count::{LocalCount, SharedCount},
    worker::{Worker, current, pass_on::pass_on, steal::AdaptiveSpin},
};
use brigade_handle::wait;
use brigade_trace::{Kind, clock};
use std::{mem, ptr::NonNull, thread};

/// What a joining worker calls around its sleep, through the policy of its thread.
static HOOKS: wait::Hooks =
    wait::Hooks { blocked: || at_worker(Worker::blocked), unblocked: || at_worker(Worker::unblocked) };

fn at_worker(f: fn(&Worker)) {
    current::with(|worker| worker.into_iter().for_each(f));
}

impl Worker {
    /// This worker is about to park inside its job. It may do so while it waits already: a [`blocking`] call may join a handle. That
    /// is one thread less to be replaced, not two, so only the outermost wait counts.
    pub(crate) fn blocked(&self) {
        if self.registry.is_forked() {
            return;
        }
        if self.waits.replace(self.waits.get() + 1) == 0 {
            self.registry.blocked();
        }
    }

    /// This worker goes on with its job.
    pub(crate) fn unblocked(&self) {
        if self.registry.is_forked() {
            return;
        }
        self.waits.set(self.waits.get() - 1);
        if self.waits.get() == 0 {
            self.registry.unblocked();
        }
    }

    /// Nobody stands in for this worker while it runs a hook: a spare thread would begin with the same start hook, and whoever runs its exit
    /// hook has left already.
    pub(crate) fn without_spare(&self, hook: impl FnOnce()) {
        self.waits.set(1);
        hook();
        self.waits.set(0);
    }
}

/// Has whatever waits on this thread use the hooks, until what is returned is dropped.
pub(crate) fn set_policy() -> wait::Restore {
    wait::set(wait::Policy::Help(&HOOKS))
}

impl Worker {
    /// Waits for a half that was stolen from this worker. What it runs meanwhile, and why: see `join.rs`.
    pub(crate) fn wait_for_stack_job(stack_job: &StackJobState) {
        current::with(|worker| worker.expect("only workers have stack jobs").wait_for(stack_job));
    }

    fn wait_for(&self, stack_job: &StackJobState) {
        self.registry.end_copy_of_worker();
        let guard = AbortOnUnwind;
        let mut spin = AdaptiveSpin::new(self);
        // Whether it was passed on and is out of the list again: run by us, or by somebody else.
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
                    self.park_until(|| stack_job.is_done() || !is_out && stack_job.is_passed_on());
                }
                // The thief has ended the half, and this may be of what it did next. It was offered before that if DONE is not seen now:
                // whoever takes it acquires all that came before the offer.
                Some(stranger) if stack_job.is_done() => pass_on(stranger, &self.registry),
                Some(work) => {
                    self.run_stolen(work);
                    spin = AdaptiveSpin::new(self);
                }
            }
        }
        mem::forget(guard);
    }

    /// Waits for the end of a scope that was opened on this worker. What it runs meanwhile, and why: see `scope.rs`.
    pub(crate) fn wait_for_scope(&self, base: &ScopeBase, local: &LocalCount, shared: &SharedCount) {
        let guard = AbortOnUnwind;
        let scope = NonNull::from(base);
        let mut spin = AdaptiveSpin::new(self);
        let mut steals = true;
        while !local.is_done(shared) {
            if let Some(child) = base.oldest_remote_child() {
                // Its ticket counts as the job.
                child.run();
                spin = AdaptiveSpin::new(self);
                continue;
            }
            let job = self.jobs.pop().or_else(|| self.steal_descendant(scope, &mut steals));
            match job {
                Some(job) if job.is_descendant_of(scope) => {
                    self.stats().count_job();
                    job.run();
                    spin = AdaptiveSpin::new(self);
                }
                // For a moment the stranger may stay where it is. Who looked for it just now did not see it, so it is announced
                // again.
                Some(stranger) if spin.spin_once() => self.registry.submit(stranger),
                Some(stranger) => self.registry.inject(stranger),
                None if spin.spin_once() || spin.begin_spell() => {}
                None => {
                    local.merge(shared);
                    if base.begin_park() {
                        self.park_until(|| local.is_done(shared) || base.has_remote_children());
                    }
                }
            }
        }
        mem::forget(guard);
    }

    /// Parks inside a job. Whoever makes `is_done` true unparks this worker's bed afterwards.
    fn park_until(&self, is_done: impl Fn() -> bool) {
        self.registry.end_copy_of_worker();
        self.stats().count_park();
        brigade_trace::record(Kind::Park, self.id, 0);
        self.blocked();
        while !is_done() {
            thread::park();
        }
        self.awake_since.set(clock::now());
        self.unblocked();
        brigade_trace::record(Kind::Unpark, self.id, 0);
    }
}

/// Runs `work`, which blocks outside of the pool, and lets the pool use a spare thread meanwhile.
///
/// For reads, locks and channels inside jobs. On a thread that belongs to no pool it only calls `work`.
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
/// If `work` does.
pub fn blocking<R>(work: impl FnOnce() -> R) -> R {
    /// Ends also when `work` panics.
    struct Unblock;
    impl Drop for Unblock {
        fn drop(&mut self) {
            at_worker(Worker::unblocked);
        }
    }
    at_worker(Worker::blocked);
    let _unblock = Unblock;
    work()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    };

    #[test]
    fn an_exit_hook_may_block_while_everybody_else_does() {
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
        // A worker that blocks and its spare are one too many afterwards.
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
        // It goes home from the reserve while the other one is blocked.
        let panicked = left.recv().unwrap();
        go.send(()).unwrap();
        blocked.join().unwrap();
        drop(pool);
        assert!(!panicked);
    }

    #[test]
    fn who_was_parked_inside_a_job_has_just_woken_up() {
        let pool = crate::Pool::builder().threads(2).build().unwrap();
        let awake_since = || current::with(|worker| worker.map(Worker::awake_since)).unwrap();
        let (before, after) = pool.install(|| {
            let begun = AtomicBool::new(false);
            let before = awake_since();
            pool.scope(|scope| {
                scope.spawn(|_| {
                    begun.store(true, Ordering::Relaxed);
                    // The owner is not counted as active from when it parks until it goes on.
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
