//! `brigade gil`: a model of Python's lock: what threads gain under it, and without it.

mod model;
mod python;
mod questions;

use crate::{
    pools,
    recorded::{self, sleep},
    scenario::{CommandError, Exit, Scenario, failed},
    show::{Column, Output, Style, Table, thousands},
    sums::{pieces, sum_of_squares},
};
use brigade_trace::clock;
use clap::{Arg, ArgAction, ArgMatches, Command};
use model::Gil;
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// How many numbers are added between two looks at the lock.
const BATCH_TERMS: u64 = 10_000;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "gil",
    about: "A model of Python's GIL: threads gain for waiting only",
    idea: "One token lets one thread run at a time. A thread that waits for the token asks for it after 5 ms, and gets it. So \
           threads that compute take turns and gain nothing. Threads that wait give the token up meanwhile, and gain \
           everything. With `--questions` it answers six questions on the GIL for the CPython of today, with sources, and \
           measures the Pythons of this machine.",
    made_by: &["demos/src/scenarios/gil/model.rs::check", "demos/src/scenarios/gil/model.rs::release_during"],
    examples: &["gil --speed 20"],
    takes_speed: true,
    takes_workers: false,
    arguments,
    show,
};

const COLUMNS: &[Column] = &[
    Column::new("what", 27),
    Column::new("seconds", 8),
    Column::new("gain", 8),
    Column::new("hand-overs", 10),
];

fn arguments(command: Command) -> Command {
    let questions = Arg::new("questions").long("questions").action(ArgAction::SetTrue);
    command.arg(questions.help("Answer six questions on the GIL; measure the Pythons here"))
}

fn show(output: &Output, matches: &ArgMatches) -> Result<Exit, CommandError> {
    if matches.get_flag("questions") {
        questions::show(output);
        python::measure(output);
        return Ok(Exit::SUCCESS);
    }
    show_model(output)
}

fn show_model(output: &Output) -> Result<Exit, CommandError> {
    let n = (400e6 / output.settings().speed).max(20e6) as u64;
    let pause = output.delay(1.0);
    let waits = format!("4 × a wait of {} ms", pause.as_millis());
    output.line(format_args!("2 × the sum of i² for i < {}, and {waits}", thousands(n)));
    output.line("");
    let rows = Rows { output, table: Table::begin(output, COLUMNS) };
    let alone = Gil::default();
    let (_, sync) = clock::timed(|| named(0, || (0..2).map(|_| compute(Some(&alone), n)).sum::<u128>()));
    rows.show("compute, one thread", sync, sync, &alone);
    let gil = Arc::new(Gil::default());
    let under_gil = on_threads(2, gil.clone(), move |gil| compute(Some(gil), n))?;
    let gain_under_gil = rows.show("compute, 2 threads, GIL", under_gil, sync, &gil);
    let none = Arc::new(Gil::default());
    let took = on_threads(2, none.clone(), move |_| compute(None, n))?;
    let gain_without = rows.show("compute, 2 threads, no GIL", took, sync, &none);
    let (_, sync) = clock::timed(|| named(0, || (0..4).for_each(|_| wait(&alone, pause))));
    rows.show("wait, one thread", sync, sync, &Gil::default());
    let waiters = Arc::new(Gil::default());
    let took = on_threads(4, waiters.clone(), move |gil| wait(gil, pause))?;
    let gain_waiting = rows.show("wait, 4 threads, GIL", took, sync, &waiters);
    let turn_millis = under_gil.as_secs_f64() * 1e3 / gil.handovers().max(1) as f64;
    output.lesson(&format!(
        "Under the lock one of two threads computes at a time{}. The token changed hands every {turn_millis:.0} ms. {} \
         Threads that wait give the token up first, so their waits overlap: {gain_waiting:.1} × as fast.",
        judge_under_gil(gain_under_gil),
        judge_without(gain_without),
    ));
    Ok(Exit::SUCCESS)
}

/// Says what a gain under the lock means, where there should be none.
fn judge_under_gil(gain: f64) -> &'static str {
    match gain {
        0.0..0.9 => ": nothing gained, and time lost to hand-overs or to other programs",
        0.9..1.1 => ": nothing gained",
        _ => ", so this gain came from elsewhere: other programs slowed the single thread down",
    }
}

fn judge_without(gain: f64) -> &'static str {
    if gain > 1.3 {
        "Without the lock both compute at once."
    } else {
        "Without it they could compute at once, but they had hardly more than one core to themselves."
    }
}

/// The rows of the table, as they come.
struct Rows<'a> {
    output: &'a Output,
    table: Table<'a>,
}

impl Rows<'_> {
    /// Shows a row and returns its gain over `sync`.
    fn show(&self, what: &str, took: Duration, sync: Duration, gil: &Gil) -> f64 {
        let (seconds, gain) = (took.as_secs_f64(), sync.as_secs_f64() / took.as_secs_f64());
        let handovers = gil.handovers();
        let numbers = json!({ "row": what, "seconds": seconds, "gain": gain, "handovers": handovers });
        self.output.record("gain", &numbers);
        let cells = [what.into(), format!("{seconds:.3}"), format!("{gain:.2} ×"), thousands(handovers)];
        self.table.row(Style::Plain, &cells);
        gain
    }
}

/// Computes under the lock, or without one.
fn compute(gil: Option<&Gil>, n: u64) -> u128 {
    let batches = usize::try_from(n / BATCH_TERMS).unwrap_or(usize::MAX).max(1);
    let parts = pieces(n, batches);
    match gil {
        None => parts.map(sum_of_squares).sum(),
        Some(gil) => gil.hold(|| {
            let part = |range| {
                gil.check();
                sum_of_squares(range)
            };
            parts.map(part).sum()
        }),
    }
}

/// Waits as Python does: without the lock.
fn wait(gil: &Gil, pause: Duration) {
    gil.hold(|| gil.release_during(|| sleep(pause)));
}

/// The work of a thread, under a name that a trace shows.
fn named<R>(thread: usize, work: impl FnOnce() -> R) -> R {
    recorded::job(&format!("thread {}", thread + 1), work)
}

/// Runs `work` on each of so many threads. Returns how long that took.
fn on_threads<F, R>(count: usize, gil: Arc<Gil>, work: F) -> Result<Duration, CommandError>
where
    F: Fn(&Gil) -> R + Send + Sync + 'static,
    R: Send + 'static,
{
    let pool = pools::threads(count, "worker").map_err(failed("cannot start threads"))?;
    let (results, took) = clock::timed(|| pool.map(move |thread| named(thread, || work(&gil)), 0..count));
    pool.shutdown();
    for result in results {
        result.map_err(failed("a worker"))?;
    }
    Ok(took)
}
