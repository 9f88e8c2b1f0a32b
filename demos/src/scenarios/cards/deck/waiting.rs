//! Basics: concurrency, waits, and async in Python.

use super::{Card, read, shown};
use crate::scenarios::{chain, decide, generator, hello, io, kitchen, queue, run};

pub(super) static CARDS: &[Card] = &[
    shown(
        "concurrency-parallelism",
        "What is the difference between concurrency and parallelism?",
        "Concurrency is having several things under way at once, by switching between them: one \
         cook, many pots. Parallelism is doing several things at the same instant, which takes \
         several cores: many cooks.",
        "demos/src/scenarios/kitchen.rs",
        &kitchen::SCENARIO,
    ),
    shown(
        "io-or-cpu",
        "How does one tell I/O-bound work from CPU-bound work?",
        "Compare the CPU time with the time that passes. Work that mostly waits uses little CPU; \
         work that computes uses, on each core that it has, about as much CPU time as passes.",
        "demos/python/cards/io-or-cpu.py",
        &decide::SCENARIO,
    ),
    shown(
        "overlap",
        "Five requests wait a second each. How long do they take one after the other, and how \
         long on five threads?",
        "About five seconds, and about one. The waits are not shorter on threads, but they pass \
         at the same time.",
        "demos/python/cards/overlap.py",
        &io::SCENARIO,
    ),
    shown(
        "process-cost",
        "Processes overlap waits as well as threads do. Why are they the dearest way to fetch \
         five URLs?",
        "Each process must be started and has memory of its own: milliseconds and megabytes, \
         where a task that only waits needs about a hundred bytes.",
        "demos/src/scenarios/io/processes.rs",
        &io::SCENARIO,
    ),
    shown(
        "ui",
        "Why must the thread of a user interface not compute?",
        "It notices a click only when it is done. A computation goes to another thread, and the \
         one that answers the user stays free.",
        "demos/src/scenarios/decide/modes.rs",
        &decide::SCENARIO,
    ),
    shown(
        "when-async",
        "When is async I/O worth it?",
        "When the work waits for others, as in fetching from the network. While one task waits, \
         the same thread goes on with the others, so that all the waits overlap.",
        "demos/src/scenarios/io/tasks.rs",
        &io::SCENARIO,
    ),
    shown(
        "coroutine-object",
        "What does Python do when you call an async function?",
        "It makes a coroutine object, and runs nothing of the body. The body runs when the \
         coroutine is awaited, or made a task.",
        "demos/python/cards/coroutine-object.py",
        &hello::SCENARIO,
    ),
    shown(
        "await-gives-back",
        "What does `await` do with the thread when the result is not there yet?",
        "It suspends the coroutine and gives the thread back to the event loop, which runs other \
         tasks on it.",
        "demos/python/cards/await-gives-back.py",
        &hello::SCENARIO,
    ),
    shown(
        "await-in-turn",
        "Do the waits of `await a()` and then `await b()` overlap?",
        "No: b begins after a has ended. To overlap them, gather them, or make tasks of them.",
        "demos/python/cards/await-in-turn.py",
        &chain::SCENARIO,
    ),
    read(
        "blocking-call",
        "What does `time.sleep(1)` do in a coroutine?",
        "It blocks the event loop: no other task runs for that second. Use `await \
         asyncio.sleep(1)`, or `asyncio.to_thread` for a call that blocks.",
        "demos/python/cards/blocking-call.py",
    ),
    shown(
        "asyncio-gather",
        "Does `asyncio.gather` make tasks of its coroutines?",
        "Yes, one task for each coroutine. A plain `await` makes none: the awaited coroutine runs inside the task \
         that awaits it.",
        "demos/python/cards/asyncio-gather.py",
        &chain::SCENARIO,
    ),
    shown(
        "gather-order",
        "In which order does `asyncio.gather` return its results?",
        "In the order of its arguments, whichever was ready first.",
        "demos/python/cards/gather-order.py",
        &kitchen::SCENARIO,
    ),
    read(
        "gather-failure",
        "One coroutine given to `asyncio.gather` raises. What happens to the others?",
        "They run on; the exception goes to the task that awaits the gather at once. A TaskGroup \
         cancels the others.",
        "demos/python/cards/gather-failure.py",
    ),
    shown(
        "wait-for",
        "What does `asyncio.wait_for` do when the time is up?",
        "It cancels what it waited for, and raises TimeoutError. If nobody catches that, the \
         program ends with a traceback.",
        "demos/python/cards/wait-for.py",
        &queue::SCENARIO,
    ),
    shown(
        "queue-task-done",
        "When does `join` of a queue return?",
        "When `task_done` was called for every item that was put. That the queue is empty is not \
         enough: the last item may still be in work.",
        "demos/python/cards/queue-task-done.py",
        &queue::SCENARIO,
    ),
    shown(
        "async-generator",
        "When does the body of an async generator run?",
        "Only while a loop asks it for the next value, and inside the task that asks. It computes \
         nothing ahead.",
        "demos/python/cards/async-generator.py",
        &generator::SCENARIO,
    ),
    shown(
        "asyncio-run-leftovers",
        "What does `asyncio.run` do with tasks that are unfinished when main returns?",
        "It cancels them and waits until they have ended. So nothing of one run is left for the \
         next.",
        "demos/python/cards/asyncio-run-leftovers.py",
        &run::SCENARIO,
    ),
];
