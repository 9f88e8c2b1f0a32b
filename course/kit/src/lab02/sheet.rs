//! Lab 2 as data: points, hints, questions, the incident.

use crate::{Case, Hint, Incident, Lab, Question, Stuck, lab::test};
use brigade_explore::runtime::{Runtime, spawn, yield_now};
use std::{
    future::{Future, poll_fn},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Poll, Waker},
};

const LOST: Stuck = Stuck { rule: "lost-wake", expected: "a task that is woken is polled again" };
const NEVER: Stuck = Stuck { rule: "no-end", expected: "run returns when all tasks have ended" };

/// The lab.
pub static LAB: Lab = Lab {
    number: 2,
    slug: "run-queue",
    title: "a task and a run queue",
    tests: &[
        test("ready", 10, 1, NEVER, "runs each task, and returns when all have ended"),
        test("in-order", 10, 1, LOST, "runs tasks in the order in which they were woken"),
        test("wakes-itself", 10, 1, LOST, "runs a task again if it is woken while it runs, once"),
        test("woken-in-the-queue", 10, 1, LOST, "keeps at most one entry of a task in the queue"),
        test("woken-later", 10, 50, LOST, "sleeps until a task is woken, and polls that one alone"),
        test("spawned-later", 5, 200, LOST, "is woken by a spawn of another thread"),
        test("every-interleaving", 15, 300, LOST, "loses no wake-up, whenever it comes"),
        test("kept-waker", 5, 1, NEVER, "drops a future at its end, and ignores wake-ups that come later"),
        test("cancel", 10, 1, NEVER, "drops the future of a cancelled task at once"),
        test("cancels-itself", 5, 1, NEVER, "lets a task cancel itself while it is polled"),
        test("cancelled-at-any-time", 5, 300, NEVER, "lets another thread cancel a task at any time"),
        test("destructor", 5, 1, NEVER, "lets the destructor of a future wake and spawn"),
    ],
    hints: HINTS,
    questions: &[
        Question { ask: ask_turns, run: run_turns, why: TURNS },
        Question { ask: ask_rounds, run: run_rounds, why: ROUNDS },
        Question { ask: ask_cancelled, run: run_cancelled, why: CANCELLED },
    ],
    incident: Incident {
        story: "Two cooks wait for loaves. The baker brings two, and rings twice. The bell has one flag, like the \
                flag of a task: a second ring while it is up changes nothing. One cook takes a loaf, and the other \
                one waits for a ring that has been. Two wake-ups of one task may become one, because one poll sees \
                all the news. Two wake-ups for two waiters may not.",
        bug: "merged-notify",
    },
};

const HINTS: &[Hint] = &[
    Hint {
        rule: "over-poll",
        levels: [
            "How did this task come into the queue a second time, or who polled it without looking there?",
            "A wake-up of a task that is in the queue already changes nothing. A wake-up of one task concerns \
             no other.",
            "Give the task a flag \"is in the queue\". `wake` swaps it to true, and pushes the task only if it was \
             false.",
        ],
    },
    Hint {
        rule: "lost-wake",
        levels: [
            "Where was the task when its waker was called: waiting, in the queue, or in the middle of a poll?",
            "A wake-up during a poll must lead to one more poll, and one that comes to a sleeping `run` must end \
             the sleep.",
            "Clear the flag \"is in the queue\" before the poll, never after it. Push under the lock of the \
             queue, then notify.",
        ],
    },
    Hint {
        rule: "no-end",
        levels: [
            "What does the thread wait for, and who would have to tell it that this will never come?",
            "The end of a task is news for a sleeping `run`, also if another thread cancels it. And a lock that \
             is held while code of the future runs may be asked for by that code.",
            "Count the tasks that have not ended. Whoever ends one counts down and notifies. Drop and poll a \
             future only after your locks are free.",
        ],
    },
    Hint {
        rule: "early",
        levels: [
            "What does an empty queue say about the tasks that wait?",
            "`run` may return when the last task has ended and its future is dropped, and no earlier.",
            "Count tasks up in `spawn`, and down after the drop of their futures. Return when the count is 0.",
        ],
    },
    Hint {
        rule: "order",
        levels: [
            "At which end do tasks enter your queue, and at which end do they leave it?",
            "A queue is fair if the task that was woken first runs first.",
            "Use `push_back` and `pop_front` of a `VecDeque`.",
        ],
    },
    Hint {
        rule: "drop",
        levels: [
            "Who owns the future after its last poll?",
            "A kept waker keeps the task, but it must not keep the future.",
            "Take the future out of the task before you poll it. Put it back only if it is pending and the task \
             was not cancelled meanwhile.",
        ],
    },
    Hint {
        rule: "cancel",
        levels: [
            "Where is the future when `cancel` returns?",
            "A cancelled task that waits has nobody who would drop it later: `cancel` must do so itself.",
            "Take the future out of the task in `cancel`, and drop it there. If it is being polled, leave a mark \
             that the end of the poll looks at.",
        ],
    },
];

/// Runs a future on the runtime of Brigade, on one thread.
fn on_brigade<F: Future>(future: F) -> F::Output {
    let builder = Runtime::builder().current_thread();
    builder.build().expect("the system gives descriptors").block_on(future)
}

const TURNS: &str =
    "The queue is first in, first out. A task that yields goes to its end, so the tasks take turns.";

/// The tasks, the turns of each, and the turn that is asked for.
fn turns(case: &mut Case) -> (u64, u64, u64) {
    let (tasks, rounds) = (case.number(2, 5), case.number(2, 4));
    (tasks, rounds, case.number(1, tasks * rounds))
}

fn ask_turns(case: &mut Case) -> String {
    let (tasks, rounds, turn) = turns(case);
    format!(
        "Tasks 1 to {tasks} are spawned in this order. Each one writes its number and yields, {rounds} times. \
         Which number stands in place {turn} of what is written?"
    )
}

fn run_turns(case: &mut Case) -> u64 {
    let (tasks, rounds, turn) = turns(case);
    let written = Arc::new(Mutex::new(Vec::new()));
    on_brigade(async {
        let handles: Vec<_> = (1..=tasks)
            .map(|number| {
                let written = written.clone();
                spawn(async move {
                    for _ in 0..rounds {
                        written.lock().unwrap_or_else(PoisonError::into_inner).push(number);
                        yield_now().await;
                    }
                })
            })
            .collect();
        for handle in handles {
            handle.await.expect("the task does not panic");
        }
    });
    let written = written.lock().unwrap_or_else(PoisonError::into_inner);
    written[turn as usize - 1]
}

const ROUNDS: &str = "The first poll needs no wake-up. After that, all wake-ups that come before a poll lead to that one \
                      poll: the task is in the queue already.";

fn rounds(case: &mut Case) -> (u64, u64) {
    (case.number(2, 9), case.number(2, 9))
}

fn ask_rounds(case: &mut Case) -> String {
    let (rounds, wakes) = rounds(case);
    format!(
        "A task waits. In each of {rounds} rounds, another task of the same thread wakes it {wakes} times and then \
         yields. How often is the first task polled, from its spawn to its last wake-up?"
    )
}

fn run_rounds(case: &mut Case) -> u64 {
    let (rounds, wakes) = rounds(case);
    let polls = Arc::new(AtomicU64::new(0));
    let kept = Arc::new(Mutex::new(None::<Waker>));
    on_brigade(async {
        let (counted, place) = (polls.clone(), kept.clone());
        let waits = spawn(poll_fn(move |context| {
            counted.fetch_add(1, Relaxed);
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
            Poll::<()>::Pending
        }));
        yield_now().await;
        for _ in 0..rounds {
            for _ in 0..wakes {
                let waker = kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
                waker.expect("the task has been polled").wake();
            }
            yield_now().await;
        }
        waits.cancel();
    });
    polls.load(Relaxed)
}

const CANCELLED: &str =
    "The entry of a cancelled task may stay in the queue, but there is no future to poll behind it.";

fn cancelled(case: &mut Case) -> (u64, u64) {
    let tasks = case.number(3, 9);
    (tasks, case.number(1, tasks - 1))
}

fn ask_cancelled(case: &mut Case) -> String {
    let (tasks, cancelled) = cancelled(case);
    format!(
        "A task spawns {tasks} others and cancels {cancelled} of them at once, before it yields. Each of them is \
         ready at its first poll. How many polls of them are there?"
    )
}

fn run_cancelled(case: &mut Case) -> u64 {
    let (tasks, cancelled) = cancelled(case);
    let polls = Arc::new(AtomicU64::new(0));
    on_brigade(async {
        let handles: Vec<_> = (0..tasks)
            .map(|_| {
                let polls = polls.clone();
                spawn(async move {
                    polls.fetch_add(1, Relaxed);
                })
            })
            .collect();
        handles.iter().take(cancelled as usize).for_each(|handle| handle.cancel());
        for handle in handles {
            // The cancelled ones end with an error.
            let _ = handle.await;
        }
    });
    polls.load(Relaxed)
}
