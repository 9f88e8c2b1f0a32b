//! The sleep protocol: producers, searchers, sleepers and dozers.

use super::{check, stack_jobs::push_and_respond};
use brigade_pool::model::{Deque, Queues, Searching, Sleep, Steal};
use loom::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};
use std::{sync::Arc, time::Duration};

/// A queue that holds a number of jobs. It has no owners to notify.
struct Jobs(AtomicUsize);

impl Queues for Jobs {
    fn have_work(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    fn notify_owners(&self) {}
}

/// The sleep protocol of some workers, and their queue.
struct Registry {
    sleep: Sleep,
    jobs: Jobs,
    /// Whether the first job has spawned the second one.
    has_spawned: AtomicBool,
}

impl Registry {
    /// Announces all `slots` and queues `jobs` jobs.
    fn new(threads: usize, slots: usize, jobs: usize) -> Arc<Self> {
        let sleep = Sleep::new(threads, slots, || false);
        sleep.announce(slots - 1);
        Arc::new(Self { sleep, jobs: Jobs(AtomicUsize::new(jobs)), has_spawned: AtomicBool::new(false) })
    }

    fn start(self: &Arc<Self>, index: usize, life: fn(&Self, usize)) -> thread::JoinHandle<()> {
        let registry = self.clone();
        thread::spawn(move || life(&registry, index))
    }

    fn push(&self) {
        self.jobs.0.fetch_add(1, Ordering::Relaxed);
        if self.sleep.wants_wake() {
            self.sleep.wake_one();
        }
    }

    /// Queues a job from outside the pool.
    fn push_from_outside(&self) {
        self.jobs.0.fetch_add(1, Ordering::Relaxed);
        if self.sleep.wants_wake_from_outside() {
            self.sleep.wake_one();
        }
    }

    fn take(&self) -> bool {
        let one_less = |jobs: usize| jobs.checked_sub(1);
        self.jobs.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }

    /// A worker that takes one job, and sleeps until there is one. Loom reports a lost wake-up as a deadlock.
    fn take_one(&self, index: usize) {
        _ = self.sleep.begin(index);
        self.sleep_until_one_is_taken(index, self.sleep.begin_search());
    }

    /// A worker that was announced asleep, and so begins with the evidence of its waker.
    fn take_one_woken(&self, index: usize) {
        let searching = self.sleep.begin(index);
        self.sleep_until_one_is_taken(index, Some(searching));
    }

    /// A worker that dozes before it sleeps, as a worker does when its steals did not pay.
    fn take_one_dozing(&self, index: usize) {
        _ = self.sleep.begin(index);
        let searching = self.sleep.begin_search().map(|evidence| {
            let (Ok(evidence) | Err(evidence)) = self.sleep.doze(index, evidence, Duration::ZERO);
            evidence
        });
        self.sleep_until_one_is_taken(index, searching);
    }

    /// A worker that takes one job. The first job spawns the second one.
    fn take_one_that_spawns(&self, index: usize) {
        self.take_one(index);
        if !self.has_spawned.swap(true, Ordering::Relaxed) {
            self.push();
        }
    }

    /// Like [`take_one_that_spawns`](Self::take_one_that_spawns), but it was announced asleep.
    fn take_one_that_spawns_woken(&self, index: usize) {
        self.take_one_woken(index);
        if !self.has_spawned.swap(true, Ordering::Relaxed) {
            self.push();
        }
    }

    fn sleep_until_one_is_taken(&self, index: usize, mut searching: Option<Searching>) {
        while !self.take() {
            searching = Some(self.sleep.fall_asleep(index, searching, &self.jobs));
        }
        if let Some(searching) = searching
            && self.sleep.end_search(searching, &self.jobs)
        {
            self.sleep.wake_one();
        }
    }
}

#[test]
fn a_sleeper_wakes_for_a_job() {
    check(|| {
        let registry = Registry::new(1, 1, 0);
        let worker = registry.start(0, Registry::take_one);
        registry.push();
        worker.join().unwrap();
    });
}

#[test]
fn a_worker_that_starts_asleep_wakes_for_a_job() {
    check(|| {
        let registry = Registry::new(2, 2, 0);
        [0, 1].into_iter().for_each(|index| registry.sleep.announce_asleep(index));
        // The jobs may come before the threads have begun.
        let workers = [0, 1].map(|index| registry.start(index, Registry::take_one_woken));
        registry.push();
        registry.push();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        assert!(!registry.sleep.wants_wake(), "nobody is counted as asleep who is not");
    });
}

#[test]
fn the_last_worker_to_fall_asleep_wakes_for_what_a_woken_one_spawns() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let registry = Registry::new(2, 2, 0);
        registry.sleep.announce_asleep(0);
        let sleeper = registry.start(0, Registry::take_one_that_spawns_woken);
        // This one falls asleep as the last one, or with a fellow that was woken meanwhile.
        let last = registry.start(1, Registry::take_one_that_spawns);
        registry.push_from_outside();
        sleeper.join().unwrap();
        last.join().unwrap();
    });
}

#[test]
fn a_searcher_that_finds_work_passes_its_duty_on() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let registry = Registry::new(2, 2, 0);
        let workers = [0, 1].map(|index| registry.start(index, Registry::take_one));
        registry.push();
        registry.push();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
}

#[test]
fn a_job_that_changes_its_queue_wakes_a_sleeper() {
    check(|| {
        let registry = Registry::new(2, 2, 1);
        let sleeper = registry.start(1, Registry::take_one);
        // A worker that is not searching takes the job out of one queue, and puts it into another or back.
        if registry.take() {
            registry.push();
        }
        sleeper.join().unwrap();
    });
}

#[test]
fn a_dozing_worker_finds_a_job_that_was_queued_meanwhile() {
    check(|| {
        // The pool has two threads, so that one of them may doze. The producer stands for the other.
        let registry = Registry::new(2, 1, 0);
        let worker = registry.start(0, Registry::take_one_dozing);
        registry.push();
        worker.join().unwrap();
    });
}

#[test]
fn a_dozing_worker_may_be_woken_early() {
    check(|| {
        let registry = Registry::new(2, 1, 0);
        let worker = registry.start(0, Registry::take_one_dozing);
        registry.jobs.0.fetch_add(1, Ordering::Relaxed);
        registry.sleep.wake_all();
        worker.join().unwrap();
        assert!(!registry.sleep.wants_wake(), "nobody is counted as asleep who is not");
    });
}

/// A worker's deque of stack jobs, and nothing else.
struct StackJobs(Deque<u64>);

impl Queues for StackJobs {
    fn have_work(&self) -> bool {
        !self.0.looks_empty()
    }

    fn notify_owners(&self) {
        self.0.notify_owner();
    }
}

impl StackJobs {
    fn take(&self) -> bool {
        if self.0.accept_offer().is_some() {
            return true;
        }
        let stolen = self.0.steal();
        if stolen == Steal::Lost {
            // The owner is about to offer the entry. Loom must run the owner before this thread looks again.
            thread::yield_now();
        }
        matches!(stolen, Steal::Taken(_))
    }
}

#[test]
fn a_sleeper_wakes_for_a_stack_job() {
    check(|| {
        let shared = Arc::new((Sleep::new(2, 2, || false), StackJobs(Deque::new())));
        shared.0.announce(1);
        let thief = {
            let shared = shared.clone();
            thread::spawn(move || {
                _ = shared.0.begin(1);
                let mut searching = shared.0.begin_search();
                while !shared.1.take() {
                    searching = Some(shared.0.fall_asleep(1, searching, &shared.1));
                }
                // The owner produces nothing more, so nobody has to be woken for it.
                searching.is_some_and(|searching| shared.0.end_search(searching, &shared.1))
            })
        };
        _ = push_and_respond(shared.1.0.owner_in_model(), 1, || {
            if shared.0.wants_wake() {
                shared.0.wake_one();
            }
        });
        assert!(!thief.join().unwrap(), "there was one stack job");
    });
}

/// A mailbox of one worker. Other workers must not take what is in it.
struct Mailbox(AtomicUsize);

impl Queues for Mailbox {
    fn have_work(&self) -> bool {
        false
    }

    fn notify_owners(&self) {}

    fn forbid_sleep(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

#[test]
fn a_sleeper_wakes_for_a_message() {
    check(|| {
        let shared = Arc::new((Sleep::new(2, 2, || false), Mailbox(AtomicUsize::new(0))));
        shared.0.announce(1);
        let worker = {
            let shared = shared.clone();
            thread::spawn(move || {
                _ = shared.0.begin(1);
                let mut searching = shared.0.begin_search();
                while shared.1.0.load(Ordering::Acquire) == 0 {
                    searching = Some(shared.0.fall_asleep(1, searching, &shared.1));
                }
            })
        };
        shared.1.0.store(1, Ordering::Release);
        shared.0.wake_these(&[1]);
        worker.join().unwrap();
    });
}

/// A queue of a pool that ends, and its end.
#[derive(Default)]
struct Ending {
    jobs: AtomicUsize,
    draining: AtomicBool,
    ended: AtomicBool,
}

/// A pool of two workers that ends, with the protocol of `Registry::advance`.
struct EndingPool(Sleep, Ending);

impl Queues for EndingPool {
    fn have_work(&self) -> bool {
        self.1.jobs.load(Ordering::Relaxed) > 0
    }

    fn notify_owners(&self) {}

    fn forbid_sleep(&self) -> bool {
        self.have_work()
            || self.1.ended.load(Ordering::Acquire)
            || self.1.draining.load(Ordering::Acquire) && self.try_to_end()
    }
}

impl EndingPool {
    fn try_to_end(&self) -> bool {
        let ended = self.0.all_sleep(2) && !self.have_work();
        if ended {
            self.1.ended.store(true, Ordering::Release);
            self.0.wake_all();
        }
        ended
    }

    fn drain(&self) {
        self.1.draining.store(true, Ordering::Release);
        if !self.try_to_end() {
            brigade_pool::model::heavy();
            self.try_to_end();
        }
    }

    fn work(&self, index: usize) {
        let mut searching = Some(self.0.begin(index));
        while !self.1.ended.load(Ordering::Acquire) {
            let one_less = |jobs: usize| jobs.checked_sub(1);
            if self.1.jobs.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_err() {
                searching = Some(self.0.fall_asleep(index, searching, self));
            } else if searching.take().is_some_and(|searching| self.0.end_search(searching, self)) {
                self.0.wake_one();
            }
        }
    }
}

#[test]
fn the_last_worker_to_fall_asleep_ends_the_pool() {
    check(|| {
        let pool = Arc::new(EndingPool(Sleep::new(2, 2, || false), Ending::default()));
        // One worker sleeps from its start. The other one is awake.
        pool.0.announce_asleep(0);
        pool.0.announce(1);
        _ = pool.0.begin_search();
        let workers = [0, 1].map(|index| {
            let pool = pool.clone();
            thread::spawn(move || pool.work(index))
        });
        pool.drain();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        assert!(!pool.have_work());
    });
}
