//! The command line: what can be asked, how a command is found, and the exit code.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | everything went well |
//! | 1 | something of what was asked for failed |
//! | 2 | the command line is wrong |
//! | 128 + n | ended by signal n: 130 is Ctrl-C |

use crate::{
    interrupt,
    scenario::{ALL, Exit, Trouble},
    scenarios::tour,
    show::{Setting, Stage},
};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::{panic, process::ExitCode};

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    panic::set_hook(Box::new(|info| {
        // One line; what went wrong inside is no affair of the user's, and a backtrace helps nobody who sees it.
        let place =
            info.location().map_or(String::new(), |place| format!(" ({}:{})", place.file(), place.line()));
        let payload = info.payload();
        let words = payload.downcast_ref::<&str>().copied();
        let words =
            words.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
        eprintln!("brigade: something is wrong in brigade itself: {words}{place}");
    }));
    let result = panic::catch_unwind(|| {
        let matches = command().get_matches();
        interrupt::listen().map_err(|error| Trouble::failed("cannot catch Ctrl-C", error))?;
        dispatch(&matches)
    });
    interrupt::stay_out_of_the_way();
    let exit = match result {
        Ok(Ok(exit)) => exit,
        Ok(Err(trouble)) => {
            eprintln!("brigade: {}", trouble.message);
            trouble.exit
        }
        Err(_panic) => Exit::FAILED,
    };
    ExitCode::from(exit.0)
}

fn dispatch(matches: &ArgMatches) -> Result<Exit, Trouble> {
    let Some((name, inner)) = matches.subcommand() else {
        return tour::run(&Stage::new("tour", setting(matches)), matches.get_flag("quick"));
    };
    let scenario =
        ALL.iter().find(|scenario| scenario.name == name).expect("clap knows the commands from this list");
    (scenario.run)(&Stage::new(scenario.name, setting(inner)), inner)
}

fn setting(matches: &ArgMatches) -> Setting {
    Setting {
        json: matches.get_flag("json"),
        workers: matches.get_one::<u16>("workers").map(|&workers| workers.into()),
        speed: 1.0,
    }
}

/// The whole command line.
pub fn command() -> Command {
    let quick = Arg::new("quick").long("quick").action(ArgAction::SetTrue).help("The tour in about 3 s");
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue).global(true);
    let workers = Arg::new("workers").long("workers").value_name("N").global(true);
    let workers = workers.value_parser(value_parser!(u16).range(1..=1024));
    let command = Command::new("brigade")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Concurrency on three executors written from scratch: tasks, threads, processes")
        .long_about(
            "Concurrency on three executors written from scratch: tasks, threads, processes.\n\nWithout a command it \
             shows the tour: what waits and what computes, in every mode.",
        )
        .args_conflicts_with_subcommands(false)
        .arg(quick)
        .arg(json.help("One JSON object a line"))
        .arg(workers.help("How many threads or children to use, instead of one for each piece of work"));
    ALL.iter().fold(command, |command, scenario| {
        // The about comes last: clap takes the doc comment of derived arguments for one.
        command.subcommand((scenario.arguments)(Command::new(scenario.name)).about(scenario.about))
    })
}

/// A number of seconds that our server can be asked to wait.
///
/// # Errors
///
/// What is wrong with the text.
pub fn seconds(text: &str) -> Result<f64, String> {
    in_range(text, 0.0, 60.0)
}

/// A number of seconds that a request may take.
///
/// # Errors
///
/// What is wrong with the text.
pub fn limit(text: &str) -> Result<f64, String> {
    in_range(text, 0.001, 86_400.0)
}

fn in_range(text: &str, least: f64, most: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (least..=most).contains(&seconds) => Ok(seconds),
        _ => Err(format!("not a number of seconds from {least} to {most}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn seconds_are_finite_and_bounded() {
        assert_eq!(seconds("0.25"), Ok(0.25));
        for wrong in ["-1", "NaN", "inf", "61", "", "one"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
        assert!(limit("0").is_err());
    }
}
