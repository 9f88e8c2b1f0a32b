//! `brigade gil`: a model of Python's lock: what threads gain under it, and without it.

mod model;

use crate::{
    pools,
    scenario::{CommandError, Exit, Scenario, no_arguments},
    show::{Column, Style, Table, thousands},
    sums::{pieces, sum_of_squares},
};
use brigade_trace::clock;
use model::Gil;
use serde_json::json;
use std::{sync::Arc, thread::sleep, time::Duration};

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "gil",
    about: "A model of Python's GIL: threads gain for waiting only",
    idea: "One token lets one thread run at a time; who waits for it asks after 5 ms, and gets it. So threads that compute \
           take turns, and gain nothing. Threads that wait give the token up while they do, and gain everything.",
    made_by: &["demos/src/scenarios/gil/model.rs::check", "demos/src/scenarios/gil/model.rs::release_during"],
    arguments: no_arguments,
    run: |output, _| {
        let n = (400e6 / output.settings().speed).max(20e6) as u64;
        let pause = output.delay(1.0);
        output.line(format_args!("2 × the sum of i² for i < {}, and 4 × a wait of {pause:?}", thousands(n)));
        output.line("");
        let table = Table::begin(output, COLUMNS);
        let show = |what: &str, took: Duration, sync: Duration, gil: &Gil| {
            let (seconds, gain) = (took.as_secs_f64(), sync.as_secs_f64() / took.as_secs_f64());
            let handovers = gil.handovers();
            output.record(&json!({ "scenario": "gil", "row": what, "seconds": seconds, "gain": gain, "handovers": handovers }));
            let cells = [what.into(), format!("{seconds:.3}"), format!("{gain:.2} ×"), thousands(handovers)];
            table.row(Style::Plain, &cells);
            gain
        };
        let alone = Gil::default();
        let (_, sync) = clock::timed(|| (0..2).map(|_| compute(Some(&alone), n)).sum::<u128>());
        show("compute, one thread", sync, sync, &alone);
        let gil = Arc::new(Gil::default());
        let under = on_threads(2, gil.clone(), move |gil| compute(Some(gil), n))?;
        let gain = show("compute, 2 threads, GIL", under, sync, &gil);
        let none = Arc::new(Gil::default());
        let took = on_threads(2, none.clone(), move |_| compute(None, n))?;
        let free = show("compute, 2 threads, no GIL", took, sync, &none);
        let (_, sync) = clock::timed(|| (0..4).for_each(|_| wait(&alone, pause)));
        show("wait, one thread", sync, sync, &Gil::default());
        let waiters = Arc::new(Gil::default());
        let took = on_threads(4, waiters.clone(), move |gil| wait(gil, pause))?;
        let waiting = show("wait, 4 threads, GIL", took, sync, &waiters);
        let every = under.as_secs_f64() * 1e3 / gil.handovers().max(1) as f64;
        output.lesson(&format!(
            "Under the lock one of two threads computes at a time{}; the token went over every {every:.0} ms. {} Threads \
             that wait give the token up first, so their waits overlap: {waiting:.1} × as fast.",
            judged(gain),
            if free > 1.3 { "Without the lock both compute at once." } else { NO_CORE },
        ));
        Ok(Exit::SUCCESS)
    },
};

const NO_CORE: &str =
    "Without it they could compute at once, but they had hardly more than one core to themselves.";

/// What to think of a gain under the lock, where there should be none.
fn judged(gain: f64) -> &'static str {
    match gain {
        0.0..0.9 => ": nothing gained, and time lost by handing over, or to other programs",
        0.9..1.1 => ": nothing gained",
        _ => ", so what they gained came from elsewhere: other programs slowed the one thread down",
    }
}

const COLUMNS: &[Column] =
    &[Column("what", 27), Column("seconds", 8), Column("gain", 8), Column("hand-overs", 10)];

/// How many numbers are added between two looks at the lock.
const BATCH_TERMS: u64 = 10_000;

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

fn on_threads<F, R>(count: usize, gil: Arc<Gil>, work: F) -> Result<Duration, CommandError>
where
    F: Fn(&Gil) -> R + Send + Sync + 'static,
    R: Send + 'static,
{
    let pool = pools::threads(count, "worker")
        .map_err(|error| CommandError::failed("cannot start threads", error))?;
    let (results, took) = clock::timed(|| pool.map(move |_| work(&gil), 0..count));
    pool.shutdown();
    for result in results {
        result.map_err(|error| CommandError::failed("a worker", error))?;
    }
    Ok(took)
}
