//! `brigade cpu`: speeding up a program that computes. The same sums in three modes.

mod modes;
mod python;

use crate::{
    experiment::{Experiment, Mode, Row, Workers},
    scenario::{CommandError, Exit, Scenario},
    show::{Output, thousands},
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
        SumOptions::augment_args(command.arg(mode))
    },
    run: |output, matches| {
        let options =
            SumOptions::from_arg_matches(matches).map_err(|error| CommandError::usage(error.to_string()))?;
        let mode = matches.get_one::<String>("mode").map_or("all", String::as_str);
        run(output, &Mode::selected(mode, &MODES), &options)
    },
};

/// Mode async is left out: there is nothing to wait for.
pub const MODES: [Mode; 3] = [Mode::Sync, Mode::Threads, Mode::Processes];

/// What can be said about the experiment.
#[derive(Args, Debug, Clone)]
pub struct SumOptions {
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
pub struct SumPlan {
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
pub fn run(output: &Output, modes: &[Mode], options: &SumOptions) -> Result<Exit, CommandError> {
    let tasks = options.tasks as usize;
    // The document has a worker for each sum. Five on two cores get in each other's way, so there is one for each core
    // here; and since five is no multiple of two, each sum is cut into pieces.
    let workers = output.settings().workers.unwrap_or(cores());
    let plan = SumPlan { n: options.n, tasks, workers };
    output.heading(&format!(
        "CPU-bound: {} × the sum of i² for i < {}",
        thousands(tasks as u64),
        thousands(plan.n)
    ));
    output.line("");
    let mut experiment = Experiment::begin(output, None);
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
    if let Some(run) = &row.completed.python {
        return python::why(row.mode, run.gil, row.speedup).into();
    }
    let cores = cores();
    match row.completed.workers {
        _ if row.mode == Mode::Sync => "One sum after the other, on one core.".into(),
        Workers::Threads(n) => format!(
            "{n} on {cores} cores, each with pieces of every sum, and no lock between them. In Python the GIL, where there is one, \
             lets only one run at a time."
        ),
        Workers::Children { count: n, .. } => format!(
            "{n} on {cores} cores, likewise. Over threads they cost their start, their memory, and the way of the answers."
        ),
    }
}
