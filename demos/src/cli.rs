//! The command line: its arguments, how a command is found, and the exit code.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | everything went well |
//! | 1 | a part of the work failed |
//! | 2 | the command line is wrong |
//! | 3 | a deadlock was found (`deadlock`) |
//! | 128 + n | ended by signal n: 130 is Ctrl-C |

use crate::{
    interrupt,
    scenario::{CommandError, Exit, Scenario},
    scenarios::{ALL, tour},
    show::{Output, Settings, Style},
};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::json;
use std::{panic, process::ExitCode};

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    panic::set_hook(Box::new(|info| {
        // The message is one line: a backtrace of our insides would not help the user.
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
        interrupt::listen().map_err(|error| CommandError::failed("cannot catch Ctrl-C", error))?;
        dispatch(&matches)
    });
    interrupt::park_if_exiting();
    let exit = match result {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => {
            eprintln!("brigade: {}", error.message);
            error.exit
        }
        Err(_panic) => Exit::FAILURE,
    };
    ExitCode::from(exit.0)
}

fn dispatch(matches: &ArgMatches) -> Result<Exit, CommandError> {
    let Some((name, inner)) = matches.subcommand() else {
        return tour::show(&Output::new("tour", settings(matches)), matches.get_flag("quick"));
    };
    if matches.get_flag("quick") {
        return Err(CommandError::usage(format!(
            "--quick is for the tour, which has no command; see `brigade {name} --help`"
        )));
    }
    let settings = settings(inner);
    match name {
        "list" => return Ok(list(&Output::new("list", settings))),
        "all" => return all(settings),
        _ => {}
    }
    let scenario =
        ALL.iter().find(|scenario| scenario.name == name).expect("clap knows the commands from this list");
    let output = Output::new(scenario.name, settings);
    if inner.get_flag("explain") {
        return Ok(explain(&output, scenario));
    }
    (scenario.show)(&output, inner)
}

/// Lists every scenario with its line.
fn list(output: &Output) -> Exit {
    for scenario in ALL {
        output.record(&json!({ "scenario": scenario.name, "about": scenario.about }));
        output.labelled(Style::Strong, &format!("  {:<18} ", scenario.name), scenario.about);
    }
    Exit::SUCCESS
}

/// Prints the idea of a scenario and the functions that make it work.
fn explain(output: &Output, scenario: &Scenario) -> Exit {
    let Scenario { name, about, idea, made_by, .. } = scenario;
    output.record(&json!({ "scenario": name, "about": about, "idea": idea, "made_by": made_by }));
    output.paragraph(idea);
    output.line("");
    output.line("Made by:");
    made_by.iter().for_each(|place| output.line(format_args!("  {place}")));
    Exit::SUCCESS
}

/// The scenarios that go on until the user ends them.
const ENDED_BY_USER: [&str; 2] = ["cards", "serve"];

/// Runs all scenarios that end by themselves, with their default arguments.
fn all(settings: Settings) -> Result<Exit, CommandError> {
    let mut worst = Exit::SUCCESS;
    for scenario in ALL.iter().filter(|scenario| !ENDED_BY_USER.contains(&scenario.name)) {
        let output = Output::new(scenario.name, settings);
        match scenario.show_with_defaults(&output)? {
            // The deadlock is what this scenario shows.
            Exit::DEADLOCK if scenario.name == "deadlock" => {}
            exit => worst = worst.max(exit),
        }
    }
    Ok(worst)
}

fn settings(matches: &ArgMatches) -> Settings {
    Settings {
        json: matches.get_flag("json"),
        workers: matches.get_one::<u16>("workers").map(|&workers| workers.into()),
        speed: matches.get_one::<f64>("speed").copied().unwrap_or(1.0),
    }
}

/// The whole command line.
pub fn command() -> Command {
    let quick =
        Arg::new("quick").long("quick").action(ArgAction::SetTrue).help("The tour (no command) in about 3 s");
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue).global(true);
    let workers = Arg::new("workers").long("workers").value_name("N").global(true);
    let workers = workers.value_parser(value_parser!(u16).range(1..=1024)).allow_negative_numbers(true);
    let speed = Arg::new("speed").long("speed").value_name("X").global(true).value_parser(speed);
    // With this, -1 is a wrong value and not an unknown option.
    let speed = speed.allow_negative_numbers(true);
    let explain = Arg::new("explain").long("explain").action(ArgAction::SetTrue);
    let explain = explain.help("Say the idea and what makes it work; do nothing");
    let command = Command::new("brigade")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Concurrency on three executors written from scratch: tasks, threads, processes")
        .long_about(
            "Concurrency on three executors written from scratch: tasks, threads, processes.\n\nWithout a command it \
             shows the tour: what waits and what computes, each way.",
        )
        .args_conflicts_with_subcommands(false)
        .arg(quick)
        .arg(json.help("One JSON object a line"))
        .arg(speed.help("How many times faster the waits go by [default: 1]"))
        .arg(workers.help("How many threads or children: for io, cpu, executor"));
    let command = command
        .subcommand(Command::new("list").about("List all scenarios"))
        .subcommand(Command::new("all").about("Run all scenarios, one after the other"));
    ALL.iter().fold(command, |command, scenario| {
        // The about comes last, because clap takes the doc comment of derived arguments for it.
        command.subcommand(
            (scenario.arguments)(Command::new(scenario.name)).about(scenario.about).arg(explain.clone()),
        )
    })
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.01..=1000.0).contains(&speed) => Ok(speed),
        _ => Err("not a number from 0.01 to 1000".into()),
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
    fn the_help_fits_a_terminal() {
        let mut brigade = command();
        brigade.build();
        let subcommands: Vec<_> = brigade.get_subcommands().cloned().collect();
        for mut command in subcommands.into_iter().chain([brigade]) {
            for page in [command.render_help(), command.render_long_help()] {
                let page = page.to_string();
                let wide = page.lines().find(|line| line.chars().count() > 80);
                assert_eq!(wide, None, "{}", command.get_name());
            }
        }
    }
}
