//! Basics: threads, locks and queues, the GIL, and processes in Python.

use super::{Card, read, shown};
use crate::scenarios::{cpu, daemon, deadlock, executor, gil, lock, producer_consumer, race, thread};

pub(super) static CARDS: &[Card] = &[
    shown(
        "thread-join",
        "A thread raises an exception. What does `join` do?",
        "It waits for the end and returns None, as ever; the exception is only printed. To get a \
         result or an exception, use an executor's Future, or our handle.",
        "demos/python/cards/thread-join.py",
        &thread::SCENARIO,
    ),
    shown(
        "daemon",
        "What becomes of a daemon thread's work when main ends?",
        "It is cut off where it stands. Nobody waits for it, and none of its destructors run. To \
         wait for the work, join it.",
        "demos/src/scenarios/daemon.rs",
        &daemon::SCENARIO,
    ),
    shown(
        "daemon-cut-off",
        "When does a Python program end, if main is done and a thread is not?",
        "When the thread ends, unless it is a daemon thread: those are not waited for.",
        "demos/python/cards/daemon-cut-off.py",
        &daemon::SCENARIO,
    ),
    shown(
        "executor-map",
        "In which order does `map` of a ThreadPoolExecutor give its results?",
        "In the order of the inputs, whichever thread ran which, and whichever ended first. Ours \
         does the same.",
        "demos/python/cards/executor-map.py",
        &executor::SCENARIO,
    ),
    shown(
        "lost-update",
        "Two threads each add 1 to a counter by load and store. How can the sum be 1?",
        "Both load 0 before either stores, and the second store overwrites the first. Each \
         operation is atomic, but the pair is not.",
        "demos/src/scenarios/race.rs",
        &race::SCENARIO,
    ),
    shown(
        "not-atomic",
        "Does the GIL make `n += 1` safe?",
        "No version promises it. It is a load, an addition and a store. CPython up to 3.9 could \
         switch threads between them. Later versions switch only at calls and at the ends of \
         loops, so there it takes a call in between to lose an addition: `n = n + f()`. Without a \
         GIL `n += 1` loses, too.",
        "demos/python/cards/not-atomic.py",
        &race::SCENARIO,
    ),
    shown(
        "lock-cost",
        "What does a lock around load and store mend, and what does it cost?",
        "No other thread can come between the two operations, so no update is lost. But the \
         threads that want the lock go one after the other there.",
        "demos/src/scenarios/lock.rs",
        &lock::SCENARIO,
    ),
    shown(
        "with-lock",
        "Why `with lock:`, and not acquire and release?",
        "Because the lock is given back however the block ends, also by an exception.",
        "demos/python/cards/with-lock.py",
        &lock::SCENARIO,
    ),
    read(
        "lock-twice",
        "A thread acquires a `threading.Lock` that it already holds. What happens?",
        "It waits for itself, for ever. An RLock counts how often its owner has it.",
        "demos/python/cards/lock-twice.py",
    ),
    shown(
        "deadlock-unnoticed",
        "Does Python notice that two threads wait for each other's locks?",
        "No. Both wait for ever, unless a timeout ends the wait. Our lock follows the chain of \
         who waits for whom, and reports it.",
        "demos/python/cards/deadlock-unnoticed.py",
        &deadlock::SCENARIO,
    ),
    shown(
        "deadlock-cure",
        "What cure for deadlocks does `brigade deadlock --ordered` show?",
        "All threads take the locks in the same order, so the chain of who waits for whom cannot \
         close to a cycle.",
        "demos/src/scenarios/deadlock.rs",
        &deadlock::SCENARIO,
    ),
    shown(
        "sentinel",
        "How does a producer tell a consumer on a blocking queue that nothing more will come?",
        "By a sentinel, an item that means the end: None. The consumer gets it after everything \
         that was put before it.",
        "demos/src/scenarios/producer_consumer/mod.rs",
        &producer_consumer::SCENARIO,
    ),
    shown(
        "queue-bound",
        "What is the maximum size of a queue good for?",
        "It holds a quick producer back: `put` waits while the queue is full. Without it the \
         items pile up in memory.",
        "demos/python/cards/queue-bound.py",
        &producer_consumer::SCENARIO,
    ),
    shown(
        "gil-interval",
        "When does a computing thread give up the GIL?",
        "When another thread has waited for the switch interval (5 ms by default) and asks. The \
         holder looks at calls and at the ends of loops, gives the lock up, and waits until \
         another thread has it.",
        "demos/src/scenarios/gil/model.rs",
        &gil::SCENARIO,
    ),
    shown(
        "switch-interval",
        "Where does one read and change the 5 ms of the GIL?",
        "In `sys.getswitchinterval` and `sys.setswitchinterval`, which count in seconds.",
        "demos/python/cards/switch-interval.py",
        &gil::SCENARIO,
    ),
    shown(
        "gil-io",
        "Why do threads speed up I/O in Python in spite of the GIL?",
        "A thread gives the lock up around a blocking call. So threads wait at the same time and \
         only compute one by one.",
        "demos/src/scenarios/gil/mod.rs",
        &gil::SCENARIO,
    ),
    shown(
        "gil-cpu-bound",
        "How does one get around Python's GIL in CPU-bound work?",
        "With processes (multiprocessing): each has an interpreter and a lock of its own. Since \
         3.14 also with several interpreters in one process, and with threads in a free-threaded \
         build.",
        "demos/src/scenarios/gil/python.rs",
        &gil::SCENARIO,
    ),
    shown(
        "gil-optional",
        "Can CPython run without the GIL?",
        "Yes, in a build of its own (python3.14t): an experiment in 3.13, supported since 3.14. \
         `sys._is_gil_enabled()` tells whether the lock is on.",
        "demos/python/cards/gil-optional.py",
        &gil::SCENARIO,
    ),
    shown(
        "interpreters",
        "What do two interpreters of one Python process share?",
        "The process: its memory limit, open files, working directory and environment. They share \
         neither modules nor variables, and since 3.12 each can have a GIL of its own. Python 3.14 \
         has them as `concurrent.interpreters`.",
        "demos/python/cards/interpreters.py",
        &gil::SCENARIO,
    ),
    read(
        "process-memory",
        "A function in a process pool changes a global variable. What does the parent see?",
        "Nothing: the child has memory of its own, and changed its own copy. Only the result \
         comes back.",
        "demos/python/cards/process-memory.py",
    ),
    read(
        "what-is-pickled",
        "Why can a lambda not be sent to a process pool in Python?",
        "Arguments and functions are pickled, and a function is pickled as its name. A lambda has \
         none to be found by.",
        "demos/python/cards/what-is-pickled.py",
    ),
    shown(
        "main-guard",
        "Why does a Python program with a process pool need `if __name__ == \"__main__\":`?",
        "A child that is not forked imports the program, and so comes to the line that starts the \
         pool. Python stops it there with a RuntimeError. Children are not forked on macOS and \
         Windows, nor, since 3.14, by default on Linux.",
        "demos/python/cards/main-guard.py",
        &cpu::SCENARIO,
    ),
    read(
        "pool-killed",
        "A worker of a process pool dies in the midst of a call. What does Python do?",
        "`multiprocessing.Pool` starts another worker, and the call never ends. \
         `ProcessPoolExecutor` fails every open call with BrokenProcessPool. Ours fails or \
         retries that one call.",
        "demos/python/cards/pool-killed.py",
    ),
];
