//! `brigade io`: speeding up a program that waits. The same fetches in four modes, one file each.

mod processes;
mod python;
mod sync;
mod tasks;
mod threads;
mod upstream;

use crate::{
    experiment::{Completed, Experiment, Mode, Outcome, Row, Workers},
    fetch::{Failure, FailureKind, Reply},
    scenario::{CommandError, Exit, Scenario},
    show::{Output, thousands},
};
use clap::{Arg, Args, FromArgMatches, value_parser};
use std::{sync::Arc, time::Duration};
use upstream::Upstream;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "io",
    about: "Fetch URLs in four modes: sync, threads, async, processes",
    idea: "A program that waits for others can wait for many at once: on threads, in processes, or, cheapest, as tasks that give their thread back while they wait.",
    made_by: &["runtime/src/block_on.rs::run", "pool/src/map.rs::map", "process/src/pool.rs::spawn"],
    arguments: |command| {
        let modes = ["sync", "threads", "async", "processes", "all"];
        let mode = Arg::new("mode").value_parser(modes).default_value("all").hide_possible_values(true);
        let mode = mode.help("sync, threads, async, processes or all");
        FetchOptions::augment_args(command.arg(mode))
    },
    run: |output, matches| {
        let options = FetchOptions::from_arg_matches(matches)
            .map_err(|error| CommandError::usage(error.to_string()))?;
        let mode = matches.get_one::<String>("mode").map_or("all", String::as_str);
        run(output, &Mode::selected(mode, &Mode::ALL), &options)
    },
};

/// What can be said about the experiment.
#[derive(Args, Debug, Clone)]
pub struct FetchOptions {
    /// How many requests [default: 5, or one for each --url]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1_000_000), allow_negative_numbers = true)]
    pub requests: Option<u32>,
    /// Our server's delay in seconds [default: 1 / speed]
    #[arg(long, value_name = "S", value_parser = seconds, allow_negative_numbers = true, conflicts_with = "url")]
    pub delay: Option<f64>,
    /// Fetch this instead of our server; may be repeated
    #[arg(long, value_name = "URL")]
    pub url: Vec<String>,
    /// Seconds that a request may take [default: delay + 30]
    #[arg(long, value_name = "S", value_parser = limit, allow_negative_numbers = true)]
    pub timeout: Option<f64>,
    /// Do the same in Python too, in one table
    ///
    /// The machine's python3 does it, mode by mode, with requests and aiohttp
    /// if it has them. Where that fails the rest still runs, and the exit
    /// code is 1.
    #[arg(long, verbatim_doc_comment)]
    pub compare_python: bool,
}

/// A number of seconds that our server can be asked to wait.
///
/// # Errors
///
/// What is wrong with the text.
fn seconds(text: &str) -> Result<f64, String> {
    in_range(text, 0.0, 60.0)
}

/// A number of seconds that a request may take.
///
/// # Errors
///
/// What is wrong with the text.
fn limit(text: &str) -> Result<f64, String> {
    in_range(text, 0.001, 86_400.0)
}

fn in_range(text: &str, least: f64, most: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (least..=most).contains(&seconds) => Ok(seconds),
        _ => Err(format!("not a number of seconds from {least} to {most}")),
    }
}

/// What every mode is given.
#[derive(Debug, Clone)]
pub struct FetchPlan {
    /// What to fetch.
    pub urls: Arc<Vec<String>>,
    /// How long each may take.
    pub limit: Duration,
    /// How many workers, if the user says so.
    pub workers: Option<usize>,
    /// How many requests can be in flight at once with the descriptors that this process may have.
    pub at_once: usize,
}

impl FetchPlan {
    /// As many workers as there is work, which is what the document does, but not more than `cap`.
    fn workers(&self, cap: usize) -> usize {
        self.workers.unwrap_or(self.urls.len().min(cap))
    }
}

/// Runs the modes one after the other and compares them.
///
/// # Errors
///
/// If the server or an executor cannot be started.
pub fn run(output: &Output, modes: &[Mode], options: &FetchOptions) -> Result<Exit, CommandError> {
    let requests = options.requests.map_or(options.url.len().max(1), |n| n as usize);
    let requests = if options.requests.is_none() && options.url.len() < 2 { 5 } else { requests };
    let delay = options.delay.unwrap_or(output.delay(1.0).as_secs_f64());
    let upstream = Upstream::prepare(requests, &options.url, delay)?;
    let plan = FetchPlan {
        urls: Arc::new(upstream.urls(requests)),
        limit: Duration::from_secs_f64(options.timeout.unwrap_or(delay + 30.0)),
        workers: output.settings().workers,
        at_once: upstream.at_once,
    };
    output.heading(&format!("I/O-bound: {} × GET {}", thousands(requests as u64), upstream.what));
    upstream.notes.iter().for_each(|note| output.paragraph(note));
    output.line("");
    let mut experiment = Experiment::begin(output, upstream.server());
    if options.compare_python {
        experiment.compare_python();
    }
    for &mode in modes {
        experiment.run(mode, requests, |progress| match mode {
            Mode::Sync => sync::fetch_all(&plan, progress),
            Mode::Threads => threads::fetch_all(&plan, progress),
            Mode::Async => tasks::fetch_all(&plan, progress),
            Mode::Processes => processes::fetch_all(&plan, progress),
        })?;
        experiment.run_python(mode, requests, |progress| python::fetch_all(&plan, mode, progress));
    }
    let exit = experiment.end(why);
    upstream.end(output);
    Ok(exit)
}

fn why(row: &Row) -> String {
    let requests = thousands(row.completed.outcomes.len() as u64);
    match (row.mode, row.completed.workers) {
        _ if row.completed.python.is_some() => python::why(row.mode).into(),
        (Mode::Sync, _) => "Asks, waits, and only then asks again: the waits add up.".into(),
        (Mode::Threads, Workers::Threads(n)) => {
            format!(
                "{n} threads wait at the same time, each blocked in its own request; a thread costs memory."
            )
        }
        (Mode::Async, _) => {
            format!(
                "One thread, {requests} tasks: each gives it back while it waits, so all the waits overlap."
            )
        }
        (_, workers) => {
            let n = if let Workers::Children { count, .. } = workers { count } else { 0 };
            format!("{n} processes wait at the same time; each has to be started, and has memory of its own.")
        }
    }
}

/// The reply of a request as an outcome: only 200 will do.
fn outcome(reply: Reply) -> Outcome {
    match reply {
        Ok(200) => Outcome { value: 200.into(), failure: None },
        Ok(status @ 300..=399) => {
            let why = format!("{status} sends us elsewhere, and no redirect is followed here");
            Outcome { value: status.into(), failure: Some(Failure::new(FailureKind::Status, why)) }
        }
        Ok(status) => {
            let why = format!("the server answered {status}");
            Outcome { value: status.into(), failure: Some(Failure::new(FailureKind::Status, why)) }
        }
        Err(failure) => Outcome { value: serde_json::Value::Null, failure: Some(failure) },
    }
}

fn completed(workers: Workers, replies: impl IntoIterator<Item = Reply>) -> Completed {
    Completed { workers, outcomes: replies.into_iter().map(outcome).collect(), python: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_finite_and_bounded() {
        assert_eq!(seconds("0.25"), Ok(0.25));
        for wrong in ["-1", "NaN", "inf", "61", "", "one"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
        assert!(limit("0").is_err());
    }
}
