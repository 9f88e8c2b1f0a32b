//! `brigade`, with no arguments: the document's two headline experiments, one after the other.

use super::{cpu, io};
use crate::{
    experiment::Mode,
    scenario::{CommandError, Exit},
    show::Output,
};
use std::time::Duration;

/// The delay of each fetch in the quick tour, in seconds.
const QUICK_DELAY_SECONDS: f64 = 0.25;

/// How long the sums take one core in the quick tour.
const QUICK_SYNC_TIME: Duration = Duration::from_millis(300);

/// Shows both experiments in all their modes.
///
/// # Errors
///
/// If the server or an executor cannot be started.
pub fn show(output: &Output, quick: bool) -> Result<Exit, CommandError> {
    let fetches = io::FetchOptions {
        requests: None,
        delay: quick.then_some(QUICK_DELAY_SECONDS),
        url: Vec::new(),
        timeout: None,
        compare_python: false,
        python_limit: 0.0,
    };
    let fetched = io::run(&output.for_scenario("io"), &Mode::ALL, &fetches)?;
    let sync_time = if quick { QUICK_SYNC_TIME } else { cpu::SYNC_TIME };
    let sums = cpu::SumOptions {
        n: None,
        tasks: 5,
        compare_python: false,
        python_limit: 0.0,
        launcher: None,
        sync_time,
    };
    let summed = cpu::run(&output.for_scenario("cpu"), &cpu::MODES, &sums)?;
    output.line("");
    output.paragraph(
        "The rule: work that waits wants async (or threads); work that computes wants threads on all cores (in Python, \
         processes). `brigade --help` shows what else there is.",
    );
    Ok(fetched.max(summed))
}
