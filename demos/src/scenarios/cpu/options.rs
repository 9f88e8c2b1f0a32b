//! The arguments of `brigade cpu`.

use super::MODES;
use crate::{
    experiment::{Mode, python},
    sums::N_MAX,
};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, error::Error, value_parser};

/// The choices of the user about the experiment.
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
    /// Seconds that Python may take for a mode
    #[arg(long, value_name = "S", default_value_t = 120.0, value_parser = python::limit_seconds, allow_negative_numbers = true, requires = "compare_python")]
    pub python_limit: f64,
}

/// Adds the arguments to the command.
pub(super) fn arguments(command: Command) -> Command {
    let modes = ["sync", "threads", "processes", "all"];
    let mode = Arg::new("mode").value_parser(modes).default_value("all").hide_possible_values(true);
    let mode = mode.help("sync, threads, processes or all");
    SumOptions::augment_args(command.arg(mode))
}

/// Reads the modes and the options from the command line.
pub(super) fn parse(matches: &ArgMatches) -> Result<(Vec<Mode>, SumOptions), Error> {
    let mode = matches.get_one::<String>("mode").map_or("all", String::as_str);
    Ok((Mode::selected(mode, &MODES), SumOptions::from_arg_matches(matches)?))
}

/// Parses the number below which a sum goes.
fn end_of_sum(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(n) if n <= N_MAX => Ok(n),
        _ => Err(format!("not a whole number from 0 to {N_MAX}")),
    }
}
