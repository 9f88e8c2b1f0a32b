//! Lab 11 as data: points, hints, questions, the incident.

use crate::{Hint, Incident, Lab, Question, Stuck, Test};
use brigade_explore::runtime::{Runtime, try_task_group};
use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

const NEVER: Stuck =
    Stuck { rule: "never-ends", expected: "run returns when the body and all children have ended" };

const fn test(name: &'static str, points: u32, schedules: u64, about: &'static str) -> Test {
    Test { name, about, points, schedules, stuck: NEVER }
}

/// The lab.
pub static LAB: Lab = Lab {
    number: 11,
    slug: "groups",
    title: "cancellation and shutdown",
    tests: &[
        test("waits", 15, 1, "waits for its body and for all children"),
        test("error", 15, 1, "cancels all others at the first error, and returns it"),
        test("panic", 10, 1, "catches a panic of a child, and treats it like an error"),
        test("body", 10, 1, "cancels all children if the body fails"),
        test("cancel", 10, 1, "drops all that is there when it is cancelled, and refuses what comes later"),
        test("dropped", 5, 1, "cancels everything if its future is dropped"),
        test("destructor-panics", 5, 1, "runs all destructors, although one of them panics"),
        test("executor-ends", 10, 1, "ends if the executor drops its tasks"),
        test("every-interleaving", 10, 300, "ends after its children, whenever one of them fails"),
        test("spawn-race", 10, 300, "loses no child that is spawned while another one fails"),
    ],
    hints: HINTS,
    questions: &[
        Question {
            ask: |case| {
                let (children, failing) = (case.number(4, 9), case.number(1, 3));
                format!(
                    "A group on one thread has {children} children, which are polled in their order. All wait for \
                     ever, but for number {failing}, which returns an error at its first poll. How many of the \
                     {children} are polled at all?"
                )
            },
            run: |case| count(case.number(4, 9), case.number(1, 3)).0,
            why: "The first failure closes the group. A child that has not begun by then never begins.",
        },
        Question {
            ask: |case| {
                let (children, failing) = (case.number(4, 9), case.number(1, 3));
                format!(
                    "In the same group of {children} children, of which number {failing} fails, each child owns a \
                     value with a destructor. How many of these destructors have run when the group returns?"
                )
            },
            run: |case| count(case.number(4, 9), case.number(1, 3)).1,
            why: "A child that never begins is dropped like the others. Everything that it owns is dropped with it, \
                  and the group waits for that.",
        },
    ],
    incident: Incident {
        story: "Each guest of the sauna takes the one key, and hangs it on its hook when he leaves. One guest was called \
                away by telephone while he was inside, and left by the back door. He had done nothing wrong: he just \
                did not come past the hook.",
        bug: "permit-leak",
    },
};

/// Adds one when it is dropped.
struct CountsDrop(Arc<AtomicU64>);

impl Drop for CountsDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Runs the group of the questions. Returns how many children were polled, and how many were dropped.
fn count(children: u64, failing: u64) -> (u64, u64) {
    let (polls, drops) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let builder = Runtime::builder().current_thread();
    let runtime = builder.build().expect("the system gives descriptors");
    let (of_children, of_values) = (polls.clone(), drops.clone());
    let result: Result<(), &str> = runtime.block_on(try_task_group(async move |group| {
        for number in 1..=children {
            let (polls, value) = (of_children.clone(), CountsDrop(of_values.clone()));
            drop(group.try_spawn(async move {
                let _value = value;
                polls.fetch_add(1, SeqCst);
                if number == failing { Err("burnt") } else { pending::<Result<(), &str>>().await }
            }));
        }
        Ok(())
    }));
    assert!(result.is_err(), "one child fails");
    (polls.load(SeqCst), drops.load(SeqCst))
}

const HINTS: &[Hint] = &[
    Hint {
        rule: "outlives",
        levels: [
            "Which child was still there, and what did the group count at that time?",
            "A child counts until its future has been *dropped*. After the end, no other child may begin.",
            "Count a child in before you spawn its task. Drop it first and count it off second. Close the group at its end.",
        ],
    },
    Hint {
        rule: "never-ends",
        levels: [
            "Whom does the group wait for, and who should have called its waker?",
            "Each child leaves its waker in the group before it is polled. The close takes all of them, and calls them.",
            "Look at the count and store the waker of `run` under one lock. The last child takes that waker out.",
        ],
    },
    Hint {
        rule: "not-dropped",
        levels: [
            "Who owns that future, and who polls its task once more?",
            "A cancelled child is dropped by its own task, which must be woken for that. The body is dropped by `run`.",
            "In the `poll` of the task, look whether the group is closed. If it is, drop the child and return.",
        ],
    },
    Hint {
        rule: "panic-escapes",
        levels: [
            "Which call of foreign code has panicked: a poll, or a drop?",
            "Both polls and destructors are foreign code. Each may panic, and the group must survive that.",
            "Wrap each poll *and* each drop of the body or a child in `catch_unwind`.",
        ],
    },
    Hint {
        rule: "late-child",
        levels: [
            "When was this child spawned, and when did the group fail?",
            "A group that has failed begins nothing.",
            "In `spawn`, and again in the first `poll` of the task, look whether the group is closed.",
        ],
    },
    Hint {
        rule: "result",
        levels: [
            "Which failure came first, and which one is returned?",
            "The first failure is the cause of all that follows, so it is the result.",
            "Store a failure only if the group is not closed yet.",
        ],
    },
];
