//! Why each mode of `brigade io` took as long as it did.

use super::python;
use crate::{
    experiment::{Mode, Row, fewer_than_asked},
    show::{counted, thousands},
};

/// The sentence below the table for this row. The user asked for this many workers.
pub(super) fn explain(row: &Row, asked: Option<usize>) -> String {
    let requests = row.completed.outcomes.len();
    let workers = row.completed.workers.count();
    let fewer = |workers| fewer_than_asked(asked, requests, workers, "requests");
    match row.mode {
        _ if row.completed.python.is_some() => python::explain(row.mode).into(),
        Mode::Sync => "It asks, waits, and only then asks again: the waits add up.".into(),
        Mode::Threads => {
            format!(
                "{} A thread costs memory.{}",
                wait(workers, requests, "thread", "threads"),
                fewer("threads")
            )
        }
        Mode::Async if requests == 1 => {
            "One thread runs one task, which gives the thread back while it waits.".into()
        }
        Mode::Async => format!(
            "One thread runs {} tasks. Each gives the thread back while it waits, so all the waits overlap.",
            thousands(requests as u64)
        ),
        Mode::Processes => format!(
            "{} Each has to be started, and has memory of its own.{}",
            wait(workers, requests, "process", "processes"),
            fewer("processes")
        ),
    }
}

/// Says how the workers wait.
fn wait(workers: usize, requests: usize, one: &str, many: &str) -> String {
    let who = counted(workers, one, many);
    match workers {
        1 if requests == 1 => format!("{who} waits, blocked in the request."),
        1 => format!("{who} waits, blocked in one request after the other."),
        _ if workers == requests => format!("{who} wait at the same time, each blocked in its own request."),
        _ => format!(
            "{who} wait at the same time, each blocked in one request after the other: there are {} requests.",
            thousands(requests as u64)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workers_are_those_that_there_are() {
        assert_eq!(wait(1, 1, "thread", "threads"), "1 thread waits, blocked in the request.");
        assert!(wait(1, 5, "thread", "threads").starts_with("1 thread waits, blocked in one request after"));
        assert!(
            wait(5, 5, "thread", "threads")
                .starts_with("5 threads wait at the same time, each blocked in its own")
        );
        assert!(
            wait(256, 1000, "thread", "threads")
                .ends_with("one request after the other: there are 1,000 requests.")
        );
    }
}
