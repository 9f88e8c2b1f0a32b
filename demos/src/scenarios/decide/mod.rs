//! `brigade decide`: the document's table of what to use when, measured now; or a verdict on a command of the
//! user's.

mod command;
mod descendants;
mod keeper;
mod modes;

pub(crate) use keeper::keep_a_command;

use crate::{
    options::is_given,
    pools,
    scenario::{CommandError, Exit, Scenario, failed},
    show::{Column, Output, Style, Table},
};
use clap::{Arg, ArgMatches, Command};
use modes::{Executors, ModeTimes};
use serde_json::json;
use std::thread::available_parallelism;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "decide",
    about: "What to use when, measured now; or which way fits a command",
    idea: "Compare the time on the CPU with the time that passes. Work that waits wants async or threads. Work that computes \
           wants more cores. Work that must answer at once must not share a thread with a computation. With a command, the exit \
           code is the command's.",
    made_by: &[
        "runtime/src/combine/gather.rs::gather",
        "pool/src/job/spawn.rs::spawn",
        "process/src/front/pool.rs::spawn",
    ],
    examples: &["decide", "decide -- sleep 1"],
    takes_speed: true,
    takes_workers: false,
    arguments,
    show,
};

fn arguments(command: Command) -> Command {
    let program = Arg::new("command").value_name("CMD").num_args(1..).last(true);
    command.arg(program.help("A command to run once and judge; the exit code is its own"))
}

fn show(output: &Output, matches: &ArgMatches) -> Result<Exit, CommandError> {
    match matches.get_many::<String>("command") {
        Some(_) if is_given(matches, "speed") => {
            Err(CommandError::usage("--speed does not change how a command runs: leave it out"))
        }
        Some(words) => command::judge(output, &words.cloned().collect::<Vec<_>>()),
        None => show_table(output),
    }
}

const COLUMNS: &[Column] = &[
    Column::new("task type", 12),
    Column::new("sync", 7),
    Column::new("threads", 7),
    Column::new("async", 7),
    Column::new("processes", 9),
    Column::new("use here", 9),
    Column::new("in Python", 14),
];

// --code from here
/// The modes, cheapest first, each with its place in a list of times.
const MODES_BY_PRICE: [(&str, usize); 4] = [
    ("sync", 0),
    ("async", 2),     // a small allocation for each task
    ("threads", 1),   // a stack for each thread
    ("processes", 3), // memory of its own for each child, and messages
];

/// A difference of this many seconds goes unnoticed.
const UNNOTICED_SECONDS: f64 = 0.005;

/// Picks the cheapest mode that is about as quick as the quickest.
fn cheapest(times: [f64; 4]) -> &'static str {
    let quickest = times.into_iter().fold(f64::INFINITY, f64::min);
    let bound = 1.25 * quickest + UNNOTICED_SECONDS;
    let is_quick = |&(_, mode): &(&str, usize)| times[mode] <= bound;
    let first = MODES_BY_PRICE.into_iter().find(is_quick);
    first.map_or("sync", |(name, _)| name)
}
// --code to here

fn show_table(output: &Output) -> Result<Exit, CommandError> {
    let cores = available_parallelism().map_or(1, usize::from);
    let n = (60e6 / output.settings().speed).max(20e6) as u64;
    let workers = cores.max(modes::WAIT_COUNT);
    let threads = pools::threads(workers, "worker").map_err(failed("cannot start workers"))?;
    let processes = pools::processes(workers).map_err(failed("cannot start workers"))?;
    let executors = Executors { threads, processes };
    let table = Table::begin(output, COLUMNS);
    let row = |name: &str, python: &str, times: ModeTimes, choose: fn([f64; 4]) -> &'static str| {
        let times = times.map_err(failed("a worker"))?.map(|time| time.as_secs_f64());
        let here = choose(times);
        show_row(&table, output, name, python, times, here);
        Ok(here)
    };
    row("I/O-bound", "async, threads", modes::waits(&executors, output.delay(0.2)), cheapest)?;
    let for_sums = row("CPU-bound", "processes", modes::sums(&executors, cores, n), cheapest_for_sums)?;
    row("Real-time UI", "threads", modes::clicks(&executors, n), cheapest)?;
    executors.processes.shutdown();
    output.lesson(&format!(
        "I/O-bound: five waits. CPU-bound: a sum for each core. Real-time UI: how late a click is noticed while a sum is \
         computed. `use here` names the cheapest way that was about as quick as the quickest; by price the order is sync, \
         async, threads, processes. {}",
        explain_sums(for_sums)
    ));
    Ok(Exit::SUCCESS)
}

/// Picks the mode for sums. Tasks compute on one thread, as sync does, so what they gain over it is noise.
fn cheapest_for_sums([sync, threads, tasks, processes]: [f64; 4]) -> &'static str {
    let one_thread = sync.min(tasks);
    cheapest([one_thread, threads, one_thread, processes])
}

/// Shows a row of the table, with the mode to use here.
fn show_row(
    table: &Table<'_>,
    output: &Output,
    name: &str,
    python: &str,
    times: [f64; 4],
    here: &'static str,
) {
    output.record(
        "comparison",
        &json!({ "row": name, "sync": times[0], "threads": times[1],
        "async": times[2], "processes": times[3], "use": here, "python": python }),
    );
    let [sync, threads, tasks, processes] = times.map(|time| format!("{time:.3} s"));
    let cells = [name.into(), sync, threads, tasks, processes, here.into(), python.into()];
    table.row(Style::Strong, &cells);
}

fn explain_sums(mode: &str) -> &'static str {
    match mode {
        "threads" => "Without a GIL threads do for sums what Python needs processes for.",
        "processes" => "This time processes computed quicker than threads. Without a GIL either will do.",
        _ => "The sums gained little from more workers: they had hardly more than one core to themselves.",
    }
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

    #[test]
    fn tasks_are_never_the_way_to_compute() {
        // On a busy machine the tasks may happen to be quicker than sync.
        assert_eq!(cheapest_for_sums([1.0, 0.7, 0.85, 0.8]), "sync");
        assert_eq!(cheapest_for_sums([1.0, 0.5, 0.8, 0.5]), "threads");
    }
}
