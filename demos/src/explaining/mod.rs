//! `brigade why`, `brigade what-if`, `brigade diff`: where the time of a recorded run went, and what would
//! change it.

mod rerun;

use crate::{
    options::{Takes, is_given, whole_number},
    recorder::cannot,
    scenario::{CommandError, Exit},
    show::Output,
};
use brigade_timeline::{CannotExplain, Edit, Prediction, diff, harmless, what_if, why};
use brigade_trace::Recording;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
pub(crate) use rerun::Rerun;
use std::{
    fs::File,
    num::NonZero,
    path::{Path, PathBuf},
    thread,
};

/// The commands that explain recordings.
pub(crate) const NAMES: [&str; 3] = ["why", "what-if", "diff"];

/// Which of the shared options a command takes. The workers of `what-if` are a list.
const fn takes(name: &str) -> Takes {
    Takes { speed: false, workers: name.len() == "what-if".len() }
}

/// The commands.
pub(crate) fn commands() -> impl Iterator<Item = Command> {
    let task = Arg::new("task").value_name("TASK");
    let why = Command::new("why")
        .about("Say where the time of a recording went, and what would help")
        .arg(file("file", "FILE", "The recording, such as run.brigade"))
        .arg(task.help("Explain this task, job, call or future: its name or id"));
    let diff = Command::new("diff")
        .about("Say what became slower from one recording to another")
        .arg(file("file", "A", "The recording from before"))
        .arg(file("other", "B", "The recording from after"));
    [why, what_if_command(), diff].into_iter().map(|command| {
        let json = Arg::new("json").long("json").action(ArgAction::SetTrue).hide(true);
        takes(command.get_name()).hide_others(command).arg(json)
    })
}

fn what_if_command() -> Command {
    let list =
        Arg::new("workers").long("workers").value_name("N,…").value_delimiter(',').action(ArgAction::Append);
    let list = list.value_parser(|text: &str| whole_number::<u16>(text, 1024)).allow_negative_numbers(true);
    let lock = Arg::new("without-lock").long("without-lock").value_name("NAME").action(ArgAction::Append);
    let faster = Arg::new("faster").long("faster").value_name("SITE×2").action(ArgAction::Append);
    let faster = faster.value_parser(Edit::faster);
    let stay = Arg::new("no-rerun").long("no-rerun").action(ArgAction::SetTrue);
    Command::new("what-if")
        .about("Predict what a change to a run would do, and try it")
        .arg(file("file", "FILE", "The recording, such as run.brigade"))
        .arg(list.help("With so many workers for each executor"))
        .arg(lock.help("Without this lock"))
        .arg(faster.help("With the waits at this file:line twice as fast"))
        .arg(stay.help("Only predict; do not run the scenario again"))
}

fn file(id: &'static str, name: &'static str, help: &'static str) -> Arg {
    Arg::new(id).value_name(name).required(true).value_parser(value_parser!(PathBuf)).help(help)
}

/// Runs one of the commands.
pub(crate) fn run(name: &str, output: &Output, matches: &ArgMatches) -> Result<Exit, CommandError> {
    takes(name).check(name, matches)?;
    Takes::check_trace(name, matches)?;
    if is_given(matches, "json") {
        return Err(CommandError::usage(format!("--json changes nothing in `{name}`: leave it out")));
    }
    match name {
        "why" => show_why(output, matches),
        "diff" => show_diff(output, matches),
        _ => show_what_if(output, matches),
    }
}

/// Reads a recording, and tells what of it could not be read.
fn read(output: &Output, path: &Path) -> Result<Recording, CommandError> {
    let recording =
        File::open(path).and_then(Recording::read_from).map_err(|error| cannot("read", path, error))?;
    for problem in &recording.problems {
        let problem = harmless(&problem.to_string());
        output.paragraph(&format!("Not all of {} could be read: {problem}.", path.display()));
    }
    Ok(recording)
}

fn path<'a>(matches: &'a ArgMatches, id: &str) -> &'a Path {
    matches.get_one::<PathBuf>(id).expect("clap requires it")
}

/// The error of a recording that explains nothing. It may hold names from the file.
fn cannot_explain(path: &Path, error: &CannotExplain) -> CommandError {
    let message = format!("cannot explain {}: {}", path.display(), harmless(&error.to_string()));
    CommandError { exit: Exit::FAILURE, message }
}

fn show_why(output: &Output, matches: &ArgMatches) -> Result<Exit, CommandError> {
    let path = path(matches, "file");
    let recording = read(output, path)?;
    let task = matches.get_one::<String>("task").map(String::as_str);
    let explanation = why(&recording, task).map_err(|error| cannot_explain(path, &error))?;
    explanation.text(output.width()).lines().for_each(|line| output.line_as_it_is(line));
    Ok(Exit::SUCCESS)
}

/// The words of the command that made a recording.
fn command(recording: &Recording) -> String {
    let words = recording.segments.first().map(|segment| segment.process.command.join(" "));
    match words.filter(|words| !words.is_empty()) {
        Some(words) => format!("`{}`", harmless(&words)),
        None => "one that its file does not name".to_owned(),
    }
}

fn show_diff(output: &Output, matches: &ArgMatches) -> Result<Exit, CommandError> {
    let explain = |id: &str| {
        let path = path(matches, id);
        let recording = read(output, path)?;
        let explanation = why(&recording, None).map_err(|error| cannot_explain(path, &error))?;
        Ok::<_, CommandError>((command(&recording), explanation))
    };
    let ((made_before, before), (made_after, after)) = (explain("file")?, explain("other")?);
    if made_before != made_after {
        output
            .paragraph(&format!("The recordings are of different commands: {made_before} and {made_after}."));
    }
    diff(&before, &after).text(output.width()).lines().for_each(|line| output.line_as_it_is(line));
    Ok(Exit::SUCCESS)
}

/// The changes that the command line asks for.
fn edits(matches: &ArgMatches) -> Vec<Edit> {
    let workers = matches.get_many::<u16>("workers").into_iter().flatten();
    let locks = matches.get_many::<String>("without-lock").into_iter().flatten();
    let faster = matches.get_many::<Edit>("faster").into_iter().flatten();
    let workers = workers.map(|&workers| Edit::Workers(workers.into()));
    workers.chain(locks.cloned().map(Edit::WithoutLock)).chain(faster.cloned()).collect()
}

fn show_what_if(output: &Output, matches: &ArgMatches) -> Result<Exit, CommandError> {
    let path = path(matches, "file");
    let edits = edits(matches);
    if edits.is_empty() {
        let how = "say what would change: --workers 1,2,4, --without-lock NAME or --faster main.rs:12×2";
        return Err(CommandError::usage(how));
    }
    let recording = read(output, path)?;
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let cannot = |why: String| CommandError {
        exit: Exit::FAILURE,
        message: format!("cannot predict from {}: {}", path.display(), harmless(&why)),
    };
    let answer = what_if(&recording, &edits, processors).map_err(cannot)?;
    output.paragraph(&harmless(&answer.summary()));
    output.line("");
    output.line(format_args!("  {:<26} {:<21} {}", "change", "predicted", "measured here"));
    let is_dry = matches.get_flag("no-rerun");
    for prediction in &answer.predictions {
        let measured = if is_dry { String::new() } else { measure(&recording, answer.recorded, prediction) };
        let (name, range) = (prediction.edit.to_string(), harmless(&shown(&prediction.range)));
        if prediction.range.is_err() {
            output.paragraph(&format!("  {name}: no prediction, because {range}"));
        } else {
            let line = format!("  {name:<26} {range:<21} {measured}");
            if line.chars().count() <= output.columns() || measured.is_empty() {
                output.line_as_it_is(line.trim_end());
            } else {
                output.line_as_it_is(format!("  {name:<26} {range}").trim_end());
                output.paragraph(&format!("    measured: {measured}"));
            }
        }
    }
    Ok(Exit::SUCCESS)
}

fn shown(range: &Result<(u64, u64), String>) -> String {
    match range {
        Ok((least, most)) => format!("{}–{}", seconds(*least), seconds(*most)),
        Err(why) => why.clone(),
    }
}

fn seconds(nanos: u64) -> String {
    format!("{:.3} s", nanos as f64 / 1e9)
}

/// Runs the scenario again with the change. Says how long it took, or why it was not run.
fn measure(recording: &Recording, recorded: u64, prediction: &Prediction) -> String {
    let Ok((least, most)) = prediction.range else { return String::new() };
    match Rerun::with(recording, &prediction.edit).and_then(|rerun| rerun.measure(recorded)) {
        Err(why) => format!("– ({why})"),
        Ok(nanos) if (least..=most).contains(&nanos) => seconds(nanos),
        Ok(nanos) => format!("{} (outside)", seconds(nanos)),
    }
}
