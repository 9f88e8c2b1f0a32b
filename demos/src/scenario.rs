//! What a scenario is to the command line: a name, a line, an idea, and a function that shows it.
//!
//! A scenario is one file in `scenarios/` with one `pub static`, and one line in [`ALL`].

use crate::{scenarios, show::Stage};
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
    pub run: fn(&Stage, &ArgMatches) -> Result<Exit, Trouble>,
}

/// All scenarios, in the order of the document.
pub static ALL: &[&Scenario] = &[
    &scenarios::kitchen::SCENARIO,
    &scenarios::io::SCENARIO,
    &scenarios::cpu::SCENARIO,
    &scenarios::decide::SCENARIO,
    &scenarios::gil::SCENARIO,
    &scenarios::hello::SCENARIO,
    &scenarios::chain::SCENARIO,
    &scenarios::queue::SCENARIO,
    &scenarios::generator::SCENARIO,
    &scenarios::run::SCENARIO,
    &scenarios::thread::SCENARIO,
    &scenarios::daemon::SCENARIO,
    &scenarios::executor::SCENARIO,
    &scenarios::race::SCENARIO,
    &scenarios::lock::SCENARIO,
    &scenarios::deadlock::SCENARIO,
    &scenarios::producer_consumer::SCENARIO,
    &scenarios::cards::SCENARIO,
    &scenarios::serve::SCENARIO,
];

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
    pub const FINE: Self = Self(0);
    /// Something of what was asked for failed.
    pub const FAILED: Self = Self(1);
    /// The command line is wrong.
    pub const USAGE: Self = Self(2);
    /// A deadlock was found, as announced.
    pub const DEADLOCK: Self = Self(3);
}

/// Why a command could not be carried out at all.
#[derive(Debug)]
pub struct Trouble {
    /// The exit code.
    pub exit: Exit,
    /// What to tell the user.
    pub message: String,
}

impl Trouble {
    /// The command line asks for something that cannot be.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::USAGE, message: message.into() }
    }

    /// `what` could not be done.
    pub fn failed(what: &str, why: impl Error) -> Self {
        Self { exit: Exit::FAILED, message: format!("{what}: {why}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    #[test]
    fn every_line_about_a_scenario_fits_a_terminal() {
        for Scenario { name, about, .. } in ALL {
            // In the list and in the help: a margin, the longest name, a gap. As a heading: the name and three gaps.
            let widest = (21 + about.chars().count()).max(7 + name.len() + about.chars().count());
            assert!(widest <= 80, "{name}: {widest} columns");
        }
    }

    #[test]
    fn every_function_that_an_explanation_names_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for scenario in ALL {
            assert!(!scenario.idea.is_empty() && !scenario.made_by.is_empty(), "{}", scenario.name);
            for place in scenario.made_by {
                let (file, function) = place.split_once("::").unwrap();
                let text =
                    fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
                let named = |end: &str| text.contains(&format!("fn {function}{end}"));
                assert!(named("(") || named("<"), "{}: {place} is not there", scenario.name);
            }
        }
    }
}
