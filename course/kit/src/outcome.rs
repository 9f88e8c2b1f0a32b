//! The verdict on a test, as the runner tells it to the grader.

use crate::{Test, thread::is_harness};
use brigade_explore::{Class, Coverage, Failed, Failure};
use serde::{Deserialize, Serialize};

/// The verdict on one test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// No schedule has broken a rule.
    Passed {
        /// The number of schedules that were run.
        schedules: u64,
        /// All schedules with at most so many deviations are among them.
        all_deviations: u32,
        /// Whether there are no other schedules.
        is_complete: bool,
    },
    /// A schedule has broken a rule.
    Failed(Box<Finding>),
}

/// A broken rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The name of the rule, by which a hint is found.
    pub rule: String,
    /// The demand of the rule.
    pub expected: String,
    /// The events that break it.
    pub happened: String,
    /// Places of the student's code.
    pub places: Vec<String>,
    /// The schedule, as short as it was found.
    pub schedule: String,
    /// The seed of the case.
    pub seed: u64,
    /// The run, as lanes side by side.
    pub lanes: String,
}

/// A run as a picture shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// The names of the threads.
    pub threads: Vec<String>,
    /// Their doings, in order: the index of a thread, and the words.
    pub lines: Vec<(usize, String)>,
}

impl Picture {
    pub(crate) fn of(failed: &Failed) -> Self {
        let lines = failed.lines().map(|(thread, words)| (thread, words.to_owned()));
        Self { threads: failed.threads().to_vec(), lines: lines.collect() }
    }
}

impl Verdict {
    pub(crate) fn passed(coverage: Coverage) -> Self {
        let Coverage { schedules, all_deviations, is_complete } = coverage;
        Self::Passed { schedules, all_deviations, is_complete }
    }

    pub(crate) fn failed(test: &Test, failed: &Failed, seed: u64, columns: usize) -> Self {
        let told = explain(test, &failed.failure);
        let has_lanes = told.happened != COMPUTES && told.rule != COST;
        let lanes = if has_lanes { failed.lanes(columns) } else { String::new() };
        Self::Failed(Box::new(Finding { schedule: failed.schedule.to_string(), seed, lanes, ..told }))
    }
}

impl Finding {
    /// Makes a finding without a run that shows it.
    #[must_use]
    pub fn new(rule: &str, expected: &str, happened: &str) -> Self {
        Self {
            rule: rule.to_owned(),
            expected: expected.to_owned(),
            happened: happened.to_owned(),
            ..Self::default()
        }
    }
}

/// Puts a failure of a run into the words of the course.
fn explain(test: &Test, failure: &Failure) -> Finding {
    let message = failure.message.as_str();
    let is_place = |site: &&String| site.contains(':') && !is_harness(site);
    let places: Vec<String> = failure.sites.iter().filter(is_place).map(|site| short(site)).collect();
    let at = if places.is_empty() { String::new() } else { format!(" at {}", places.join(" and ")) };
    let finding = match failure.class {
        Class::Panic | Class::UnseenPanic => match failure.sites.first() {
            // A rule of the harness: its name stands in the place of a place.
            Some(rule) if !rule.contains(':') => {
                let (expected, happened) = message.split_once('\n').unwrap_or((message, ""));
                Finding::new(rule, expected, happened)
            }
            _ => Finding::new("panic", "no panic", &format!("a panic{at}: {message}")),
        },
        Class::StepLimit => {
            busy("the run has used up its steps: some thread waits in a loop without sleeping")
        }
        Class::NoChoicePoint => busy(COMPUTES),
        Class::ProcessEnd if message.ends_with("signal 27") => busy(COMPUTES),
        Class::ProcessEnd => Finding::new("limits", "the run ends by itself", &end_of_process(message)),
        Class::BlockedOutside => Finding::new(
            "outside",
            "threads wait only in the types of the kit",
            &format!(
                "{} waits in the operating system, where the scheduler cannot see it",
                failure.sites.join(", ")
            ),
        ),
        Class::Differs => Finding::new("differs", "two runs of one schedule are the same", message),
        Class::Leak => Finding::new("leak", "all threads end", &format!("a thread waits for ever{at}")),
        Class::Deadlock | Class::Futurelock | Class::JoinsItself | Class::LostWakeUp | Class::Stuck => {
            Finding::new(
                test.stuck.rule,
                test.stuck.expected,
                &format!("nothing goes on: {}", waits(failure)),
            )
        }
    };
    Finding { places, ..finding }
}

/// The processor timer of a run and the watch of the explorer find the same, and either may be first.
pub(crate) const COMPUTES: &str =
    "a thread computes without end, and comes to no lock, no atomic and no park";

/// The rule on a number of operations, of which no single line of a run is to blame.
const COST: &str = "cost";

pub(crate) fn busy(happened: &str) -> Finding {
    Finding::new("busy-loop", "a thread that waits sleeps", happened)
}

pub(crate) fn end_of_process(message: &str) -> String {
    let meaning = match message.rsplit(' ').next().and_then(|number| number.parse().ok()) {
        Some(6) if message.contains("signal") => "abort: no memory, a full stack, or a panic within a panic",
        Some(11) if message.contains("signal") => "it touched memory that is not its own",
        Some(25) if message.contains("signal") => "it writes a file",
        Some(31) if message.contains("signal") => "it starts a process",
        _ => "",
    };
    if meaning.is_empty() { message.to_owned() } else { format!("{message} ({meaning})") }
}

/// The threads that wait, but for those of the harness.
fn waits(failure: &Failure) -> String {
    let lines = failure.message.lines().filter(|line| line.contains(" at ") && !is_harness(line));
    let lines: Vec<String> = lines.map(|line| short_line(line.trim())).collect();
    if lines.is_empty() { "all threads wait".to_owned() } else { lines.join("; ") }
}

/// `root (thread 0) is parked at folder/src/lib.rs:31` without the number and the folders.
fn short_line(line: &str) -> String {
    let Some((waits, place)) = line.rsplit_once(" at ") else { return line.to_owned() };
    let waits = match waits.split_once(" (thread ") {
        Some((name, rest)) => format!("{name}{}", rest.split_once(')').map_or("", |(_, rest)| rest)),
        None => waits.to_owned(),
    };
    format!("{waits} at {}", short(place))
}

/// `folder/src/lib.rs:31:5` as `lib.rs:31`.
pub(crate) fn short(site: &str) -> String {
    let file = site.rsplit('/').next().unwrap_or(site);
    let mut parts = file.splitn(3, ':');
    match (parts.next(), parts.next()) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        _ => file.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_with_its_short_place() {
        let told = short_line("root (thread 0) is parked at /home/me/src/lib.rs:31");
        assert_eq!(told, "root is parked at lib.rs:31");
    }

    #[test]
    fn the_end_of_a_process_is_explained() {
        let told = end_of_process("the process of the run was ended by signal 31");
        assert!(told.ends_with("(it starts a process)"), "{told}");
        let told = end_of_process("the checked code has ended its process with the exit code 6");
        assert!(told.ends_with("code 6"), "{told}");
    }
}
