//! A scenario: a name, a line, an idea, its arguments, and a function that shows it.
//!
//! A scenario is one file or folder in `scenarios/` with one `pub static`, and one line in the list of
//! `demos/src/scenarios/mod.rs`.

use crate::{remedy::remedy, show::Output};
use clap::{ArgMatches, Command};
use std::{error::Error, fmt};

/// A command of `brigade`.
pub struct Scenario {
    /// The command's name.
    pub name: &'static str,
    /// One line that says what the scenario shows.
    pub about: &'static str,
    /// The idea, for `--explain`.
    pub idea: &'static str,
    /// The functions of ours that make it work, as `file::function`.
    pub made_by: &'static [&'static str],
    /// Command lines, without `brigade`, whose output stands in `docs/scenarios.md`.
    pub examples: &'static [&'static str],
    /// Whether `--speed` changes something here: the scenario waits.
    pub takes_speed: bool,
    /// Whether `--workers` changes something here.
    pub takes_workers: bool,
    /// Adds the arguments that only this command has.
    pub arguments: fn(Command) -> Command,
    /// Shows the scenario.
    pub show: fn(&Output, &ArgMatches) -> Result<Exit, CommandError>,
}

impl Scenario {
    /// Shows the scenario under its heading, with its default arguments.
    ///
    /// # Errors
    ///
    /// Returns the error of the scenario.
    pub fn show_with_defaults(&self, output: &Output) -> Result<Exit, CommandError> {
        output.heading(&format!("── {} ── {}", self.name, self.about));
        let matches = (self.arguments)(Command::new(self.name)).try_get_matches_from([self.name]);
        let matches = matches.map_err(|error| CommandError::usage(error.to_string()))?;
        (self.show)(output, &matches)
    }
}

/// Adds no arguments to a command.
pub fn no_arguments(command: Command) -> Command {
    command
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How a command ended: its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exit(pub u8);

impl Exit {
    /// Everything went well.
    pub const SUCCESS: Self = Self(0);
    /// A part of the work failed.
    pub const FAILURE: Self = Self(1);
    /// The command line is wrong.
    pub const USAGE: Self = Self(2);
    /// A deadlock was found, as announced.
    pub const DEADLOCK: Self = Self(3);
}

/// Why a command could not be carried out at all.
#[derive(Debug)]
pub struct CommandError {
    /// The exit code.
    pub exit: Exit,
    /// The message for the user.
    pub message: String,
}

impl CommandError {
    /// The command line asks for something that cannot be.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::USAGE, message: message.into() }
    }

    /// `what` could not be done. If the system says why, the message also says what the user can do.
    pub fn failed(what: &str, why: impl Error) -> Self {
        let message = format!("{what}: {why}");
        Self { exit: Exit::FAILURE, message: format!("{message}{}", remedy(&message).unwrap_or_default()) }
    }
}

/// Makes a [`CommandError`] of an error, for `map_err`: `what` could not be done.
pub fn failed<E: Error>(what: &str) -> impl FnOnce(E) -> CommandError {
    move |why| CommandError::failed(what, why)
}
