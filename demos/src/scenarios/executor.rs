//! `brigade executor`: two workers, four inputs, results in order.

use crate::{
    pools,
    scenario::{CommandError, Exit, Scenario, no_arguments},
    show::worker_name,
};
use brigade_trace::clock;
use std::thread::sleep;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "executor",
    about: "Two workers, four inputs: map gives results in order",
    idea: "A pool has fewer threads than there is work: each takes the next piece when it is done with one. `map` gives \
           the results in the order of the inputs, whoever had which.",
    made_by: &["pool/src/map.rs::map", "pool/src/worker.rs::run"],
    arguments: no_arguments,
    run: |output, _| {
        let workers = output.settings().workers.unwrap_or(2);
        let pool = pools::threads(workers, "worker");
        let pool = pool.map_err(|error| CommandError::failed("cannot start threads", error))?;
        let ours = output.clone();
        let fetch_data = move |input: u32| {
            ours.event(&worker_name(), format_args!("takes {input}"));
            sleep(ours.delay(0.5));
            worker_name()
        };
        let (results, took) = clock::timed(|| pool.map(fetch_data, 0..4));
        pool.shutdown();
        let mut by = Vec::new();
        for (input, result) in results.into_iter().enumerate() {
            by.push(result.map_err(|error| CommandError::failed("a job", error))?);
            output.event("main", format_args!("result {input}: Data received by {}", by[input]));
        }
        let neighbours = if workers == 2 && by[0] == by[1] && by[2] == by[3] && by[1] != by[2] {
            " Each worker took neighbours, since map shares the inputs out in runs."
        } else {
            ""
        };
        output.lesson(&format!(
            "Four waits of {:.3} s took {:.3} s with {workers} at a time.{neighbours} The results stand in the order of the \
             inputs, whoever had which.",
            output.delay(0.5).as_secs_f64(),
            took.as_secs_f64()
        ));
        Ok(Exit::SUCCESS)
    },
};
