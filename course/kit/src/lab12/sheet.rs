//! Lab 12 as data: points, hints, questions, the incident.

use crate::{Hint, Incident, Lab, Question, Stuck, Test};
use brigade_explore::{
    children::{ProcessPool, Reply},
    handle::{JoinError, Lost},
};

const WAITS: Stuck =
    Stuck { rule: "unanswered", expected: "each call is answered, and the shutdown returns" };

const fn test(name: &'static str, points: u32, schedules: u64, about: &'static str) -> Test {
    Test { name, about, points, schedules, stuck: WAITS }
}

/// The lab.
pub static LAB: Lab = Lab {
    number: 12,
    slug: "process-pool",
    title: "a process pool",
    tests: &[
        test("frames", 10, 1, "gets its frames back, however they are cut"),
        test("garbage", 15, 1, "finds each wrong bit, and waits for none"),
        test("calls", 10, 15, "answers calls, whatever a read or a write transfers"),
        test("every-interleaving", 10, 40, "answers each call once, on two children"),
        test("killed-while-idle", 10, 20, "replaces a child that has died with nothing to do"),
        test("killed-anywhere", 15, 80, "loses at most the call whose child was killed, at any step"),
        test("garbage-answer", 10, 20, "ends a child that answers with garbage"),
        test("shutdown", 10, 40, "answers what is queued, and reaps all children"),
        test("real-calls", 5, 0, "calls forked children"),
        test("real-kills", 5, 0, "survives kill -9 at every step of a forked child"),
    ],
    hints: &[
        Hint {
            rule: "frame",
            levels: [
                "Which bytes belong to the next frame, and are they still in the buffer?",
                "A stream has no borders. The buffer may hold half of a frame, or two and a half.",
                "If the buffer is shorter than header and message, return `Ok(None)` and leave it as it is. \
                 Otherwise drain exactly one frame.",
            ],
        },
        Hint {
            rule: "garbage",
            levels: [
                "Which of the header's fields does the decoder believe without proof?",
                "A damaged length makes the decoder wait for ever. The header must prove itself before the message \
                 is there.",
                "Put a checksum of the first header bytes into the header, and look at it as soon as the header is \
                 whole. The checksum of the message is a second one.",
            ],
        },
        Hint {
            rule: "answer",
            levels: [
                "Whose bytes are these, and what came before them on this channel?",
                "An answer belongs to the call that was sent to the same child.",
                "One call at a time on a child: write the whole frame, then read one whole frame.",
            ],
        },
        Hint {
            rule: "once",
            levels: [
                "Which path through the code leaves a call without its answer, or answers it a second time?",
                "Success, death of the child, garbage and shutdown: each ends in `complete`, once.",
                "Let one function return a `Result` for a call, and call `complete` in one place, with that result.",
            ],
        },
        Hint {
            rule: "rerun",
            levels: [
                "Had the child begun with this call when it died?",
                "Nobody knows how far a dead child got. It may have done all of it but the answer.",
                "Try again only if the write of the call has failed: then the child never had the whole frame.",
            ],
        },
        Hint {
            rule: "lost",
            levels: [
                "Did the child die while it had this call, or before?",
                "A child may die with nothing to do. The pool learns of that when it writes the next call.",
                "If the write fails, reap the child, start another one, and write the call to that.",
            ],
        },
        Hint {
            rule: "zombie",
            levels: [
                "Which child has ended, and who waits for it?",
                "A process that has ended stays in the system's table until its parent has waited for it.",
                "Wait for a child at each place where you give it up: after a death, after garbage, at the shutdown.",
            ],
        },
        Hint {
            rule: "stranger",
            levels: [
                "Who has this process number after the child was reaped?",
                "With the reaping the number is free, and the next process of the machine may get it.",
                "Kill first, then wait, and forget the child with the wait.",
            ],
        },
        Hint {
            rule: "restart",
            levels: [
                "Why did the child before this one end, and will the next one end otherwise?",
                "A child that cannot serve will not serve after a restart either.",
                "Give a call up after a few children.",
            ],
        },
        Hint {
            rule: "unanswered",
            levels: [
                "Which side waits here, and what would the other side have to write?",
                "A read waits for bytes or for the end. A child that lives and says nothing gives neither.",
                "Replace a dead child for the calls that come. At the shutdown close the channel before you wait for \
                 the child, and kill a child that has answered with garbage.",
            ],
        },
    ],
    questions: &[
        Question {
            ask: |case| {
                let retries = case.number(1, 9);
                format!(
                    "A call kills each child that gets it. The pool tries it again {retries} times. How many children \
                     does it cost?"
                )
            },
            run: |case| {
                let retries = case.number(1, 9) as u32;
                let builder = ProcessPool::builder().workers(1).script(|_| Reply::Die);
                let pool = builder.build().expect("the system gives threads");
                let answer = pool.call(|n: u32| n, 1).retry(retries).spawn().join();
                deaths(&answer.expect_err("each child dies"))
            },
            why: "One for the first try, and one for each further try. So a pool must not try for ever: a call that \
                  kills its child would use up all of them.",
        },
        Question {
            ask: |case| {
                let (calls, each) = (case.number(6, 20), case.number(2, 5));
                format!(
                    "A pool with one child gets {calls} calls, numbered from 0. The child dies under each call whose \
                     number is a multiple of {each}. Nothing is tried again. How many calls succeed?"
                )
            },
            run: |case| {
                let (calls, each) = (case.number(6, 20), case.number(2, 5));
                let script =
                    move |call: u64| if call.is_multiple_of(each) { Reply::Die } else { Reply::Answer };
                let builder = ProcessPool::builder().workers(1).script(script);
                let pool = builder.build().expect("the system gives threads");
                pool.map(|n: u64| n, 0..calls).iter().filter(|answer| answer.is_ok()).count() as u64
            },
            why: "A death takes one call along: the one that the child had. All others go to the next child.",
        },
    ],
    incident: Incident {
        story: "A guest waits for the soup or for the last bus, whichever comes first. The cook looked whether the \
                guest was still there; the bus driver looked as well. Both were right, and the guest paid for a soup \
                that he did not eat.",
        bug: "double-completion",
    },
};

/// The number of children that a call has cost.
fn deaths(error: &JoinError) -> u64 {
    match error {
        JoinError::Lost(Lost::Quarantined { workers, .. }, _) => u64::from(*workers),
        _ => 1,
    }
}
