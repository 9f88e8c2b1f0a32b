//! `brigade gil`: a model of Python's lock: what threads gain under it, and without it.

use crate::{
    crew,
    gil::Gil,
    scenario::{Exit, Scenario, Trouble, no_arguments},
    show::{Column, Ink, Stage, Table, count},
    sums::{pieces, sum_of_squares},
};
use brigade_trace::clock;
use serde_json::json;
use std::{sync::Arc, thread::sleep, time::Duration};

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "gil",
    about: "A model of Python's GIL: threads gain nothing for computing, all for waiting",
    idea: "One token lets one thread run at a time; who waits for it asks after 5 ms, and gets it. So threads that compute \
           take turns, and gain nothing. Threads that wait give the token up while they do, and gain everything.",
    made_by: &["demos/src/gil.rs::check", "demos/src/gil.rs::released"],
    arguments: no_arguments,
    run: |stage, _| {
        let n = (400e6 / stage.setting().speed).max(20e6) as u64;
        stage.line(format_args!(
            "2 × the sum of i² for i < {}, and 4 × a wait of {:?}",
            count(n),
            stage.delay(1.0)
        ));
        stage.line("");
        let table = Table::begin(stage, COLUMNS);
        let show = |what: &str, took: Duration, sync: Duration, gil: &Gil| {
            let (seconds, gain) = (took.as_secs_f64(), sync.as_secs_f64() / took.as_secs_f64());
            let handovers = gil.handovers();
            stage.object(&json!({ "scenario": "gil", "row": what, "seconds": seconds, "gain": gain, "handovers": handovers }));
            table.row(
                Ink::Plain,
                &[what.into(), format!("{seconds:.3}"), format!("{gain:.2} ×"), count(handovers)],
            );
        };
        let alone = Gil::default();
        let (_, sync) = clock::timed(|| (0..2).map(|_| compute(Some(&alone), n)).sum::<u128>());
        show("compute, one thread", sync, sync, &alone);
        let gil = Arc::new(Gil::default());
        let took = on_threads(2, gil.clone(), move |gil| compute(Some(gil), n))?;
        show("compute, 2 threads, GIL", took, sync, &gil);
        let none = Arc::new(Gil::default());
        let took = on_threads(2, none.clone(), move |_| compute(None, n))?;
        show("compute, 2 threads, no GIL", took, sync, &none);
        let (_, sync) = clock::timed(|| (0..4).for_each(|_| wait(&alone, stage)));
        show("wait, one thread", sync, sync, &Gil::default());
        let (gil, ours) = (Arc::new(Gil::default()), stage.clone());
        let took = on_threads(4, gil.clone(), move |gil| wait(gil, &ours))?;
        show("wait, 4 threads, GIL", took, sync, &gil);
        stage.seen(
            "Under the lock two threads that compute are as slow as one, and hand the token over every 5 ms; threads that \
             wait overlap all the same. Without the lock both gain.",
        );
        Ok(Exit::FINE)
    },
};

const COLUMNS: &[Column] =
    &[Column("what", 27), Column("seconds", 8), Column("gain", 8), Column("hand-overs", 10)];

/// How many numbers are added between two looks at the lock.
const BATCH: u64 = 10_000;

/// Computes under the lock, or without one.
fn compute(gil: Option<&Gil>, n: u64) -> u128 {
    let batches = usize::try_from(n / BATCH).unwrap_or(usize::MAX).max(1);
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
fn wait(gil: &Gil, stage: &Stage) {
    gil.hold(|| gil.released(|| sleep(stage.delay(1.0))));
}

fn on_threads<F, R>(count: usize, gil: Arc<Gil>, work: F) -> Result<Duration, Trouble>
where
    F: Fn(&Gil) -> R + Send + Sync + 'static,
    R: Send + 'static,
{
    let pool =
        crew::threads(count, "worker").map_err(|error| Trouble::failed("cannot start threads", error))?;
    let (results, took) = clock::timed(|| pool.map(move |_| work(&gil), 0..count));
    pool.shutdown();
    for result in results {
        result.map_err(|error| Trouble::failed("a worker", error))?;
    }
    Ok(took)
}
