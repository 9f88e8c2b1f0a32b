//! Which code belongs to which scenario, in the order of the document.

use super::{Listing, Source, cut::cut};

/// A file of `demos/python/document`, whole.
macro_rules! python {
    ($file:literal) => {
        Some(Source {
            path: concat!("demos/python/document/", $file),
            parts: &[include_str!(concat!("../../python/document/", $file))],
        })
    };
}

/// The marked parts of a file of `demos/src`. The first number says how many there are; a second one chooses
/// one of them.
macro_rules! rust {
    ($file:literal, $parts:literal) => {{
        const PARTS: [&str; $parts] = cut(include_str!(concat!("../", $file)));
        Source { path: concat!("demos/src/", $file), parts: &PARTS }
    }};
    ($file:literal, $parts:literal, $place:literal) => {{
        const PARTS: [&str; $parts] = cut(include_str!(concat!("../", $file)));
        Source { path: concat!("demos/src/", $file), parts: &[PARTS[$place]] }
    }};
}

/// A listing of a scenario that has one.
const fn only(scenario: &'static str, python: Option<Source>, rust: Source) -> Listing {
    Listing { scenario, mode: None, python, rust }
}

/// A listing of a mode of a scenario.
const fn mode(scenario: &'static str, mode: &'static str, python: Option<Source>, rust: Source) -> Listing {
    Listing { scenario, mode: Some(mode), python, rust }
}

/// All listings.
pub(super) static ALL: &[Listing] = &[
    only("kitchen", None, rust!("scenarios/kitchen.rs", 1)),
    mode("io", "sync", python!("io_sync.py"), rust!("scenarios/io/sync.rs", 1)),
    mode("io", "threads", python!("io_threads.py"), rust!("scenarios/io/threads.rs", 1)),
    mode("io", "async", python!("io_async.py"), rust!("scenarios/io/tasks.rs", 1)),
    mode("io", "processes", python!("io_processes.py"), rust!("scenarios/io/processes.rs", 1)),
    mode("cpu", "sync", python!("cpu_sync.py"), rust!("scenarios/cpu/modes.rs", 3, 0)),
    mode("cpu", "threads", python!("cpu_threads.py"), rust!("scenarios/cpu/modes.rs", 3, 1)),
    mode("cpu", "processes", python!("cpu_processes.py"), rust!("scenarios/cpu/modes.rs", 3, 2)),
    only("decide", None, rust!("scenarios/decide/mod.rs", 1)),
    only("gil", None, rust!("scenarios/gil/model.rs", 1)),
    only("hello", python!("hello.py"), rust!("scenarios/hello.rs", 2)),
    only("chain", python!("chain.py"), rust!("scenarios/chain.rs", 2)),
    only("queue", python!("async_queue.py"), rust!("scenarios/queue.rs", 2)),
    only("generator", python!("generator.py"), rust!("scenarios/generator.rs", 2)),
    only("run", python!("run.py"), rust!("scenarios/run.rs", 1)),
    only("thread", python!("thread.py"), rust!("scenarios/thread.rs", 1)),
    only("daemon", python!("daemon.py"), rust!("scenarios/daemon.rs", 2)),
    only("executor", python!("executor.py"), rust!("scenarios/executor.rs", 1)),
    only("race", python!("race.py"), rust!("scenarios/race.rs", 1)),
    only("lock", python!("lock.py"), rust!("scenarios/lock.rs", 1)),
    only("deadlock", python!("deadlock.py"), rust!("scenarios/deadlock.rs", 1)),
    mode(
        "producer-consumer",
        "threads",
        python!("producer_consumer.py"),
        rust!("scenarios/producer_consumer/threads.rs", 1),
    ),
    only("joins", None, rust!("scenarios/joins.rs", 1)),
    only("cards", None, rust!("scenarios/cards/schedule.rs", 1)),
    only("serve", None, rust!("server/mod.rs", 1)),
];
