//! The options that several commands share: `--json`, `--speed`, `--workers`, `--trace`.
//!
//! An option acts, or is refused: each scenario says which of them change something there.

use crate::{
    recorder,
    scenario::{CommandError, Scenario},
    scenarios::ALL,
    show::Settings,
};
use clap::{Arg, ArgAction, ArgMatches, Command, parser::ValueSource};
use std::{fmt, str::FromStr};

/// Which of the shared options change something in a command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Takes {
    pub(crate) speed: bool,
    pub(crate) workers: bool,
}

impl Takes {
    /// Neither option: `list`.
    pub(crate) const NEITHER: Self = Self { speed: false, workers: false };

    /// The options that change something in this scenario.
    pub(crate) fn of(scenario: &Scenario) -> Self {
        Self { speed: scenario.takes_speed, workers: scenario.takes_workers }
    }

    /// Adds the options that change nothing as hidden ones, so that the help does not list them.
    pub(crate) fn hide_others(self, command: Command) -> Command {
        let command = if self.speed { command } else { command.arg(speed().hide(true)) };
        if self.workers { command } else { command.arg(workers().hide(true)) }
    }

    /// Refuses `--trace` in a command that runs nothing.
    pub(crate) fn check_trace(name: &str, matches: &ArgMatches) -> Result<(), CommandError> {
        if is_given(matches, "trace") {
            return Err(CommandError::usage(format!("--trace records nothing in `{name}`: leave it out")));
        }
        if is_given(matches, "lanes") {
            return Err(CommandError::usage(format!("--lanes draws nothing in `{name}`: leave it out")));
        }
        Ok(())
    }

    /// Refuses the options that would change nothing in the command `name`.
    pub(crate) fn check(self, name: &str, matches: &ArgMatches) -> Result<(), CommandError> {
        if !self.speed && is_given(matches, "speed") {
            let why = "where no wait depends on it";
            return Err(CommandError::usage(format!(
                "--speed changes nothing in `{name}`, {why}: leave it out"
            )));
        }
        if !self.workers && is_given(matches, "workers") {
            let others = ALL.iter().filter(|scenario| scenario.takes_workers).map(|scenario| scenario.name);
            let others = others.collect::<Vec<_>>().join(", ");
            return Err(CommandError::usage(format!(
                "--workers changes nothing in `{name}`: leave it out (it acts in {others}, all, and the tour)"
            )));
        }
        Ok(())
    }
}

/// Whether the user has given this argument. An argument that the command does not have is not given.
pub(crate) fn is_given(matches: &ArgMatches, id: &str) -> bool {
    matches.try_contains_id(id).unwrap_or(false) && matches.value_source(id) == Some(ValueSource::CommandLine)
}

/// Adds the shared options to the whole command line.
pub(crate) fn add_to(brigade: Command) -> Command {
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue);
    brigade
        .arg(json.global(true).help("One JSON object a line"))
        .arg(speed().global(true))
        .arg(workers().global(true))
        .arg(recorder::argument().global(true))
        .arg(recorder::lanes_argument().global(true))
}

fn speed() -> Arg {
    let speed = Arg::new("speed").long("speed").value_name("X").value_parser(parse_speed);
    // With this, -1 is a wrong value and not an unknown option.
    speed.allow_negative_numbers(true).help("How many times faster the waits go by [default: 1]")
}

fn workers() -> Arg {
    let workers = Arg::new("workers").long("workers").value_name("N");
    let workers =
        workers.value_parser(|text: &str| whole_number::<u16>(text, 1024)).allow_negative_numbers(true);
    workers.help("How many threads or children")
}

/// Parses a whole number from 1 to `most`.
pub(crate) fn whole_number<N>(text: &str, most: N) -> Result<N, String>
where
    N: FromStr + PartialOrd + From<u8> + fmt::Display,
{
    match text.parse() {
        Ok(number) if N::from(1) <= number && number <= most => Ok(number),
        _ => Err(format!("not a whole number from 1 to {most}")),
    }
}

fn parse_speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.01..=1000.0).contains(&speed) => Ok(speed),
        _ => Err("not a number from 0.01 to 1000".into()),
    }
}

/// Reads the shared options.
pub(crate) fn settings(matches: &ArgMatches) -> Settings {
    Settings {
        json: matches.get_flag("json"),
        workers: matches.get_one::<u16>("workers").map(|&workers| workers.into()),
        speed: matches.get_one::<f64>("speed").copied().unwrap_or(1.0),
    }
}

/// Refuses every other argument beside `--explain` or `--code`, which only do what `does` says.
pub(crate) fn check_alone(does: &str, name: &str, matches: &ArgMatches) -> Result<(), CommandError> {
    let allowed = ["explain", "code", "json"];
    if matches.ids().any(|id| !allowed.contains(&id.as_str()) && is_given(matches, id.as_str())) {
        return Err(CommandError::usage(format!("{does} `{name}`: leave the other arguments out")));
    }
    Ok(())
}
