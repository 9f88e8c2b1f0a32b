//! Lab 7 as data: points, hints, questions, the incident.

use crate::{Hint, Incident, Lab, Question, Stuck, lab::test};
use brigade_explore::{pool::Pool, runtime::sync::Notify};
use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Waker},
};

const PARKED: Stuck = Stuck { rule: "lost-wake", expected: "a park ends when there is a token" };
const QUEUED: Stuck = Stuck { rule: "lost-wake", expected: "a worker takes a job that is in the queue" };
const ENDED: Stuck = Stuck { rule: "panic", expected: "a worker outlives the panic of its job" };
const ASLEEP: Stuck = Stuck { rule: "shutdown", expected: "shutdown ends the workers, and returns" };

/// The lab.
pub static LAB: Lab = Lab {
    number: 7,
    slug: "thread-pool",
    title: "park, unpark and a thread pool",
    tests: &[
        test("token", 10, 20, PARKED, "its parker has one token, and sleeps without it"),
        test("park-and-unpark", 20, 600, PARKED, "its parker loses no unpark, whenever it comes"),
        test("runs", 10, 100, ASLEEP, "runs each job once"),
        test("rests", 10, 20, QUEUED, "lets its workers sleep while there is no job"),
        test("every-interleaving", 20, 700, QUEUED, "loses no job, whenever its worker falls asleep"),
        test("both-work", 10, 200, QUEUED, "wakes a second worker for a second job"),
        test("drains", 10, 200, ASLEEP, "runs all jobs before shutdown returns"),
        test("closes", 5, 200, ASLEEP, "ends workers that sleep, and those that are about to"),
        test("panics", 5, 1, ENDED, "keeps its worker if a job panics"),
    ],
    hints: &[
        Hint {
            rule: "token",
            levels: [
                "Which line made this park return, and was there a token at that moment?",
                "A wait on a condition variable may end for no reason, and two tokens are one.",
                "Keep a `bool` under the lock: `unpark` sets it, `park` waits `while !*token` and clears it.",
            ],
        },
        Hint {
            rule: "lost-wake",
            levels: [
                "What did the sleeper look at last before it slept, and what came after that look?",
                "A worker says that it is idle, and then it must look at the queue once more. An unpark must leave a \
                 token, also if nobody sleeps yet.",
                "Worker: enter the idle list, look again, park. Spawner: push, take one worker out of the idle list, \
                 unpark it.",
            ],
        },
        Hint {
            rule: "over-look",
            levels: [
                "Which line ended the sleep of this worker, although no job had come?",
                "A worker sleeps without a deadline, and a spawn wakes one worker, not all.",
                "Use `park` in place of a timeout, and take one entry out of the idle list for each push.",
            ],
        },
        Hint {
            rule: "once",
            levels: [
                "Which two lines can run the same job, or drop it without running it?",
                "A job that `pop` has returned is yours: nobody else will run it.",
                "If the second look finds a job, run it before you go on.",
            ],
        },
        Hint {
            rule: "shutdown",
            levels: [
                "When did each worker look at the flag of the shutdown, and when into the queue?",
                "A worker that reads the flag after its look may miss a job that came between the two. A worker that \
                 sleeps does not read it at all.",
                "Read the flag, then look into the queue, and end only if the flag was set and the queue empty. \
                 `shutdown` sets the flag, unparks all workers, and joins them.",
            ],
        },
        Hint {
            rule: "panic",
            levels: [
                "Which thread did the panic of the job end?",
                "A job is foreign code. Its panic must not end the worker.",
                "Call `catch_unwind(AssertUnwindSafe(|| job.run()))`, and drop its result.",
            ],
        },
    ],
    questions: &[
        Question {
            ask: |case| {
                let calls = case.number(2, 9);
                format!(
                    "A `Notify` of Brigade is the token of this lab, for tasks. `notify_one` is called {calls} times \
                     while nobody waits. Then one `notified()` after the other is polled once. How many of them are \
                     ready?"
                )
            },
            run: |case| {
                let notify = Notify::new();
                (0..case.number(2, 9)).for_each(|_| notify.notify_one());
                let is_ready =
                    || pin!(notify.notified()).poll(&mut Context::from_waker(Waker::noop())).is_ready();
                (0..10).filter(|_| is_ready()).count() as u64
            },
            why: "There is one token. A token that is set twice is set.",
        },
        Question {
            ask: |case| {
                let (threads, jobs) = (case.number(1, 4), case.number(5, 50));
                format!(
                    "A pool of {threads} threads gets {jobs} jobs, the first of which panics, and is shut down at \
                     once. Each other job counts one. What is the count when `shutdown` returns?"
                )
            },
            run: |case| {
                let (threads, jobs) = (case.number(1, 4), case.number(5, 50));
                let pool = Pool::builder().threads(threads as usize).on_panic(|_| ()).build();
                let pool = pool.expect("the system gives threads");
                let count = Arc::new(AtomicU64::new(0));
                pool.spawn_detached(|| panic!("the soup boils over"));
                for _ in 1..jobs {
                    let count = count.clone();
                    // Relaxed: the end of the threads orders the rest.
                    pool.spawn_detached(move || _ = count.fetch_add(1, Relaxed));
                }
                pool.shutdown();
                count.load(Relaxed)
            },
            why: "A job that was accepted is run, also by a pool that closes; and a panic costs one job, not a \
                  worker.",
        },
    ],
    incident: Incident {
        story: "Two cooks wait for orders at one bell. Two orders came in while both still washed their hands, and \
                the waiter rang twice. The bell remembers that it was rung, not how often. One cook found it ringing, \
                silenced it and took an order; the other one waits to this day, beside an order that nobody cooks.",
        bug: "merged-notify",
    },
};
