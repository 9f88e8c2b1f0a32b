//! `brigade cpu`: speeding up a program that computes. The same sums in three modes.

mod calibration;
mod explanation;
mod modes;
mod options;
mod python;

pub use options::{SYNC_TIME, SumOptions};

use crate::{
    experiment::{Experiment, Mode, cores},
    options::is_given,
    pools,
    scenario::{CommandError, Exit, Scenario, failed},
    show::{Output, thousands},
};
use brigade_process::Argv;
use clap::ArgMatches;
use options::ChosenN;
use std::time::Duration;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "cpu",
    about: "Sum squares in three modes: sync, threads, processes",
    idea: "A program that computes gets faster only by more cores: by more threads or, where a lock such as Python's GIL keeps \
           threads apart, by more processes.",
    made_by: &[
        "pool/src/job/spawn.rs::spawn",
        "process/src/front/pool.rs::spawn",
        "demos/src/sums.rs::sum_of_squares",
    ],
    examples: &["cpu --compare-python"],
    takes_speed: false,
    takes_workers: true,
    arguments: options::arguments,
    show,
};

/// The modes. Async is left out, because there is nothing to wait for.
pub const MODES: [Mode; 3] = [Mode::Sync, Mode::Threads, Mode::Processes];

fn show(output: &Output, matches: &ArgMatches) -> Result<Exit, CommandError> {
    let (modes, options) = options::parse(matches)?;
    if modes == [Mode::Sync] && is_given(matches, "workers") {
        return Err(CommandError::usage("--workers acts in the modes threads and processes: leave it out"));
    }
    run(output, &modes, &options)
}

/// The plan that every mode is given.
#[derive(Debug, Clone, Copy)]
pub struct SumPlan<'a> {
    /// The sum's end.
    pub n: u64,
    /// How many sums.
    pub tasks: usize,
    /// How many workers.
    pub workers: usize,
    /// The command that starts the children, if it is not this program that does.
    pub launcher: Option<&'a Argv>,
}

/// Runs the modes one after the other and compares them.
///
/// # Errors
///
/// Fails if an executor cannot be started.
pub fn run(output: &Output, modes: &[Mode], options: &SumOptions) -> Result<Exit, CommandError> {
    let tasks = options.tasks as usize;
    // The document has a worker for each sum. Five workers on two cores get in each other's way, so here each
    // core has one worker, as long as there are sums. Five sums cannot be shared out evenly between two
    // workers, so each sum is cut into pieces.
    let asked = output.settings().workers;
    let workers = asked.unwrap_or(cores()).min(tasks);
    // A command that starts no child is told first, and alone.
    if let Some(launcher) = &options.launcher {
        let child = pools::processes_by(launcher.clone(), 1);
        child.map_err(failed("cannot start processes"))?.shutdown();
    }
    let ChosenN { n, reason } = options.choose_n();
    let plan = SumPlan { n, tasks, workers, launcher: options.launcher.as_ref() };
    output.heading(&format!(
        "CPU-bound: {} × the sum of i² for i < {}",
        thousands(tasks as u64),
        thousands(plan.n)
    ));
    if !reason.is_empty() {
        output.paragraph(&reason);
    }
    output.line("");
    let mut experiment = Experiment::begin(output, None);
    experiment.computes(plan.n);
    for &mode in modes {
        experiment.run(mode, tasks, |progress| match mode {
            Mode::Threads => modes::threads(&plan, progress),
            Mode::Processes => modes::processes(&plan, progress),
            _ => modes::sync(&plan, progress),
        })?;
    }
    // Our rows come first: nothing that Python does can keep them back.
    if options.compare_python {
        let limit = Duration::from_secs_f64(options.python_limit);
        experiment.compare_python(modes, tasks, limit, |mode, progress| {
            python::sum_all(&plan, mode, limit, progress)
        });
    }
    Ok(experiment.end(|row| explanation::explain(row, asked)))
}
