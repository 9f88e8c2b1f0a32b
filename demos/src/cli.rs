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
    attach, code, explaining, exploring, interrupt,
    options::{self, Takes, is_given},
    recorder::{self, Asked},
    refusal::refusal,
    remedy::remedy,
    scenario::{CommandError, Exit, Scenario},
    scenarios::{ALL, decide, tour},
    show::{self, Output, Settings, Style, print_page},
    view,
};
use brigade_trace::live::{attachable_if_wanted, report_stuck};
use clap::{Arg, ArgAction, ArgMatches, Command, error::Error};
use serde_json::json;
use std::{
    env,
    io::{self, IsTerminal},
    panic::{self, PanicHookInfo},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

/// Has a panic reported as one line: a backtrace of our insides would not help the user. Call it first in
/// `main`, because a child of a process pool is this program too.
pub fn report_panics_briefly() {
    panic::set_hook(Box::new(report_panic));
}

fn report_panic(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let words = payload.downcast_ref::<&str>().copied();
    let words =
        words.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    if let Some(remedy) = remedy(words) {
        // The system refused something, which a library can say in no other way. Then it probably refuses the
        // same to each thread, and one line is enough.
        static TOLD: AtomicBool = AtomicBool::new(false);
        if !TOLD.swap(true, Ordering::Relaxed) {
            complain(&format!("{words}{remedy}"));
        }
        return;
    }
    let place =
        info.location().map_or(String::new(), |place| format!(" ({}:{})", place.file(), place.line()));
    complain(&format!("something is wrong in brigade itself: {words}{place}"));
}

/// Prints a message of the program on standard error.
fn complain(message: &str) {
    show::complain(format_args!("brigade: {message}\n"));
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    if let Some(code) = decide::keep_a_command() {
        return code;
    }
    let result = panic::catch_unwind(|| {
        let matches = command().try_get_matches().unwrap_or_else(|error| show_and_exit(&error));
        interrupt::listen().map_err(|error| CommandError::failed("cannot catch Ctrl-C", error))?;
        // A scenario that hangs says why, if the system grants the thread for this.
        let _watching = report_stuck();
        attachable_if_wanted();
        run(&matches)
    });
    interrupt::park_if_exiting();
    let exit = match result {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => {
            complain(&error.message);
            error.exit
        }
        Err(_panic) => Exit::FAILURE,
    };
    ExitCode::from(exit.0)
}

/// Prints the help, the version, or what is wrong with the command line, and exits.
fn show_and_exit(error: &Error) -> ! {
    if error.use_stderr() {
        complain(&refusal(error, &command(), env::args_os().skip(1)));
    } else {
        let page = error.render();
        let is_coloured = io::stdout().is_terminal() && Output::wants_colour();
        print_page(&if is_coloured { page.ansi().to_string() } else { page.to_string() });
    }
    std::process::exit(error.exit_code())
}

/// Runs the command, and records it if that is asked for.
fn run(matches: &ArgMatches) -> Result<Exit, CommandError> {
    let (name, inner) = matches.subcommand().unwrap_or(("tour", matches));
    let does_nothing = ["explain", "code"].iter().any(|flag| is_given(inner, flag));
    // They refuse the options, or record no run of this process.
    let own = ["list", "top", "tree", "view"].contains(&name)
        || explaining::NAMES.contains(&name)
        || exploring::NAMES.contains(&name);
    if does_nothing || own {
        return dispatch(matches);
    }
    brigade_trace::tell_command(recorder::command());
    let asked = Asked::of(inner)?;
    // The recording that the environment asks for begins first, so that the others are parts of it.
    brigade_trace::record_if_asked();
    match asked {
        None => dispatch(matches),
        Some(asked) => recorder::record(&asked, &format!("brigade {name}"), || dispatch(matches)),
    }
}

fn dispatch(matches: &ArgMatches) -> Result<Exit, CommandError> {
    let Some((name, inner)) = matches.subcommand() else { return show_tour(matches) };
    if matches.get_flag("quick") {
        return Err(CommandError::usage(format!(
            "--quick is for the tour, which has no command; see `brigade {name} --help`"
        )));
    }
    let settings = options::settings(inner);
    match name {
        "list" => {
            Takes::NEITHER.check(name, inner)?;
            Takes::check_trace(name, inner)?;
            return Ok(list(&Output::new("list", settings)));
        }
        "all" => return all(settings),
        "top" => return attach::show("top", &Output::new("top", settings), inner),
        "tree" => return attach::show("tree", &Output::new("tree", settings), inner),
        "view" => return view::show(&Output::new("view", settings), inner),
        name if explaining::NAMES.contains(&name) => {
            return explaining::run(name, &Output::new("view", settings), inner);
        }
        "explore" => return exploring::explore(&Output::new("explore", settings), inner),
        "step" => return exploring::step(&Output::new("step", settings), inner),
        _ => {}
    }
    let scenario =
        ALL.iter().find(|scenario| scenario.name == name).expect("clap knows the commands from this list");
    let output = Output::new(scenario.name, settings);
    if inner.get_flag("explain") {
        options::check_alone("--explain only says the idea of", name, inner)?;
        return Ok(explain(&output, scenario));
    }
    if inner.get_flag("code") {
        options::check_alone("--code only shows the code of", name, inner)?;
        return Ok(code::show(&output, scenario));
    }
    Takes::of(scenario).check(name, inner)?;
    (scenario.show)(&output, inner)
}

fn show_tour(matches: &ArgMatches) -> Result<Exit, CommandError> {
    let quick = matches.get_flag("quick");
    if quick && is_given(matches, "speed") {
        return Err(CommandError::usage(
            "--quick and --speed both set the pace of the tour: give one of them",
        ));
    }
    tour::show(&Output::new("tour", options::settings(matches)), quick)
}

/// Lists every scenario with its line.
fn list(output: &Output) -> Exit {
    for scenario in ALL {
        output.for_scenario(scenario.name).record("scenario", &json!({ "about": scenario.about }));
        output.labelled(Style::Strong, &format!("  {:<18} ", scenario.name), scenario.about);
    }
    Exit::SUCCESS
}

/// Prints the idea of a scenario and the functions that make it work.
fn explain(output: &Output, scenario: &Scenario) -> Exit {
    let Scenario { about, idea, made_by, .. } = scenario;
    output.record("explanation", &json!({ "about": about, "idea": idea, "made_by": made_by }));
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

/// The whole command line.
pub fn command() -> Command {
    let quick =
        Arg::new("quick").long("quick").action(ArgAction::SetTrue).help("The tour (no command) in about 3 s");
    let explain = Arg::new("explain").long("explain").action(ArgAction::SetTrue);
    let explain = explain.help("Say the idea and what makes it work; do nothing");
    let code = Arg::new("code").long("code").action(ArgAction::SetTrue).conflicts_with("explain");
    let code = code.help("Show the code, Python and Rust; do nothing");
    let brigade = Command::new("brigade")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Concurrency on three executors written from scratch: tasks, threads, processes")
        .long_about(
            "Concurrency on three executors written from scratch: tasks, threads, processes.\n\nWithout a command it \
             shows the tour: what waits and what computes, each way.\n\nThe scenarios follow a set of notes,\n\"Python Concurrency: Easy Notes with Examples\".",
        )
        .args_conflicts_with_subcommands(false)
        .arg(quick);
    let list = Command::new("list").about("List all scenarios");
    let explaining = explaining::commands().map(|command| {
        command.args([recorder::argument().hide(true), recorder::lanes_argument().hide(true)])
    });
    let command = options::add_to(brigade)
        .subcommands(explaining)
        .subcommand(
            Takes::NEITHER
                .hide_others(list)
                .args([recorder::argument().hide(true), recorder::lanes_argument().hide(true)]),
        )
        .subcommand(
            Takes::NEITHER
                .hide_others(view::command())
                .args([recorder::argument().hide(true), recorder::lanes_argument().hide(true)]),
        )
        .subcommand(Command::new("all").about("Run all scenarios, one after the other"));
    let command = attach::commands().into_iter().fold(command, |command, inner| {
        command.subcommand(
            Takes::NEITHER
                .hide_others(inner)
                .args([recorder::argument().hide(true), recorder::lanes_argument().hide(true)]),
        )
    });
    let command = command.subcommands(exploring::commands());
    ALL.iter().fold(command, |command, scenario| {
        // The about comes last, because clap takes the doc comment of derived arguments for it.
        let inner = (scenario.arguments)(Command::new(scenario.name)).about(scenario.about);
        let inner = inner.args([explain.clone(), code.clone()]);
        command.subcommand(Takes::of(scenario).hide_others(inner))
    })
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
