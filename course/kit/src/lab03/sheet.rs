//! Lab 3 as data: points, hints, questions, the incident.

use crate::{Case, Hint, Incident, Lab, Question, Stuck, lab::test};
use brigade_explore::runtime::Runtime;
use std::{
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

const LOST: Stuck = Stuck { rule: "lost-wake", expected: "the handle is woken when its task ends" };
const LOCKED: Stuck = Stuck { rule: "locked", expected: "code of others runs while no lock is held" };

/// The lab.
pub static LAB: Lab = Lab {
    number: 3,
    slug: "join-handle",
    title: "a join handle",
    tests: &[
        test("result", 10, 1, LOST, "gives the output of a task that has ended"),
        test("waits", 10, 1, LOST, "wakes the waker of its last poll, once"),
        test("join", 10, 200, LOST, "lets a thread sleep until the task ends"),
        test("every-interleaving", 15, 300, LOST, "loses no wake-up, whenever the task ends"),
        test("panics", 15, 1, LOST, "delivers a panic, and the task ends without one"),
        test("panics-twice", 5, 1, LOST, "delivers a panic although a destructor panics, too"),
        test("detach", 10, 1, LOST, "goes on without its handle, and keeps nothing of it"),
        test("detached-at-any-time", 10, 300, LOST, "drops the output once, whichever side goes last"),
        test("dropped-task", 5, 50, LOST, "ends the wait for a task that is dropped"),
        test("woken-inline", 5, 1, LOCKED, "lets a waker poll the handle before it returns"),
        test("frees", 5, 1, LOST, "drops output, future and waker with the side that goes last"),
    ],
    hints: HINTS,
    questions: &[
        Question { ask: ask_detached, run: run_detached, why: DETACHED },
        Question { ask: ask_sum, run: run_sum, why: SUM },
    ],
    incident: Incident {
        story: "A guest complained that he was billed twice. The kitchen's answer and the timeout of the order had \
                both looked whether the order was still open, both had found that it was, and both had closed it. \
                A result has one place, and one of two sides may fill it. To look and to fill must be one step.",
        bug: "double-completion",
    },
};

const HINTS: &[Hint] = &[
    Hint {
        rule: "lost-wake",
        levels: [
            "Did the task end before the handle left its waker, or after it, or between its look and its entry?",
            "The handle looks for the result and leaves its waker in one step, and the task stores the result \
             and takes the waker in one step.",
            "Do both under the lock of the slot. Replace an old waker by that of the last poll. A task that is \
             dropped completes its slot, too.",
        ],
    },
    Hint {
        rule: "result",
        levels: [
            "Which state is the slot in when the handle looks, and who brought it there?",
            "The result is stored once, by the end of the task, and taken once, by the handle.",
            "In `complete`, go from `Waits` to `Done(result)`. In `poll` and `join`, go from `Done` to `Taken`.",
        ],
    },
    Hint {
        rule: "finished",
        levels: [
            "What does `is_finished` look at?",
            "A task has finished when its result is in the slot, whoever takes it later.",
            "Return whether the state is other than `Waits`.",
        ],
    },
    Hint {
        rule: "panic-leaves",
        levels: [
            "Who calls the task's `poll`, and what becomes of the other tasks of that thread after a panic?",
            "A panic of one future ends one task. The task itself ends as ready.",
            "Wrap the poll of the future, and its drop, in `catch_unwind(AssertUnwindSafe(|| …))`.",
        ],
    },
    Hint {
        rule: "panic-lost",
        levels: [
            "What does `catch_unwind` return, and where does that go?",
            "The payload of the first panic is the result of the task.",
            "Complete the slot with `Err(JoinError::Panicked(payload))`. Drop what a destructor's panic gives.",
        ],
    },
    Hint {
        rule: "future-first",
        levels: [
            "Which of the future's values are still alive when the handle has its result?",
            "A joiner may count on it that all that the task owned is free: a lock, a file, a permit.",
            "Drop the future after its last poll and before `complete`.",
        ],
    },
    Hint {
        rule: "detach",
        levels: [
            "Who would want the task to stop, if nobody has said so?",
            "Dropping a handle gives up the result, and not the work.",
            "Let `Drop` of the handle change the slot, and let the task look at the slot only at its end.",
        ],
    },
    Hint {
        rule: "output-kept",
        levels: [
            "Which side goes last in this run, and does it know that?",
            "The side that finds the other one gone drops the result: the task if it is detached, the handle if \
             the result is there.",
            "Keep a state `Detached`. `complete` drops its result if it finds that, and `Drop` of the handle takes \
             out what is there.",
        ],
    },
    Hint {
        rule: "waker-kept",
        levels: [
            "Where is the waker that the handle has left, and who will ever call it?",
            "A waker keeps a task of somebody else alive. A handle that goes takes its waker along, and the end of \
             the task takes it out.",
            "In `Drop` of the handle, replace the state by `Detached`, and drop what was there.",
        ],
    },
    Hint {
        rule: "locked",
        levels: [
            "Which lock does this thread hold when it calls the waker?",
            "A waker is code of others. It may poll the handle before it returns, and that takes the lock.",
            "Take the waker out, drop the guard, and only then call `wake`.",
        ],
    },
    Hint {
        rule: "cancelled",
        levels: [
            "What does the slot hold after the task was dropped in the middle?",
            "A task that is dropped has a result, too: `Cancelled`.",
            "Implement `Drop` for the task: if its future is still there, drop it, and complete the slot.",
        ],
    },
];

const DETACHED: &str = "Dropping a handle detaches its task: nobody takes the output, and the work goes on. To end a \
                        task, cancel it.";

fn detached(case: &mut Case) -> (u64, u64) {
    let tasks = case.number(3, 9);
    (tasks, case.number(1, tasks - 1))
}

fn ask_detached(case: &mut Case) -> String {
    let (tasks, dropped) = detached(case);
    format!(
        "A program spawns {tasks} tasks, drops the handles of {dropped} of them at once, and keeps the others. \
         Then it shuts the runtime down, which lets tasks end. How many tasks come to their last line?"
    )
}

fn runtime() -> Runtime {
    Runtime::builder().current_thread().build().expect("the system gives descriptors")
}

fn run_detached(case: &mut Case) -> u64 {
    let (tasks, dropped) = detached(case);
    let (runtime, ended) = (runtime(), Arc::new(AtomicU64::new(0)));
    let mut handles: Vec<_> = (0..tasks)
        .map(|_| {
            let ended = ended.clone();
            runtime.spawn(async move {
                ended.fetch_add(1, Relaxed);
            })
        })
        .collect();
    handles.drain(..dropped as usize).for_each(drop);
    runtime.shutdown();
    ended.load(Relaxed)
}

const SUM: &str = "A panic is the result of its own task and of no other. The thread that ran it goes on with the next \
                   task.";

fn sum(case: &mut Case) -> (u64, u64) {
    (case.number(4, 9), case.number(2, 3))
}

fn ask_sum(case: &mut Case) -> String {
    let (tasks, step) = sum(case);
    format!(
        "Tasks 1 to {tasks} run on one thread. Each one returns its number, but those with a number that {step} \
         divides panic. What is the sum of the outputs that their handles give?"
    )
}

fn run_sum(case: &mut Case) -> u64 {
    let (tasks, step) = sum(case);
    runtime().block_on(async {
        let handles: Vec<_> = (1..=tasks)
            .map(|number| {
                brigade_explore::runtime::spawn(async move {
                    if number % step == 0 {
                        // A panic without a message on the terminal.
                        resume_unwind(Box::new(number));
                    }
                    number
                })
            })
            .collect();
        let mut sum = 0;
        for handle in handles {
            sum += handle.await.unwrap_or(0);
        }
        sum
    })
}
