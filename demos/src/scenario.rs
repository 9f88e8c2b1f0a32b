//! What a scenario is to the command line: a name, a line, an idea, and a function that shows it.
//!
//! A scenario is one file in `scenarios/` with one `pub static`, and one line in the list of `scenarios/mod.rs`.

use crate::show::Output;
use clap::{ArgMatches, Command};
use std::{error::Error, fmt};

/// A command of `brigade`.
pub struct Scenario {
    /// The command's name.
    pub name: &'static str,
    /// What it shows, in one line.
    pub about: &'static str,
    /// The idea, for `--explain`.
    pub idea: &'static str,
    /// The functions of ours that make it work, as `file::function`.
    pub made_by: &'static [&'static str],
    /// Adds the arguments that only this command has.
    pub arguments: fn(Command) -> Command,
    /// Shows it.
    pub run: fn(&Output, &ArgMatches) -> Result<Exit, CommandError>,
}

impl Scenario {
    /// Shows it under its heading, with its default arguments.
    ///
    /// # Errors
    ///
    /// As the scenario itself.
    pub fn run_with_defaults(&self, output: &Output) -> Result<Exit, CommandError> {
        output.heading(&format!("── {} ── {}", self.name, self.about));
        let matches = (self.arguments)(Command::new(self.name)).try_get_matches_from([self.name]);
        let matches = matches.map_err(|error| CommandError::usage(error.to_string()))?;
        (self.run)(output, &matches)
    }
}

/// A command without arguments of its own.
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
    /// Something of what was asked for failed.
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
    /// What to tell the user.
    pub message: String,
}

impl CommandError {
    /// The command line asks for something that cannot be.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::USAGE, message: message.into() }
    }

    /// `what` could not be done.
    pub fn failed(what: &str, why: impl Error) -> Self {
        Self { exit: Exit::FAILURE, message: format!("{what}: {why}") }
    }
}
