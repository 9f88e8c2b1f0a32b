//! The arguments of `brigade cpu`.

use super::{MODES, calibration};
use crate::{
    experiment::{Mode, python},
    options::whole_number,
    scenario::CommandError,
    sums::N_MAX,
};
use brigade_process::Argv;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
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
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = |text: &str| whole_number::<u32>(text, 100_000), allow_negative_numbers = true)]
    pub tasks: u32,
    /// Do the same in Python too, in one table
    ///
    /// The machine's python3 does it, mode by mode. Where that fails the rest
    /// still runs, and the exit code is 1.
    #[arg(long, verbatim_doc_comment)]
    pub compare_python: bool,
    /// Seconds that Python may take a mode
    #[arg(long, value_name = "S", default_value_t = 120.0, value_parser = python::limit_seconds, allow_negative_numbers = true, requires = "compare_python")]
    pub python_limit: f64,
    /// Start each child by this command, on another machine
    ///
    /// As for example 'srun -n1' or 'mpirun -n 1': the command runs the
    /// words that follow it, and connects its stdin and stdout to them.
    /// This program must be there under the same path. Quotes keep blanks
    /// in a word.
    #[arg(long, value_name = "COMMAND", value_parser = launcher, verbatim_doc_comment)]
    pub launcher: Option<Argv>,
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
                let reason = "This n is the one of the notes \"Python Concurrency: Easy Notes with Examples\": Python needs \
                              some seconds for it.";
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
pub(super) fn parse(matches: &ArgMatches) -> Result<(Vec<Mode>, SumOptions), CommandError> {
    let mode = matches.get_one::<String>("mode").map_or("all", String::as_str);
    let (modes, options) = (Mode::selected(mode, &MODES), SumOptions::from_arg_matches(matches));
    let options = options.map_err(|error| CommandError::usage(error.to_string()))?;
    if options.launcher.is_some() && !modes.contains(&Mode::Processes) {
        let why = "--launcher starts children, which this mode does not have: say `cpu processes`";
        return Err(CommandError::usage(why.to_owned()));
    }
    Ok((modes, options))
}

/// Parses the command that starts children.
fn launcher(text: &str) -> Result<Argv, String> {
    let words = words(text)?;
    if words.is_empty() { Err("the command is empty".into()) } else { Ok(Argv::new(words)) }
}

/// Splits a command at blanks that are not in quotes.
fn words(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in text.chars() {
        match quote {
            Some(end) if letter == end => quote = None,
            Some(_) => word.get_or_insert_default().push(letter),
            None if letter == '\'' || letter == '"' => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            None if letter.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    if quote.is_some() { Err("a quote has no end".into()) } else { Ok(words) }
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
        let options = |n, compare_python| SumOptions {
            n,
            tasks: 5,
            compare_python,
            python_limit: 0.0,
            launcher: None,
            sync_time,
        };
        assert_eq!(options(Some(7), true).choose_n().n, 7);
        assert_eq!(options(None, true).choose_n().n, DOCUMENT_N);
        let chosen = options(None, false).choose_n();
        assert!((1..DOCUMENT_N).contains(&chosen.n), "{}", chosen.n);
        assert!(chosen.reason.contains("about 0.0 s"), "{}", chosen.reason);
    }

    #[test]
    fn a_command_is_split_at_blanks_outside_of_quotes() {
        assert_eq!(words(" srun  -n1 ").unwrap(), ["srun", "-n1"]);
        assert_eq!(
            words(r#"sh -c 'exec "$@"' "" a"b c"d"#).unwrap(),
            ["sh", "-c", "exec \"$@\"", "", "ab cd"]
        );
        assert!(words("sh -c 'exec").is_err() && launcher("  ").is_err());
    }
}
