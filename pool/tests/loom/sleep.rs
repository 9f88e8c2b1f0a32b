//! Sleep: producers, searchers, sleepers and those that doze.

use super::{check, stack_jobs::push_and_attend};
use brigade_pool::model::{Deque, Queues, Searching, Sleep, Steal};
use loom::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};
use std::{sync::Arc, time::Duration};

/// One queue that holds a number of jobs, and a bell that nobody hears.
struct Jobs(AtomicUsize);

impl Queues for Jobs {
    fn have_work(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    fn ring(&self) {}
}

/// The sleep of some workers, and their queue.
struct Registry {
    sleep: Sleep,
    jobs: Jobs,
}

impl Registry {
    /// With the beds made ready that the model uses, and so many jobs queued.
    fn new(threads: usize, beds: usize, jobs: usize) -> Arc<Self> {
        let sleep = Sleep::new(threads, beds, || false);
        sleep.prepare(beds - 1);
        Arc::new(Self { sleep, jobs: Jobs(AtomicUsize::new(jobs)) })
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

    fn take(&self) -> bool {
        let one_less = |jobs: usize| jobs.checked_sub(1);
        self.jobs.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }

    /// A worker that takes one job, and sleeps until there is one. If a wake-up were lost, loom would report a deadlock.
    fn take_one(&self, index: usize) {
        self.sleep.occupy(index);
        self.sleep_until_one_is_taken(index, self.sleep.begin_search());
    }

    /// A worker that dozes before it sleeps, as one does whose thefts did not pay.
    fn take_one_dozing(&self, index: usize) {
        self.sleep.occupy(index);
        let searching = self.sleep.begin_search().map(|evidence| {
            let (Ok(evidence) | Err(evidence)) = self.sleep.doze(index, evidence, Duration::ZERO);
            evidence
        });
        self.sleep_until_one_is_taken(index, searching);
    }

    fn sleep_until_one_is_taken(&self, index: usize, mut searching: Option<Searching>) {
        while !self.take() {
            searching = Some(self.sleep.rest(index, searching, &self.jobs));
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
        // A worker that is not searching takes the job out of one queue and puts it into another, or back.
        if registry.take() {
            registry.push();
        }
        sleeper.join().unwrap();
    });
}

#[test]
fn who_dozes_sees_what_was_queued_meanwhile() {
    check(|| {
        // Of two threads, so that one of them may doze; the producer stands for the other.
        let registry = Registry::new(2, 1, 0);
        let worker = registry.start(0, Registry::take_one_dozing);
        registry.push();
        worker.join().unwrap();
    });
}

#[test]
fn who_dozes_may_be_woken_before_its_time() {
    check(|| {
        let registry = Registry::new(2, 1, 0);
        let worker = registry.start(0, Registry::take_one_dozing);
        registry.jobs.0.fetch_add(1, Ordering::Relaxed);
        registry.sleep.wake_all();
        worker.join().unwrap();
        assert!(!registry.sleep.wants_wake(), "nobody is counted as asleep who is not");
    });
}

/// A worker's halves, and nothing else.
struct Halves(Deque<u64>);

impl Queues for Halves {
    fn have_work(&self) -> bool {
        !self.0.looks_empty()
    }

    fn ring(&self) {
        self.0.ring();
    }
}

impl Halves {
    fn take(&self) -> bool {
        if self.0.accept_offer().is_some() {
            return true;
        }
        let stolen = self.0.steal();
        if stolen == Steal::Lost {
            // The owner is about to offer it: nobody sleeps over that, so it has to go on.
            thread::yield_now();
        }
        matches!(stolen, Steal::Taken(_))
    }
}

#[test]
fn a_sleeper_wakes_for_a_half() {
    check(|| {
        let shared = Arc::new((Sleep::new(2, 2, || false), Halves(Deque::new())));
        shared.0.prepare(1);
        let thief = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.0.occupy(1);
                let mut searching = shared.0.begin_search();
                while !shared.1.take() {
                    searching = Some(shared.0.rest(1, searching, &shared.1));
                }
                // The owner produces nothing more, so there is nobody to pass the duty on to.
                searching.is_some_and(|searching| shared.0.end_search(searching, &shared.1))
            })
        };
        _ = push_and_attend(shared.1.0.owner_in_model(), 1, || {
            if shared.0.wants_wake() {
                shared.0.wake_one();
            }
        });
        assert!(!thief.join().unwrap(), "there was one stack job");
    });
}

/// Mail for one worker, which others must not take.
struct Mail(AtomicUsize);

impl Queues for Mail {
    fn have_work(&self) -> bool {
        false
    }

    fn ring(&self) {}

    fn forbid_sleep(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

#[test]
fn a_sleeper_wakes_for_its_mail() {
    check(|| {
        let shared = Arc::new((Sleep::new(2, 2, || false), Mail(AtomicUsize::new(0))));
        shared.0.prepare(1);
        let worker = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.0.occupy(1);
                let mut searching = shared.0.begin_search();
                while shared.1.0.load(Ordering::Acquire) == 0 {
                    searching = Some(shared.0.rest(1, searching, &shared.1));
                }
            })
        };
        shared.1.0.store(1, Ordering::Release);
        shared.0.wake_these(&[1]);
        worker.join().unwrap();
    });
}
