//! Cards on tasks: polls and wake-ups, the executors, the reactor, timers.

use super::{Card, read, shown};
use crate::scenarios::{chain, hello, run};

pub(super) static CARDS: &[Card] = &[
    shown(
        "poll-loop",
        "What does an executor do with a future, over and over?",
        "It polls the future. Pending means that the future has left a waker with the thing it waits for; the \
         thread may sleep or run other tasks until that waker is called. Ready ends the loop.",
        "runtime/src/executor/block_on.rs",
        &hello::SCENARIO,
    ),
    shown(
        "await-chain",
        "An inner coroutine's timer fires. Which future does the executor poll?",
        "The outermost future of that task, because wakers belong to tasks. Its poll goes down the chain of \
         awaits to where it stopped. If the inner coroutine is a task of its own, that task is woken first, \
         and its end then wakes the outer one.",
        "demos/src/scenarios/chain.rs",
        &chain::SCENARIO,
    ),
    shown(
        "run-leftovers",
        "What happens to tasks that are still unfinished when `run` has its result?",
        "They are cancelled and dropped before `run` returns, so their destructors have run and nothing \
         leaks.",
        "runtime/src/executor/block_on.rs",
        &run::SCENARIO,
    ),
    read(
        "task-one-entry",
        "Why is a task never in two queues at once, however often it is woken?",
        "The bit SCHEDULED is set exactly while an entry exists. A waker that finds the bit set has nothing \
         to do; only the waker that sets it pushes the entry.",
        "runtime/src/task/mod.rs",
    ),
    read(
        "task-woken-running",
        "A task is woken while it is being polled. Who queues it again?",
        "Its runner. The waker only sets SCHEDULED. At the end of the poll the runner clears RUNNING, sees \
         the bit and makes the entry. So no two threads poll the same future at once.",
        "runtime/src/task/state.rs",
    ),
    read(
        "task-allocation",
        "How many allocations does it take to spawn a task, and what is in them?",
        "One. It holds the header with the state word, the slot for the result, and the future itself.",
        "runtime/src/task/cell.rs",
    ),
    read(
        "task-cancel-drop",
        "Which thread drops the future of a cancelled task?",
        "A thread of its executor, never the thread that cancels: the future may hold something that must not \
         leave its thread (spawn_local). Cancelling sets a bit and wakes the task.",
        "runtime/src/task/mod.rs",
    ),
    read(
        "entry-no-reference",
        "Why may an entry in a run queue hold no reference to its task?",
        "While an entry exists the task is not complete, and until it is complete the task holds a reference \
         to itself. That saves two atomic operations for each wake-up.",
        "runtime/src/task/mod.rs",
    ),
    read(
        "slot-lost-wakeup",
        "Completer and joiner meet in the slot at the same moment. Why is no wake-up lost?",
        "Each stores its part (value or waker) and then sets its bit by a read-modify-write on one byte. One \
         of the two comes second, sees the other's bit, and acts.",
        "handle/src/signal.rs",
    ),
    read(
        "handle-everywhere",
        "Why can a task await a job of the thread pool or a call to another process?",
        "All three executors answer through the same slot, and its JoinHandle is a plain future that a thread \
         can join, too. Neither side knows who waits.",
        "handle/src/join_handle.rs",
    ),
    read(
        "edge-triggered",
        "With edge-triggered readiness, what if bytes arrive just after a read would have blocked?",
        "The system will not report them a second time. So each event raises the epoch, and a task clears \
         the readiness only if the epoch is still the one that it saw before its attempt. Otherwise it \
         tries again.",
        "runtime/src/driver/source.rs",
    ),
    read(
        "source-two-wakers",
        "Why does a source keep two wakers for one descriptor?",
        "The two halves of a split stream may wait in different tasks, one to read and one to write.",
        "runtime/src/driver/source.rs",
    ),
    read(
        "reactor-generations",
        "An event arrives for a socket that was just removed. Why does it not wake a stranger in its place?",
        "Keys have generations. The old key does not match the entry that is now in its place, so the event \
         finds nothing.",
        "runtime/src/driver/reactor.rs",
    ),
    read(
        "newest-task",
        "Why does a worker run the task that was made ready last first, and why not for ever?",
        "What its waker touched is still in the cache. But the LIFO slot goes first only 3 times in a row, \
         so that two tasks that wake each other starve no other task.",
        "runtime/src/executor/multi_thread/worker.rs",
    ),
    read(
        "injector-fairness",
        "A worker always has tasks of its own. What keeps it from ignoring those that come from other \
         threads?",
        "After 61 tasks at most it looks into the injector first; if tasks take longer than 50 µs, after each \
         one.",
        "runtime/src/executor/check_interval.rs",
    ),
    read(
        "stealing-ring",
        "How does a thief take several tasks from another worker's run queue at once?",
        "It reads the slots and then moves `head` past them by one compare-exchange. If that fails, it \
         forgets what it read. While `head` stands still the owner does not overwrite those slots.",
        "runtime/src/executor/multi_thread/run_queue.rs",
    ),
    read(
        "half-search",
        "Why do at most half of the workers search for work at once?",
        "Searchers touch everybody's queues. A few searchers find all there is, and the last one that stops \
         searching wakes the next worker if there is more work.",
        "runtime/src/executor/multi_thread/idle.rs",
    ),
    read(
        "watch",
        "One task computes for a second in its poll. What bounds the harm on a multi-threaded runtime?",
        "One sleeping worker watches. Every few milliseconds it takes over the driver if nobody has it, and \
         the task in the LIFO slot of a worker that has not come to run it.",
        "runtime/src/executor/multi_thread/idle.rs",
    ),
    read(
        "local-sleep",
        "The current-thread executor is about to sleep when another thread wakes a task. Why is that not \
         lost?",
        "The executor announces that it sleeps and then looks at the injector once more. The other thread \
         pushes the task and then looks whether the executor sleeps. All of this is sequentially consistent, \
         so one of them sees the other.",
        "runtime/src/executor/current_thread/mod.rs",
    ),
    read(
        "timing-wheel",
        "What does a hierarchical timing wheel give that a heap of deadlines does not?",
        "Setting, removing and firing a timer in constant time. Far timers lie on coarse levels and move to \
         finer levels as their time comes near.",
        "runtime/src/time/wheel.rs",
    ),
    read(
        "timer-race",
        "A timer fires just as its future is dropped. Who wins?",
        "Whichever side takes the timer out of the wheel first, under the wheel's lock; the other side finds \
         it gone. A timer that is no longer in the wheel has fired.",
        "runtime/src/time/timers.rs",
    ),
    read(
        "timeout-first-poll",
        "A future is ready and its timeout is over in the same poll. What does `timeout` return?",
        "The result, because the future is polled before the clock is read.",
        "runtime/src/time/timeout.rs",
    ),
    read(
        "gather",
        "Does our `gather` spawn tasks?",
        "No. It polls its futures concurrently inside the one task that awaits it, and keeps the results in \
         order. asyncio's makes a task of each coroutine.",
        "runtime/src/combine/gather.rs",
    ),
    read(
        "block-in-task",
        "What happens when a task joins a handle by blocking its thread?",
        "The thread refuses, with a message that names the fix. The owner of a thread decides what blocking \
         means there, and a thread that polls tasks must not block.",
        "handle/src/wait.rs",
    ),
];
