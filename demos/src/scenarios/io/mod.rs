//! `brigade io`: speeding up a program that waits. The same fetches in four modes, one file each.

mod explanation;
mod options;
mod processes;
mod python;
mod sync;
mod tasks;
mod threads;
mod upstream;

pub use options::FetchOptions;

use crate::{
    experiment::{Completed, Experiment, Mode, Outcome, Workers},
    fetch::{Failure, FailureKind, Reply},
    scenario::{CommandError, Exit, Scenario},
    show::{Output, thousands},
};
use brigade_handle::JoinError;
use clap::ArgMatches;
use std::{io, sync::Arc, time::Duration};
use upstream::Upstream;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "io",
    about: "Fetch URLs in four modes: sync, threads, async, processes",
    idea: "A program that waits for others can wait for many at once: on threads, in processes, or, cheapest, as tasks that \
           give their thread back while they wait. Waiting needs no cores, so processes are not the fastest way, however \
           many cores there are: threads and tasks wait just as long, and need less memory.",
    made_by: &["runtime/src/run.rs::run", "pool/src/data/map.rs::map", "process/src/front/pool.rs::spawn"],
    examples: &["io"],
    takes_speed: true,
    takes_workers: true,
    arguments: options::arguments,
    show,
};

fn show(output: &Output, matches: &ArgMatches) -> Result<Exit, CommandError> {
    let (modes, options) = options::parse(matches).map_err(|error| CommandError::usage(error.to_string()))?;
    options::check(&modes, &options, matches)?;
    run(output, &modes, &options)
}

/// The plan that every mode is given.
#[derive(Debug, Clone)]
pub struct FetchPlan {
    /// The URL of each request.
    pub urls: Arc<Vec<String>>,
    /// How long each request may take.
    pub limit: Duration,
    /// How many workers, if the user says so.
    pub workers: Option<usize>,
    /// How many requests can be in flight at once with the descriptors that this process may have.
    pub at_once: usize,
}

impl FetchPlan {
    /// As many workers as there are requests, which is what the document does, but not more than `cap` unless
    /// the user says so. One more than there are requests would have nothing to do.
    fn workers(&self, cap: usize) -> usize {
        self.workers.unwrap_or(cap).min(self.urls.len())
    }
}

/// Runs the modes one after the other and compares them.
///
/// # Errors
///
/// Fails if the server or an executor cannot be started.
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
    output.heading(&format!("I/O-bound: {} × GET {}", thousands(requests as u64), upstream.description));
    upstream.notes.iter().for_each(|note| output.paragraph(note));
    output.line("");
    let mut experiment = Experiment::begin(output, upstream.server_clock());
    for &mode in modes {
        experiment.run(mode, requests, |progress| match mode {
            Mode::Sync => sync::fetch_all(&plan, progress),
            Mode::Threads => threads::fetch_all(&plan, progress),
            Mode::Async => tasks::fetch_all(&plan, progress),
            Mode::Processes => processes::fetch_all(&plan, progress),
        })?;
    }
    // Our rows come first: nothing that Python does can keep them back.
    if options.compare_python {
        let limit = Duration::from_secs_f64(options.python_limit);
        experiment.compare_python(modes, requests, limit, |mode, progress| {
            python::fetch_all(&plan, mode, limit, progress)
        });
    }
    let exit = experiment.end(|row| explanation::explain(row, plan.workers));
    upstream.end(output);
    Ok(exit)
}

/// Turns the reply to a request into an outcome: a status that is no success (200 to 299) is a failure.
fn outcome(reply: Reply) -> Outcome {
    match reply {
        Ok(status @ 200..=299) => Outcome { value: status.into(), failure: None },
        Ok(status @ 300..=399) => {
            let why = format!("{status} is a redirect, and redirects are not followed here");
            Outcome { value: status.into(), failure: Some(Failure::new(FailureKind::Status, why)) }
        }
        Ok(status) => {
            let why = format!("the server answered {status}");
            Outcome { value: status.into(), failure: Some(Failure::new(FailureKind::Status, why)) }
        }
        Err(failure) => Outcome { value: serde_json::Value::Null, failure: Some(failure) },
    }
}

/// The answers of a mode, or why its workers could not be started.
type Fetched = io::Result<Completed>;

/// The reply that a worker has sent. A worker that sent none has failed.
fn reply_of(sent: Result<Reply, JoinError>) -> Reply {
    sent.unwrap_or_else(|error| Err(Failure::from_join(&error)))
}

fn completed(workers: Workers, replies: impl IntoIterator<Item = Reply>) -> Completed {
    Completed { workers, outcomes: replies.into_iter().map(outcome).collect(), python: None }
}
