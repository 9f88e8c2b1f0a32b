//! Cards on threads: stealing, join, sleeping, spare threads, locks, tracing.

use super::{Card, read, shown};
use crate::scenarios::{deadlock, executor};

pub(super) static CARDS: &[Card] = &[
    shown(
        "executor-order",
        "Two workers, four inputs: in which order does `map` return the results?",
        "In the order of the inputs, whichever worker ran which input, and whichever ended first.",
        "pool/src/data/map.rs",
        &executor::SCENARIO,
    ),
    shown(
        "deadlock-ring",
        "How does our lock tell a deadlock from a long wait?",
        "A thread that is about to wait follows the chain: the holder of the lock, what that thread waits \
         for, and so on. A chain that comes back to itself can never go on.",
        "pool/src/blocking/lock.rs",
        &deadlock::SCENARIO,
    ),
    read(
        "queue-wakeup",
        "Why can the blocking queue not lose a wake-up?",
        "Items and waiting wakers are under one lock. A thread that finds no item leaves a waker in the same \
         critical section, and a thread that puts an item takes a waker out in the same section.",
        "pool/src/blocking/queue.rs",
    ),
    read(
        "join-cost",
        "What does `join(a, b)` cost when nobody steals?",
        "A push and a pop on the worker's own deque, without an allocation and without a fence. b lies on the \
         stack and runs as an ordinary call.",
        "pool/src/join/mod.rs",
    ),
    read(
        "leapfrog",
        "What is leapfrogging?",
        "A worker whose stack job was stolen steals back from the thief, and from nobody else. So whatever \
         it gets is needed for the stack job that it waits for.",
        "pool/src/join/mod.rs",
    ),
    read(
        "no-strangers",
        "Why must a worker that waits in a join not run just any job?",
        "That job would lie on top of the waiting frame, and could wait for a lock that this worker itself \
         holds below. Only work that must end before the awaited stack job ends is harmless.",
        "pool/src/join/mod.rs",
    ),
    read(
        "half-done",
        "Why may a thief not touch a stolen stack job after it has set DONE?",
        "The stack job lies in its owner's stack frame, and the owner may return as soon as it sees DONE. \
         The thief unparks the owner through the pool's parking slots, which outlive both.",
        "pool/src/join/stack_job.rs",
    ),
    read(
        "deque-ends",
        "At which ends of a work-stealing deque do owner and thieves work, and when do they collide?",
        "The owner pushes and pops the newest entry; thieves take the oldest. Only for the last entry do both \
         need the compare-and-swap.",
        "pool/src/join/deque.rs",
    ),
    read(
        "membarrier",
        "How can `join` go without a fence, though Dekker's pattern needs one on both sides?",
        "The rare side, a thief or a sleeper, pays for both: membarrier(2) makes every thread of the process \
         run a full fence. The hot side only keeps the compiler from reordering.",
        "pool/src/sys.rs",
    ),
    read(
        "sleep-last-look",
        "Why does a worker look into all queues once more after it said that it sleeps?",
        "Work may have come between its last look and its announcement. Either the worker sees that work now, \
         or the producer sees that the worker sleeps and wakes it.",
        "pool/src/registry/sleep.rs",
    ),
    read(
        "search-duty",
        "A producer wakes nobody while some worker searches. Who takes care of its work then?",
        "The searcher, by duty. Before it sleeps it looks once more. If it finds other work and was the last \
         that searched, it looks for more and wakes the next worker.",
        "pool/src/registry/sleep.rs",
    ),
    read(
        "doze",
        "Why does a worker whose steals do not pay off doze?",
        "A steal costs thief and victim a part of a microsecond. While the worker dozes producers wake \
         nobody, so a program of tiny pieces runs as if it were alone.",
        "pool/src/registry/sleep.rs",
    ),
    read(
        "spare-thread",
        "A pool of one thread runs a job that waits for another job of the same pool. Why does it finish?",
        "The worker claims the other job if it is still queued. A worker that is blocked leaves a vacancy, \
         which a spare thread fills if there is work.",
        "pool/src/registry/spare.rs",
    ),
    read(
        "scope-borrow",
        "Why may the jobs of a scope borrow from the stack?",
        "The frame that holds the scope ends only when the count of pending children is zero, and counting \
         itself off is the last thing that a child does.",
        "pool/src/scope/mod.rs",
    ),
    read(
        "pool-panic",
        "What does a panic in one item of `map` do to the others?",
        "Nothing. It is caught at that item and becomes the item's Err; the other items go on.",
        "pool/src/data/map.rs",
    ),
    read(
        "trace-full",
        "A thread's ring of trace events is full. Which event is lost?",
        "The new event, and it is counted. The events that led up to a state explain it better than those \
         that came long after.",
        "trace/src/ring.rs",
    ),
    read(
        "trace-off",
        "What does recording an event cost while nobody listens?",
        "One relaxed load and a branch that is predicted.",
        "trace/src/record.rs",
    ),
];
