//! `brigade`, with no arguments: the document's two headline experiments, one after the other.

use super::{cpu, io};
use crate::{
    experiment::Mode,
    scenario::{Exit, Trouble},
    show::Stage,
};

/// The delay of each fetch in the quick tour, in seconds.
const DELAY_QUICK: f64 = 0.25;

/// Shows both experiments in all their modes.
///
/// # Errors
///
/// If the server or an executor cannot be started.
pub fn run(stage: &Stage, quick: bool) -> Result<Exit, Trouble> {
    let fetches = io::Options {
        requests: None,
        delay: quick.then_some(DELAY_QUICK),
        url: Vec::new(),
        timeout: None,
        compare_python: false,
    };
    let fetched = io::run(&stage.for_scenario("io"), &Mode::ALL, &fetches)?;
    let sums = cpu::Options { n: 10_000_000, tasks: 5, compare_python: false };
    let summed = cpu::run(&stage.for_scenario("cpu"), &cpu::MODES, &sums)?;
    stage.line("");
    stage.paragraph(
        "The rule: work that waits wants async (or threads), work that computes wants threads on all cores (in Python, \
         processes). `brigade --help` shows what else there is.",
    );
    Ok(fetched.max(summed))
}
