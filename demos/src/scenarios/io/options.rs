//! The arguments of `brigade io`.

use crate::{
    experiment::{Mode, python},
    fetch::{Failure, Target},
    options::{is_given, whole_number},
    scenario::CommandError,
};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, error::Error};

/// The choices of the user about the experiment.
#[derive(Args, Debug, Clone)]
pub struct FetchOptions {
    /// How many requests [default: 5, or one for each --url]
    #[arg(long, value_name = "N", value_parser = |text: &str| whole_number::<u32>(text, 1_000_000), allow_negative_numbers = true)]
    pub requests: Option<u32>,
    /// Our server's delay in seconds [default: 1 / speed]
    #[arg(long, value_name = "S", value_parser = delay_seconds, allow_negative_numbers = true, conflicts_with = "url")]
    pub delay: Option<f64>,
    /// Fetch this instead of our server; may be repeated
    #[arg(long, value_name = "URL", value_parser = fetchable)]
    pub url: Vec<String>,
    /// Seconds that a request may take [default: delay + 30]
    #[arg(long, value_name = "S", value_parser = timeout_seconds, allow_negative_numbers = true)]
    pub timeout: Option<f64>,
    /// Do the same in Python too, in one table
    ///
    /// The machine's python3 does it, mode by mode, with requests and aiohttp
    /// if it has them. Where that fails the rest still runs, and the exit
    /// code is 1.
    #[arg(long, verbatim_doc_comment)]
    pub compare_python: bool,
    /// Seconds that Python may take a mode
    #[arg(long, value_name = "S", default_value_t = 120.0, value_parser = python::limit_seconds, allow_negative_numbers = true, requires = "compare_python")]
    pub python_limit: f64,
}

/// Adds the arguments to the command.
pub(super) fn arguments(command: Command) -> Command {
    let modes = ["sync", "threads", "async", "processes", "all"];
    let mode = Arg::new("mode").value_parser(modes).default_value("all").hide_possible_values(true);
    let mode = mode.help("sync, threads, async, processes or all");
    FetchOptions::augment_args(command.arg(mode))
}

/// Reads the modes and the options from the command line.
pub(super) fn parse(matches: &ArgMatches) -> Result<(Vec<Mode>, FetchOptions), Error> {
    let mode = matches.get_one::<String>("mode").map_or("all", String::as_str);
    Ok((Mode::selected(mode, &Mode::ALL), FetchOptions::from_arg_matches(matches)?))
}

/// Refuses shared options that would change nothing in these modes and with these options.
pub(super) fn check(
    modes: &[Mode],
    options: &FetchOptions,
    matches: &ArgMatches,
) -> Result<(), CommandError> {
    if is_given(matches, "speed") && (options.delay.is_some() || !options.url.is_empty()) {
        return Err(CommandError::usage(
            "--speed sets the delay of our own server: leave it out beside --delay and --url",
        ));
    }
    let has_workers = |mode: &Mode| matches!(mode, Mode::Threads | Mode::Processes);
    if is_given(matches, "workers") && !modes.iter().any(has_workers) {
        return Err(CommandError::usage("--workers acts in the modes threads and processes: leave it out"));
    }
    Ok(())
}

/// Checks that a text is a URL that we can fetch.
fn fetchable(text: &str) -> Result<String, String> {
    match Target::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        // The parser of the command line names the text already.
        Err(Failure { message, .. }) => {
            Err(message.strip_prefix(&format!("{text:?}")).map_or(message.clone(), |why| format!("it{why}")))
        }
    }
}

/// Parses a number of seconds that our server can be asked to wait.
fn delay_seconds(text: &str) -> Result<f64, String> {
    seconds_in_range(text, 0.0, 60.0)
}

/// Parses a number of seconds that a request may take.
fn timeout_seconds(text: &str) -> Result<f64, String> {
    seconds_in_range(text, 0.001, 86_400.0)
}

fn seconds_in_range(text: &str, least: f64, most: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (least..=most).contains(&seconds) => Ok(seconds),
        _ => Err(format!("not a number of seconds from {least} to {most}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_finite_and_bounded() {
        assert_eq!(delay_seconds("0.25"), Ok(0.25));
        for wrong in ["-1", "NaN", "inf", "61", "", "one"] {
            assert!(delay_seconds(wrong).is_err(), "{wrong}");
        }
        assert!(timeout_seconds("0").is_err());
    }
}
