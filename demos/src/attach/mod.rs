//! `brigade tree PID` and `brigade top PID`: the state of a running program.

mod top;
mod tree;

use crate::{
    options::{Takes, is_given},
    scenario::{CommandError, Exit},
    show::Output,
};
use brigade_trace::live::{Snapshot, fetch};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::io::{self, IsTerminal};

/// The commands.
pub(crate) fn commands() -> [Command; 2] {
    let process = Arg::new("process").value_name("PID").required(true);
    let number = |text: &str| text.parse::<u32>().map_err(|_| "not the number of a process");
    let process = process.value_parser(number).allow_negative_numbers(true);
    let process = process.help("The process: its program has opted in");
    let once = Arg::new("once").long("once").action(ArgAction::SetTrue);
    [
        Command::new("tree")
            .about("Show what a running program waits for, and who holds it")
            .arg(process.clone()),
        Command::new("top")
            .about("Show the workers, tasks, queues of a running program")
            .arg(process)
            .arg(once.help("Print it once, which is the default without a terminal")),
    ]
}

fn snapshot(process: u32) -> Result<Snapshot, CommandError> {
    fetch(process)
        .map_err(|error| CommandError::failed(&format!("cannot attach to process {process}"), error))
}

/// Runs one of the commands.
pub(crate) fn show(name: &'static str, output: &Output, matches: &ArgMatches) -> Result<Exit, CommandError> {
    Takes::NEITHER.check(name, matches)?;
    Takes::check_trace(name, matches)?;
    if is_given(matches, "json") {
        return Err(CommandError::usage(format!("--json changes nothing in `{name}`: leave it out")));
    }
    let process = *matches.get_one::<u32>("process").expect("clap requires it");
    let has_terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    let snapshot = snapshot(process)?;
    match name {
        "tree" => tree::lines(&snapshot).iter().for_each(|line| output.line(line)),
        _ if has_terminal && !matches.get_flag("once") => return top::run(process, snapshot),
        _ => top::lines(&snapshot, output.columns()).iter().for_each(|line| output.line(line)),
    }
    Ok(Exit::SUCCESS)
}
