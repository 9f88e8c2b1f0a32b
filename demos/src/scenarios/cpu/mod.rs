//! `brigade cpu`: speeding up a program that computes. The same sums in three modes.

mod modes;
mod python;

use crate::{
    experiment::{Crew, Experiment, Mode, Row},
    scenario::{Exit, Scenario, Trouble},
    show::{Stage, count},
    sums::N_MAX,
};
use clap::{Arg, Args, FromArgMatches, value_parser};
use std::thread::available_parallelism;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "cpu",
    about: "Sum squares in three modes: sync, threads, processes",
    idea: "A program that computes gets faster only by more cores: more threads, or, where a lock such as Python's GIL keeps threads apart, more processes.",
    made_by: &["pool/src/map.rs::map", "process/src/pool.rs::spawn", "demos/src/sums.rs::sum_of_squares"],
    arguments: |command| {
        let modes = ["sync", "threads", "processes", "all"];
        let mode = Arg::new("mode").value_parser(modes).default_value("all").hide_possible_values(true);
        let mode = mode.help("sync, threads, processes or all");
        Options::augment_args(command.arg(mode))
    },
    run: |stage, matches| {
        let options =
            Options::from_arg_matches(matches).map_err(|error| Trouble::usage(error.to_string()))?;
        let mode = matches.get_one::<String>("mode").map_or("all", String::as_str);
        run(stage, &Mode::named(mode, &MODES), &options)
    },
};

/// Mode async is left out: there is nothing to wait for.
pub const MODES: [Mode; 3] = [Mode::Sync, Mode::Threads, Mode::Processes];

/// What can be said about the experiment.
#[derive(Args, Debug, Clone)]
pub struct Options {
    /// Sum i² for all i below N
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = end_of_sum, allow_negative_numbers = true)]
    pub n: u64,
    /// How many such sums
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u32).range(1..=100_000), allow_negative_numbers = true)]
    pub tasks: u32,
    /// Do the same in Python too, in one table
    ///
    /// The machine's python3 does it, mode by mode. Where that fails the rest
    /// still runs, and the exit code is 1.
    #[arg(long, verbatim_doc_comment)]
    pub compare_python: bool,
}

/// How far a sum goes.
///
/// # Errors
///
/// What is wrong with the text.
fn end_of_sum(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(n) if n <= N_MAX => Ok(n),
        _ => Err(format!("not a whole number from 0 to {N_MAX}")),
    }
}

/// What every mode is given.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The sum's end.
    pub n: u64,
    /// How many sums.
    pub tasks: usize,
    /// How many workers.
    pub workers: usize,
}

/// Runs the modes one after the other and compares them.
///
/// # Errors
///
/// If an executor cannot be started.
pub fn run(stage: &Stage, modes: &[Mode], options: &Options) -> Result<Exit, Trouble> {
    let tasks = options.tasks as usize;
    // The document has a worker for each sum. Five on two cores get in each other's way, so there is one for each core
    // here; and since five is no multiple of two, each sum is cut into pieces.
    let workers = stage.setting().workers.unwrap_or(cores());
    let plan = Plan { n: options.n, tasks, workers };
    stage.heading(&format!("CPU-bound: {} × the sum of i² for i < {}", count(tasks as u64), count(plan.n)));
    stage.line("");
    let mut experiment = Experiment::begin(stage, None);
    if options.compare_python {
        experiment.compare_python();
    }
    for &mode in modes {
        experiment.run(mode, tasks, |progress| match mode {
            Mode::Threads => modes::threads(&plan, progress),
            Mode::Processes => modes::processes(&plan, progress),
            _ => modes::sync(&plan, progress),
        })?;
        experiment.run_python(mode, tasks, |progress| python::sum_all(&plan, mode, progress));
    }
    Ok(experiment.end(why))
}

fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

fn why(row: &Row) -> String {
    if let Some(account) = &row.effort.python {
        return python::why(row.mode, account.gil, row.speedup).into();
    }
    let cores = cores();
    match row.effort.crew {
        _ if row.mode == Mode::Sync => "One sum after the other, on one core.".into(),
        Crew::Threads(n) => format!(
            "{n} on {cores} cores, each with pieces of every sum, and no lock between them. In Python the GIL, where there is one, \
             lets only one run at a time."
        ),
        Crew::Children(n, _) => format!(
            "{n} on {cores} cores, likewise. Over threads they cost their start, their memory, and the way of the answers."
        ),
    }
}
