//! The runner: the `main` of a student's package. It makes the runs of one test, and prints the verdict as a
//! line of JSON.
//!
//! The student's code runs in forked children only, so the runner outlives whatever it does.

use crate::{Case, Finding, Lab, Picture, Test, Verdict, log::broken, real, sys};
use brigade_explore::{self as explore, Explore, Schedule};
use std::{env, process::ExitCode};

/// The steps of a run, which take the place of a time limit.
const STEPS: u64 = 5_000;
/// The columns of the lanes, unless the grader asks for others.
const COLUMNS: usize = 78;

/// The code of a test.
pub type Code = fn(&mut Case);

/// The part of the command line that says what to run.
#[derive(Debug, Default)]
struct Order {
    test: String,
    seed: u64,
    schedule: Option<Schedule>,
    columns: Option<usize>,
    timeline: Option<String>,
    wants_picture: bool,
}

/// Runs what the arguments of the process say: `TEST [--seed N] [--schedule S] [--columns N] [--timeline F]`.
/// Prints the verdict, or the lanes of one run if `--picture` asks for them.
pub fn main(lab: &Lab, codes: &[(&str, Code)]) -> ExitCode {
    run_with(lab, codes, env::args().skip(1))
}

/// Lets this process end quietly when the reader of its output ends, as `head` does.
pub fn end_with_reader() {
    sys::end_with_reader();
}

/// Runs what these arguments say, as [`main`] does.
pub fn run_with(lab: &Lab, codes: &[(&str, Code)], arguments: impl Iterator<Item = String>) -> ExitCode {
    sys::end_with_parent();
    sys::allocate_in_one_place();
    let told = read(arguments).and_then(|order| {
        let test = lab.test(&order.test).ok_or_else(|| no_test(lab, &order.test))?;
        let code = codes.iter().find(|(name, _)| *name == test.name).expect("each test has its code").1;
        let json = if order.wants_picture {
            serde_json::to_string(&draw(code, &order)?)
        } else {
            serde_json::to_string(&make_runs(lab, test, code, &order)?)
        };
        Ok(json.expect("a verdict is plain data"))
    });
    match told {
        Ok(json) => {
            println!("{json}");
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            eprintln!("{wrong}");
            ExitCode::from(2)
        }
    }
}

fn no_test(lab: &Lab, name: &str) -> String {
    let names: Vec<_> = lab.tests.iter().map(|test| test.name).collect();
    format!(
        "lab {} has no test {name:?}: name one of {}. The course's command `check {}` runs them all",
        lab.number,
        names.join(", "),
        lab.number
    )
}

fn read(mut arguments: impl Iterator<Item = String>) -> Result<Order, String> {
    let mut order = Order::default();
    while let Some(word) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--seed" => order.seed = value()?.parse().map_err(|_| "--seed needs a number".to_owned())?,
            "--schedule" => order.schedule = Some(value()?.parse().map_err(|error| format!("{error}"))?),
            "--columns" => {
                order.columns = Some(value()?.parse().map_err(|_| "--columns needs a number".to_owned())?);
            }
            "--timeline" => order.timeline = Some(value()?),
            "--picture" => order.wants_picture = true,
            name => order.test = name.to_owned(),
        }
    }
    Ok(order)
}

/// Makes the runs of a test under many schedules, or under the one that is replayed.
fn make_runs(lab: &Lab, test: &Test, code: Code, order: &Order) -> Result<Verdict, String> {
    let seed = order.seed;
    if test.schedules == 0 {
        return real::run(lab, test, code, seed).map_err(|error| format!("no process for the run: {error}"));
    }
    let checked = move || {
        sys::limit_this_run();
        code(&mut Case::new(seed));
    };
    let explore = Explore::new().schedules(test.schedules).steps(STEPS).seed(seed);
    let verdict = match &order.schedule {
        Some(schedule) => explore.replay_threads(schedule.clone(), checked),
        None => explore.explore_threads(checked),
    };
    match verdict {
        explore::Verdict::Passed(coverage) => Ok(Verdict::passed(coverage)),
        explore::Verdict::Failed(failed) => {
            if let Some(path) = &order.timeline {
                failed.write_timeline(path).map_err(|error| format!("{path}: {error}"))?;
            }
            Ok(Verdict::failed(test, &failed, seed, order.columns.unwrap_or(COLUMNS)))
        }
        explore::Verdict::Unfit { missing, .. } => {
            let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
            Ok(Verdict::Failed(Box::new(Finding::new(
                "unfit",
                "the run comes to all choices of the schedule",
                &format!("it does not come to {}: the code has changed since", missing.join(", ")),
            ))))
        }
    }
}

/// Makes one run, and returns its lanes, also if it passes: a run shows them only if it fails, so it does so
/// at its end.
fn draw(code: Code, order: &Order) -> Result<Picture, String> {
    let seed = order.seed;
    let checked = move || {
        sys::limit_this_run();
        code(&mut Case::new(seed));
        broken("picture", "", "");
    };
    let schedule = order.schedule.clone().unwrap_or_default();
    match Explore::new().steps(STEPS).replay_threads(schedule, checked) {
        explore::Verdict::Failed(failed) => Ok(Picture::of(&failed)),
        other => Err(format!("there is no picture of this run: {other:?}")),
    }
}
