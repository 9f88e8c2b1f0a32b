//! `brigade decide`: the document's table of what to use when, measured now; or a verdict on a command of the user's.

mod command;

use crate::{
    crew,
    interrupt::Guarded,
    scenario::{Exit, Scenario, Trouble},
    show::{Column, Ink, Stage, Table},
    sums::sum_of_squares,
};
use brigade_runtime::gather;
use brigade_trace::clock;
use clap::Arg;
use serde_json::json;
use std::{thread::sleep, time::Duration};

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "decide",
    about: "What to use when, measured on this machine; or which of them fits a command",
    idea: "Compare the time on the CPU with the time that passes. Work that waits wants async or threads; work that computes \
           wants more cores; what must answer at once must not run where something else computes. With a command, its exit \
           code is the command's.",
    made_by: &["runtime/src/gather.rs::gather", "pool/src/map.rs::map", "process/src/pool.rs::spawn"],
    arguments: |command| {
        let program = Arg::new("command").value_name("CMD").num_args(1..).last(true);
        command.arg(program.help("A command to run once and judge, after `--`; the exit code is its own"))
    },
    run: |stage, matches| match matches.get_many::<String>("command") {
        Some(words) => command::judge(stage, &words.cloned().collect::<Vec<_>>()),
        None => table(stage),
    },
};

const COLUMNS: &[Column] = &[
    Column("task type", 13),
    Column("sync", 8),
    Column("threads", 8),
    Column("async", 8),
    Column("processes", 9),
];
const SUM: u64 = 20_000_000;

fn table(stage: &Stage) -> Result<Exit, Trouble> {
    let pause = stage.delay(0.2);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let table = Table::begin(stage, COLUMNS);
    let row = |name: &str, times: [Option<Duration>; 4]| {
        let seconds = times.map(|time| time.map(|time| time.as_secs_f64()));
        stage.object(&json!({ "scenario": "decide", "row": name, "sync": seconds[0], "threads": seconds[1],
            "async": seconds[2], "processes": seconds[3] }));
        let cell = |time: Option<f64>| time.map_or("–".into(), |time| format!("{time:.3} s"));
        let cells = seconds.map(cell);
        table.row(Ink::Strong, &[&[name.to_owned()], cells.as_slice()].concat());
    };
    let failed = |error| Trouble::failed("cannot start workers", error);
    let sync = clock::timed(|| (0..5).for_each(|_| sleep(pause))).1;
    let pool = crew::threads(5, "wait").map_err(failed)?;
    let threads = clock::timed(|| pool.map(move |_| sleep(pause), 0..5)).1;
    let tasks = || {
        brigade_runtime::run(async move { gather((0..5).map(|_| brigade_runtime::sleep(pause))).await });
    };
    row("I/O-bound", [Some(sync), Some(threads), Some(clock::timed(tasks).1), None]);
    let sync = clock::timed(|| (0..cores).map(|_| sum_of_squares(0..SUM)).sum::<u128>()).1;
    let pool = crew::threads(cores, "sum").map_err(failed)?;
    let threads = clock::timed(|| pool.map(sum_of_squares, (0..cores).map(|_| 0..SUM))).1;
    let procs = Guarded::start(cores).map_err(failed)?;
    let processes = clock::timed(|| {
        let spawn = |procs: &brigade_process::ProcessPool| {
            (0..cores).map(|_| procs.spawn(sum_of_squares, 0..SUM)).collect::<Vec<_>>()
        };
        procs.with(spawn).into_iter().filter_map(|call| call.join().ok()).count()
    });
    procs.shutdown();
    row("CPU-bound", [Some(sync), Some(threads), None, Some(processes.1)]);
    // How long a click has to wait for its answer while a sum is computed: on the same thread, and on another.
    let same = clock::timed(|| sum_of_squares(0..SUM)).1;
    let busy = pool.spawn(|| sum_of_squares(0..SUM));
    let other = clock::timed(std::thread::yield_now).1;
    busy.join().map_err(|error| Trouble::failed("a worker", error))?;
    row("Real-time UI", [Some(same), Some(other), None, None]);
    stage.seen(
        "I/O-bound: five waits; async needs one thread for what takes five otherwise. CPU-bound: a sum for each core; without \
         a GIL threads do what Python needs processes for. Real-time UI: how long a click waits while a sum is computed; \
         on a thread of its own the sum is in nobody's way.",
    );
    Ok(Exit::FINE)
}
