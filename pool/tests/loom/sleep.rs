//! Sleep: producers, searchers, sleepers and those that doze.

use super::{check, halves::push_and_attend};
use brigade_pool::model::{Deque, Queues, Sleep, Steal};
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

impl Jobs {
    fn push(&self, sleep: &Sleep) {
        self.0.fetch_add(1, Ordering::Relaxed);
        if sleep.wants_wake() {
            sleep.wake_one();
        }
    }

    fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |jobs| jobs.checked_sub(1)).is_ok()
    }
}

/// A worker that takes one job, and sleeps until there is one. If a wake-up were lost, loom would report a deadlock.
fn take_one(sleep: &Sleep, index: usize, jobs: &Jobs) {
    sleep.occupy(index);
    let mut searching = sleep.begin_search();
    while !jobs.take() {
        searching = Some(sleep.rest(index, searching, jobs));
    }
    if let Some(searching) = searching {
        if sleep.end_search(searching, jobs) {
            sleep.wake_one();
        }
    }
}

#[test]
fn a_sleeper_wakes_for_a_job() {
    check(|| {
        let shared = Arc::new((Sleep::new(1, 1), Jobs(AtomicUsize::new(0))));
        shared.0.prepare(0);
        let worker = {
            let shared = shared.clone();
            thread::spawn(move || take_one(&shared.0, 0, &shared.1))
        };
        shared.1.push(&shared.0);
        worker.join().unwrap();
    });
}

#[test]
fn a_searcher_that_finds_work_passes_its_duty_on() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(|| {
        let shared = Arc::new((Sleep::new(2, 2), Jobs(AtomicUsize::new(0))));
        shared.0.prepare(1);
        let workers = [0, 1].map(|index| {
            let shared = shared.clone();
            thread::spawn(move || take_one(&shared.0, index, &shared.1))
        });
        shared.1.push(&shared.0);
        shared.1.push(&shared.0);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
}

#[test]
fn a_job_that_changes_its_queue_wakes_a_sleeper() {
    check(|| {
        let shared = Arc::new((Sleep::new(2, 2), Jobs(AtomicUsize::new(1))));
        shared.0.prepare(1);
        let sleeper = {
            let shared = shared.clone();
            thread::spawn(move || take_one(&shared.0, 1, &shared.1))
        };
        // A worker that is not searching takes the job out of one queue and puts it into another, or back.
        if shared.1.take() {
            shared.1.push(&shared.0);
        }
        sleeper.join().unwrap();
    });
}

/// A worker that dozes before it sleeps, as one does whose thefts did not pay.
fn take_one_dozing(sleep: &Sleep, index: usize, jobs: &Jobs) {
    sleep.occupy(index);
    let mut searching = sleep.begin_search();
    if let Some(evidence) = searching.take() {
        let (Ok(evidence) | Err(evidence)) = sleep.doze(index, evidence, Duration::ZERO);
        searching = Some(evidence);
    }
    while !jobs.take() {
        searching = Some(sleep.rest(index, searching, jobs));
    }
    if let Some(searching) = searching {
        if sleep.end_search(searching, jobs) {
            sleep.wake_one();
        }
    }
}

#[test]
fn who_dozes_sees_what_was_queued_meanwhile() {
    check(|| {
        // Of two threads, so that one of them may doze; the producer stands for the other.
        let shared = Arc::new((Sleep::new(2, 1), Jobs(AtomicUsize::new(0))));
        shared.0.prepare(0);
        let worker = {
            let shared = shared.clone();
            thread::spawn(move || take_one_dozing(&shared.0, 0, &shared.1))
        };
        shared.1.push(&shared.0);
        worker.join().unwrap();
    });
}

#[test]
fn who_dozes_may_be_woken_before_its_time() {
    check(|| {
        let shared = Arc::new((Sleep::new(2, 1), Jobs(AtomicUsize::new(0))));
        shared.0.prepare(0);
        let worker = {
            let shared = shared.clone();
            thread::spawn(move || take_one_dozing(&shared.0, 0, &shared.1))
        };
        shared.1.0.fetch_add(1, Ordering::Relaxed);
        shared.0.wake_all();
        worker.join().unwrap();
        assert!(!shared.0.wants_wake(), "nobody is counted as asleep who is not");
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
        if self.0.accept().is_some() {
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
        let shared = Arc::new((Sleep::new(2, 2), Halves(Deque::new())));
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
        assert!(!thief.join().unwrap(), "there was one half");
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
        let shared = Arc::new((Sleep::new(2, 2), Mail(AtomicUsize::new(0))));
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
