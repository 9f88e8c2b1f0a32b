//! Lab 1 as data: points, hints, questions, the incident.

use crate::{Hint, Incident, Lab, Question, Stuck, lab::test};
use brigade_explore::runtime::Runtime;
use std::{
    future::poll_fn,
    task::{Context, Poll, Waker},
};

const LOST: Stuck = Stuck { rule: "lost-wake", expected: "block_on polls the future again after a wake-up" };
const NEVER: Stuck = Stuck { rule: "lost-wake", expected: "block_on returns: the future is ready" };

/// The lab.
pub static LAB: Lab = Lab {
    number: 1,
    slug: "block-on",
    title: "block_on and a waker",
    tests: &[
        test("ready", 10, 1, NEVER, "returns the output of a future that is ready"),
        test("drops", 5, 1, NEVER, "drops the future before it returns"),
        test("wakes-itself", 15, 20, LOST, "polls again if the future is woken while it is polled"),
        test("woken-later", 15, 1, LOST, "sleeps until another thread wakes the future"),
        test("every-interleaving", 20, 1000, LOST, "loses no wake-up, whenever it comes"),
        test("token-taken", 10, 20, LOST, "remembers a wake-up although the future takes the park's token"),
        test("stray-unpark", 10, 20, LOST, "sleeps on if the thread is unparked for another reason"),
        test("two-at-once", 10, 200, LOST, "runs on two threads, and each wake-up finds its own future"),
        test("late-wake", 5, 400, LOST, "survives a waker that is called after the end"),
    ],
    hints: &[
        Hint {
            rule: "over-poll",
            levels: [
                "Which event made the last poll happen, if it was not a wake-up?",
                "A thread can go on for other reasons than its waker: a park and a wait may end for no reason.",
                "Keep a flag that only the waker sets. Sleep in a loop until it is set, clear it, then poll.",
            ],
        },
        Hint {
            rule: "lost-wake",
            levels: [
                "When did the wake-up come: before the poll returned, before the sleep, or during it?",
                "A wake-up must be remembered, also if nobody sleeps yet and whatever else the thread does.",
                "Set a flag in `wake` under the lock of the sleep. Clear the flag before each poll, never after it.",
            ],
        },
        Hint {
            rule: "output",
            levels: [
                "What does the match on the result of `poll` do with the value in `Poll::Ready`?",
                "`block_on` returns the output of the future, and nothing else.",
                "Write `Poll::Ready(output) => return output`.",
            ],
        },
        Hint {
            rule: "drop",
            levels: [
                "Who owns the future after `block_on` has returned?",
                "The future belongs to `block_on`, so it ends with the call.",
                "Pin the future on the stack with `pin!`; do not leak or keep it.",
            ],
        },
    ],
    questions: &[
        Question {
            ask: |case| {
                let wakes = case.number(2, 9);
                format!(
                    "A future calls its waker {wakes} times in its first poll and returns `Pending`. At its \
                     second poll it is ready. How often is it polled?"
                )
            },
            run: |case| {
                let wakes = case.number(2, 9);
                count_polls(move |context, polls| {
                    (0..wakes).for_each(|_| context.waker().wake_by_ref());
                    polls == 2
                })
            },
            why: "A waker sets a flag, and a flag that is set twice is set. Wake-ups are not counted.",
        },
        Question {
            ask: |case| {
                let polls = case.number(2, 9);
                format!(
                    "A future keeps a clone of its waker in each poll and wakes itself, until it is ready at its \
                     poll number {polls}. After `block_on` has returned, all clones are called. How often was \
                     the future polled in the end?"
                )
            },
            run: |case| {
                let last = case.number(2, 9);
                let (mut kept, mut seen) = (Vec::new(), 0);
                count_polls(|context, polls| {
                    seen = polls;
                    kept.push(context.waker().clone());
                    context.waker().wake_by_ref();
                    polls == last
                });
                kept.into_iter().for_each(Waker::wake);
                seen
            },
            why: "A waker may live longer than the call that made it. Then it wakes nobody: it sets a flag at \
                  which nobody looks any more.",
        },
    ],
    incident: Incident {
        story: "A gate opens once a day. Its guard looks whether it is open, writes his name into the list of \
                those to wake, and goes to sleep. One morning he slept until the next day: the gate had opened \
                after his look and before his entry.",
        bug: "lost-wake-up",
    },
};

/// Polls a future on the runtime of Brigade until `is_ready` says so, and counts the polls.
fn count_polls(mut is_ready: impl FnMut(&mut Context<'_>, u64) -> bool) -> u64 {
    let mut polls = 0;
    let builder = Runtime::builder().current_thread();
    let runtime = builder.build().expect("the system gives descriptors");
    runtime.block_on(poll_fn(|context| {
        polls += 1;
        if is_ready(context, polls) { Poll::Ready(()) } else { Poll::Pending }
    }));
    polls
}
