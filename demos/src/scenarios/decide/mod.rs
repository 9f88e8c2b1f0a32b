//! `brigade decide`: the document's table of what to use when, measured now; or a verdict on a command of the user's.

mod command;
mod modes;

use crate::{
    pools,
    scenario::{CommandError, Exit, Scenario},
    show::{Column, Output, Style, Table},
};
use brigade_handle::JoinError;
use clap::Arg;
use modes::Executors;
use serde_json::json;
use std::{thread::available_parallelism, time::Duration};

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "decide",
    about: "What to use when, measured now; or which way fits a command",
    idea: "Compare the time on the CPU with the time that passes. Work that waits wants async or threads; work that computes \
           wants more cores; what must answer at once must not run where something else computes. With a command, its exit \
           code is the command's.",
    made_by: &["runtime/src/gather.rs::gather", "pool/src/pool.rs::spawn", "process/src/pool.rs::spawn"],
    arguments: |command| {
        let program = Arg::new("command").value_name("CMD").num_args(1..).last(true);
        command.arg(program.help("A command to run once and judge; the exit code is its own"))
    },
    run: |output, matches| match matches.get_many::<String>("command") {
        Some(words) => command::judge(output, &words.cloned().collect::<Vec<_>>()),
        None => table(output),
    },
};

const COLUMNS: &[Column] = &[
    Column("task type", 12),
    Column("sync", 7),
    Column("threads", 7),
    Column("async", 7),
    Column("processes", 9),
    Column("use here", 9),
    Column("in Python", 14),
];

/// The modes to work, what costs least first, and where each stands in a row of times.
const MODES_BY_PRICE: [(&str, usize); 4] = [("sync", 0), ("async", 2), ("threads", 1), ("processes", 3)];

/// Nobody notices a difference of so many seconds.
const UNNOTICED_SECONDS: f64 = 0.005;

/// The cheapest way that is about as quick as the quickest.
fn cheapest(times: [f64; 4]) -> &'static str {
    let quickest = times.into_iter().fold(f64::INFINITY, f64::min);
    let mut quick =
        MODES_BY_PRICE.into_iter().filter(|&(_, way)| times[way] <= 1.25 * quickest + UNNOTICED_SECONDS);
    quick.next().map_or("sync", |(name, _)| name)
}

fn table(output: &Output) -> Result<Exit, CommandError> {
    let failed = |error| CommandError::failed("cannot start workers", error);
    let lost = |error: JoinError| CommandError::failed("a worker", error);
    let cores = available_parallelism().map_or(1, usize::from);
    let n = (60e6 / output.settings().speed).max(20e6) as u64;
    let most = cores.max(modes::WAIT_COUNT);
    let threads = pools::threads(most, "worker").map_err(failed)?;
    let executors = Executors { threads, processes: pools::processes(most).map_err(failed)? };
    let table = Table::begin(output, COLUMNS);
    let row = |name: &str, python: &str, times: [Duration; 4]| {
        let times = times.map(|time| time.as_secs_f64());
        let here = cheapest(times);
        output.record(&json!({ "scenario": "decide", "row": name, "sync": times[0], "threads": times[1],
            "async": times[2], "processes": times[3], "use": here, "python": python }));
        let [sync, threads, tasks, processes] = times.map(|time| format!("{time:.3} s"));
        table.row(Style::Strong, &[name.into(), sync, threads, tasks, processes, here.into(), python.into()]);
        here
    };
    row("I/O-bound", "async, threads", modes::waits(&executors, output.delay(0.2)).map_err(lost)?);
    let sums = row("CPU-bound", "processes", modes::sums(&executors, cores, n).map_err(lost)?);
    row("Real-time UI", "threads", modes::clicks(&executors, n).map_err(lost)?);
    executors.processes.shutdown();
    let cores = match sums {
        "threads" => "Where there is no GIL threads do for sums what Python needs processes for.",
        "processes" => "Processes computed quicker than threads this time; without a GIL either will do.",
        _ => "The sums gained nothing from more workers: no second core was free for them.",
    };
    output.lesson(&format!(
        "I/O-bound: five waits. CPU-bound: a sum for each core. Real-time UI: how late a click is noticed while a sum is \
         computed. What to use here is the cheapest way that was about as quick as the quickest; by price they are sync, \
         async, threads, processes. {cores}"
    ));
    Ok(Exit::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheapest_of_the_quick_ways_is_used() {
        assert_eq!(cheapest([1.0, 0.2, 0.2, 0.2]), "async", "waits");
        assert_eq!(cheapest([0.2, 0.11, 0.2, 0.1]), "threads", "sums on two cores");
        assert_eq!(cheapest([0.2, 0.2, 0.2, 0.1]), "processes", "sums under a GIL");
        assert_eq!(cheapest([0.2, 0.21, 0.2, 0.22]), "sync", "sums on one core");
        assert_eq!(cheapest([0.08, 0.003, 0.08, 0.0]), "threads", "clicks");
    }
}
