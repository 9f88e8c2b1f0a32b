//! The arguments of `brigade cpu`.

use super::{MODES, calibration};
use crate::{
    experiment::{Mode, python},
    sums::N_MAX,
};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, error::Error, value_parser};
use std::time::Duration;

/// The n of the document. Python needs some seconds for it.
const DOCUMENT_N: u64 = 10_000_000;

/// How long sync takes by default: long enough that other load of the machine does not decide.
pub const SYNC_TIME: Duration = Duration::from_millis(1300);

/// The choices of the user about the experiment.
#[derive(Args, Debug, Clone)]
pub struct SumOptions {
    /// Sum i² for all i below N [default: over 1 s of work;
    /// 10000000 with --compare-python]
    #[arg(long, value_name = "N", value_parser = end_of_sum, allow_negative_numbers = true, verbatim_doc_comment)]
    pub n: Option<u64>,
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
    /// How long sync takes if nobody says what n is.
    #[arg(skip = SYNC_TIME)]
    pub sync_time: Duration,
}

/// The end of the sums, and where it comes from.
pub(super) struct ChosenN {
    pub(super) n: u64,
    /// A sentence for people. Empty if the user has chosen.
    pub(super) reason: String,
}

impl SumOptions {
    /// Chooses the end of the sums, for all modes.
    pub(super) fn choose_n(&self) -> ChosenN {
        match self.n {
            Some(n) => ChosenN { n, reason: String::new() },
            None if self.compare_python => {
                let reason = "This n is the document's, because Python needs some seconds for it.";
                ChosenN { n: DOCUMENT_N, reason: reason.into() }
            }
            None => {
                let n = calibration::choose_n(self.tasks as usize, self.sync_time);
                let seconds = self.sync_time.as_secs_f64();
                let reason = format!(
                    "This n keeps one core of this machine busy for about {seconds:.1} s; --n sets another one."
                );
                ChosenN { n, reason }
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n_is_the_users_or_the_documents_or_fits_the_machine() {
        let sync_time = Duration::from_millis(1);
        let options =
            |n, compare_python| SumOptions { n, tasks: 5, compare_python, python_limit: 0.0, sync_time };
        assert_eq!(options(Some(7), true).choose_n().n, 7);
        assert_eq!(options(None, true).choose_n().n, DOCUMENT_N);
        let chosen = options(None, false).choose_n();
        assert!((1..DOCUMENT_N).contains(&chosen.n), "{}", chosen.n);
        assert!(chosen.reason.contains("about 0.0 s"), "{}", chosen.reason);
    }
}
