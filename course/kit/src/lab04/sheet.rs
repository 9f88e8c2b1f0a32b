//! Lab 4 as data: points, hints, questions, the incident.

use super::Moment;
use crate::{Case, Hint, Incident, Lab, Question, Stuck, Test};

const LOCKED: Stuck = Stuck { rule: "locked", expected: "wakers are called while no lock is held" };

const fn test(name: &'static str, points: u32, schedules: u64, about: &'static str) -> Test {
    Test { name, about, points, schedules, stuck: LOCKED }
}

/// The lab.
pub static LAB: Lab = Lab {
    number: 4,
    slug: "timers",
    title: "timers in a heap, then in a wheel",
    tests: &[
        test("never-early", 15, 1, "fires each timer at its deadline or after it, never before"),
        test("follows-next", 10, 1, "says when to look again, and needs few looks"),
        test("jumps", 10, 1, "fires all that is due when the clock jumps"),
        test("past", 5, 1, "fires a timer that is set for a moment that has passed"),
        test("cancel", 15, 1, "cancels a timer that is set, and says whether it was"),
        test("old-key", 5, 1, "does not take a new timer for an old one"),
        test("cancel-against-fire", 15, 300, "fires a timer or cancels it, whichever comes first"),
        test("woken-inline", 5, 1, "lets a waker set and cancel timers"),
        test("cost", 20, 1, "does the same work for a timer, however many there are"),
    ],
    hints: HINTS,
    questions: &[
        Question { ask: ask_moves, run: run_moves, why: MOVES },
        Question { ask: ask_begin, run: run_begin, why: BEGIN },
    ],
    incident: Incident {
        story: "An alarm was cancelled, and rang all the same. It had looked whether it was cancelled, and had found \
                that it was not. Then it was cancelled, and then it rang. A timer that fires and a call that \
                cancels it meet in one place, and one of them comes first. The other one must find that out.",
        bug: "timer-against-cancel",
    },
};

const HINTS: &[Hint] = &[
    Hint {
        rule: "early",
        levels: [
            "Is everything that lies in this slot due, or only some of it?",
            "A slot of a higher wheel spans many moments. When it begins, its timers go down, and do not fire.",
            "Compare each deadline with `now` before you call its waker. Put the others into a lower wheel.",
        ],
    },
    Hint {
        rule: "late",
        levels: [
            "Where does this timer lie, and does `fire` come by there?",
            "The clock may jump over many slots, and over whole turns of the lowest wheel. A deadline that is \
             exactly `now` is due.",
            "Take the first slot that holds a timer and begins at or before `now`, again and again.",
        ],
    },
    Hint {
        rule: "next",
        levels: [
            "Which timer comes first, and what would a thread miss that slept until your `next`?",
            "`next` may be too early, by a little, but never too late. It is `None` when no timer is set.",
            "With a map, return the first key's deadline. With wheels, return the begin of the first slot that \
             holds a timer.",
        ],
    },
    Hint {
        rule: "once",
        levels: [
            "Which of the two threads took this timer out, and does the other one know?",
            "To take a timer out is to decide its end. Only one side can take it.",
            "In `cancel`, look for the timer and remove it under one lock, and return whether it was there. In \
             `fire`, take wakers out under the lock.",
        ],
    },
    Hint {
        rule: "cancel",
        levels: [
            "Which timer does this key name now, if its place was used again?",
            "A key must name one timer for ever: a place alone does not.",
            "Count the timers of each place in a `generation`, and keep that number in the key.",
        ],
    },
    Hint {
        rule: "waker-kept",
        levels: [
            "Who holds the waker of a timer that was cancelled?",
            "A waker keeps a task alive. Most timers are cancelled, so what they hold must go at once.",
            "Take the waker out in `cancel`, and drop it after the lock is free.",
        ],
    },
    Hint {
        rule: "locked",
        levels: [
            "Which lock does this thread hold when it calls the waker?",
            "A waker is code of others. It may set a timer before it returns, and that takes the lock.",
            "Collect the wakers in a `Vec`, free the lock, then call them.",
        ],
    },
    Hint {
        rule: "cost",
        levels: [
            "How many other deadlines is a new one compared with?",
            "An order among all timers is more than is needed, because most of them never fire. It is enough to \
             know the slot.",
            "Use wheels: a timer lies at the highest digit in which its deadline differs from now, in the slot of \
             that digit.",
        ],
    },
];

const MOVES: &str = "A timer starts in the wheel of the highest digit that differs from now. When its slot begins, it goes \
                     on to the highest digit below that is not 0, and so on. It moves once for each of those.";

fn moves(case: &mut Case) -> Moment {
    let digit = |case: &mut Case| case.number(0, 2);
    let (high, middle, low) = (case.number(1, 3), digit(case), digit(case));
    Moment::new(high * 64 * 64 + middle * 64 + low)
}

fn ask_moves(case: &mut Case) -> String {
    let deadline = moves(case);
    format!(
        "It is 0 ms, and a timer is set for {deadline}, which has the digits {}, {} and {} in the base 64. In how many \
         slots of the wheels does it lie, one after the other, until it fires?",
        deadline.digit(2),
        deadline.digit(1),
        deadline.digit(0)
    )
}

fn run_moves(case: &mut Case) -> u64 {
    let deadline = moves(case);
    (0..3).filter(|place| deadline.digit(*place) != 0).count() as u64
}

const BEGIN: &str = "The slot begins at the deadline with zeros in the lower digits. A thread that sleeps until then \
                     wakes too early by less than the span of a slot, finds nothing due, and sleeps again.";

fn ask_begin(case: &mut Case) -> String {
    let deadline = Moment::new(case.number(64, 4_000));
    format!(
        "It is 0 ms, and one timer is set, for {deadline}. A slot of the second wheel spans 64 ms. Which moment does \
         `next` name, in milliseconds?"
    )
}

fn run_begin(case: &mut Case) -> u64 {
    let deadline = Moment::new(case.number(64, 4_000));
    deadline.with_digit(1, deadline.digit(1)).milliseconds()
}
