//! Lab 8 as data: points, hints, questions, the incident.

use crate::{Hint, Incident, Lab, Question, Stuck, lab::test};
use brigade_explore::pool::{self, Pool};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

const DEQUE: Stuck = Stuck { rule: "once", expected: "each item is taken once" };
const JOIN: Stuck = Stuck { rule: "lost-wake", expected: "join returns when both halves are done" };

/// The lab.
pub static LAB: Lab = Lab {
    number: 8,
    slug: "work-stealing",
    title: "a work-stealing deque and join",
    tests: &[
        test("ends", 10, 1, DEQUE, "gives the newest item to the owner, and the oldest to a thief"),
        test("last-item", 20, 400, DEQUE, "gives the last item to the owner or to the thief, not to both"),
        test("two-thieves", 15, 400, DEQUE, "gives each item to one of two thieves and the owner"),
        test("reused-slot", 10, 400, DEQUE, "is not confused by a slot that is used again"),
        test("joins", 10, 1, JOIN, "joins on one worker, without a thief"),
        test("stolen", 15, 300, JOIN, "joins when a thief runs the second half"),
        test("rests", 5, 1, JOIN, "sleeps while the thief needs an hour"),
        test("every-interleaving", 10, 300, JOIN, "runs each half once, stolen or not"),
        test("panics", 5, 100, JOIN, "passes a panic on, and goes on"),
    ],
    hints: &[
        Hint {
            rule: "ends",
            levels: [
                "Which of the two indexes did this call move, and in which direction?",
                "The owner works at `bottom`, thieves at `top`. The items are those from `top` to `bottom - 1`.",
                "`pop` takes the item at `bottom - 1`. If nothing was there, put `bottom` back where it was.",
            ],
        },
        Hint {
            rule: "capacity",
            levels: [
                "How many items are there if `top` is 4 and `bottom` is 8?",
                "The indexes only count. They may be far beyond the capacity, and their difference is what counts.",
                "The deque is full if `bottom - top` is the capacity. The slot of an index is the index modulo the \
                 capacity.",
            ],
        },
        Hint {
            rule: "once",
            levels: [
                "Which two threads wanted the same item, and which operation decides between them?",
                "One compare-and-swap of `top` decides, for a thief always, and for the owner if it is the last item.",
                "The thief reads top, bottom, and the slot, and then swaps. The owner writes `bottom - 1` first, then \
                 reads top. If the swap for the last item fails, the item is gone.",
            ],
        },
        Hint {
            rule: "result",
            levels: [
                "Which closure has made each half of the pair?",
                "The first result is that of `a`, and the second one that of `b`, whoever has run it.",
                "Keep the result of `b` in the job, and return `(first, second)`.",
            ],
        },
        Hint {
            rule: "lost-wake",
            levels: [
                "Who runs the second half now, and how does the owner learn that it is done?",
                "If `pop` gives nothing, a thief has the half. The thief stores the result first, and unparks the \
                 owner then.",
                "Owner: `loop { if let Some(result) = … { break } park() }`. Thief: store the result, then unpark. And \
                 after a push, wake a worker that sleeps.",
            ],
        },
        Hint {
            rule: "passes-on",
            levels: [
                "Where does the panic of the second half go, if a thief runs it?",
                "A thief must not end with a panic of a job that it has stolen. The owner wants to hear of it.",
                "Store the result of `catch_unwind`, and let the owner call `resume_unwind`.",
            ],
        },
    ],
    questions: &[
        Question {
            ask: |case| {
                let n = case.number(3, 12);
                format!(
                    "`fib(n)` joins `fib(n - 1)` and `fib(n - 2)`, and returns n if n is below 2. How many joins does \
                     `fib({n})` make on Brigade's pool with two threads?"
                )
            },
            run: |case| {
                let n = case.number(3, 12);
                let joins = Arc::new(AtomicU64::new(0));
                let (pool, count) = (two_threads(), joins.clone());
                pool.spawn(move || fibonacci(n, &count)).join().expect("it does not panic");
                pool.shutdown();
                // Relaxed: the join orders it.
                joins.load(Relaxed)
            },
            why: "Each call from 2 on makes one join: one less than the leaves, and a tree with F(n+1) leaves it is. \
                  Stealing decides who runs a half, never how many there are.",
        },
        Question {
            ask: |case| {
                let (items, thefts) = (case.number(5, 9), case.number(1, 4));
                format!(
                    "A deque holds the numbers 1 to {items}, pushed in this order. A thief steals {thefts} of them. \
                     What does the owner's next pop return?"
                )
            },
            run: |case| case.number(5, 9),
            why: "The owner pops the newest one, and thieves take the oldest ones from the other end. They meet at \
                  the last item only.",
        },
    ],
    incident: Incident {
        story: "A stack is a pile of plates, and each cook takes the top one: he notes which plate is on top and which \
                one is under it, and then makes the second one the top. One cook was called away between the note and \
                the deed. Meanwhile another one took two plates, and put the first back. The first cook came back, saw \
                the plate that he had noted, and made a plate the top that somebody was eating from.",
        bug: "aba",
    },
};

fn two_threads() -> Pool {
    Pool::builder().threads(2).build().expect("the system gives threads")
}

fn fibonacci(n: u64, joins: &AtomicU64) -> u64 {
    if n < 2 {
        return n;
    }
    // Relaxed: the join orders it.
    joins.fetch_add(1, Relaxed);
    let (a, b) = pool::join(|| fibonacci(n - 1, joins), || fibonacci(n - 2, joins));
    a + b
}
