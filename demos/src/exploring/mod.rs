//! `brigade explore` and `brigade step`: the shortest bad interleaving of a lesson, found now, and the
//! scheduler by hand.
//!
//! Both run the planted bugs of `brigade-explore`, whose executors are built with the seam of exploration.
//! All runs are made in child processes, so nothing of them is left in this one.

mod lessons;
mod search;
mod stepping;

use crate::{
    options::{Takes, is_given, whole_number},
    recorder,
    scenario::{CommandError, Exit},
    show::{Output, Style},
};
use brigade_explore::Schedule;
use clap::{Arg, ArgAction, ArgMatches, Command};
use lessons::{Lesson, Version};
use serde_json::json;
use std::io::{self, IsTerminal};

/// The two commands.
pub(crate) const NAMES: [&str; 2] = ["explore", "step"];

/// The options that both share with the scenarios.
const TAKES: Takes = Takes { speed: false, workers: true };

/// The most schedules that can be asked for.
const MAX_SCHEDULES: u32 = 100_000_000;

/// The commands.
pub(crate) fn commands() -> [Command; 2] {
    let lesson = Arg::new("lesson").value_name("NAME").help("The lesson; `brigade explore list` has them");
    let schedule = Arg::new("schedule").long("schedule").value_name("TEXT").value_parser(parse_schedule);
    let cured = Arg::new("cured").long("cured").action(ArgAction::SetTrue);
    let schedules = Arg::new("schedules").long("schedules").value_name("N").allow_negative_numbers(true);
    let schedules = schedules.value_parser(|text: &str| whole_number::<u32>(text, MAX_SCHEDULES));
    let seed = Arg::new("seed").long("seed").value_name("N").value_parser(clap::value_parser!(u32));
    let code = Arg::new("code").long("code").action(ArgAction::SetTrue);
    let explore = Command::new("explore")
        .about("Find the shortest bad interleaving of a lesson, now")
        .arg(lesson.clone())
        .arg(schedule.clone().help("Run this schedule only, such as 'w1.preempt.3=1'"))
        .arg(schedules.help("Run so many schedules at most [default: 10000]"))
        .arg(seed.help("Draw other schedules by chance [default: 0]"))
        .arg(cured.clone().help("Explore the cured version only"))
        .arg(code.help("Show the code, broken and cured; do nothing"))
        .arg(recorder::lanes_argument().hide(true));
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue).hide(true);
    let step = Command::new("step")
        .about("Be the scheduler: choose by hand which thread goes on")
        .arg(lesson.required(true))
        .arg(schedule.help("Begin with this schedule"))
        .arg(cured.help("Step through the cured version"))
        .arg(json)
        .args([recorder::argument().hide(true), recorder::lanes_argument().hide(true)]);
    [explore, step].map(|command| TAKES.hide_others(command))
}

fn parse_schedule(text: &str) -> Result<Schedule, String> {
    text.parse().map_err(|error: brigade_explore::NoSchedule| error.to_string())
}

fn version(matches: &ArgMatches) -> Version {
    if matches.get_flag("cured") { Version::Cured } else { Version::Broken }
}

/// Refuses options that would change nothing.
fn check(name: &str, matches: &ArgMatches) -> Result<(), CommandError> {
    TAKES.check(name, matches)?;
    if is_given(matches, "lanes") {
        return Err(CommandError::usage(format!("--lanes draws nothing in `{name}`: leave it out")));
    }
    Ok(())
}

/// Runs `brigade explore`.
pub(crate) fn explore(output: &Output, matches: &ArgMatches) -> Result<Exit, CommandError> {
    check("explore", matches)?;
    let name = matches.get_one::<String>("lesson").map_or("list", String::as_str);
    if name == "list" {
        return list(output, matches);
    }
    let lesson = Lesson::find(name)?;
    if matches.get_flag("code") {
        refuse(
            matches,
            &["schedule", "schedules", "seed", "cured", "trace", "workers"],
            "--code only shows the code",
        )?;
        return Ok(show_code(output, lesson));
    }
    let schedule = matches.get_one::<Schedule>("schedule").cloned();
    if schedule.is_some() {
        refuse(matches, &["schedules", "seed"], "--schedule runs that schedule only")?;
    } else if matches.get_flag("cured") {
        refuse(matches, &["trace"], "--trace draws a run that fails, and --cured looks for none")?;
    }
    let search = search::Search {
        lesson,
        workers: output.settings().workers,
        schedules: matches.get_one::<u32>("schedules").copied(),
        seed: matches.get_one::<u32>("seed").copied().unwrap_or(0),
        trace: matches.get_one::<recorder::Destination>("trace").cloned(),
    };
    // An option that changes nothing is refused before anything is printed.
    lesson.program(version(matches), search.workers)?;
    match schedule {
        Some(schedule) => search.replay(output, version(matches), &schedule),
        None => search.show(output, version(matches)),
    }
}

/// Refuses these options.
fn refuse(matches: &ArgMatches, options: &[&str], why: &str) -> Result<(), CommandError> {
    match options.iter().find(|option| is_given(matches, option)) {
        Some(option) => Err(CommandError::usage(format!("{why}: leave --{option} out"))),
        None => Ok(()),
    }
}

/// Lists the lessons.
fn list(output: &Output, matches: &ArgMatches) -> Result<Exit, CommandError> {
    let others = ["schedule", "schedules", "seed", "cured", "trace", "workers", "code"];
    refuse(matches, &others, "the list explores nothing")?;
    for lesson in lessons::all() {
        output.record(
            "exercise",
            &json!({ "lesson": lesson.name, "bug": lesson.bug.name, "about": lesson.bug.about }),
        );
        output.labelled(Style::Strong, &format!("  {:<18} ", lesson.name), lesson.bug.about);
    }
    Ok(Exit::SUCCESS)
}

/// Shows the source of a lesson.
fn show_code(output: &Output, lesson: Lesson) -> Exit {
    let rust = json!({ "path": lesson.path, "text": lesson.code });
    output.record("code", &json!({ "mode": null, "python": null, "rust": rust }));
    output
        .line(output.paint(Style::Strong, format!("{} (`bad` is wrong, `right` is its cure)", lesson.path)));
    output.line("");
    lesson.code.lines().for_each(|line| output.line_as_it_is(line));
    Exit::SUCCESS
}

/// Runs `brigade step`.
pub(crate) fn step(output: &Output, matches: &ArgMatches) -> Result<Exit, CommandError> {
    check("step", matches)?;
    Takes::check_trace("step", matches)?;
    if is_given(matches, "json") {
        return Err(CommandError::usage("--json changes nothing in `step`: leave it out"));
    }
    let name = matches.get_one::<String>("lesson").expect("clap requires it");
    let lesson = Lesson::find(name)?;
    let version = version(matches);
    let workers = output.settings().workers;
    // An option that changes nothing is refused without a terminal as well.
    lesson.program(version, workers)?;
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        let instead = format!("`brigade explore {}` prints the run that fails", lesson.name);
        return Err(CommandError::usage(format!("`step` needs a terminal; {instead}")));
    }
    let schedule = matches.get_one::<Schedule>("schedule").cloned().unwrap_or_default();
    stepping::run(output, lesson, version, workers, schedule)
}
